"""The files that browsers are given, as they were when the server started: paths, hashes, import map; no requests.

All of them live under one path that holds the hash of them all, so that they can be cached for good and import
each other by relative path. Every script's integrity stands in the import map of the pages.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import brotli

TEXTS = frozenset({".css", ".js", ".json", ".svg", ".txt", ".webmanifest"})
SHELL_LIBRARIES = frozenset({"vendor/argon2.umd.min.js", "vendor/socket.io.esm.min.js"})
"""Those that every visit needs."""
SHELL = "js/shell-worker.js"
OFFLINE = "/offline"
"""Where the page is that the shell keeps for whoever is offline."""
LONG_BYTES = 100_000
"""Of libraries; to make one as small as can be would take seconds."""
IMPORTS = "vendor/imports.json"
"""Bare specifier -> file in vendor/, written at install time."""


class AssetsMissing(Exception):
    """The browser libraries are not installed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Assets:
    """`root`: the folder; `files`: the paths of all in it; `build`: the hash of their contents; `import_map`: the
    text of the inline element; `integrity`: of scripts and styles, by path (Source: Subresource Integrity)."""

    root: Path
    files: frozenset[str]
    build: str
    import_map: str
    integrity: Mapping[str, str]
    _small: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def url(self, path: str) -> str:
        """Where a browser finds a file of the folder."""
        return f"/static/{self.build}/{path}"

    def small(self, path: str) -> bytes | None:
        """A text of the folder in Brotli, made when it is first asked for. Source: RFC 7932."""
        if path not in self._small and Path(path).suffix in TEXTS:
            data = (self.root / path).read_bytes()
            self._small[path] = brotli.compress(data, quality=11 if len(data) < LONG_BYTES else 5)
        return self._small.get(path)

    def shell(self) -> str:
        """The script of the service worker: which files it keeps, and how."""
        own = {name for name in self.files if name.startswith(("css/", "img/", "js/"))} - {SHELL}
        files = [self.url(name) for name in sorted(own | (self.files & SHELL_LIBRARIES))]
        shell = json.dumps({"build": self.build, "offline": OFFLINE, "files": files}, separators=(",", ":"))
        return f"globalThis.SHELL = {shell};\n{(self.root / SHELL).read_text('utf-8')}"

    def import_map_source(self) -> str:
        """The source expression that lets exactly this inline import map run. Source: CSP level 3, section 2.3.1."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.import_map.encode()).digest()).decode()}'"


def read_assets(root: Path) -> Assets:
    """Reads the folder once. Raises AssetsMissing where the install step has not been run."""
    try:
        imports: dict[str, str] = json.loads((root / IMPORTS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AssetsMissing("the browser libraries are missing; run: pip install -e .") from error
    whole = hashlib.sha256()
    integrity: dict[str, str] = {}
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    for name, path in files.items():
        data = path.read_bytes()
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
        if path.suffix in {".js", ".css"}:
            integrity[name] = "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()
    build = whole.hexdigest()[:16]
    import_map = {
        "imports": {name: f"/static/{build}/vendor/{file}" for name, file in sorted(imports.items())},
        "integrity": {f"/static/{build}/{name}": its for name, its in integrity.items() if name.endswith(".js")},
    }
    return Assets(root, frozenset(files), build, json.dumps(import_map, separators=(",", ":")), integrity)
