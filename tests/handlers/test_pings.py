"""A client's pings over a loopback port: which are answered, with what, and what they cost when nobody reads."""

import asyncio

import pytest

from handlers.connections import Connections
from handlers.websocket import WebSocketTransport
from protocol.session import CloseReason
from tests.fakes import Echo
from tests.handlers.conftest import joined, until
from tests.websocket import CLOSE, PING, PONG, TEXT, RawWebSocket, frame

pytestmark = pytest.mark.usefixtures("http_server")


async def with_much_unread(client: RawWebSocket, connections: Connections) -> WebSocketTransport:
    """The server has written more than the line takes."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (connection,) = connections._open.values()
    transport = connection.transport
    assert isinstance(transport, WebSocketTransport)
    while transport.writable():
        connection.send(['42["x","' + "y" * 90_000 + '"]'])
        await asyncio.sleep(0)
    return transport


@pytest.mark.parametrize("data", [b"", b"x", bytes(125), b"\xff\xfe"])
@pytest.mark.gen_test
async def test_a_ping_is_answered_with_what_is_in_it(http_port: int, data: bytes) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(PING, data))
        assert await client.receive() == (PONG, data)


@pytest.mark.gen_test
async def test_many_are_answered_in_their_order(http_port: int) -> None:
    async with await joined(http_port) as client:
        client.raw(b"".join(frame(PING, b"%d" % number) for number in range(1000)))
        assert [await client.receive() for _ in range(1000)] == [(PONG, b"%d" % number) for number in range(1000)]


@pytest.mark.gen_test
async def test_a_pong_is_not_answered(http_port: int) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(PONG, b"unasked") + frame(PONG, b"") + frame(TEXT, b'421["a"]'))
        assert await client.text() == "431[]"


@pytest.mark.gen_test
async def test_who_has_much_to_read_first_gets_the_last_pong(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    """Clients take a line for dead that does not answer their pings. Section 5.5.3: the last one is enough."""
    async with await joined(http_port) as client:
        await with_much_unread(client, connections)
        client.raw(frame(PING, b"first") + frame(PING, b"last") + frame(TEXT, b'42["a"]'))
        await until(lambda: ("a",) in echo.diary)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while (received := await client.receive()) is not None and received[0] == TEXT:
            pass
        assert received == (PONG, b"last")
        client.raw(frame(PING, b"again"))
        assert await client.receive() == (PONG, b"again")


@pytest.mark.gen_test
async def test_who_reads_nothing_lets_no_pongs_pile_up(http_port: int, connections: Connections, echo: Echo) -> None:
    async with await joined(http_port) as client:
        transport = await with_much_unread(client, connections)
        unsent = len(transport._line._unsent)
        assert unsent
        client.raw(frame(PING, bytes(125)) * 10_000 + frame(TEXT, b'42["a"]'))
        await until(lambda: ("a",) in echo.diary)
        assert len(transport._line._unsent) <= unsent


@pytest.mark.gen_test
async def test_none_is_answered_after_the_last_frame(http_port: int, connections: Connections) -> None:
    async with await joined(http_port) as client:
        await with_much_unread(client, connections)
        (connection,) = connections._open.values()
        client.raw(frame(PING, b"before"))
        connection.close(CloseReason.FORCED_CLOSE)
        client.raw(frame(PING, b"after") + frame(CLOSE, b""))
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = []
        while (received := await client.receive()) is not None:
            heard.append(received)
        assert {opcode for opcode, _ in heard[:-1]} == {TEXT}
        assert heard[-1] == (CLOSE, b"")
