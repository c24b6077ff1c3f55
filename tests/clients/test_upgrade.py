"""Messages flow while a client changes from polling to a WebSocket, over lines that are slow or break: none is lost,
doubled or out of order."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.clients.conftest import HOMES, at_home
from tests.clients.echoing import echoing
from tests.clients.official import Ears, Home, Wish, opened
from tests.proxy import Line, Way
from tests.serving import Served

pytestmark = pytest.mark.usefixtures("runner")

TOTAL = 200
DELAY, PAUSE = 0.03, 0.006
"""Seconds: of each chunk on its way, and between two messages, which take longer than the change of transport does."""
SHORT_DELAY, SHORT_PAUSE = 0.005, 0.002
EARLY = 40
"""Messages that come back before the change may begin."""

ON_WEBSOCKET = b"transport=websocket"
PROBE, ANSWER, UPGRADE = 12, 8, 7
"""Bytes of the frames with `2probe` (masked), `3probe` and `5` (masked)."""


@pytest.fixture(scope="module")
def echo() -> Iterator[Served]:
    with echoing() as served:
        yield served


def numbers(ears: Ears) -> list[int]:
    """What came back, in its order."""
    return [args[0] for _, event, args in ears.all if event == "message-back"]


def before_and_after(ears: Ears) -> tuple[int, int]:
    """How many messages came back before the client changed its transport, and how many after."""
    position = next(place for place, (_, event, _) in enumerate(ears.all) if event == "upgrade")
    names = [event for _, event, _ in ears.all]
    return names[:position].count("message-back"), names[position:].count("message-back")


def head(heard: bytearray) -> int:
    """How long the head of the request or the answer is."""
    return heard.index(b"\r\n\r\n") + 4


@pytest.fixture(scope="module")
def quiet() -> Iterator[Served]:
    """An echo server that does not ping in time to help anybody."""
    with echoing(ping_interval=60) as served:
        yield served


@pytest.fixture(scope="module")
def hasty() -> Iterator[Served]:
    """An echo server whose clients soon notice that they are not heard. The official one notices nothing else when
    the WebSocket breaks between the answer to its probe and the end of its last poll."""
    with echoing(ping_timeout=3) as served:
        yield served


@pytest.fixture(scope="module")
def heads(home: Home, echo: Served, runner: asyncio.Runner) -> dict[Way, int]:
    """How long the head of this client's request for a WebSocket is, and that of the answer."""

    async def measured() -> dict[Way, int]:
        async with Line(echo.port) as line, opened(home, Wish(line.url)) as client:
            await client.ears.heard("upgrade", "")
            (number,) = [number for number, heard in enumerate(line.up) if ON_WEBSOCKET in heard]
            return {"up": head(line.up[number]), "down": head(line.down[number])}

    return runner.run(measured())


async def all_come_back(ears: Ears, first: int = 0) -> None:
    """Every one of the numbers has travelled both ways, once and in its order."""
    for number in range(first, TOTAL):
        assert await ears.heard("message-back") == [number]
    assert numbers(ears) == list(range(TOTAL))


@at_home(*(name for name in HOMES if name not in {"asyncio", "threads"}))
async def test_poll_that_waits(home: Home, quiet: Served) -> None:
    """The server ends it, or the client would wait for the next ping before it can change."""
    async with Line(quiet.port, delay=SHORT_DELAY) as line:
        line.stall(ON_WEBSOCKET)
        async with opened(home, Wish(line.url)) as client:
            await client.ears.heard("connect")
            assert await client.call("message-with-ack", 1) == [1]
            line.flow()  # and the next poll is on its way already
            assert await client.ears.heard("upgrade", "") == ["websocket"]
            assert await client.call("message-with-ack", 2) == [2]


async def test_slow_line(home: Home, echo: Served) -> None:
    async with Line(echo.port, delay=DELAY) as line:
        if home.upgrades_later:
            line.stall(ON_WEBSOCKET)
        async with opened(home, Wish(line.url)) as client:
            await client.ears.heard("connect")
            await client.flood("message", TOTAL, PAUSE)
            for number in range(EARLY):
                assert await client.ears.heard("message-back") == [number]
            line.flow()
            await all_come_back(client.ears, EARLY)
            assert await client.transport() == "websocket"
            if home.upgrades_later:
                before, after = before_and_after(client.ears)
                assert before >= EARLY
                assert after > 10, "messages flowed while it changed"


@at_home("node-4.0", "node-newest")
@pytest.mark.parametrize(
    ("way", "after_head"),
    [*(("up", size) for size in (-1, 0, 1, PROBE - 1, PROBE)), *(("down", size) for size in (-1, 0, 1, ANSWER - 1))],
)
async def test_line_that_breaks_before_the_change(
    home: Home, echo: Served, heads: dict[Way, int], way: Way, after_head: int
) -> None:
    """Only the WebSocket's line breaks, before the client can know that it may change: polling goes on."""
    async with Line(echo.port, delay=SHORT_DELAY) as line:
        broken = line.cut_after(way, heads[way] + after_head, ON_WEBSOCKET)
        async with opened(home, Wish(line.url)) as client:
            await client.ears.heard("connect")
            await client.flood("message", TOTAL, SHORT_PAUSE)
            await all_come_back(client.ears)
            assert broken.is_set()
            assert await client.transport() == "polling"
            assert client.ears.names().count("connect") == 1, "the session went on"


@at_home("node-4.0", "node-newest")
@pytest.mark.parametrize(
    ("way", "after_head"),
    [*(("up", PROBE + size) for size in (UPGRADE - 1, UPGRADE, UPGRADE + 1)), ("down", ANSWER)],
)
async def test_line_that_breaks_in_the_change(
    home: Home, hasty: Served, heads: dict[Way, int], way: Way, after_head: int
) -> None:
    """The client has given polling up when the WebSocket breaks: it comes back, and what it sends then arrives."""
    async with Line(hasty.port, delay=SHORT_DELAY) as line:
        broken = line.cut_after(way, heads[way] + after_head, ON_WEBSOCKET)
        async with opened(home, Wish(line.url)) as client:
            await client.ears.heard("connect")
            await client.flood("message", TOTAL, SHORT_PAUSE)
            await client.ears.heard("disconnect")
            assert broken.is_set()
            await client.ears.heard("connect")
            await client.ears.heard("flooded", "")
            await client.emit("message", TOTAL)
            while await client.ears.heard("message-back") != [TOTAL]:
                pass
            heard = numbers(client.ears)
            assert heard == sorted(set(heard)), "none doubled, none out of order"
