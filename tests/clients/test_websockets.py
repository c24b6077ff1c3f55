"""Other people's WebSocket clients, and a raw line for what no client does, against a real server: every message comes
back as it went, and every end has the code that it must have."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from protocol import Frame
from tests.clients.callers import NO_CODE, Dial, TornadoCaller, WebsocketsCaller, chromium
from tests.clients.echoing import echoing
from tests.echo.__main__ import MAX_PAYLOAD
from tests.proxy import Line
from tests.serving import Served
from tests.websocket import BINARY, CLOSE, PING, PONG, QUERY, TEXT, RawWebSocket, Refusal, frame

pytestmark = pytest.mark.usefixtures("runner")

PATH = "/engine.io/"
EDGES = (1, 124, 125, 126, 127, 128, 65_535, 65_536, 200_000, MAX_PAYLOAD)
QUIET = 60.0
"""Seconds between the server's own pings: longer than any test."""


@pytest.fixture(scope="module")
def echo() -> Iterator[Served]:
    with echoing(ping_interval=QUIET) as served:
        yield served


@pytest.fixture(scope="module", params=["tornado", "websockets", "chromium"])
def dial(request: pytest.FixtureRequest, echo: Served, runner: asyncio.Runner) -> Iterator[Dial]:
    match request.param:
        case "tornado":
            yield TornadoCaller.dial
        case "websockets":
            yield WebsocketsCaller.dial
        case _:
            browser = chromium(echo.url)
            yield runner.run(browser.__aenter__())
            runner.run(browser.__aexit__(None, None, None))


def address(served: Served | Line) -> str:
    return f"ws://127.0.0.1:{served.port}{PATH}?{QUERY}"


def text(size: int) -> str:
    """An Engine.IO message that is so many bytes long on the line."""
    return "4" + "x" * (size - 1)


async def raw(served: Served) -> RawWebSocket:
    """A raw line with nothing unread."""
    client = await RawWebSocket.open(served.port, path=PATH)
    assert (await client.text())[0] == "0"
    return client


async def to_the_end(client: RawWebSocket) -> list[tuple[int, bytes]]:
    """Every frame until the server closes its side."""
    heard = []
    while (received := await client.receive()) is not None:
        heard.append(received)
    return heard


def ended(code: int) -> tuple[int, bytes]:
    return CLOSE, code.to_bytes(2, "big")


# -- every client


async def test_messages_of_all_sizes_come_back(dial: Dial, echo: Served) -> None:
    async with await dial(address(echo)) as caller:
        assert str(await caller.receive())[0] == "0"
        for size in EDGES:
            for message in (text(size), bytes(range(256)) * (size // 256) + bytes(size % 256)):
                await caller.send(message)
                assert await caller.receive() == message


async def test_an_empty_message_is_one(dial: Dial, echo: Served) -> None:
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.send(b"", "4", b"", "4end")
        assert [await caller.receive() for _ in range(4)] == [b"", "4", b"", "4end"]


async def test_text_of_every_kind_comes_back(dial: Dial, echo: Served) -> None:
    message = (
        "4\x00\x7f\u0080\u07ff\u0800\ud7ff\ue000\ufeff\ufffe\uffff\U00010000\U0010ffff κόσμε \U0001f469\u200d\U0001f680"
    )
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.send(message * 1000)
        assert await caller.receive() == message * 1000


async def test_many_messages_come_back_in_their_order(dial: Dial, echo: Served) -> None:
    messages: list[Frame] = [f"4{number}" if number % 3 else b"%d" % number for number in range(300)]
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.send(*messages)
        assert [await caller.receive() for _ in messages] == messages


@pytest.mark.parametrize("code", [1000, 3000, 4999])
async def test_a_client_that_closes_sees_its_own_code(dial: Dial, echo: Served, code: int) -> None:
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.close(code)
        assert await caller.closed() == code


async def test_a_client_sees_that_the_server_closes(dial: Dial, echo: Served) -> None:
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.send("4last words", "1")
        assert await caller.receive() == "4last words"
        assert await caller.closed() == NO_CODE


async def test_a_client_sees_that_the_server_goes_away(dial: Dial) -> None:
    with echoing(ping_interval=QUIET) as echo:
        async with await dial(address(echo)) as caller:
            await caller.receive()
            stopping = asyncio.create_task(asyncio.to_thread(echo.stop))
            assert await caller.closed() == 1001
            assert await stopping == 0


async def test_a_client_sees_that_its_message_was_too_large(dial: Dial, echo: Served) -> None:
    async with await dial(address(echo)) as caller:
        await caller.receive()
        await caller.send("4fine", b"fine", bytes(MAX_PAYLOAD + 1))
        assert [await caller.receive() for _ in range(2)] == ["4fine", b"fine"]
        assert await caller.closed() == 1009


async def test_compression_is_offered_and_not_agreed_to(dial: Dial, echo: Served) -> None:
    async with Line(echo.port) as line, await dial(address(line)) as caller:
        assert str(await caller.receive())[0] == "0"
        assert await caller.extensions() == ""
        (asked,), (answered,) = line.up, line.down
        assert b"permessage-deflate" in asked
        assert b"permessage-deflate" not in answered
        await caller.send(text(10_000))
        assert await caller.receive() == text(10_000)


# -- what only some clients can do


async def test_fragments_are_one_message(echo: Served) -> None:
    async with await WebsocketsCaller.dial(address(echo)) as caller:
        await caller.receive()
        await caller.send_fragments(["4", "", "a", "€" * 50_000, ""])
        assert await caller.receive() == "4a" + "€" * 50_000
        await caller.send_fragments([bytes([number % 256]) for number in range(1000)])
        assert await caller.receive() == bytes(number % 256 for number in range(1000))
        half = bytes(MAX_PAYLOAD // 2)
        await caller.send_fragments([half, half])
        assert await caller.receive() == half * 2


async def test_fragments_that_add_up_to_too_much_are_refused(echo: Served) -> None:
    async with await WebsocketsCaller.dial(address(echo)) as caller:
        await caller.receive()
        await caller.send("4fine")
        half = bytes(MAX_PAYLOAD // 2)
        await caller.send_fragments([half, half, b"x"])
        assert await caller.receive() == "4fine"
        assert await caller.closed() == 1009


async def test_pings_are_answered_within_a_message_too(echo: Served) -> None:
    async with await WebsocketsCaller.dial(address(echo)) as caller:
        await caller.receive()
        ping = caller.connection.ping

        async def pieces() -> AsyncIterator[str]:
            yield "4a"
            await (await ping(b""))  # and the pong is there before the message goes on
            yield "b"
            await (await ping(bytes(125)))
            yield "c"

        await caller.send_fragments(pieces())
        assert await caller.receive() == "4abc"
        for pong in [await ping() for _ in range(500)]:
            await pong


async def test_tornados_pings_are_answered(echo: Served) -> None:
    async with await TornadoCaller.dial(address(echo)) as caller:
        await caller.receive()
        for number in range(100):
            caller.connection.ping(b"%d" % number)
        assert [await asyncio.wait_for(caller.pongs.get(), 20) for _ in range(100)] == [b"%d" % n for n in range(100)]


async def test_what_is_no_text_is_refused(echo: Served) -> None:
    """Both libraries take bytes for a text without looking."""
    async with (
        await WebsocketsCaller.dial(address(echo)) as one,
        await TornadoCaller.dial(address(echo)) as other,
    ):
        await one.receive()
        await other.receive()
        await one.send("4fine")
        await other.send("4fine")
        await one.connection.send(b"4\xed\xa0\x80", text=True)
        await other.connection.write_message(b"4\xff", binary=False)
        for caller in (one, other):
            assert await caller.receive() == "4fine"
            assert await caller.closed() == 1007


# -- what no client does

BREACHES = {
    "no mask": (frame(TEXT, b"4", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"4", reserved=4), 1002),
    "opcode": (frame(5, b""), 1002),
    "control opcode": (frame(11, b""), 1002),
    "long ping": (frame(PING, bytes(126)), 1002),
    "ping in fragments": (frame(PING, b"", fin=False), 1002),
    "continuation of nothing": (frame(0, b""), 1002),
    "message within a message": (frame(TEXT, b"4", fin=False) + frame(TEXT, b"4"), 1002),
    "length not minimal": (b"\x81\xfe\x00\x01mask4", 1002),
    "length with the highest bit": (b"\x82\xff\xff" + bytes(7), 1002),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with a code that is none": (frame(CLOSE, b"\x03\xed"), 1002),
    "close with a reason that is no text": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "no text": (frame(TEXT, b"4\xff"), 1007),
    "no text in fragments": (frame(TEXT, b"4\xe2", fin=False) + frame(0, b"\x82"), 1007),
    "announced size": (frame(BINARY, bytes(MAX_PAYLOAD + 1))[:10], 1009),
    "size of fragments": (frame(BINARY, bytes(MAX_PAYLOAD), fin=False) + frame(0, b"x")[:2], 1009),
}


@pytest.mark.parametrize(("breach", "code"), BREACHES.values(), ids=list(BREACHES))
@pytest.mark.parametrize("after", [b"", frame(TEXT, b"4later") * 3, bytes(2_000_000)], ids=["", "messages", "noise"])
async def test_who_breaks_a_rule_is_told_which_after_all_answers(
    echo: Served, breach: bytes, code: int, after: bytes
) -> None:
    async with await raw(echo) as client:
        client.send("4one", b"two")
        client.raw(frame(PING, b"three") + breach + after)
        heard = await to_the_end(client)
        assert heard[-1] == ended(code)
        assert [each for each in heard[:-1] if each[0] != PONG] == [(TEXT, b"4one"), (BINARY, b"two")]
        assert (PONG, b"three") in heard


async def test_what_comes_after_the_servers_close_is_not_answered(echo: Served) -> None:
    async with await raw(echo) as client:
        client.send("4before", "1", "4after")
        client.raw(frame(PING, b"after"))
        assert await client.text() == "4before"
        assert await client.receive() == (CLOSE, b"")
        client.send("4later", b"later")
        client.raw(frame(PING, b"later") + frame(TEXT, b"4half", fin=False) + frame(CLOSE, b"\x03\xe8"))
        assert await client.receive() is None


async def test_what_comes_after_the_clients_close_is_not_answered(echo: Served) -> None:
    async with await raw(echo) as client:
        client.raw(frame(TEXT, b"4before") + frame(CLOSE, b"\x0f\xa0bye") + frame(TEXT, b"4after") + frame(PING, b""))
        assert await to_the_end(client) == [(TEXT, b"4before"), ended(4000)]


@pytest.mark.parametrize("last", [b"", frame(CLOSE, b"\x03\xe8"), frame(TEXT, b"4half")[:5]], ids=["", "close", "half"])
async def test_a_line_of_which_one_half_is_closed_is_answered_and_ends(echo: Served, last: bytes) -> None:
    async with await raw(echo) as client:
        client.raw(frame(TEXT, b"4a") * 300 + last)
        client.writer.write_eof()
        heard = await to_the_end(client)
        assert heard == [(TEXT, b"4a")] * 300 + [ended(1000)] * (last[:1] == b"\x88")


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_frames_may_come_byte_by_byte(echo: Served, size: int) -> None:
    wire = frame(TEXT, b"4a", fin=False) + frame(PING, b"?") + frame(0, "€".encode()) + frame(BINARY, bytes(130))
    async with Line(echo.port) as line:
        client = await RawWebSocket.open(line.port, path=PATH)
        async with client:
            assert (await client.text())[0] == "0"
            for begin in range(0, len(wire), size):
                client.raw(wire[begin : begin + size])
                while len(line.up[0]) < line.up[0].index(b"\r\n\r\n") + 4 + min(begin + size, len(wire)):  # noqa: ASYNC110
                    await asyncio.sleep(0)  # so that it is a piece of its own
            assert await client.receive() == (PONG, b"?")
            assert await client.text() == "4a€"
            assert await client.receive() == (BINARY, bytes(130))


async def test_frames_may_come_with_the_request(echo: Served) -> None:
    head = f"GET {PATH}?{QUERY} HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
    head = (head + f"Sec-WebSocket-Key: {'A' * 22}==\n\n").replace("\n", "\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    try:
        writer.write(head.encode() + frame(TEXT, b"4early") + frame(TEXT, text(100_000).encode()) + frame(CLOSE, b""))
        heard = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.transport.abort()
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert heard.index(b"4early") < heard.index(text(100_000).encode())
    assert heard.endswith(b"\x88\x00")


@pytest.mark.parametrize(
    "key", ["", "A", "A" * 22, "A" * 24, "=" * 24, f"{'A' * 21}ä==", f"{'A' * 23}===", f"{'A' * 22}== x"]
)
async def test_a_key_that_is_none_is_refused(echo: Served, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        await RawWebSocket.open(echo.port, path=PATH, headers={"Sec-WebSocket-Key": key})
    assert refused.value.answer.status == 400
