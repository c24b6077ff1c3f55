"""Knows what an installation promises: everything is pinned, what is fetched is checked, no file names a registry."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hatch_build
from tests.programs import NODE, ROOT

VENDOR = ROOT / "static" / "vendor"
FOLDERS = {"browser": ROOT, "tests": ROOT / "tests" / "node"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -e ."


def read(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_bytes())


def wanted(folder: Path) -> dict[str, str]:
    manifest = read(folder / "package.json")
    return {**manifest.get("dependencies", {}), **manifest.get("devDependencies", {})}


def requirements() -> list[Requirement]:
    project = PROJECT["project"]
    groups = [PROJECT["build-system"]["requires"], project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that holds what the build hook reads, to be spoiled."""
    for name in hatch_build.INPUTS:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_lock_holds_a_hash_and_no_address_for_every_package(folder: Path) -> None:
    packages = read(folder / "package-lock.json")["packages"]
    del packages[""]
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_npm_packages_are_wanted_at_exact_versions(folder: Path) -> None:
    for name, version in wanted(folder).items():
        assert re.fullmatch(r"(npm:[a-z.-]+@)?\d+\.\d+\.\d+", version), name


def test_type_checker_sees_the_versions_that_are_shipped() -> None:
    browser, tests = wanted(FOLDERS["browser"]), wanted(FOLDERS["tests"])
    shared = browser.keys() & tests.keys()
    assert shared
    assert {name: browser[name] for name in shared} == {name: tests[name] for name in shared}


def test_constraints_hold_exact_versions_and_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_every_requirement_has_a_lower_bound_that_its_pin_meets() -> None:
    for requirement in requirements():
        assert [bound.operator for bound in requirement.specifier] == [">="], requirement
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)]), requirement


def test_vendor_folder_is_what_the_hook_left() -> None:
    assert hatch_build.is_current(ROOT, VENDOR)


def test_import_table_names_every_module_that_pages_import() -> None:
    assert read(VENDOR / "imports.json").keys() == {
        "socket.io-client",
        "emoji",
        "uqr",
        "wordlist",
        "@zxcvbn-ts/core",
        "@zxcvbn-ts/language-common",
        "@zxcvbn-ts/language-en",
    }


def test_wrapped_scripts_work_as_modules() -> None:
    program = """
        import { ZxcvbnFactory } from "@zxcvbn-ts/core";
        import { adjacencyGraphs, dictionary as common } from "@zxcvbn-ts/language-common";
        import { dictionary as english, translations } from "@zxcvbn-ts/language-en";
        const dictionary = { ...common, ...english };
        const zxcvbn = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs, translations });
        console.log(JSON.stringify(["123", "purple-otter-basket"].map((text) => zxcvbn.check(text).guessesLog10)));
    """
    command = [str(NODE), "--import", "./tests/node/vendor.js", "--input-type=module", "--eval", program]
    weak, strong = json.loads(subprocess.check_output(command, cwd=ROOT, timeout=30))
    assert weak < 3
    assert strong > 9


def test_licences_of_all_libraries_are_beside_them() -> None:
    text = (VENDOR / "LICENSES.txt").read_text(encoding="utf-8")
    for name, version in wanted(FOLDERS["browser"]).items():
        assert f"\n{name} {version}\n" in text


@pytest.mark.parametrize("spoil", ["change", "add", "remove"])
def test_spoiled_vendor_folder_is_noticed(copy: Path, spoil: str) -> None:
    vendor = shutil.copytree(VENDOR, copy / "vendor")
    assert hatch_build.is_current(copy, vendor)
    if spoil == "change":
        (vendor / "bip39-english.js").write_text("export const wordlist = ['room'];\n")
    elif spoil == "add":
        (vendor / "more.js").touch()
    else:
        (vendor / "bip39-english.js").unlink()
    assert not hatch_build.is_current(copy, vendor)


def test_current_vendor_folder_is_left_alone(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "static").mkdir()
    shutil.copytree(VENDOR, copy / "static" / "vendor")
    monkeypatch.setattr(hatch_build, "run_npm", lambda *_: pytest.fail("npm was run"))
    hatch_build.install(copy)


def test_old_vendor_folder_is_replaced_whole(copy: Path) -> None:
    (copy / "static" / "vendor").mkdir(parents=True)
    (copy / "static" / "vendor" / "old.js").touch()
    hatch_build.install(copy)
    assert hatch_build.is_current(copy, copy / "static" / "vendor")
    assert not list(copy.glob(".vendor-*"))


def test_package_with_another_hash_than_the_lock_is_refused(copy: Path) -> None:
    lock = copy / "package-lock.json"
    contents = read(lock)
    contents["packages"]["node_modules/hash-wasm"]["integrity"] = "sha512-" + "A" * 86 + "=="
    lock.write_text(json.dumps(contents))
    with pytest.raises(hatch_build.VendorError, match=r"^npm failed with EINTEGRITY: .*$"):
        hatch_build.install(copy)
    assert not (copy / "static").exists()


def test_no_network_is_said_in_one_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nothing listens on "discard"
    monkeypatch.setenv("npm_config_cache", str(copy / "cache"))
    with pytest.raises(hatch_build.VendorError, match=r"^npm failed with ECONNREFUSED: .*$"):
        hatch_build.install(copy)


def test_readme_gives_the_commands_that_are_tested() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{INSTALL} && .venv/bin/python chatsite.py --ip=127.0.0.1" in readme
    assert "tests/run" in readme
    assert "tests/run" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_fresh_clone_installs_and_starts_without_node(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    clone = tmp_path / "clone"
    subprocess.check_call(["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), clone])
    environment = {**os.environ, "PATH": str(programs)}
    subprocess.check_call(["/bin/sh", "-c", INSTALL], cwd=clone, env=environment)
    said = subprocess.check_output([clone / ".venv/bin/python", "chatsite.py", "--version"], cwd=clone, text=True)
    assert PROJECT["project"]["version"] in said
