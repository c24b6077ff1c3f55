"""Reads the house for tests/test_architecture.py: its files, what they import, what they say; judges nothing."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.programs import ROOT

ROOMS = ("protocol", "rooms", "handlers")
PRODUCT = [
    *sorted(path for path in ROOT.glob("*.py") if path.stem != "hatch_build"),
    *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))),
]
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
DOCUMENT = ROOT / "docs" / "protocol.md"


def name_of(path: Path) -> str:
    """How this file is written in the table of the house: `rooms/chat.py`, `room.js`."""
    return path.name if path.suffix == ".js" else path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def modules() -> Mapping[str, Path]:
    """Our own modules by their dotted names."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PRODUCT}


def imports(path: Path) -> Iterator[str]:
    """The dotted names of the modules that a Python file imports; of ours, the very module that is meant."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: a relative import"
            whole = str(node.module)
            for alias in node.names:
                inner = f"{whole}.{alias.name}"
                yield inner if inner in modules() else whole


def strings(path: Path) -> Iterator[str]:
    """The string literals of a Python file; docstrings are none."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@functools.cache
def script(path: Path) -> str:
    """A JavaScript file without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"(?m)(^|[\s;{(])//.*$", r"\1", text)


def script_imports(path: Path) -> list[str]:
    """What a JavaScript file imports: `room.js` for a neighbour, else the specifier as it is written."""
    found = re.findall(r"""(?:^|[;}\s])(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']""", script(path))
    found += re.findall(r"""\bimport\s*\(?\s*["']([^"']+)["']""", script(path))
    return [specifier.removeprefix("./") for specifier in found]


def constants_of_script(path: Path, name: str) -> set[str]:
    """The values of a frozen object of strings that a JavaScript file exports."""
    (body,) = re.findall(rf"export const {name} = Object\.freeze\(\{{(.*?)\}}\)", script(path), flags=re.DOTALL)
    return set(re.findall(r':\s*"([^"]+)"', body))


def first_column(path: Path, header: str) -> set[str]:
    """The names in the first column of the table of a Markdown file whose first header is this."""
    lines = iter(path.read_text("utf-8").splitlines())
    assert any(line.startswith(f"| {header} |") for line in lines), f"{path.name} has no table {header!r}"
    names: set[str] = set()
    for line in lines:
        if not line.startswith("|"):
            break
        names |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return names


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some cycle of a graph, or nothing."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := visit(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])
