"""HTTP long-polling on a real server and raw connections: what comes, what is answered, and what ends a session."""

import asyncio
import json

import pytest

from handlers.connections import Connections
from handlers.polling import PollingHandler, PollingTransport
from protocol.session import CloseReason, Timing
from tests.fakes import Echo
from tests.handlers.conftest import MAX_PAYLOAD, until
from tests.polling import POLLING, Poller, Request
from tests.websocket import Answer

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test]


async def joined(port: int) -> Poller:
    """A client that has joined the namespace, with nothing unread."""
    client = await Poller.open(port)
    await client.say("40")
    connect, welcome = await client.poll()
    assert connect.startswith("40{")
    assert welcome == '42["welcome"]'
    return client


async def held(client: Poller, connections: Connections) -> Request:
    """A GET that the server holds."""
    request = await client.begin()
    connection = connections.find(client.sid)
    assert connection is not None
    await until(connection.transport.writable)
    return request


def refused(answer: Answer, code: int, message: str) -> bool:
    return answer.status == 400 and json.loads(answer.body) == {"code": code, "message": message}


async def is_over(client: Poller, connections: Connections) -> bool:
    assert connections.find(client.sid) is None
    return refused(await client.get(), 1, "Session ID unknown")


# -- coming in


async def test_a_poll_opens_with_the_handshake(http_port: int, connections: Connections) -> None:
    client = await Poller.open(http_port)
    assert connections.find(client.sid) is not None
    assert client.handshake == {
        "sid": client.sid,
        "upgrades": ["websocket"],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": MAX_PAYLOAD,
    }


@pytest.mark.parametrize(
    "query", ["transport=polling&EIO=4", f"{POLLING}&t=abc", f"{POLLING}&sid=", f"{POLLING}&b64=1&j=0"]
)
async def test_the_query_may_be_in_any_order_and_hold_more(http_port: int, query: str) -> None:
    answer = await (await Request.begin(http_port, query)).answer()
    assert (answer.status, answer.body[:1]) == (200, b"0")


@pytest.mark.parametrize(
    ("query", "method", "code", "message"),
    [
        ("", "GET", 0, "Transport unknown"),
        ("EIO=4", "GET", 0, "Transport unknown"),
        ("EIO=4&transport=abc", "GET", 0, "Transport unknown"),
        ("EIO=4&transport=polling&transport=abc", "GET", 0, "Transport unknown"),
        ("EIO=3&transport=abc&sid=x", "POST", 0, "Transport unknown"),
        (f"{POLLING}&sid=nobody", "GET", 1, "Session ID unknown"),
        (f"{POLLING}&sid=nobody", "POST", 1, "Session ID unknown"),
        (f"{POLLING}&sid=nobody", "DELETE", 1, "Session ID unknown"),
        *((POLLING, method, 2, "Bad handshake method") for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
        ("transport=polling", "POST", 2, "Bad handshake method"),
        ("transport=polling", "GET", 5, "Unsupported protocol version"),
        ("EIO=&transport=polling", "GET", 5, "Unsupported protocol version"),
        ("EIO=3&transport=polling", "GET", 5, "Unsupported protocol version"),
        ("EIO=abc&transport=polling", "GET", 5, "Unsupported protocol version"),
        ("EIO=%ff&transport=polling", "GET", 5, "Unsupported protocol version"),
    ],
)
async def test_a_request_that_is_wrong_is_told_what_is(
    http_port: int, connections: Connections, query: str, method: str, code: int, message: str
) -> None:
    body = None if method == "GET" else b"4hello"
    answer = await (await Request.begin(http_port, query, body, method=method)).answer()
    assert refused(answer, code, message)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert not connections._open


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_a_session_is_asked_by_get_and_post_and_survives_all_else(http_port: int, method: str) -> None:
    client = await joined(http_port)
    answer = await (await Request.begin(http_port, client.query, method=method)).answer()
    assert answer.status == 400
    assert method == "HEAD" or refused(answer, 3, "Bad request")
    await client.say('421["a"]')
    assert await client.poll() == ["431[]"]


@pytest.mark.parametrize("version", ["3", "", "5"])
async def test_a_session_keeps_its_version(http_port: int, version: str) -> None:
    client = await joined(http_port)
    query = client.query.replace("EIO=4", f"EIO={version}")
    for body in (None, b'421["a"]'):
        assert refused(await (await Request.begin(http_port, query, body)).answer(), 3, "Bad request")
    await client.say('422["b"]')
    assert await client.poll() == ["432[]"]


async def test_when_there_are_as_many_as_there_may_be_more_are_asked_to_come_later(
    http_port: int, connections: Connections
) -> None:
    clients = [await Poller.open(http_port) for _ in range(3)]
    answer = await (await Request.begin(http_port, POLLING)).answer()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    await clients[0].say("1")
    await until(lambda: not connections.full)
    await Poller.open(http_port)


async def test_the_last_place_goes_to_one_of_those_who_asked_for_it(http_port: int, connections: Connections) -> None:
    late = [await Request.begin(http_port, POLLING, headers={"Content-Length": "1"}) for _ in range(5)]
    await asyncio.sleep(0.05)
    for request in late:
        request.writer.write(b"x")
    answers = [await request.answer() for request in late]
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 503, 503]
    assert len(connections._open) == 3


# -- polls


async def test_an_answer_is_text_that_nobody_keeps(http_port: int) -> None:
    client = await Poller.open(http_port)
    posted = await client.post("40")
    polled = await client.get()
    for answer in (posted, polled):
        assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
    assert posted.body == b"ok"


async def test_a_poll_waits_for_something_to_say_and_says_all_of_it(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    await client.say('421["a"]')
    assert (await poll.answer()).body == b"431[]"
    await client.say('422["b"]', '423["c"]')
    await client.say('424["d"]')
    assert await client.poll() == ["432[]", "433[]", "434[]"]


async def test_bytes_travel_as_base64_both_ways(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    placeholder = '{"_placeholder":true,"num":0}'
    await client.say(f'451-["a",{placeholder}]', "bAP/+", f'451-7["b",{placeholder}]', "b")
    assert await client.poll() == [f"461-7[{placeholder}]", "b"]
    assert [entry for entry in echo.diary if entry[0] in {"a", "b"}] == [("a", b"\x00\xff\xfe"), ("b", b"")]


async def test_letters_beyond_ascii_arrive(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    await client.say('421["ä€😀\u2028"]')
    assert await client.poll() == ["431[]"]
    assert echo.diary[-1] == ("ä€😀\u2028",)


async def test_a_payload_may_hold_very_many_packets(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    await client.say(*['42["a"]'] * 110)
    assert echo.diary.count(("a",)) == 110


async def test_two_polls_at_a_time_end_the_session(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    first = await held(client, connections)
    second = await client.get()
    assert (second.status, second.body) == (400, b"")
    answer = await first.answer()
    assert (answer.status, answer.body) == (200, b"1")
    assert await is_over(client, connections)


async def test_a_poll_that_is_given_up_ends_the_session(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    (await held(client, connections)).cut()
    await until(lambda: connections.find(client.sid) is None)
    assert refused(await client.post("3"), 1, "Session ID unknown")


async def test_a_lost_answer_is_no_reason_to_stay(http_port: int, connections: Connections, echo: Echo) -> None:
    client = await joined(http_port)
    (await held(client, connections)).cut()
    await until(lambda: ("disconnected", echo.sockets[0].id, "transport close") in echo.diary)


async def test_a_poll_that_crosses_its_clients_goodbye_is_not_refused(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    await client.say("1")
    assert await client.poll() == ["6"]
    assert await is_over(client, connections)


# -- posts


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"abc", b"7", b"9hello", b"{}", b"\x1e", b"4\x1e\x1e4", b"3\x1e", b"\xff4", b"4\xc3"),
        *(
            b"bAA",
            b"b*",
            b"b\xc3\xa4AA",
            b"b AAA",
            b"bAAA=A",
            b"4" + b"\xed\xa0\x80",
            b"\xef\xbb\xbf40",
            b"\x1f\x8b\x08",
        ),
    ],
)
async def test_garbage_ends_the_session_and_is_never_answered_ok(
    http_port: int, connections: Connections, body: bytes
) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    assert refused(await client.post(body), 3, "Bad request")
    assert (await poll.answer()).body == b"1"
    assert await is_over(client, connections)


async def test_what_stands_before_garbage_counts_and_what_follows_does_not(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    answer = await client.post('42["before"]\x1eabc\x1e42["after"]')
    assert refused(answer, 3, "Bad request")
    assert ("before",) in echo.diary
    assert ("after",) not in echo.diary


@pytest.mark.parametrize(
    "packet", ["4abc", "42{}", "42[]", '43["a"]', "40", '44{"message":"x"}', '42["connect"]', "2", "bAA=="]
)
async def test_what_breaks_the_protocol_is_not_answered_ok_either(
    http_port: int, connections: Connections, packet: str
) -> None:
    client = await joined(http_port)
    assert refused(await client.post(packet), 3, "Bad request")
    assert connections.find(client.sid) is None


@pytest.mark.parametrize("packet", ['42["a"]', "41", '431["a"]', "40/"])
async def test_the_first_packet_must_connect(http_port: int, connections: Connections, packet: str) -> None:
    client = await Poller.open(http_port)
    answer = await client.post(packet)
    if packet == "40/":
        assert answer.body == b"ok"
    else:
        assert refused(answer, 3, "Bad request")
        assert connections.find(client.sid) is None


@pytest.mark.parametrize("packet", ["0", "0{}", "3", "3probe", "5", "6", "6x"])
async def test_packets_without_a_meaning_here_have_none(http_port: int, packet: str) -> None:
    client = await joined(http_port)
    await client.say(packet)
    await client.say('421["a"]')
    assert await client.poll() == ["431[]"]


async def test_who_says_goodbye_is_gone_and_its_poll_ends(http_port: int, connections: Connections, echo: Echo) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    await client.say("1", '42["after"]', "garbage")
    assert (await poll.answer()).body == b"6"
    assert await is_over(client, connections)
    assert ("after",) not in echo.diary


async def test_bytes_as_such_are_refused_and_end_the_session(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    answer = await client.post(b"42[]", Content_Type="application/octet-stream")
    assert (answer.status, answer.body) == (400, b"")
    assert (await poll.answer()).body == b"1"
    assert await is_over(client, connections)


@pytest.mark.parametrize("kind", ["", "text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"])
async def test_any_other_type_is_taken_for_text(http_port: int, kind: str) -> None:
    client = await joined(http_port)
    assert (await client.post('421["a"]', Content_Type=kind)).body == b"ok"
    assert await client.poll() == ["431[]"]


async def test_two_posts_at_a_time_end_the_session(http_port: int, connections: Connections, echo: Echo) -> None:
    client = await joined(http_port)
    slow = await client.begin(b"", Content_Length="10")
    connection = connections.find(client.sid)
    assert connection is not None
    transport = connection.transport
    assert isinstance(transport, PollingTransport)
    await until(lambda: transport.posting is not None)
    second = await client.post('42["a"]')
    assert (second.status, second.body) == (400, b"")
    slow.writer.write(b'42["slow"]')
    assert refused(await slow.answer(), 1, "Session ID unknown")
    assert {("a",), ("slow",)} & set(echo.diary) == set()
    assert await is_over(client, connections)


async def test_a_post_that_is_being_handled_is_one_too(http_port: int, connections: Connections, echo: Echo) -> None:
    client = await joined(http_port)
    slow = await client.begin(b'421["pause"]')
    await until(lambda: ("pause",) in echo.diary)
    assert (await client.post('42["a"]')).status == 400
    echo.resume()
    assert refused(await slow.answer(), 3, "Bad request")
    assert connections.find(client.sid) is None


async def test_a_post_that_is_cut_ends_the_session(http_port: int, connections: Connections, echo: Echo) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    post = await client.begin(b'42["half', Content_Length="100")
    await asyncio.sleep(0.05)
    post.cut()
    assert (await poll.answer()).body == b"1"
    assert await is_over(client, connections)
    assert ("half",) not in echo.diary


async def test_a_post_that_is_cut_leaves_nothing_of_its_body(
    http_port: int, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[PollingHandler] = []
    prepare = PollingHandler.prepare

    def remembered(handler: PollingHandler) -> None:
        handlers.append(handler)
        prepare(handler)

    monkeypatch.setattr(PollingHandler, "prepare", remembered)
    client = await joined(http_port)
    post = await client.begin(b"4" * 800, Content_Length="900")
    await until(lambda: any(handler._size == 800 for handler in handlers))
    post.cut()
    await until(lambda: connections.find(client.sid) is None)
    assert [len(handler._body) for handler in handlers if handler._size == 800] == [0]


async def test_events_of_one_payload_are_handled_one_after_the_other(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    post = await client.begin(b'421["pause"]\x1e422["next"]')
    await until(lambda: ("pause",) in echo.diary)
    await asyncio.sleep(0.02)
    assert ("next",) not in echo.diary
    echo.resume()
    assert (await post.answer()).body == b"ok"
    assert await client.poll() == ["431[]", "432[]"]


@pytest.mark.parametrize("session", [True, False])
@pytest.mark.parametrize("length", ["9" * 5000, "-1", "abc", "1_0", "\xb2", "+1", " ", "1, 2"])
async def test_a_length_that_is_none_is_no_reason_to_complain(
    http_port: int, connections: Connections, caplog: pytest.LogCaptureFixture, length: str, *, session: bool
) -> None:
    client = await joined(http_port)
    query = client.query if session else POLLING
    answer = await (await Request.begin(http_port, query, b"", headers={"Content-Length": length})).answer()
    assert answer.status in {400, 413}
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
    if session and answer.status == 413:
        assert connections.find(client.sid) is not None


# -- sizes


async def test_a_body_of_the_announced_size_is_taken_and_one_byte_more_is_not(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    for size in (MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD):
        answer = await client.post(f'42["a","{"x" * (size - 10)}"]')
        assert (answer.status, answer.body) == ((200, b"ok") if size == MAX_PAYLOAD else (413, b"")), size
    assert [len(str(entry[1])) for entry in echo.diary if entry[0] == "a"] == [MAX_PAYLOAD - 10]
    await client.say('421["b"]')
    assert await client.poll() == ["431[]"], "what was refused has changed nothing"


async def test_the_size_is_in_bytes(http_port: int) -> None:
    client = await joined(http_port)
    assert (await client.post(f'42["{"ä" * (MAX_PAYLOAD // 2)}"]')).status == 413


async def test_a_body_that_is_said_to_be_huge_is_not_waited_for(http_port: int) -> None:
    client = await joined(http_port)
    answer = await (await client.begin(b"", Content_Length=str(10**12))).answer()
    assert answer.status == 413
    await client.say('421["a"]')
    assert await client.poll() == ["431[]"]


async def test_a_body_that_is_asked_about_is_refused_before_it_is_sent(http_port: int) -> None:
    client = await joined(http_port)
    request = await client.begin(b"", Content_Length=str(MAX_PAYLOAD + 1), Expect="100-continue")
    assert (await request.answer()).status == 413


async def test_a_body_that_does_not_come_is_not_waited_for_longer_than_a_pong(
    http_port: int, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "timing", Timing(ping_interval=0.5, ping_timeout=0.5, max_payload=MAX_PAYLOAD))
    client = await joined(http_port)
    for query in (client.query, POLLING):
        request = await Request.begin(http_port, query, b"4", headers={"Content-Length": "10"})
        assert (await request.answer()).status == 0
    assert await is_over(client, connections)


async def test_a_body_in_chunks_is_measured_while_it_comes(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)

    def chunk(data: bytes) -> bytes:
        return f"{len(data):x}\r\n".encode() + data + b"\r\n"

    whole = await client.begin(
        chunk(b'421["') + chunk(b'a"]') + b"0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked"
    )
    assert (await whole.answer()).body == b"ok"
    large = await client.begin(
        chunk(b"4" * (MAX_PAYLOAD + 1)) + b"0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked"
    )
    assert (await large.answer()).status == 413
    endless = await client.begin(chunk(b"4" * MAX_PAYLOAD) * 3, Content_Length="", Transfer_Encoding="chunked")
    assert (await endless.answer()).status in {413, 0}, "the line is cut; the answer may go down with it"
    await client.say('422["b"]')
    assert await client.poll() == ["431[]", "432[]"]
    assert [entry for entry in echo.diary if entry[0] in {"a", "b"}] == [("a",), ("b",)]


# -- the server's side of an end


async def test_a_farewell_is_not_for_requests_that_are_wrong(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    connection = connections.find(client.sid)
    assert connection is not None
    connection.close(CloseReason.FORCED_CLOSE)
    answer = await (await Request.begin(http_port, f"EIO=4&transport=abc&sid={client.sid}")).answer()
    assert refused(answer, 0, "Transport unknown")
    strange = await Request.begin(http_port, client.query, headers={"Sec-Fetch-Site": "cross-site"})
    assert (await strange.answer()).status == 403
    assert await client.poll() == ["1"]


async def test_the_server_stops_and_polls_end_with_it(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    connections.close()
    assert (await poll.answer()).body == b"6", "some clients would not come back after a 1"
    assert (await (await Request.begin(http_port, POLLING)).answer()).status == 503


async def test_who_is_between_two_polls_hears_of_the_end_with_the_next(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    client = await joined(http_port)
    connection = connections.find(client.sid)
    assert connection is not None
    echo.sockets[0].emit("last words")
    connection.close(CloseReason.FORCED_CLOSE)
    assert refused(await client.post("3"), 1, "Session ID unknown")
    assert await client.poll() == ['42["last words"]', "1"]
    assert await is_over(client, connections)
