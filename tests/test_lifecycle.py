"""Beginning, reloading and ending as a service: what the service manager is told, what SIGHUP changes, how clients are
let go, and that a bug ends the process instead of half of it."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import serving
import state
from composition import HOUSE
from service import ServiceManager
from tests.client import Client
from tests.programs import ROOT
from tests.reference import Room
from tests.serving import Served, serve

SECONDS = 20.0


# -- what the manager is told


class Manager:
    """The other end of the notify socket. `told`: all datagrams so far."""

    def __init__(self, address: str) -> None:
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.settimeout(SECONDS)
        self.line.bind(address)
        self.told: list[str] = []

    def hears(self, beginning: str) -> str:
        """Waits for the next datagram that begins so."""
        while True:
            self.told.append(self.line.recv(4096).decode())
            if self.told[-1].startswith(beginning):
                return self.told[-1]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    name = f"chatsite-test-{os.getpid()}"
    address = str(tmp_path / "notify") if request.param == "path" else f"\0{name}"
    manager = Manager(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
    yield manager
    manager.line.close()


def test_it_says_that_it_is_ready_alive_reloading_and_stopping(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with serve() as served:
        manager.hears("READY=1")
        began = time.monotonic()
        for _ in range(10):
            manager.hears("WATCHDOG=1")
        assert time.monotonic() - began < 3, "a sign of life well within what is waited for one"
        served.process.send_signal(signal.SIGHUP)
        word, moment = manager.hears("RELOADING=1").split("\n")
        assert word == "RELOADING=1"
        assert abs(int(moment.removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < SECONDS
        manager.hears("READY=1")
        assert served.stop() == 0
        manager.hears("STOPPING=1")
    assert manager.told[0] == "READY=1"
    assert served.stderr == ""


def test_a_watchdog_for_somebody_else_is_not_fed(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with serve() as served:
        manager.hears("READY=1")
        time.sleep(0.1)
        assert served.stop() == 0
        manager.hears("STOPPING=1")
    assert manager.told == ["READY=1", "STOPPING=1"]


def test_a_manager_that_does_not_listen_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with serve() as served:
        assert served.stop() == 0
    assert served.stderr.count("the service manager cannot be told: No such file or directory") == 2


def test_a_loop_that_stands_still_is_not_alive(manager: Manager) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        environment = {"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"], "WATCHDOG_USEC": "300000"}
        service = ServiceManager(environment, loop)
        service.ready()
        time.sleep(0.5)  # noqa: ASYNC251 - this is what is tested
        service.close()

    asyncio.run(scene())
    manager.line.setblocking(False)
    told = []
    while True:
        try:
            told.append(manager.line.recv(4096).decode())
        except BlockingIOError:
            break
    assert told == ["READY=1", "WATCHDOG=1"]


# -- SIGHUP


def reload(served: Served) -> None:
    served.process.send_signal(signal.SIGHUP)


def waits(holds: Callable[[], bool]) -> None:
    """A signal has been sent, and nobody tells when it has been heeded."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def joins(url: str, room: Room) -> str:
    """What somebody who comes into the room is answered, who leaves at once."""
    async with Client(url) as one:
        answer = await one.join(room, "One")
        return str(answer.get("error", "in"))


def test_limits_are_read_again(tmp_path: Path) -> None:
    config, room = tmp_path / "chatsite.toml", Room.from_secret(os.urandom(32))

    async def scene(served: Served) -> None:
        async with Client(served.url) as host:
            await host.join(room, "Host")
            assert await joins(served.url, room) == "in"
            config.write_text("max_room_members = 1\n")
            reload(served)
            async with asyncio.timeout(SECONDS):
                while await joins(served.url, room) != "room-full":
                    pass
            assert await host.say("still here") == {"id": 1}
            config.write_text("events_per_room = [0.001, 1]\n")
            reload(served)
            async with asyncio.timeout(SECONDS):
                while await joins(served.url, room) != "in":
                    pass
            assert await host.say("one") == {"id": 2}
            assert await host.say("two") == {"error": "rate-limited"}
            assert host.all("disconnect") == []

    config.write_text("")
    with serve(config=str(config)) as served:
        asyncio.run(scene(served))
        assert served.stop() == 0
    assert served.stderr == ""


def test_bad_settings_change_nothing_and_are_named(tmp_path: Path) -> None:
    config = tmp_path / "chatsite.toml"
    config.write_text("max_rooms = 5\n")
    with serve(config=str(config)) as served:
        config.write_text("max_rooms = 0\n")
        reload(served)
        waits(lambda: "max_rooms" in _complaints(served))
        config.write_text("port = 1\nmax_rooms = 6\nlabel_link = 'x'\n")
        reload(served)
        waits(lambda: "label_link" in _complaints(served))
        assert asyncio.run(joins(served.url, Room.from_secret(bytes(32)))) == "in"
        assert served.stop() == 0
    first, second = served.stderr.splitlines()
    assert f"the settings stay as they are: {config}: max_rooms = 0: expected a whole number from 1" in first
    assert second.endswith("label_link: another value counts from the next start on")


def _complaints(served: Served) -> str:
    served._errors.seek(0)
    return served._errors.read()


def test_a_certificate_is_renewed_without_anybody_noticing(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_text(state._make("localhost"))

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", served.port))

    async def scene() -> None:
        async with Client(served.url) as host:
            await host.join(Room.from_secret(bytes(32)), "Host")
            fresh = state._make("localhost")
            pem.write_text(fresh)
            reload(served)
            await asyncio.to_thread(waits, lambda: shown() in fresh)
            assert await host.say("the same line") == {"id": 1}
            pem.write_text("garbage")
            reload(served)
            await asyncio.to_thread(waits, lambda: "stay as they are" in _complaints(served))
            assert shown() in fresh

    with serve(tls_certificate=str(pem), tls_key=str(pem)) as served:
        assert shown() in pem.read_text()
        asyncio.run(scene())
        assert served.stop() == 0


# -- a bug

BROKEN = """
import sys
sys.path.insert(0, {root!r})
import chatsite
from rooms.broker import MemoryBroker

def fails(*_):
    raise RuntimeError("a bug for this test")

MemoryBroker.{part} = fails
sys.exit(chatsite.main(["--port=0"]))
"""


@pytest.mark.parametrize(("part", "speaks"), [("_age", True), ("_seated", False)], ids=["in a timer", "in a task"])
def test_a_bug_that_nobody_catches_ends_the_process(part: str, speaks: bool, tmp_path: Path) -> None:
    async def scene(url: str) -> None:
        async with Client(url) as host:
            await host.join(Room.from_secret(bytes(32)), "Host")
            if speaks:
                await host.say("Hello")  # or else the room would be forgotten at once
            host.crash()

    environment = {
        **os.environ,
        "CHATSITE_STATE_DIRECTORY": str(tmp_path),
        "CHATSITE_GRACE_TIME": "0",
        "CHATSITE_EMPTY_ROOM_TTL": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", BROKEN.format(root=str(ROOT), part=part)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1].rstrip("/")
    asyncio.run(scene(url))
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 70
    assert "CRITICAL chatsite: a bug ends this process: " in said
    assert "RuntimeError: a bug for this test" in said
    assert said.count("CRITICAL") == 1


@pytest.mark.parametrize(
    ("file", "ours"),
    [
        ("serving.py", True),
        ("rooms/hub.py", True),
        (".venv/lib/python3.13/site-packages/tornado/web.py", False),
        ("tornado/web.py", False),
        ("../rooms/hub.py", False),
    ],
)
def test_our_tasks_are_told_from_others_wherever_they_are_installed(file: str, ours: bool) -> None:
    """Among the packages of others, too, where a wheel puts them."""
    made: dict[str, Any] = {}
    exec(compile("async def work(): pass", str((HOUSE / file).resolve()), "exec"), made)  # noqa: S102 - our own

    async def scene() -> None:
        task = asyncio.create_task(made["work"]())
        assert serving._is_ours(task) is ours
        await task

    asyncio.run(scene())
