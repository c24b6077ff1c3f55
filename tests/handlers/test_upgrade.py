"""From polling to a WebSocket on real connections: order kept, nothing lost, and every way in which it can fail."""

import asyncio

import pytest

from handlers.connection import Connection
from handlers.connections import Connections
from tests.fakes import Echo
from tests.handlers.conftest import until
from tests.handlers.test_polling import held, joined, refused
from tests.polling import Poller
from tests.websocket import QUERY, TEXT, RawWebSocket, Refusal, frame

pytestmark = [pytest.mark.usefixtures("http_server"), pytest.mark.gen_test]


async def candidate(client: Poller, *messages: str) -> RawWebSocket:
    """A WebSocket that wants to take this session over."""
    other = await RawWebSocket.open(client.port, f"{QUERY}&sid={client.sid}")
    other.send(*messages)
    return other


async def upgraded(client: Poller) -> RawWebSocket:
    other = await candidate(client, "2probe")
    assert await other.text() == "3probe"
    other.send("5")
    return other


def of(client: Poller, connections: Connections) -> Connection:
    connection = connections.find(client.sid)
    assert connection is not None
    return connection


async def still_polls(client: Poller) -> bool:
    await client.say('4299["still"]')
    return (await client.poll())[-1] == "4399[]"


async def test_the_poll_ends_and_the_talk_goes_on_over_the_websocket(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    client = await joined(http_port)
    poll = await held(client, connections)
    async with await candidate(client, "2probe") as other:
        assert await other.text() == "3probe"
        assert (await poll.answer()).body == b"6"
        # All in one segment, as the official client does.
        other.raw(frame(TEXT, b"5") + frame(TEXT, b'421["a"]') + frame(TEXT, b'422["b"]'))
        assert [await other.text() for _ in range(2)] == ["431[]", "432[]"]
        echo.sockets[0].emit("welcome")
        assert await other.text() == '42["welcome"]'
        other.raw(frame(8, b""))
        assert await other.end() == 0
    await until(lambda: connections.find(client.sid) is None)


async def test_what_is_said_meanwhile_arrives_once_and_in_order(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    (socket,) = echo.sockets
    socket.emit("1")
    async with await candidate(client, "2probe") as other:
        assert await other.text() == "3probe"
        socket.emit("2")
        assert await client.poll() == ['42["1"]', '42["2"]']
        poll = await client.begin()
        socket.emit("3")
        assert (await poll.answer()).body == b'42["3"]'
        await client.say('421["post"]')
        socket.emit("4")
        other.send("5")
        assert [await other.text() for _ in range(2)] == ["431[]", '42["4"]']
        socket.emit("5")
        assert await other.text() == '42["5"]'


async def test_no_poll_is_held_while_the_client_waits_for_its_end(http_port: int) -> None:
    client = await joined(http_port)
    async with await candidate(client, "2probe") as other:
        assert await other.text() == "3probe"
        async with asyncio.timeout(2):
            for _ in range(4):
                assert await client.poll() == ["6"]


async def test_a_poll_that_waits_when_the_websocket_takes_over_ends_without_a_message(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    client = await joined(http_port)
    async with await candidate(client, "2probe") as other:
        assert await other.text() == "3probe"
        poll = await held(client, connections)
        other.send("5")
        assert (await poll.answer()).body == b"6"
        echo.sockets[0].emit("to the WebSocket")
        assert await other.text() == '42["to the WebSocket"]'


async def test_after_it_the_session_is_the_websockets_and_survives_whoever_comes_with_its_id(
    http_port: int, connections: Connections
) -> None:
    client = await joined(http_port)
    async with await upgraded(client) as other:
        await until(lambda: of(client, connections).session.via == "websocket")
        assert refused(await client.get(), 3, "Bad request")
        assert refused(await client.post('42["a"]'), 3, "Bad request")
        async with await candidate(client, "2probe") as third:
            assert await third.end() == 0
        other.send('421["a"]')
        assert await other.text() == "431[]"


async def test_who_upgrades_while_its_post_is_read_stays_with_polling(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    client = await joined(http_port)
    slow = await client.begin(b'42["sl', Content_Length="10")
    await until(of(client, connections).transport.busy)
    async with await upgraded(client) as other:
        assert await other.end() == 0
        slow.writer.write(b'ow"]')
        assert (await slow.answer()).body == b"ok"
        assert ("slow",) in echo.diary
        assert await still_polls(client)


async def test_a_long_post_that_gives_others_a_turn_is_handled_whole(http_port: int, echo: Echo) -> None:
    client = await joined(http_port)
    post = await client.begin("\x1e".join(['42["a"]'] * 120).encode())
    async with await upgraded(client) as other:
        assert (await post.answer()).body == b"ok"
        assert echo.diary.count(("a",)) == 120
        other.send('421["b"]')


async def test_who_upgrades_while_its_post_is_handled_stays_with_polling(
    http_port: int, connections: Connections, echo: Echo
) -> None:
    client = await joined(http_port)
    post = await client.begin(b'421["pause"]')
    await until(lambda: ("pause",) in echo.diary)
    async with await upgraded(client) as other:
        assert await other.end() == 0
        assert of(client, connections).session.via == "polling"
        echo.resume()
        assert (await post.answer()).body == b"ok"
        assert await client.poll() == ["431[]"]


async def test_one_websocket_at_a_time_may_try(http_port: int) -> None:
    client = await joined(http_port)
    async with await candidate(client, "2probe") as first:
        assert await first.text() == "3probe"
        async with await candidate(client, "2probe") as second:
            assert await second.end() == 0
        first.send("5", '421["a"]')
        assert await first.text() == "431[]"


@pytest.mark.parametrize("first", ["2", "2prob", "2probe!", "5", "40", "", "garbage", "3probe", "4hello", "1", "6"])
async def test_a_websocket_that_begins_otherwise_is_closed_and_polling_goes_on(http_port: int, first: str) -> None:
    client = await joined(http_port)
    async with await candidate(client, first) as other:
        assert await other.end() == 0
    assert await still_polls(client)
    async with await upgraded(client) as again:
        again.send('421["a"]')
        assert await again.text() == "431[]"


@pytest.mark.parametrize("then", ["2probe", "4early", "", "3", "1", "garbage"])
async def test_nothing_but_the_upgrade_may_follow_the_probe(http_port: int, then: str) -> None:
    client = await joined(http_port)
    async with await candidate(client, "2probe", then) as other:
        assert await other.text() == "3probe"
        assert await other.end() == 0
    assert await still_polls(client)


async def test_bytes_are_no_probe(http_port: int) -> None:
    client = await joined(http_port)
    async with await candidate(client) as other:
        other.send(b"2probe")
        assert await other.end() == 0
    assert await still_polls(client)


@pytest.mark.parametrize("probe", [[], ["2probe"]])
async def test_a_websocket_that_is_lost_before_it_took_over_is_forgotten(
    http_port: int, connections: Connections, probe: list[str]
) -> None:
    client = await joined(http_port)
    async with await candidate(client, *probe) as other:
        if probe:
            assert await other.text() == "3probe"
    await until(lambda: of(client, connections)._candidate is None)
    poll = await held(client, connections)
    await client.say('421["a"]')
    assert (await poll.answer()).body == b"431[]"
    async with await upgraded(client) as again:
        again.send('422["b"]')
        assert await again.text() == "432[]"


async def test_the_session_ends_and_takes_the_candidate_with_it(http_port: int, connections: Connections) -> None:
    client = await joined(http_port)
    async with await candidate(client, "2probe") as other:
        assert await other.text() == "3probe"
        await client.say("1")
        assert await other.end() == 0
        assert connections.find(client.sid) is None


async def test_a_websocket_for_nobodys_session_is_refused(http_port: int) -> None:
    with pytest.raises(Refusal) as refusal:
        await RawWebSocket.open(http_port, f"{QUERY}&sid=nobody")
    assert refused(refusal.value.answer, 1, "Session ID unknown")


async def test_without_an_upgrade_header_it_is_a_bad_request_and_the_session_stays(http_port: int) -> None:
    client = await joined(http_port)
    with pytest.raises(Refusal) as refusal:
        await RawWebSocket.open(http_port, f"{QUERY}&sid={client.sid}", {"Upgrade": ""})
    assert refused(refusal.value.answer, 3, "Bad request")
    assert await still_polls(client)
