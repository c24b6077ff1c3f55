"""The rules of the house, held against its files: who may know whom, and words that must not occur where."""

import ast
import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

import rooms.events
from rooms.model import ErrorCode
from tests.architecture import (
    DOCUMENT,
    PRODUCT,
    SCRIPTS,
    constants_of_script,
    cycle,
    first_column,
    imports,
    modules,
    name_of,
    script,
    script_imports,
    strings,
    tree,
)
from tests.programs import ROOT

LINES = 320


@dataclass(frozen=True)
class May:
    """What the files of a pattern may import besides the standard library, and what not even of that."""

    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    not_even: tuple[str, ...] = ()


IMPURE = ("asyncio", "logging", "os", "pathlib", "random", "secrets", "socket", "ssl", "threading", "time")

# The first pattern that fits a file counts.
PYTHON = {
    "chatsite.py": May(("*",), ("tornado",)),
    "composition.py": May(("*",), ("tornado",)),
    "manifest.py": May(("handlers.assets",), ("tornado",)),
    "settings.py": May(not_even=("asyncio", "os", "socket")),
    "logs.py": May(),
    "memory.py": May(("rooms.clock",), not_even=("asyncio", "os", "socket")),
    "metrics.py": May(("rooms*",), ("tornado", "prometheus_client")),
    "service.py": May(),
    "serving.py": May(("*",), ("tornado",)),
    "state.py": May(others=("cryptography",), not_even=("asyncio",)),
    "envelope.py": May(others=("Crypto", "cryptography"), not_even=("asyncio", "logging", "os", "socket", "time")),
    "protocol/*": May(("protocol*",), not_even=IMPURE),
    "rooms/redis_*.py": May(("protocol*", "rooms*", "envelope"), ("redis",)),
    "rooms/model.py": May(
        ("protocol*", "rooms*"), ("pybase64",), not_even=("os", "pathlib", "socket", "ssl", "threading", "time")
    ),
    "rooms/*": May(
        ("protocol*", "rooms*", "envelope"), not_even=("os", "pathlib", "socket", "ssl", "threading", "time")
    ),
    "handlers/connection.py": May(("protocol*", "rooms*"), not_even=("os", "socket", "time")),
    "handlers/connections.py": May(("protocol*", "rooms*", "handlers.connection"), not_even=("os", "socket", "time")),
    "handlers/client.py": May(("protocol*", "handlers.connection"), not_even=("asyncio", "os", "socket", "time")),
    "handlers/eager.py": May(),
    "handlers/line.py": May(("rooms.tally",), ("tornado",), not_even=("os", "time")),
    "handlers/listener.py": May(others=("tornado",), not_even=("os", "time")),
    "handlers/languages.py": May(others=("tornado",), not_even=("asyncio", "os", "socket")),
    "handlers/assets.py": May(others=("brotli",), not_even=("asyncio", "os", "socket")),
    "handlers/pages.py": May(("protocol*", "rooms*", "handlers*"), ("tornado", "bleach")),
    "handlers/*": May(("protocol*", "rooms*", "handlers*"), ("tornado",), not_even=("os", "socket", "time")),
}

# Everything in static/js that is not named here knows neither the page nor the network.
PAGE = frozenset(
    {
        *(
            "acts.js",
            "attach.js",
            "card.js",
            "completion.js",
            "composer.js",
            "dom.js",
            "emoji.js",
            "invite.js",
            "message.js",
            "noticing.js",
        ),
        *("people.js", "shell.js", "shield.js", "stream.js", "theme.js", "view.js", "viewport.js"),
    }
)
ENTRANCES = frozenset({"help.js", "login.js", "room.js"})
SERVICE_WORKER = "shell-worker.js"
WORKER = {"kdf.js": frozenset[str](), "kdf-worker.js": frozenset({"crypto.js", "../vendor/argon2.umd.min.js"})}
LIBRARIES = {
    "socket.io-client": {"room.js"},
    "@zxcvbn-ts/core": {"strength.js"},
    "@zxcvbn-ts/language-common": {"strength.js"},
    "@zxcvbn-ts/language-en": {"strength.js"},
    "wordlist": {"strength.js"},
    "emoji": {"emoji.js"},
    "uqr": {"invite.js"},
}

EVENTS_SCRIPT = ROOT / "static" / "js" / "events.js"
COMMANDS, EVENTS, ERRORS = (constants_of_script(EVENTS_SCRIPT, name) for name in ("COMMANDS", "EVENTS", "ERRORS"))

# Some of the events are words that have other uses, too.
DISTINCTIVE = (COMMANDS | EVENTS) - {"connected", "typing", "chunk"}

each_file = pytest.mark.parametrize("path", PRODUCT, ids=name_of)
each_script = pytest.mark.parametrize("path", SCRIPTS, ids=name_of)


def rule_for(path: Path) -> May:
    name = name_of(path)
    found = next((may for pattern, may in PYTHON.items() if fnmatch(name, pattern)), None)
    assert found is not None, f"{name} has no place in the house: say in the table what it may know"
    return found


# -- Python: who may know whom


@each_file
def test_a_file_knows_only_whom_it_may(path: Path) -> None:
    may = rule_for(path)
    for name in imports(path):
        top = name.partition(".")[0]
        if name in modules():
            allowed = any(fnmatch(name, pattern) for pattern in may.ours)
        elif top in sys.stdlib_module_names:
            allowed = top not in may.not_even
        else:
            allowed = top in may.others
        assert allowed, f"{name_of(path)} may not know {name}"


def test_nobody_knows_the_front_door_and_nobody_goes_in_circles() -> None:
    graph = {module: {name for name in imports(path) if name in modules()} for module, path in modules().items()}
    assert [module for module, known in graph.items() if "chatsite" in known] == []
    assert cycle(graph) == []


# -- Python: words


@each_file
def test_the_name_of_a_room_or_a_person_has_no_name_in_python(path: Path) -> None:
    # What the server never learns it has no variable, no argument, no key and no column for.
    names = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in ast.walk(tree(path)) if isinstance(node, ast.arg | ast.keyword) and node.arg}
    for word in (*names, *strings(path)):
        assert not re.search(r"room_?name|user_?name|nick_?name|room_?secret", word, re.IGNORECASE), word


@each_file
def test_a_python_file_says_first_what_it_knows(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring
    assert docstring.split("\n\n")[0].rstrip().endswith(".")


@each_file
def test_importing_a_file_does_nothing_and_makes_nothing_that_changes(path: Path) -> None:
    constants: set[str] = set()
    for node in tree(path).body:
        match node:
            case ast.Assign(targets=targets):
                constants |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                constants.add(name)
            case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))) if path.name == "chatsite.py":
                pass
            case _:
                pytest.fail(f"{name_of(path)}:{node.lineno} is done at import")
    assert changed_in(tree(path)) & constants == set()


def changed_in(module: ast.Module) -> set[str]:
    """The names whose contents some function of a module changes."""
    changed = set()
    methods = {
        "add",
        "append",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "setdefault",
        "update",
    }
    for node in ast.walk(module):
        match node:
            case ast.Global(names=names):
                changed |= set(names)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                changed.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in methods:
                changed.add(name)
    return changed


@each_file
def test_whatever_goes_wrong_is_caught_at_the_edges_only(path: Path) -> None:
    caught = [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert len(caught) <= (name_of(path) == "handlers/connection.py"), f"{name_of(path)}: lines {caught}"


# -- the vocabulary


def test_server_browser_and_document_speak_the_same_words() -> None:
    said = {value for name, value in vars(rooms.events).items() if name.isupper() and isinstance(value, str)}
    assert said == COMMANDS | EVENTS
    assert first_column(DOCUMENT, "client to server") == COMMANDS
    assert first_column(DOCUMENT, "server to client") == EVENTS


def test_server_browser_and_document_know_the_same_errors() -> None:
    assert {code.value for code in ErrorCode} == ERRORS == first_column(DOCUMENT, "code")


@each_file
def test_an_event_is_named_in_one_python_file(path: Path) -> None:
    if name_of(path) != "rooms/events.py":
        assert set(strings(path)) & DISTINCTIVE == set()


@each_script
def test_an_event_is_named_in_one_script(path: Path) -> None:
    if path != EVENTS_SCRIPT:
        assert set(re.findall(r"""["'`]([\w-]+)["'`]""", script(path))) & DISTINCTIVE == set()


# -- scripts


@each_script
def test_a_script_knows_only_whom_it_may(path: Path) -> None:
    name, neighbours = path.name, {script_path.name for script_path in SCRIPTS}
    for other in script_imports(path):
        if name in WORKER:
            assert other in WORKER[name], f"{name} may not know {other}"
        elif other in LIBRARIES:
            assert name in LIBRARIES[other], f"{name} may not know {other}"
        else:
            assert other in neighbours, f"{name} imports {other}, which is not one of ours"
            assert other not in ENTRANCES, f"{other} is an entrance"
            assert other not in WORKER or name in ENTRANCES, f"{name} may not know {other}"
            if name in PAGE:
                # All that is shown is in the reader's words.
                assert other in PAGE | {"trusted.js", "words.js"}, (
                    f"{name} shows what it is given and may not know {other}"
                )
            elif name not in ENTRANCES:
                assert other not in PAGE, f"{name} may not know {other}"


def test_no_script_goes_in_circles() -> None:
    assert cycle({path.name: set(script_imports(path)) for path in SCRIPTS}) == []


@each_script
def test_what_is_not_of_the_page_touches_neither_page_nor_network(path: Path) -> None:
    touched = set(re.findall(r"(?<![\w.\"'-])(\w+)(?=\s*[.(\[?])", script(path)))
    page = {"document", "window", "matchMedia", "visualViewport", "navigator"}
    elsewhere = {"fetch", "sessionStorage", "location", "localStorage", "indexedDB", "caches"}
    network = {"XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "importScripts", "open"}
    forbidden = network | (set() if path.name in ENTRANCES else elsewhere)
    if path.name == SERVICE_WORKER:
        forbidden -= {"caches", "fetch", "open"}  # the files of the shell, and pages that are passed on
    if path.name not in PAGE | ENTRANCES:
        forbidden |= page
    assert touched & forbidden == set()


@each_script
def test_a_script_makes_nothing_of_markup_or_text_that_runs(path: Path) -> None:
    dangerous = (
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|DOMParser|setHTML\w*|createContextualFragment|parseFromString|srcdoc)\b"
        r"|\bdocument\.write|\beval\s*\(|\bnew\s+Function\b|\bsetTimeout\s*\(\s*[\"'`]|javascript:|\bon\w+\s*=\s*[\"'`]"
        r"|\blocalStorage\b|\bindexedDB\b|\bconsole\."
    )
    assert not re.search(dangerous, script(path))


def test_one_policy_makes_the_two_trusted_addresses() -> None:
    assert [path.name for path in SCRIPTS if "createPolicy" in script(path)] == ["trusted.js"]
    assert re.findall(r'createPolicy\(\s*"([^"]+)"', script(ROOT / "static" / "js" / "trusted.js")) == ["chatsite"]


@each_script
def test_a_script_says_first_what_it_knows(path: Path) -> None:
    assert path.read_text("utf-8").startswith("// Knows ")


# -- the judge


def test_a_breach_would_be_seen(tmp_path: Path) -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": {"d"}}) == []
    source = """
        import a, { b } from "./one.js"; import * as c from './two.js';
        import {
          d,
        } from "three";
        import "./four.js"; export { e } from "./five.js";
        const f = await import("six"); // import "./not.js"
        /** @import { G } from "./nor.js" */
        const url = "https://x.example/y";
    """
    path = tmp_path / "x.js"
    path.write_text(source, "utf-8")
    assert sorted(script_imports(path)) == ["five.js", "four.js", "one.js", "six", "three", "two.js"]
    assert "https://x.example/y" in script(path)
    changing = "def f():\n global a\n B[1] = 2\n C.append(3)\n del D[4]\n e.get(5)\n return F[6]"
    assert changed_in(ast.parse(changing)) == {"a", "B", "C", "D"}


# -- size


@pytest.mark.parametrize(
    "path",
    [*PRODUCT, *SCRIPTS, *sorted((ROOT / "static" / "css").glob("*")), *sorted((ROOT / "templates").glob("*"))],
    ids=name_of,
)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < LINES
