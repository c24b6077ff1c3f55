"""Unmodified official clients with this server in a process of its own: all that they promise their users."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.clients.conftest import at_home
from tests.clients.official import Home, Official, Wish, opened
from tests.serving import Served, serve

pytestmark = [pytest.mark.usefixtures("runner"), at_home("node-newest", "asyncio", "threads")]

Open = Callable[..., AbstractAsyncContextManager[Official]]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server that pings three times a second and complains about nothing."""
    with serve(ping_interval=0.3, ping_timeout=5) as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture(params=[None, ("polling",), ("websocket",)], ids=["default", "polling", "websocket"])
def connected(request: pytest.FixtureRequest, home: Home) -> Open:
    """connected(url, namespace="/"): a client that begins to connect."""
    return lambda url, namespace="/": opened(home, Wish(url, request.param, (namespace,)))


async def test_it_connects_and_is_told_the_servers_key(connected: Open, server: Served) -> None:
    async with connected(server.url) as one:
        (sid,) = await one.ears.heard("connect")
        assert len(sid) == 20
        (pem,) = await one.ears.heard("send_public_key")
        assert pem.startswith("-----BEGIN PUBLIC KEY-----")


async def test_it_gets_acks(connected: Open, server: Served) -> None:
    async with connected(server.url) as one:
        (pem,) = await one.ears.heard("send_public_key")
        assert await one.call("get_public_key") == [pem]
        assert await one.call("get_public_key") == [pem]
        assert await one.call("nothing of ours", 1, {"a": [None]}) == [{"error": "bad-request"}]


async def test_it_is_pinged_and_stays(connected: Open, server: Served) -> None:
    async with connected(server.url) as one:
        for _ in range(4):
            await one.ears.heard("ping", "")
        (answer,) = await one.call("get_public_key")
        assert answer.startswith("-----BEGIN")
        assert "disconnect" not in one.ears.names()


async def test_an_unknown_namespace_is_refused(connected: Open, server: Served) -> None:
    async with connected(server.url, "/nowhere") as one:
        assert await one.ears.heard("connect_error", "/nowhere") == ["Invalid namespace"]


async def test_it_may_leave(connected: Open, server: Served) -> None:
    async with connected(server.url) as one:
        await one.ears.heard("send_public_key")
        await one.leave()
        assert await one.ears.heard("disconnect") in (["io client disconnect"], ["client disconnect"])


async def test_it_is_put_out_and_knows_that_the_server_meant_it(connected: Open, server: Served) -> None:
    async with connected(server.url) as one:
        await one.ears.heard("send_public_key")
        for _ in range(3):
            (answer,) = await one.call("join-room", {"envelope": "AAAA", "body": "AAAA"})
            assert answer == {"error": "bad-envelope"}
        assert await one.ears.heard("disconnect") in (["io server disconnect"], ["server disconnect"])


async def test_it_comes_back_to_a_server_that_was_started_anew(connected: Open, tmp_path: Path, port: int) -> None:
    with serve(state=tmp_path, port=port) as first:
        async with connected(first.url) as one:
            (before,) = await one.ears.heard("send_public_key")
            assert await asyncio.to_thread(first.stop) == 0
            assert await one.ears.heard("disconnect") in (["transport close"], ["transport error"])
            with serve(state=tmp_path, port=port) as second:
                (after,) = await one.ears.heard("send_public_key")
                assert after != before, "every start makes a key of its own"
                assert await one.call("get_public_key") == [after]
                await one.leave()
                assert await asyncio.to_thread(second.stop) == 0
    assert first.stderr == second.stderr == ""
