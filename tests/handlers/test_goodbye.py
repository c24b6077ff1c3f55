"""How WebSockets end: who says the last frame, what counts after it, and that no line stays open whatever its client
does. Source: RFC 6455, section 7."""

import asyncio
import socket

import pytest

from handlers.connections import Connections
from handlers.line import Lines
from protocol.namespace import Departure
from protocol.session import CloseReason
from tests.fakes import Echo
from tests.handlers.conftest import MAX_PAYLOAD, joined, until
from tests.websocket import BINARY, CLOSE, PING, PONG, QUERY, TEXT, RawWebSocket, frame

pytestmark = pytest.mark.usefixtures("http_server")

PATIENCE = 0.05
BREACHES = {
    "opcode": (frame(3, b""), 1002),
    "mask": (frame(TEXT, b"a", masked=False), 1002),
    "text": (frame(TEXT, b"4\xff"), 1007),
    "size": (frame(BINARY, bytes(MAX_PAYLOAD + 1))[:8], 1009),
}
breaches = pytest.mark.parametrize(("breach", "code"), BREACHES.values(), ids=list(BREACHES))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not close their side are given up soon."""
    monkeypatch.setattr("handlers.websocket.CLOSE_SECONDS", PATIENCE)


async def heard_to_the_end(client: RawWebSocket) -> list[tuple[int, bytes]]:
    """Every frame until the server closes its side."""
    heard = []
    while (received := await client.receive()) is not None:
        heard.append(received)
    return heard


async def flood(client: RawWebSocket) -> None:
    """Without an end."""
    while True:
        client.raw(bytes(100_000))
        await client.writer.drain()


async def all_lines_closed(lines: Lines) -> None:
    await asyncio.wait_for(lines._none_left.wait(), 5)


# -- what is said


@pytest.mark.parametrize("data", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0", b"\x13\x87"])
@pytest.mark.gen_test
async def test_a_client_that_closes_hears_its_own_code_and_the_end(http_port: int, lines: Lines, data: bytes) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(CLOSE, data))
        assert await heard_to_the_end(client) == [(CLOSE, data[:2])]
        client.writer.close()
        await all_lines_closed(lines)


@breaches
@pytest.mark.gen_test
async def test_what_came_before_a_breach_is_answered_before_its_code(
    http_port: int, lines: Lines, echo: Echo, breach: bytes, code: int
) -> None:
    async with await joined(http_port) as client:
        good = frame(TEXT, b'421["a"]') + frame(PING, b"?")
        client.raw(good + breach + good)
        heard = await heard_to_the_end(client)
        assert sorted(heard[:-1]) == [(TEXT, b"431[]"), (PONG, b"?")]
        assert heard[-1] == (CLOSE, code.to_bytes(2, "big"))
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)
        assert ("a",) in echo.diary
        client.writer.close()
        await all_lines_closed(lines)


@breaches
@pytest.mark.gen_test
async def test_a_client_that_goes_on_after_a_breach_still_hears_the_code(
    http_port: int, lines: Lines, breach: bytes, code: int
) -> None:
    """What is left unread when a socket is closed turns its end into a reset, which takes the last words along."""
    async with await joined(http_port) as client:
        client.raw(breach + bytes(3_000_000))
        await client.writer.drain()
        assert await heard_to_the_end(client) == [(CLOSE, code.to_bytes(2, "big"))]
        client.writer.close()
        await all_lines_closed(lines)


@pytest.mark.gen_test
async def test_nothing_that_comes_after_our_close_counts_but_the_clients_own(
    http_port: int, connections: Connections, lines: Lines, echo: Echo
) -> None:
    async with await joined(http_port) as client:
        (connection,) = connections._open.values()
        connection.close(CloseReason.FORCED_CLOSE)
        client.raw(
            frame(TEXT, b'421["a"]') + frame(PING, b"?") + frame(TEXT, b'42["b"]', fin=False) + frame(CLOSE, b"")
        )
        assert await heard_to_the_end(client) == [(CLOSE, b"")]
        client.writer.close()
        await all_lines_closed(lines)
        assert [entry for entry in echo.diary if entry in {("a",), ("b",)}] == []


@pytest.mark.gen_test
async def test_a_breach_after_our_close_is_not_answered_with_a_second_one(
    http_port: int, connections: Connections, lines: Lines
) -> None:
    async with await joined(http_port) as client:
        (connection,) = connections._open.values()
        connection.close(CloseReason.SHUTTING_DOWN)
        client.raw(frame(3, b""))
        assert await heard_to_the_end(client) == [(CLOSE, b"\x03\xe9")]
        client.writer.close()
        await all_lines_closed(lines)


@pytest.mark.gen_test
async def test_a_client_whose_side_is_closed_gets_what_it_has_asked_for(
    http_port: int, connections: Connections, lines: Lines
) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(TEXT, b'421["a"]') * 20)
        client.writer.write_eof()
        assert await heard_to_the_end(client) == [(TEXT, b"431[]")] * 20
        await all_lines_closed(lines)
        assert not connections._open


# -- what stays open


@pytest.mark.parametrize("data", [b"", b"\x03\xe8"])
@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_client_that_says_that_it_closes_and_does_not_is_cut(http_port: int, lines: Lines, data: bytes) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(CLOSE, data))
        assert await heard_to_the_end(client) == [(CLOSE, data)]
        await all_lines_closed(lines)


@pytest.mark.parametrize("answer", [b"", frame(CLOSE, b"")], ids=["silent", "answered"])
@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_client_that_stays_after_our_close_is_cut(
    http_port: int, connections: Connections, lines: Lines, answer: bytes
) -> None:
    async with await joined(http_port) as client:
        (connection,) = connections._open.values()
        connection.close(CloseReason.FORCED_CLOSE)
        client.raw(answer)
        assert await heard_to_the_end(client) == [(CLOSE, b"")]
        await all_lines_closed(lines)


@breaches
@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_client_that_breaks_the_rules_and_stays_is_cut(
    http_port: int, lines: Lines, breach: bytes, code: int
) -> None:
    async with await joined(http_port) as client:
        client.raw(breach)
        assert await heard_to_the_end(client) == [(CLOSE, code.to_bytes(2, "big"))]
        await all_lines_closed(lines)


@pytest.mark.parametrize("last", [frame(CLOSE, b""), frame(3, b"")], ids=["close", "breach"])
@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_client_that_goes_on_and_on_after_its_end_is_cut(http_port: int, lines: Lines, last: bytes) -> None:
    async with await joined(http_port) as client:
        client.raw(last)
        with pytest.raises(ConnectionError):
            await flood(client)
        await all_lines_closed(lines)


@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_client_that_reads_nothing_is_cut_too(http_port: int, connections: Connections, lines: Lines) -> None:
    async with await joined(http_port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = connections._open.values()
        while connections._open:
            connection.send(["4" + "y" * 90_000])
            await asyncio.sleep(0)
        await all_lines_closed(lines)


@pytest.mark.usefixtures("impatient")
@pytest.mark.gen_test
async def test_a_websocket_for_a_session_that_cannot_have_it_is_closed_and_cut(
    http_port: int, connections: Connections, lines: Lines
) -> None:
    async with await joined(http_port) as client:
        (sid,) = connections._open
        async with await RawWebSocket.open(http_port, f"{QUERY}&sid={sid}") as other:
            assert await heard_to_the_end(other) == [(CLOSE, b"")]
            await until(lambda: len(lines._open) == 1)
        client.send('421["a"]')
        assert await client.text() == "431[]"


@pytest.mark.gen_test
async def test_a_line_that_is_reset_is_gone_at_once(http_port: int, connections: Connections, lines: Lines) -> None:
    async with await joined(http_port) as client:
        its_socket: socket.socket = client.writer.get_extra_info("socket")
        its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.writer.transport.abort()
        await all_lines_closed(lines)
        assert not connections._open
