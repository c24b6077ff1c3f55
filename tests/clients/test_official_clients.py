"""Unmodified official clients with this server in a process of its own: all that they promise their users."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.official import AsyncioClient, NodeClient, Official, ThreadsClient
from tests.serving import Served, serve

pytestmark = pytest.mark.gen_test(timeout=60)

Make = Callable[[], AbstractAsyncContextManager[Official]]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server that pings three times a second and complains about nothing."""
    with serve(ping_interval=0.3, ping_timeout=5) as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture(params=[NodeClient, AsyncioClient, ThreadsClient])
def client(request: pytest.FixtureRequest) -> Make:
    """Makes a client, on the test's own loop."""
    kind: Callable[[], Official] = request.param

    @asynccontextmanager
    async def made() -> AsyncIterator[Official]:
        official = kind()
        try:
            yield official
        finally:
            await official.close()

    return made


async def test_it_connects_and_is_told_the_servers_key(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url)
        (sid,) = await one.ears.heard("connect")
        assert len(sid) == 20
        (pem,) = await one.ears.heard("send_public_key")
        assert pem.startswith("-----BEGIN PUBLIC KEY-----")


async def test_it_gets_acks(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url)
        (pem,) = await one.ears.heard("send_public_key")
        assert await one.call("get_public_key") == pem
        assert await one.call("get_public_key") == pem
        assert await one.call("nothing of ours", 1, {"a": [None]}) == {"error": "bad-request"}


async def test_it_is_pinged_and_stays(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url)
        for _ in range(4):
            await one.ears.heard("ping")
        assert str(await one.call("get_public_key")).startswith("-----BEGIN")


async def test_an_unknown_namespace_is_refused(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url + "/nowhere")
        assert await one.ears.heard("connect_error") == ["Invalid namespace"]


async def test_it_may_leave(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url)
        await one.ears.heard("send_public_key")
        await one.leave()
        assert await one.ears.heard("disconnect") in (["io client disconnect"], ["client disconnect"])


async def test_it_is_put_out_and_knows_that_the_server_meant_it(client: Make, server: Served) -> None:
    async with client() as one:
        await one.connect(server.url)
        await one.ears.heard("send_public_key")
        for _ in range(3):
            answer = await one.call("join-room", {"envelope": "AAAA", "body": "AAAA"})
            assert answer == {"error": "bad-envelope"}
        assert await one.ears.heard("disconnect") in (["io server disconnect"], ["server disconnect"])


async def test_it_comes_back_to_a_server_that_was_started_anew(client: Make, tmp_path: Path) -> None:
    async with client() as one:
        with serve(state=tmp_path) as first:
            await one.connect(first.url)
            (before,) = await one.ears.heard("send_public_key")
        assert await one.ears.heard("disconnect") in (["transport close"], ["transport error"])
        with serve(state=tmp_path, port=first.port) as second:
            (after,) = await one.ears.heard("send_public_key")
            assert after != before, "every start makes a key of its own"
            assert await one.call("get_public_key") == after
            await one.leave()
        assert first.stderr == second.stderr == ""
