"""The Containerfile, as far as it can be read and tried without an engine: what goes into an image, what it says of
itself, and that its settings serve and its health is told."""

import json
import re
import subprocess
import sys
import tomllib

import hatch_build
import settings
from tests.programs import ROOT
from tests.serving import STOP_SECONDS, serve

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = re.sub(
    r"\\\n", "", re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
).splitlines()
"""Without comments, each instruction on one."""


def pairs(instruction: str) -> dict[str, str]:
    """What ENV or LABEL set in the image itself, which is the last stage."""
    start = max(number for number, line in enumerate(LINES) if line.startswith("FROM "))
    text = " ".join(line for line in LINES[start:] if line.startswith(f"{instruction} "))
    return {name: quoted or bare for name, quoted, bare in re.findall(r'(\S+)=(?:"([^"]*)"|(\S+))', text)}


def test_it_is_made_of_what_a_wheel_holds_and_is_built_from() -> None:
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    lines = [line for line in patterns if not line.startswith("#")]
    project, wheel = PROJECT["project"], PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    sources = {"pyproject.toml", "constraints.txt", project["readme"], *project["license-files"], *hatch_build.INPUTS}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == sources | set(wheel["only-include"])


def test_labels_say_what_the_project_says() -> None:
    project, labels = PROJECT["project"], pairs("LABEL")
    for name in ("version", "description"):
        assert labels[f"org.opencontainers.image.{name}"] == project[name]
    assert labels["org.opencontainers.image.licenses"] == project["license"]


def test_engines_are_told_to_wait_longer_than_the_server_takes() -> None:
    (seconds,) = re.findall(r"--stop-timeout=(\d+)", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    assert int(seconds) >= STOP_SECONDS


def test_its_settings_serve_and_its_health_is_told() -> None:
    environment = pairs("ENV")
    settings.load(None, environment, {})
    ip, behind, proxies = (environment[f"CHATSITE_{name}"] for name in ("IP", "BEHIND_PROXY", "PROXIES"))
    (health,) = [line.partition("CMD ")[2] for line in LINES if line.startswith("HEALTHCHECK ")]
    command = [sys.executable, *json.loads(health)[1:]]
    with serve(ip=ip, behind_proxy=behind, proxies=proxies) as served:
        environment |= {"CHATSITE_PORT": str(served.port), "http_proxy": "http://127.0.0.1:9"}  # nothing listens there
        assert subprocess.run(command, env=environment, check=False, timeout=30).returncode == 0
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
