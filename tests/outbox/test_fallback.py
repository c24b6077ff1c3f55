"""A WebSocket first, polling where that fails: refused, swallowed or broken off; and back to a WebSocket when one
works. Nobody is told but by the time that it takes."""

import pytest

from tests.outbox.scene import Scene, meeting
from tests.outbox.tab import HASTY
from tests.proxy import Line
from tests.serving import Served

pytestmark = pytest.mark.gen_test(timeout=60)

UPGRADE = b"Upgrade: websocket"
LONG_MS = 30_000
"""For tests in which every attempt to connect succeeds or fails by itself, however slow the machine is."""


async def talks(scene: Scene) -> None:
    await scene.say(f"message {len(scene.said)}")
    await scene.arrives()
    scene.once_and_in_order()


async def breaks(scene: Scene) -> None:
    await scene.line.cut()
    await scene.writer.reaches("offline")
    await scene.line.mend()


async def test_a_websocket_that_works(server: Served) -> None:
    async with meeting(server, timeout=LONG_MS) as scene:
        await talks(scene)
        assert scene.writer.transports == ["websocket"]


async def test_a_websocket_that_is_refused_costs_no_time(server: Served) -> None:
    async with meeting(server, Line(server.port, refuses_websocket=True), timeout=LONG_MS) as scene:
        await talks(scene)
        assert scene.writer.transports == ["polling"]
        assert scene.writer.errors == []
        assert scene.line.refused == 1


async def test_a_websocket_is_tried_again_whenever_the_line_has_broken(server: Served) -> None:
    async with meeting(server, Line(server.port, refuses_websocket=True), timeout=LONG_MS) as scene:
        await breaks(scene)
        await talks(scene)
        assert scene.writer.transports == ["polling", "polling"]
        scene.line.refuses_websocket = False
        await breaks(scene)
        await talks(scene)
        assert scene.writer.transports == ["polling", "polling", "websocket"]
        scene.line.refuses_websocket = True
        await breaks(scene)
        await talks(scene)
        assert scene.writer.transports == ["polling", "polling", "websocket", "polling"]


async def test_a_websocket_that_is_swallowed(server: Served) -> None:
    """Its request is taken and never answered; when it is after all, the page goes over to it."""
    line = Line(server.port)
    line.stall(UPGRADE)
    async with meeting(server, line) as scene:
        assert scene.writer.errors == ["timeout"]
        await talks(scene)
        assert scene.writer.transports == ["polling"]
        assert "offline" not in dict(scene.writer.statuses)
        await breaks(scene)
        # Once known, it is not waited for again.
        line.stall(UPGRADE)
        await talks(scene)
        assert scene.writer.errors == ["timeout"]
        assert scene.writer.transports == ["polling", "polling"]
        line.flow()
        await scene.writer.until(lambda: scene.writer.transports == ["polling", "polling", "websocket"])
        await talks(scene)


@pytest.mark.parametrize("after", [60, 129, 135])
async def test_a_websocket_that_breaks_off_before_it_is_open(server: Served, after: int) -> None:
    """In the answer to its request, behind it, or in the first packet."""
    line = Line(server.port)
    broken = line.cut_after("down", after, UPGRADE)
    async with meeting(server, line, timeout=HASTY["timeout"]) as scene:
        assert broken.is_set()
        await talks(scene)
        assert scene.writer.transports[0] == "polling"
        assert "offline" not in dict(scene.writer.statuses)


async def test_polling_that_is_swallowed(server: Served) -> None:
    """After a WebSocket was, and while none is: the two take turns until one works."""
    line = Line(server.port)
    line.stall(b"/socket.io/")
    async with meeting(server, line, joined=False) as scene:
        await scene.writer.until(lambda: len(scene.writer.errors) == 3)
        assert scene.writer.status == "offline"
        line.flow()
        await scene.writer.joins()
        await scene.reader.until(lambda: "Writer" in scene.reader.people)
        scene.reader.forget_notices()
        await talks(scene)
