"""The browser's files: one hash for all of them, one path, and an import map that leads nowhere else."""

import json
from pathlib import Path

import pytest

from handlers.assets import AssetsMissing, read_assets
from tests.programs import ROOT

IMPORTS = '{"lib": "lib.js"}'


def folder(where: Path, **files: str) -> Path:
    """A static folder with a library, and these files in js/."""
    texts = {"vendor/imports.json": IMPORTS, "vendor/lib.js": "1", **{f"js/{key}.js": files[key] for key in files}}
    for name, text in texts.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text, "utf-8")
    return where


def test_the_build_is_the_hash_of_names_and_contents(tmp_path: Path) -> None:
    build = read_assets(folder(tmp_path / "a", one="x", two="y")).build
    assert read_assets(folder(tmp_path / "b", two="y", one="x")).build == build
    for number, other in enumerate(({"one": "x", "two": "z"}, {"one": "y", "two": "x"}, {"one": "x", "three": "y"})):
        assert read_assets(folder(tmp_path / f"c{number}", **other)).build != build
    assert len(build) == 16


def test_a_file_is_found_under_the_build(tmp_path: Path) -> None:
    assets = read_assets(folder(tmp_path))
    assert assets.url("js/room.js") == f"/static/{assets.build}/js/room.js"


def test_the_policy_allows_the_import_map_whatever_stands_in_it(tmp_path: Path) -> None:
    first, second = (read_assets(folder(tmp_path / name, one=name)) for name in ("a", "b"))
    assert first.import_map != second.import_map
    assert first.import_map_source() != second.import_map_source()
    assert first.import_map_source().startswith("'sha256-")


@pytest.mark.parametrize("imports", [None, "", "{"])
def test_without_the_installed_libraries_one_line_says_what_to_do(tmp_path: Path, imports: str | None) -> None:
    if imports is not None:
        folder(tmp_path)
        (tmp_path / "vendor/imports.json").write_text(imports, "utf-8")
    with pytest.raises(AssetsMissing, match=r"^the browser libraries are missing; run: pip install -e \.$"):
        read_assets(tmp_path)


def test_the_sites_own_import_map_leads_to_files_that_are_there() -> None:
    assets = read_assets(ROOT / "static")
    import_map = json.loads(assets.import_map)
    prefix = f"/static/{assets.build}/"
    names = [path.removeprefix(prefix) for path in (*import_map["imports"].values(), *import_map["integrity"])]
    assert "js/room.js" in names
    assert all((ROOT / "static" / name).is_file() for name in names)
    assert "</" not in assets.import_map, "it stands in a script element"
    assert set(import_map["imports"].values()) <= set(import_map["integrity"])
