"""The systemd units, for one process and for several: systemd itself finds nothing wrong with them, and little that is
exposed by them."""

import asyncio
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import settings
from tests.client import Client
from tests.programs import ROOT
from tests.reference import Room

ONE = ROOT / "config" / "chatsite.service"
SEVERAL = ROOT / "config" / "chatsite@.service"
MOST_EXPOSURE = 1.5
HARDENING = "# Two for each connection"
"""From here on the units are to be the same."""

each = pytest.mark.parametrize("source", [ONE, SEVERAL], ids=lambda source: source.name)


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def nothing_is_wrong_with(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def unit(source: Path, tmp_path: Path) -> Path:
    """The unit with the checkout where it is, so that its programs are there."""
    (tmp_path / "python").symlink_to("/usr/bin/env")
    text = source.read_text().replace("/opt/chatsite/.venv/bin/python", str(tmp_path / "python"))
    path = tmp_path / source.name
    path.write_text(text.replace("/opt/chatsite", str(ROOT)))
    return path


@each
def test_systemd_understands_every_line(unit: Path) -> None:
    nothing_is_wrong_with(unit)


@each
def test_systemd_understands_what_the_comments_offer(unit: Path) -> None:
    """The lines for drop-ins."""
    text, offered = re.subn(r"^#   (?=[A-Z][A-Za-z]+=)", "", unit.read_text(), flags=re.MULTILINE)
    assert offered >= 4
    unit.write_text(text)
    nothing_is_wrong_with(unit)


@each
def test_it_is_started_anew_for_as_long_as_it_takes(source: Path) -> None:
    """systemd gives up after five starts in ten seconds unless it is told not to: a Redis that comes after a quarter of
    a minute would find nobody. Seen under systemd 252."""
    head, _, service = source.read_text().partition("[Service]")
    assert "\nStartLimitIntervalSec=0\n" in head
    assert "\nRestart=on-failure\n" in service
    assert "\nRestartPreventExitStatus=2\n" in service


@each
def test_a_reload_needs_no_program_but_the_shell(source: Path) -> None:
    """procps, which holds /bin/kill, is not in the smallest Debian."""
    (command,) = re.findall(r"^ExecReload=(.+)$", source.read_text(), re.MULTILINE)
    program, *arguments = shlex.split(command)
    assert program == "/bin/sh"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        environment = {"MAINPID": str(process.pid), "PATH": "/nowhere"}
        subprocess.run([program, *arguments], env=environment, check=True, timeout=60)
        assert process.wait(timeout=60) == -signal.SIGHUP


@each
def test_it_exposes_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={round(10 * MOST_EXPOSURE)}", str(unit))
    exposure = re.search(r"Overall exposure level for chatsite(?:@i)?.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) <= MOST_EXPOSURE, done.stdout
    assert done.returncode == 0


@each
def test_it_waits_longer_than_the_server_takes(source: Path) -> None:
    """drain_time, and five seconds for goodbyes, by WebSocket and by HTTP."""
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", source.read_text(), re.MULTILINE)
    assert int(seconds) >= 5 + 5 + 5


def test_several_are_locked_down_like_one() -> None:
    """All the same from there on, but for the user, who must be one for all."""
    one, several = (unit.read_text().partition(HARDENING)[2] for unit in (ONE, SEVERAL))
    shared = "# The same for all: only one user's processes may share a port, and a state folder.\nUser=chatsite\n"
    assert several.count(shared) == 1
    assert several.replace(shared, "") == one
    assert "ProtectSystem=strict" in one


@pytest.mark.parametrize("ports", ["shared", "own"])
def test_nodes_differ_by_their_ports(ports: str) -> None:
    """What systemd gives nine of them, as it stands in the unit and with the drop-in that its comment holds, is a good
    configuration, with one broker for all."""
    text = SEVERAL.read_text()
    lines = re.findall(r"^Environment=(.+)$", text, re.MULTILINE)
    if ports == "own":
        lines += re.findall(r"^#   Environment=(.+)$", text, re.MULTILINE)
    found = [
        settings.load(None, dict(pair.split("=", 1) for pair in " ".join(lines).replace("%i", number).split()), {})
        for number in "123456789"
    ]
    assert {each.broker for each in found} == {"redis://127.0.0.1:6379/0"}
    assert len({each.metrics_port for each in found}) == 9
    assert {each.reuse_port for each in found} == {ports == "shared"}
    assert len({each.port for each in found}) == (1 if ports == "shared" else 9)


FILTERED = """
import ctypes, errno, os, sys
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
rules = ctypes.c_void_p(seccomp.seccomp_init(0x7FFF0000))  # everything else is allowed
for name in sys.argv[2:]:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert seccomp.seccomp_rule_add(rules, 0x00050000 | errno.EPERM, number, 0) == 0, name
assert seccomp.seccomp_load(rules) == 0
os.execv(sys.executable, [sys.executable, sys.argv[1], "--port=0"])
"""


def test_people_come_in_although_the_unit_filters_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of @resources are refused for real, as by systemd; among them is what a thread gives way to others with."""
    assert re.search(r"^SystemCallFilter=~.*@resources", ONE.read_text(), re.MULTILINE)
    listed = analyze("syscall-filter", "@resources").stdout
    names = [line.strip() for line in listed.splitlines() if re.fullmatch(r"\s+[a-z0-9_]+", line)]
    assert "setpriority" in names
    monkeypatch.setenv("CHATSITE_STATE_DIRECTORY", str(tmp_path))

    async def scene(url: str) -> None:
        async with Client(url) as one:
            assert await one.join(Room.from_secret(bytes(32)), "One") == {"member": one.member}

    process = subprocess.Popen(
        [sys.executable, "-c", FILTERED, str(ROOT / "chatsite.py"), *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        asyncio.run(scene(process.stdout.readline().split()[-1].rstrip("/")))
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
