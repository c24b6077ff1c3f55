"""The units under the systemd of a small Debian, installed by the lines of README.md: what they promise is seen."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.client import HTTPConnection

import pytest

from tests.client import Client, talking
from tests.programs import ROOT
from tests.reference import Room
from tests.systemd.debian import readme
from tests.systemd.groups import until
from tests.systemd.machine import Machine, machine, open_files

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

UNIT = (ROOT / "config" / "chatsite.service").read_text("utf-8")
URL = "http://127.0.0.1:5000"
NODES = ("chatsite@1", "chatsite@2")
HALL = Room.from_secret(bytes(32))


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("systemd")) as made:
        yield made


@pytest.fixture
def installed(debian: Machine) -> Iterator[Machine]:
    """With the unit, which is not started yet."""
    copied, _, _ = readme("cp config/chatsite.service ").partition(" && ")
    debian.shell(copied)
    debian.systemctl("daemon-reload")
    yield debian
    debian.systemctl("stop", "chatsite")
    debian.systemctl("reset-failed")


@pytest.fixture
def running(installed: Machine) -> Iterator[Machine]:
    installed.shell(readme("cp config/chatsite.service "))
    yield installed
    installed.systemctl("disable", "chatsite")


def play(debian: Machine, scene: Callable[[], Awaitable[None]]) -> None:
    """Clients are outside of the machine, but for its network."""

    async def played() -> None:
        await scene()

    with debian.network():
        asyncio.run(played())


async def they_talk(one: Client, two: Client, text: str) -> None:
    assert "error" not in await one.say(text)
    heard = 1
    while text not in two.texts:
        await two.hears("get_message", heard)
        heard += 1


async def two_come_and_talk() -> None:
    async with talking(URL, HALL, "One", "Two") as (one, two):
        await they_talk(one, two, "Hello")
        await they_talk(two, one, "Hello yourself")


def get(debian: Machine, path: str, port: int = 5000) -> tuple[int, str]:
    with debian.network():
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def restarted(debian: Machine, unit: str = "chatsite") -> bool:
    return debian.show(unit, "NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"}


def status(debian: Machine, unit: str = "chatsite") -> dict[str, str]:
    """What Linux says of its process."""
    lines = debian.run("cat", f"/proc/{debian.main_pid(unit)}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_is_ready_when_systemd_says_so(running: Machine) -> None:
    assert running.show("chatsite", "Type", "ActiveState", "NRestarts", "UnitFileState") == {
        "Type": "notify",
        "ActiveState": "active",
        "NRestarts": "0",
        "UnitFileState": "enabled",
    }
    assert get(running, "/readyz")[0] == 200
    code, page = get(running, "/")
    assert code == 200
    assert "<html" in page
    play(running, two_come_and_talk)


def test_a_reload_is_logged_and_nobody_notices(installed: Machine) -> None:
    said = "the settings have been read again"

    async def scene() -> None:
        async with talking(URL, HALL, "One", "Two") as (one, two):
            await asyncio.to_thread(installed.systemctl, "reload", "chatsite")
            # systemd 252 takes the signal's sending for the reload: the reading may be a moment later.
            await asyncio.to_thread(until, lambda: said in installed.journal("chatsite"))
            await they_talk(one, two, "Still here")
            assert one.all("disconnect") == two.all("disconnect") == []

    with installed.drop_in("chatsite", "Environment=CHATSITE_LOG_LEVEL=info"):
        installed.systemctl("start", "chatsite")
        pid = installed.main_pid("chatsite")
        play(installed, scene)
        assert installed.main_pid("chatsite") == pid
        assert installed.show("chatsite", "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}


def test_it_comes_back_when_it_is_killed(running: Machine) -> None:
    pid = running.main_pid("chatsite")
    running.run("sh", "-c", f"kill -9 {pid}")
    until(lambda: restarted(running))
    assert running.main_pid("chatsite") not in {pid, "0"}
    play(running, two_come_and_talk)


def test_one_that_stands_still_is_noticed_and_started_anew(installed: Machine) -> None:
    with installed.drop_in("chatsite", "WatchdogSec=3"):
        installed.systemctl("start", "chatsite")
        pid = installed.main_pid("chatsite")
        installed.run("sh", "-c", f"kill -STOP {pid}")
        until(lambda: restarted(installed))
        assert "Watchdog timeout" in installed.journal("chatsite")
        play(installed, two_come_and_talk)


def test_one_that_has_nothing_to_do_is_not_taken_for_dead(installed: Machine) -> None:
    with installed.drop_in("chatsite", "WatchdogSec=3"):
        installed.systemctl("start", "chatsite")
        ends = time.monotonic() + 4.5
        while time.monotonic() < ends:
            assert installed.show("chatsite", "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}
            time.sleep(0.2)


def test_wrong_configuration_is_not_tried_again(installed: Machine) -> None:
    with installed.drop_in("chatsite", "Environment=CHATSITE_PORT=harbour"):
        installed.systemctl("start", "chatsite", check=False)
        # Between two tries it would be "activating".
        until(lambda: installed.show("chatsite", "ActiveState")["ActiveState"] == "failed")
        assert installed.show("chatsite", "Result", "ExecMainStatus", "NRestarts") == {
            "Result": "exit-code",
            "ExecMainStatus": "2",
            "NRestarts": "0",
        }
        assert "harbour" in installed.journal("chatsite")


def test_it_may_do_nothing_that_the_unit_does_not_allow(running: Machine) -> None:
    of_process = status(running)
    assert (of_process["NoNewPrivs"], of_process["Seccomp"]) == ("1", "2")
    powers = {name: int(value, 16) for name, value in of_process.items() if name.startswith("Cap")}
    assert powers == dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert "0" not in of_process["Uid"].split()


def test_its_limits_are_in_force(running: Machine) -> None:
    """In Linux, not in what systemd was told."""
    limits = running.run("cat", f"/proc/{running.main_pid('chatsite')}/limits")
    (files,) = re.findall(r"^Max open files +(\d+) +(\d+)", limits, re.MULTILINE)
    assert set(map(int, files)) == {min(65536, open_files())}
    found = {}
    for names in (("memory.limit_in_bytes", "memory.max"), ("pids.max",)):
        wanted = [word for name in names for word in ("-o", "-path", f"*/chatsite.service/{name}")][1:]
        path = running.run("find", "/sys/fs/cgroup", *wanted).strip()
        found[names[0]] = int(running.run("cat", path))
    assert found == {"memory.limit_in_bytes": 2 << 30, "pids.max": 64}


def test_nobody_else_reads_its_salt(running: Machine) -> None:
    folder = "/var/lib/private/chatsite"
    salt = f"{folder}/site-salt"
    assert running.run("stat", "--format=%a", salt, folder).split() == ["600", "700"]
    assert running.run("cat", salt)
    for path in (salt, "/var/lib/chatsite/site-salt"):
        assert running.run("setpriv", "--reuid=nobody", "--clear-groups", "cat", path, check=False) == ""


def test_it_stops_in_time_while_people_are_there(running: Machine) -> None:
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)

    async def scene() -> None:
        async with talking(URL, HALL, *(f"Guest {number}" for number in range(8))) as people:
            began = time.monotonic()
            await asyncio.to_thread(running.systemctl, "stop", "chatsite")
            assert time.monotonic() - began < int(seconds)
            for each in people:
                await each.hears("disconnect")

    play(running, scene)
    assert running.show("chatsite", "ActiveState", "Result", "ExecMainStatus") == {
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainStatus": "0",
    }


def test_a_low_port_is_had_by_what_the_comment_offers(installed: Machine) -> None:
    offered = re.findall(r"^#   ((?:AmbientCapabilities|CapabilityBoundingSet|PrivateUsers)=.+)$", UNIT, re.MULTILINE)
    assert len(offered) == 3
    with installed.drop_in("chatsite", "\n".join([*offered, "Environment=CHATSITE_PORT=443"])):
        installed.systemctl("start", "chatsite")
        assert get(installed, "/readyz", 443)[0] == 200
        powers = {name: int(value, 16) for name, value in status(installed).items() if name.startswith("Cap")}
        assert set(powers.values()) == {1 << 10}, "CAP_NET_BIND_SERVICE and nothing else"


# -- several


@pytest.fixture
def nodes(debian: Machine) -> Iterator[Machine]:
    debian.systemctl("start", "redis-server")
    debian.shell(readme("cp config/chatsite@.service "))
    yield debian
    debian.systemctl("disable", "--now", *NODES)
    debian.systemctl("stop", "redis-server")
    debian.systemctl("reset-failed")


def at_nodes(debian: Machine) -> list[int]:
    """How many are connected to each, as its metrics say."""
    shown = [get(debian, "/metrics", 9100 + number)[1] for number in (1, 2)]
    return [sum(map(int, re.findall(r"^chatsite_connections\{.*\} (\d+)\.0$", each, re.MULTILINE))) for each in shown]


async def one_at_each(debian: Machine, stack: AsyncExitStack) -> tuple[Client, Client]:
    """They have joined; the first is at the first node. Linux deals connections out as it likes."""
    found: dict[int, Client] = {}
    for _ in range(40):
        before = at_nodes(debian)
        client = await stack.enter_async_context(Client(URL))
        grown = [now - then for now, then in zip(at_nodes(debian), before, strict=True)]
        assert sorted(grown) == [0, 1]
        if found.setdefault(grown.index(1), client) is client:
            await client.join(HALL, f"Guest {grown.index(1)}")
        if len(found) == 2:
            return found[0], found[1]
    raise AssertionError("all are at one node")


def test_nodes_share_their_rooms_and_one_goes_on_without_the_other(nodes: Machine) -> None:
    async def scene() -> None:
        async with AsyncExitStack() as stack:
            one, two = await one_at_each(nodes, stack)
            await they_talk(one, two, "From node to node")
            await they_talk(two, one, "And back")
            await asyncio.to_thread(nodes.systemctl, "stop", NODES[0])
            await one.hears("disconnect")
            assert two.all("disconnect") == []
            three = await stack.enter_async_context(Client(URL))
            await three.join(HALL, "Three")
            await they_talk(two, three, "One is gone")
            await they_talk(three, two, "We are not")

    play(nodes, scene)
    assert nodes.show(NODES[0], "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert nodes.show(NODES[1], "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}
