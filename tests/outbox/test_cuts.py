"""The line breaks after any byte, in either direction, by either transport: what was written is seen once, in order,
by everybody, and nobody notices anything else."""

import asyncio
import random
from dataclasses import dataclass

import pytest

from protocol import Json
from tests.outbox.scene import Scene, meeting
from tests.outbox.tab import SECONDS
from tests.proxy import WAYS, Way
from tests.serving import Served

pytestmark = pytest.mark.first

SITTING = 250
"""Messages in one room; a screen forgets what is older than a thousand."""
PATIENCE = 300
LONG_PATIENCE = 1_800
WEBSOCKET: dict[str, Json] = {"transports": ["websocket"]}
POLLING: dict[str, Json] = {"transports": ["polling"]}
UPGRADE: dict[str, Json] = {"transports": ["polling", "websocket"]}
LIKE_THE_PAGE: dict[str, Json] = {}
GET, POST, JOIN = b"GET /", b"POST /", b"join-room"


@dataclass(frozen=True)
class Place:
    """Where a cut can be: on the connection that sends these words next, and whether another one has broken before, so
    that the writer is just coming back. `there`: it is the connection that is there already."""

    words: bytes
    way: Way
    fresh: bool = False
    there: bool = False


MESSAGE_BY_WEBSOCKET = [Place(b"", way, there=True) for way in WAYS]
RETURN_BY_WEBSOCKET = [Place(b"", way, fresh=True) for way in WAYS]
MESSAGE_BY_POLLING = [Place(POST, "up"), Place(POST, "down"), Place(GET, "up"), Place(GET, "down")]
RETURN_BY_POLLING = [Place(words, way, fresh=True) for words in (GET, POST, JOIN) for way in WAYS]
ANYWHERE = [Place(words, way, fresh) for words in (b"", GET, POST, JOIN) for way in WAYS for fresh in (False, True)]


def chance(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same at every run


async def say(scene: Scene, messages: int = 1) -> None:
    await scene.say(*(f"message {len(scene.said) + number}" for number in range(messages)))


async def provoke(scene: Scene, place: Place, offset: int | None, messages: int = 1) -> asyncio.Event:
    """The writer writes, having just lost its line if it is to come back; the line breaks again after so many bytes of
    a place, or does not. Answers when that was."""
    line, broken = scene.line, asyncio.Event()
    if place.fresh:
        await line.cut()
    if offset is not None:
        before = len(getattr(line, place.way)[-1]) if place.there else 0
        broken = line.cut_after(place.way, before + offset, place.words)
    await say(scene, messages)
    if place.fresh:
        # A connection that was just being made when the others ended may have stayed: it brings no message now.
        await scene.writer.reaches("offline")
        await line.mend()
    return broken


async def measure(scene: Scene, place: Place) -> int:
    """How many bytes there are at a place."""
    line, first, last = scene.line, len(scene.line.up), len(getattr(scene.line, place.way)[-1])
    await provoke(scene, place, None)
    await scene.arrives()
    if place.there:
        return len(getattr(line, place.way)[-1]) - last
    if (place.words, place.way, place.fresh) == (GET, "down", False):
        # The poll that was waiting brings the message. The ack may come with it, or after it.
        end = b'"}]'
        return next(down.index(end) + len(end) for down in line.down[first - 1 :] if end in down)
    async with asyncio.timeout(SECONDS):
        while True:
            for up, down in zip(line.up[first:], line.down[first:], strict=True):
                # What is said to one that was under way when the line broke is another answer, and longer.
                if place.words in up and (place.way == "up" or not down.startswith(b"HTTP/1.1 4")):
                    return len(up if place.way == "up" else down)
            await asyncio.sleep(0.01)  # the next poll may be on its way


async def cut(scene: Scene, place: Place, offset: int) -> None:
    broken = await provoke(scene, place, offset)
    try:
        async with asyncio.timeout(SECONDS):
            await broken.wait()
    except TimeoutError:
        pytest.fail(f"no cut after {offset} bytes: {place}")
    await scene.arrives()


async def cut_at(served: Served, options: dict[str, Json], place: Place, sample: int | None) -> int:
    """Cuts after every byte of a place, or after so many that are drawn; answers after how many."""
    offsets: list[int] | None = None
    done = 0
    while offsets is None or done < len(offsets):
        async with meeting(served, **options) as scene:
            await say(scene)  # the first is shorter than those that follow it
            await scene.arrives()
            size = await measure(scene, place)
            if offsets is None:
                offsets = chance(f"{place}").sample(range(size), min(sample or size, size))
            for offset in offsets[done : done + SITTING]:
                await cut(scene, place, offset)
                done += 1
            scene.once_and_in_order()
    return done


async def cut_everywhere(
    served: Served, options: dict[str, Json], places: list[Place], sample: int | None = None
) -> None:
    counts = await asyncio.gather(*(cut_at(served, options, place, sample) for place in places))
    assert min(counts) >= (sample or 100), counts


@pytest.mark.timeout(PATIENCE)
@pytest.mark.gen_test(timeout=PATIENCE)
async def test_by_websocket_cut_after_some_bytes(server: Served) -> None:
    await cut_everywhere(server, WEBSOCKET, MESSAGE_BY_WEBSOCKET, 100)
    await cut_everywhere(server, WEBSOCKET, RETURN_BY_WEBSOCKET, 40)


@pytest.mark.timeout(PATIENCE)
@pytest.mark.gen_test(timeout=PATIENCE)
async def test_polling_cut_after_some_bytes(server: Served) -> None:
    await cut_everywhere(server, POLLING, MESSAGE_BY_POLLING, 20)
    await cut_everywhere(server, POLLING, RETURN_BY_POLLING, 10)


@pytest.mark.long
@pytest.mark.timeout(LONG_PATIENCE)
@pytest.mark.gen_test(timeout=LONG_PATIENCE)
async def test_by_websocket_cut_after_every_byte(server: Served) -> None:
    await cut_everywhere(server, WEBSOCKET, MESSAGE_BY_WEBSOCKET)
    await cut_everywhere(server, WEBSOCKET, RETURN_BY_WEBSOCKET)


@pytest.mark.long
@pytest.mark.timeout(LONG_PATIENCE)
@pytest.mark.gen_test(timeout=LONG_PATIENCE)
async def test_polling_cut_after_every_byte(server: Served) -> None:
    await cut_everywhere(server, POLLING, MESSAGE_BY_POLLING)
    await cut_everywhere(server, POLLING, RETURN_BY_POLLING)


@pytest.mark.parametrize("options", [LIKE_THE_PAGE, UPGRADE], ids=["like-the-page", "polling-first"])
@pytest.mark.timeout(PATIENCE)
@pytest.mark.gen_test(timeout=PATIENCE)
async def test_cuts_wherever_a_transport_gives_way_to_another(server: Served, options: dict[str, Json]) -> None:
    """Several messages at a time, and cuts that come or do not."""
    draw = chance("4")
    came = 0
    async with meeting(server, **options) as scene:
        for _ in range(60):
            broken = await provoke(scene, draw.choice(ANYWHERE), draw.randrange(4_000), draw.randint(1, 3))
            await scene.arrives()
            came += broken.is_set()
        scene.once_and_in_order()
        assert came > 10
        assert {"polling", "websocket"} <= {*scene.writer.transports}
