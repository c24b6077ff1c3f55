"""The WebSocket transport over a loopback port: who is let in, what is carried, and what hostile bytes lead to."""

import asyncio
import gc
import json
import socket
import struct
import warnings

import pytest

from handlers.connections import Connections
from handlers.line import Line
from handlers.websocket import FRAMES_A_TURN, WebSocketTransport
from protocol.namespace import Departure
from tests.fakes import Echo
from tests.handlers.conftest import ALLOWED_ORIGIN, MAX_PAYLOAD, joined, until
from tests.websocket import BINARY, CLOSE, PING, PONG, QUERY, TEXT, Answer, RawWebSocket, Refusal, frame, request

pytestmark = pytest.mark.usefixtures("http_server")


async def refusal(port: int, query: str = QUERY, **headers: str) -> Answer:
    with pytest.raises(Refusal) as refused:
        await RawWebSocket.open(port, query, {name.replace("_", "-"): value for name, value in headers.items()})
    return refused.value.answer


# -- coming in


@pytest.mark.gen_test
async def test_a_websocket_opens_with_the_handshake(http_port: int, connections: Connections) -> None:
    async with await RawWebSocket.open(http_port) as client:
        text = await client.text()
        handshake = json.loads(text[1:])
        assert text[0] == "0"
        sid = handshake.pop("sid")
        assert handshake == {"upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": MAX_PAYLOAD}
        assert connections.find(sid) is not None


@pytest.mark.gen_test
async def test_no_compression_is_agreed_to_and_nothing_is_told_about_the_server(http_port: int) -> None:
    offered = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    async with await RawWebSocket.open(http_port, headers=offered) as client:
        assert {"sec-websocket-extensions", "server", "set-cookie"} & set(client.answer.headers) == set()


@pytest.mark.parametrize(
    "query", ["transport=websocket&EIO=4", f"{QUERY}&t=abc", f"{QUERY}&sid=", f"{QUERY}&b64=1&j=0"]
)
@pytest.mark.gen_test
async def test_the_query_may_be_in_any_order_and_hold_more(http_port: int, query: str) -> None:
    async with await RawWebSocket.open(http_port, query) as client:
        assert (await client.text())[0] == "0"


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("", 0, "Transport unknown"),
        ("EIO=4", 0, "Transport unknown"),
        ("EIO=4&transport=", 0, "Transport unknown"),
        ("EIO=4&transport=Polling", 0, "Transport unknown"),
        ("EIO=4&transport=WebSocket", 0, "Transport unknown"),
        ("EIO=3&transport=flashsocket&sid=x", 0, "Transport unknown"),
        ("EIO=4&transport=websocket&sid=nobody", 1, "Session ID unknown"),
        ("EIO=3&transport=websocket&sid=nobody", 1, "Session ID unknown"),
        ("transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=3&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=44&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=4.0&transport=websocket", 5, "Unsupported protocol version"),
    ],
)
@pytest.mark.gen_test
async def test_a_request_that_is_wrong_is_told_so_instead_of_the_upgrade(
    http_port: int, connections: Connections, query: str, code: int, message: str
) -> None:
    answer = await refusal(http_port, query)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.body) == {"code": code, "message": message}
    assert not connections._open


@pytest.mark.gen_test
async def test_without_an_upgrade_there_is_no_websocket(http_port: int) -> None:
    answer = await refusal(http_port, Upgrade="")
    assert (answer.status, json.loads(answer.body)) == (400, {"code": 3, "message": "Bad request"})
    for headers in ({"Upgrade": "h2c"}, {"Connection": "close"}, {"Sec_WebSocket_Key": ""}):
        assert (await refusal(http_port, **headers)).status == 400
    assert (await refusal(http_port, Sec_WebSocket_Version="14")).status == 426


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.gen_test
async def test_a_handshake_is_a_get(http_port: int, method: str) -> None:
    head = f"{method} /socket.io/?{QUERY} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0\n\n"
    answer = await request(http_port, head)
    assert answer.status == 400
    if method != "HEAD":
        assert json.loads(answer.body) == {"code": 2, "message": "Bad handshake method"}


@pytest.mark.gen_test
async def test_a_query_that_is_no_text_is_refused(http_port: int) -> None:
    assert (await refusal(http_port, "EIO=4&transport=%ff")).status == 400
    assert (await refusal(http_port, f"{QUERY}&sid=%00x%0a")).status == 400


@pytest.mark.gen_test
async def test_a_session_survives_whoever_comes_with_its_id(http_port: int, connections: Connections) -> None:
    async with await joined(http_port) as client:
        (sid,) = connections._open
        answer = await refusal(http_port, f"EIO=3&transport=websocket&sid={sid}")
        assert json.loads(answer.body) == {"code": 3, "message": "Bad request"}
        async with await RawWebSocket.open(http_port, f"{QUERY}&sid={sid}") as other:
            assert await other.end() == 0
        client.send('421["a"]')
        assert await client.text() == "431[]"


@pytest.mark.gen_test
async def test_when_there_are_as_many_as_there_may_be_more_are_asked_to_come_later(
    http_port: int, connections: Connections
) -> None:
    clients = [await RawWebSocket.open(http_port) for _ in range(3)]
    answer = await refusal(http_port)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    clients.pop().writer.close()
    await until(lambda: not connections.full)
    clients.append(await RawWebSocket.open(http_port))
    for client in clients:
        client.writer.transport.abort()


@pytest.mark.gen_test
async def test_what_a_turn_says_to_one_leaves_in_one_write(
    http_port: int, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = Line.write

    def noted(line: Line, data: bytes) -> None:
        written.append(data)
        write(line, data)

    async with await joined(http_port) as client:
        monkeypatch.setattr(Line, "write", noted)
        for number in range(100):
            echo.sockets[0].emit("a", number)
        assert [await client.text() for _ in range(100)] == [f'42["a",{number}]' for number in range(100)]
        assert len(written) == 1


@pytest.mark.gen_test
async def test_a_client_that_keeps_its_socket_full_leaves_others_their_turn(http_port: int, echo: Echo) -> None:
    async with await joined(http_port) as greedy, await joined(http_port) as modest:
        greedy.raw(frame(TEXT, b'42["a"]') * 30_000)
        await until(lambda: ("a",) in echo.diary)
        modest.send('421["b"]')
        assert await modest.text() == "431[]"
        # Its frames are in two dozen chunks: had they been handled without a pause, all of them would stand here.
        before = echo.diary.index(("b",))
        assert before < 30_000 // 2, before
        await until(lambda: echo.diary.count(("a",)) == 30_000)


@pytest.mark.parametrize(
    ("opening", "nothing"),
    [(b"", frame(PONG, b"")), (frame(TEXT, b"", fin=False), frame(0, b"", fin=False))],
    ids=["pongs", "empty fragments"],
)
@pytest.mark.gen_test
async def test_frames_that_amount_to_nothing_are_counted_all_the_same(
    http_port: int, echo: Echo, opening: bytes, nothing: bytes
) -> None:
    async with await joined(http_port) as client:
        client.raw(opening + nothing * 10_000 + (frame(0, b'42["a"]') if opening else frame(TEXT, b'42["a"]')))
        turns = 0
        while ("a",) not in echo.diary:
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 10_000 // FRAMES_A_TURN


# -- whose pages may connect


@pytest.mark.parametrize("origin", ["", "http://127.0.0.1:{}", ALLOWED_ORIGIN])
@pytest.mark.gen_test
async def test_this_sites_pages_and_the_listed_ones_and_programs_may_connect(http_port: int, origin: str) -> None:
    async with await RawWebSocket.open(http_port, headers={"Origin": origin.format(http_port)}) as client:
        assert (await client.text())[0] == "0"


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "http://evil.example", "http://evil.example:{}", "http://127.0.0.1", "http://127.0.0.1:1"),
        *("http://127.0.0.1:{}.evil.example", "http://127.0.0.1:{}@evil.example", "http://evil.example/127.0.0.1:{}"),
        *("http://[", "127.0.0.1:{}", "http://localhost:{}", "http://x@127.0.0.1:{}", "https://chat.example.evil"),
        *("https://sub.chat.example", "http://chat.example", "https://chat.example:444", "*", "file://"),
    ],
)
@pytest.mark.gen_test
async def test_pages_of_other_sites_may_not(http_port: int, connections: Connections, origin: str) -> None:
    answer = await refusal(http_port, Origin=origin.format(http_port))
    assert answer.status == 403
    assert json.loads(answer.body) == {"code": 4, "message": "Forbidden"}
    assert answer.headers["cache-control"] == "no-store"
    assert not connections._open


@pytest.mark.parametrize("claim", ["same-origin", "none", "same-site", "cross-site", "nonsense"])
@pytest.mark.gen_test
async def test_the_origin_counts_and_no_other_claim(http_port: int, claim: str) -> None:
    claimed = {"Sec-Fetch-Site": claim}
    assert (await refusal(http_port, Origin="http://evil.example", **claimed)).status == 403
    async with await RawWebSocket.open(http_port, headers={"Origin": ALLOWED_ORIGIN, **claimed}) as client:
        assert (await client.text())[0] == "0"


@pytest.mark.gen_test
async def test_pages_of_other_sites_do_not_learn_whether_a_session_is_known(
    http_port: int, connections: Connections
) -> None:
    async with await joined(http_port):
        (known,) = connections._open
        answers = [
            await refusal(http_port, f"{QUERY}&sid={sid}", Origin="http://evil.example") for sid in (known, "nobody")
        ]
        assert [answer.status for answer in answers] == [403, 403]


# -- carrying


@pytest.mark.gen_test
async def test_texts_and_bytes_go_both_ways_in_order(http_port: int) -> None:
    async with await joined(http_port) as client:
        for number in range(200):
            client.send(f'42{number}["a",{number}]')
        assert [await client.text() for _ in range(200)] == [f"43{number}[{number}]" for number in range(200)]
        client.send('451-7["a",{"_placeholder":true,"num":0}]', b"\x00\xff")
        assert await client.text() == '461-7[{"_placeholder":true,"num":0}]'
        assert await client.receive() == (BINARY, b"\x00\xff")


@pytest.mark.gen_test
async def test_small_frames_are_not_held_back(http_port: int, connections: Connections) -> None:
    async with await joined(http_port):
        (connection,) = connections._open.values()
        transport = connection._transport
        assert isinstance(transport, WebSocketTransport)
        assert transport._line.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.gen_test
async def test_a_message_may_come_in_fragments_with_control_frames_between(http_port: int) -> None:
    async with await joined(http_port) as client:
        client.raw(
            frame(TEXT, b"421[", fin=False) + frame(PING, b"there?") + frame(0, b'"a"', fin=False) + frame(0, b"]")
        )
        assert await client.receive() == (PONG, b"there?")
        assert await client.text() == "431[]"


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.gen_test
async def test_a_message_of_the_announced_size_is_taken(http_port: int, *, as_bytes: bool) -> None:
    async with await joined(http_port) as client:
        if as_bytes:
            client.send('451-1["nothing"]', bytes(MAX_PAYLOAD))
        else:
            client.send('421["nothing","' + "x" * (MAX_PAYLOAD - 17) + '"]')
        assert await client.text() == "431[]"


@pytest.mark.gen_test
async def test_a_larger_one_is_refused_as_too_big(http_port: int, connections: Connections, echo: Echo) -> None:
    oversize = {
        "text": frame(TEXT, b"4" * (MAX_PAYLOAD + 1)),
        "bytes": frame(BINARY, bytes(MAX_PAYLOAD + 1)),
        "fragments": frame(TEXT, b"4" * MAX_PAYLOAD, fin=False) + frame(0, b"4"),
        "announced": frame(BINARY, bytes(70_000))[:14],
    }
    for data in oversize.values():
        async with await joined(http_port) as client:
            client.raw(data)
            assert await client.end() == 1009
        await until(lambda: not connections._open)
    assert [entry[0] for entry in echo.diary].count("disconnected") == len(oversize)


# -- hostile bytes


@pytest.mark.parametrize(
    "message",
    [
        *("", "7", "x", "b", "2", "1", "4", "47", '42["a"', '42["connect"]', '42["a",NaN]', "44", "40", "41{}"),
        *('450-["a"]', '4511-["a"]', b"", b"\x00", b"garbage", "4" * 1000, "42" + "[" * 990, '42/x,["a"]', "٤"),
    ],
)
@pytest.mark.gen_test
async def test_what_breaks_the_protocol_closes_the_websocket_properly(
    http_port: int, connections: Connections, echo: Echo, message: str | bytes
) -> None:
    async with await joined(http_port) as client:
        client.send(message)
        assert await client.end() == 0, "a close frame without a word of why"
        await until(lambda: not connections._open)
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(TEXT, b"4\xff"), id="no UTF-8"),
        pytest.param(frame(TEXT, b"4\xed\xa0\x80"), id="a surrogate"),
        pytest.param(frame(TEXT, b"4\xc0\xaf"), id="an overlong character"),
        pytest.param(frame(TEXT, b'42["a"]', reserved=4), id="the first reserved bit"),
        pytest.param(frame(TEXT, b'42["a"]', reserved=2), id="the second reserved bit"),
        pytest.param(frame(3, b"x"), id="an unknown opcode"),
        pytest.param(frame(11, b"x"), id="an unknown control opcode"),
        pytest.param(frame(0, b"a continuation of nothing"), id="a continuation of nothing"),
        pytest.param(frame(TEXT, b"4", fin=False) + frame(TEXT, b"4"), id="a message in a message"),
        pytest.param(frame(PING, b"", fin=False), id="a ping in parts"),
        pytest.param(frame(PING, b"x" * 126), id="a long ping"),
        pytest.param(frame(CLOSE, b"x"), id="half a status"),
        pytest.param(bytes([0x82, 0xFF]) + b"\xff" * 8 + b"mask", id="endless"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(bytes(range(256)), id="every byte"),
    ],
)
@pytest.mark.gen_test
async def test_what_is_no_websocket_frame_ends_the_line_and_nothing_else(
    http_port: int, connections: Connections, echo: Echo, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with await joined(http_port) as client:
        client.raw(data)
        await client.end()
        await until(lambda: not connections._open)
    assert [entry for entry in echo.diary if entry[0] == "a"] == []
    assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    async with await joined(http_port) as other:
        other.send('421["a"]')
        assert await other.text() == "431[]"


# -- going


@pytest.mark.parametrize(
    ("payload", "departure"),
    [
        (b"", Departure.LOST),
        (struct.pack(">H", 1000) + b"bye", Departure.LOST),
        (struct.pack(">H", 1001), Departure.LEFT),  # a page that is left
    ],
)
@pytest.mark.gen_test
async def test_a_client_that_closes_is_answered_and_gone(
    http_port: int, connections: Connections, echo: Echo, payload: bytes, departure: Departure
) -> None:
    async with await joined(http_port) as client:
        client.raw(frame(CLOSE, payload))
        assert await client.end() == int.from_bytes(payload[:2], "big")
        await until(lambda: not connections._open)
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, departure)


@pytest.mark.gen_test
async def test_a_client_that_vanishes_is_gone(http_port: int, connections: Connections, echo: Echo) -> None:
    async with await joined(http_port) as client:
        client.writer.transport.abort()
        await until(lambda: not connections._open)
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)


@pytest.mark.gen_test
async def test_a_client_that_leaves_on_purpose_is_told_apart_from_one_that_vanishes(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    async with await joined(http_port) as client:
        client.send("41")
        client.writer.close()
        await until(lambda: not connections._open)
        assert [entry for entry in echo.diary if entry[0] == "disconnected"] == [
            ("disconnected", echo.sockets[0].id, Departure.LEFT)
        ]


@pytest.mark.gen_test
async def test_a_client_that_vanishes_with_much_unread_leaves_no_error_behind(
    http_port: int, connections: Connections, echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # what earlier tests have left behind is not ours
    async with await joined(http_port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        echo.sockets[0].send(['42["x","' + "y" * 500_000 + '"]'] * 20)
        (connection,) = connections._open.values()
        assert not connection._transport.writable()
        echo.sockets[0].emit("more")
        client.writer.transport.abort()
        await until(lambda: not connections._open)
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.gen_test
async def test_a_client_that_does_not_read_is_closed_as_soon_as_too_much_waits(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    async with await joined(http_port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while connections._open:
            echo.sockets[0].emit("x", "y" * 90_000)
            await asyncio.sleep(0)
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)


@pytest.mark.gen_test
async def test_when_the_server_stops_its_clients_are_told_that_it_goes_away(
    http_port: int, connections: Connections
) -> None:
    async with await joined(http_port) as client:
        connections.close()
        assert (await refusal(http_port)).status == 503, "nobody comes in behind them"
        assert await client.end() == 1001
