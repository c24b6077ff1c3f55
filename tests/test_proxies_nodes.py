"""The example configurations of reverse proxies for several nodes, each started for real: people at different nodes are
in one room, who polls stays at one node, and when that ends the proxy has another for them."""

import asyncio
import http.client
import itertools
import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.client import PATIENCE, Client
from tests.proxies import Proxy, caddy, haproxy, nginx, running
from tests.reference import Room
from tests.turns import Nodes, connected, key_of, nodes, returned

SPOOFED = "203.0.113.9"
POLLING = "/socket.io/?EIO=4&transport=polling"
TRANSPORTS = ("websocket", "polling")
EXAMPLES = {
    "nginx": (nginx, "nginx-nodes.conf", {"fail_timeout=10s": "fail_timeout=1s"}),
    "haproxy": (haproxy, "haproxy-nodes.cfg", {"inter 2s fall 3": "inter 300ms fall 10"}),
    "caddy": (
        caddy,
        "Caddyfile-nodes",
        {"health_interval 2s": "health_interval 200ms", "fail_duration 10s": "fail_duration 1s"},
    ),
}
"""With times that make tests short: how soon a node that is back gets clients again."""

MOST = 8
"""Connections of an address: more than these tests open at a time."""
PAUSE = 0.05
"""Between tries to reach a node that may be back or not: more requests in a second would be too many."""

pytestmark = pytest.mark.first
each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture(scope="module", params=EXAMPLES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Nodes]]:
    make, example, hurry = EXAMPLES[request.param]
    tmp = tmp_path_factory.mktemp(request.param)
    with (
        nodes(behind_proxy=True, proxies="127.0.0.1", connections_per_address=MOST) as house,
        running(make, example, {**house.places, **hurry}, tmp) as proxy,
    ):
        yield proxy, house


@pytest.fixture
def proxy(pair: tuple[Proxy, Nodes]) -> Proxy:
    return pair[0]


@pytest.fixture
def house(pair: tuple[Proxy, Nodes]) -> Nodes:
    """What stands behind it."""
    return pair[1]


def node_of(proxy: Proxy, house: Nodes, source: str) -> int:
    """The number of the node that gets what is polled from this address. Leaves no session: it is ended at each node
    directly, and the one that knew it is the one."""
    opened = proxy.asked(POLLING, source=source)
    assert opened.status == 200, opened
    sid = json.loads(opened.body[1:])["sid"]
    (knew,) = [number for number in range(len(house.ports)) if house.asked(number, f"{POLLING}&sid={sid}", b"1") == 200]
    return knew


async def all_reached(proxy: Proxy, house: Nodes) -> list[str]:
    """Waits until the proxy gives clients to every node; answers an address that it keeps at each, by their numbers."""
    sources = itertools.cycle(f"127.0.0.{number}" for number in range(10, 200))
    found: dict[int, str] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < len(house.ports):
            source = next(sources)
            found[await asyncio.to_thread(node_of, proxy, house, source)] = source
            if len(found) == len(house.ports):  # what was found while a node was down is not so any more
                found = {await asyncio.to_thread(node_of, proxy, house, source): source for source in found.values()}
            await asyncio.sleep(PAUSE)
    return [source for _, source in sorted(found.items())]


async def one_at_each(proxy: Proxy, house: Nodes, transport: str) -> list[Client]:
    """Who has come to the nodes through the proxy, by the node's number; who polls from an own address."""
    keys = await house.keys()
    sources = itertools.cycle(await all_reached(proxy, house))
    found: dict[int, Client] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < len(house.ports):
            client = Client(proxy.url, transports=[transport], source=next(sources))
            await client.connect()
            if found.setdefault(keys[key_of(client)], client) is not client:
                await client.close()
    return [client for _, client in sorted(found.items())]


@each_transport
def test_people_at_different_nodes_talk_through_it(proxy: Proxy, house: Nodes, transport: str) -> None:
    """Forty requests each and more: had one of them reached the other node, that session would have ended."""

    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        one, two = people = await one_at_each(proxy, house, transport)
        await one.join(room, "One")
        await two.join(room, "Two")
        for number in range(20):
            speaker = people[number % 2]
            assert await speaker.say(f"message {number}") == {"id": number + 1}
        for each in people:
            await each.hears("get_message", 20)
            assert each.texts == [f"message {number}" for number in range(20)]
            assert each.line.transport() == transport
            assert each.all("disconnect") == []
            await each.close()

    asyncio.run(scene())


def test_transports_meet(proxy: Proxy, house: Nodes) -> None:
    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        people = [*await one_at_each(proxy, house, "polling"), *await one_at_each(proxy, house, "websocket")]
        for number, each in enumerate(people):
            await each.join(room, f"Guest {number}")
        for number, each in enumerate(people):
            assert await each.say(f"message {number}") == {"id": number + 1}
        for each in people:
            await each.hears("get_message", 4)
            assert each.texts == [f"message {number}" for number in range(4)]
            await each.close()

    asyncio.run(scene())


def test_a_polling_session_changes_over_to_a_websocket_at_its_node(proxy: Proxy, house: Nodes) -> None:
    async def scene() -> None:
        keys = await house.keys()
        for number in range(200, 208):
            async with Client(proxy.url, transports=["polling", "websocket"], source=f"127.0.0.{number}") as client:
                assert client.line.transport() == "websocket"
                assert key_of(client) in keys
                assert client.all("disconnect") == []

    asyncio.run(scene())


def test_it_is_the_proxy_that_says_who_asks(proxy: Proxy) -> None:
    """Whatever somebody writes, one connection more than an address may have is too many, and a neighbour's is not. All
    of one address are at one node, which counts them."""
    asked = (proxy.asked(POLLING, source="127.0.0.7", X_Forwarded_For=f"{SPOOFED}{n}") for n in range(MOST + 1))
    assert [answer.status for answer in asked] == [200] * MOST + [429]
    assert proxy.asked(POLLING, source="127.0.0.8").status == 200


def test_it_says_that_it_was_https_and_nothing_of_itself(proxy: Proxy) -> None:
    page = proxy.asked()
    assert page.status == 200
    assert "Strict-Transport-Security" in page.headers
    assert "Set-Cookie" not in page.headers
    assert "/" not in page.headers.get("Server", "")


@pytest.mark.parametrize("pair", ["nginx", "haproxy"], indirect=True)  # Caddy does so by itself, on port 80 alone
def test_http_is_sent_on_to_https(proxy: Proxy) -> None:
    line = http.client.HTTPConnection("127.0.0.1", proxy.plain)
    line.request("GET", "/room?x=1", headers={"Host": "chat.example"})
    answer = line.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "https://chat.example/room?x=1")
    line.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_whose_node_ends_comes_back_to_the_other(proxy: Proxy, house: Nodes, how: int) -> None:
    """By either transport they hear what was said meanwhile, and are heard; those at the other node stay. When it is up
    again, it is given clients as before."""

    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        stay, go = zip(*[await one_at_each(proxy, house, transport) for transport in TRANSPORTS], strict=True)
        for each in (*go, *stay):
            await each.join(room, "Guest")
        said = ["before 0", "before 1"]
        for each, text in zip(go, said, strict=True):
            assert "id" in await each.say(text)
        for each in (*go, *stay):
            await each.hears("get_message", 2)
        ending = asyncio.create_task(asyncio.to_thread(house.end, 1, how))
        for number in range(6):
            said.append(f"meanwhile {number}")
            assert "id" in await stay[number % 2].say(said[-1])
        for gone, transport in zip(go, TRANSPORTS, strict=True):
            back = await returned(gone, transports=[transport], source="127.0.0.9")
            assert key_of(back) == key_of(stay[0])
            said.append(f"after by {transport}")
            assert await back.say(said[-1]) == {"id": len(said)}
            await back.hears("get_message")
            assert gone.texts + back.texts == said
            await back.close()
        await ending
        for each in stay:
            await each.hears("get_message", len(said))
            assert each.texts == said
            assert each.all("disconnect") == []
            await each.close()
        house.start(1)
        await all_reached(proxy, house)

    asyncio.run(scene())


def test_nobody_waits_for_a_node_that_is_down(proxy: Proxy, house: Nodes) -> None:
    """Whoever comes while a node is down gets in at the first try, wherever they come from."""

    async def scene() -> None:
        await asyncio.to_thread(house.end, 0, signal.SIGKILL)
        for number, transport in enumerate(TRANSPORTS * 6, 220):
            client = Client(proxy.url, transports=[transport], source=f"127.0.0.{number}")
            assert await connected(client)
            await client.close()
        house.start(0)
        await all_reached(proxy, house)

    asyncio.run(scene())
