"""The example configurations of reverse proxies, each started for real: people talk through it by either transport, and
the server knows them apart."""

import asyncio
import http.client
import os
from collections.abc import Iterator

import pytest

from tests.client import Client
from tests.proxies import Proxy, caddy, nginx, running
from tests.reference import Room
from tests.serving import Served, serve

SPOOFED = "203.0.113.9"


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Served]]:
    make, example = {"nginx": (nginx, "nginx.conf"), "caddy": (caddy, "Caddyfile")}[request.param]
    with serve(behind_proxy=True, proxies="127.0.0.1", connections_per_address=2) as served:
        changes = {"127.0.0.1:5000": f"127.0.0.1:{served.port}"}
        with running(make, example, changes, tmp_path_factory.mktemp(request.param)) as proxy:
            yield proxy, served
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture
def proxy(pair: tuple[Proxy, Served]) -> Proxy:
    return pair[0]


@pytest.fixture
def served(pair: tuple[Proxy, Served]) -> Served:
    """What stands behind it."""
    return pair[1]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_people_talk_through_it(proxy: Proxy, transport: str) -> None:
    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        async with Client(proxy.url, transports=[transport]) as one, Client(proxy.url, transports=[transport]) as two:
            await one.join(room, "One")
            await two.join(room, "Two")
            for number in range(20):
                assert await one.say(f"message {number}") == {"id": number + 1}
            await two.hears("get_message", 20)
            assert two.texts == [f"message {number}" for number in range(20)]
            assert one.line.transport() == two.line.transport() == transport

    asyncio.run(scene())


def test_pages_come_through_it_as_they_are(proxy: Proxy, served: Served) -> None:
    through = proxy.asked()
    direct = http.client.HTTPConnection("127.0.0.1", served.port)
    direct.request("GET", "/", headers={"X-Forwarded-Proto": "https"})
    straight = direct.getresponse()
    assert through.status == straight.status == 200
    for name in straight.headers:
        if name not in {"Date", "Connection", "Content-Length", "Transfer-Encoding"}:
            assert through.headers[name] == straight.headers[name], name
    assert "Strict-Transport-Security" in through.headers
    assert "/" not in through.headers.get("Server", ""), "no version"
    direct.close()


def test_it_is_the_proxy_that_says_who_asks(proxy: Proxy) -> None:
    """Two connections an address: whatever somebody writes, the third is too many, and a neighbour's is not."""
    polling = "/socket.io/?EIO=4&transport=polling"
    statuses = [proxy.asked(polling, source="127.0.0.7", X_Forwarded_For=f"{SPOOFED}{n}").status for n in range(3)]
    assert statuses == [200, 200, 429]
    assert proxy.asked(polling, source="127.0.0.8").status == 200


@pytest.mark.parametrize("pair", ["nginx"], indirect=True)  # Caddy does so by itself, on port 80 alone
def test_http_is_sent_on_to_https(proxy: Proxy) -> None:
    line = http.client.HTTPConnection("127.0.0.1", proxy.plain)
    line.request("GET", "/room?x=1", headers={"Host": "chat.example"})
    answer = line.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "https://chat.example/room?x=1")
    line.close()
