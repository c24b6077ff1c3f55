"""A tab that was away comes back: after a lost answer, a restart of the server, a night asleep, to another node, from
offline. What it wrote is seen once and in order, and what it missed is told."""

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.limits import UNLIMITED
from tests.outbox.conftest import Serving
from tests.outbox.scene import meeting
from tests.serving import Served, serve

pytestmark = pytest.mark.gen_test(timeout=60)

HISTORY_LOST = ("The server has lost this room’s history. What you see above is your own copy.", "warn")
FIVE = ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_lost_answer(server: Served, transport: str) -> None:
    """The server has the message, and neither its answer nor the feed came back."""
    async with meeting(server, transports=[transport]) as scene:
        await scene.say("before")
        await scene.arrives()
        scene.line.drop("down")
        await scene.say("once")
        await scene.witness.hears("get_message", 2)
        assert scene.writer.states() == {"before": "sent", "once": "pending"}
        await scene.line.cut()
        scene.line.flow()
        await scene.say("twice")
        await scene.line.mend()
        await scene.arrives()
        scene.once_and_in_order()


async def test_a_message_that_is_not_in_the_log_any_more_counts_as_sent(serving: Serving) -> None:
    """It lies in what the writer has missed: the server's answer to the second try is all that tells of it."""
    async with meeting(serving(log_size=2)) as scene:
        scene.line.drop("down")
        await scene.say("mine")
        await scene.witness.hears("get_message")
        await scene.line.cut()
        for number in range(4):
            await scene.witness.say(f"theirs {number}")
        scene.line.flow()
        await scene.line.mend()
        await scene.writer.rests()
        assert scene.writer.states() == dict.fromkeys(["mine", "theirs 2", "theirs 3"], "sent")
        assert scene.writer.notices == [("3 messages were missed", "warn")]
        await scene.reader.sees("mine", *(f"theirs {number}" for number in range(4)))
        await scene.say("after")
        await scene.reader.sees("mine", *(f"theirs {number}" for number in range(4)), "after")


async def test_a_server_that_restarts(serving: Serving, tmp_path: Path, port: int) -> None:
    """Its memory is gone: the tabs join again, keep what they see, and are told what the server has lost."""
    first = serving(state=tmp_path, port=port)
    async with meeting(first) as scene:
        await scene.say("before")
        await scene.arrives()
        assert await asyncio.to_thread(first.stop) == 0
        for tab in (scene.writer, scene.reader):
            await tab.reaches("offline")
        await scene.say(*FIVE)
        assert [*scene.writer.states().values()] == ["sent", *["pending"] * 5]
        await asyncio.to_thread(serving, state=tmp_path, port=port)
        await scene.writer.rests()
        for tab in (scene.writer, scene.reader):
            await tab.sees("before", *FIVE)
            await tab.sees_people("Reader", "Writer")
            assert [notice for notice in tab.notices if notice[1] != "quiet"] == [HISTORY_LOST]


async def test_a_server_that_restarts_again_and_again_while_somebody_writes(
    serving: Serving, tmp_path: Path, port: int
) -> None:
    """No tab has ever seen all of it on one server; all have seen all of it."""
    served = serving(state=tmp_path, port=port)
    async with meeting(served) as scene:
        for number in range(4):
            await scene.say(f"{number} before")
            # What only the server and its writer had would be lost with the server.
            await scene.reader.sees(*scene.said)
            await asyncio.to_thread(served.stop)
            await scene.say(f"{number} after")
            served = await asyncio.to_thread(serving, state=tmp_path, port=port)
        await scene.writer.rests()
        await scene.reader.sees(*scene.said)
        assert scene.writer.texts == scene.said
        assert {kind for _, kind in scene.reader.notices} <= {"quiet", "warn"}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_server_that_is_killed_under_load(tmp_path: Path, port: int, transport: str) -> None:
    """What the writer still holds arrives, once and in order. What it had seen come back was on its way to the others
    in the same moment."""
    settings: dict[str, Any] = {**UNLIMITED, "state": tmp_path, "port": port}
    with ExitStack() as servers:
        served = servers.enter_context(serve(**settings))
        async with meeting(served, transports=[transport]) as scene:
            held: set[str] = set()
            for round_ in range(4):
                await scene.say(*(f"{round_}.{number}" for number in range(30)))
                await asyncio.sleep(0.02 * round_)
                served.process.send_signal(signal.SIGKILL)
                await scene.writer.reaches("offline")
                await scene.say(f"{round_} while it is gone")
                held |= {text for text, state in scene.writer.states().items() if state == "pending"}
                assert await asyncio.to_thread(served.stop) == -signal.SIGKILL
                served = await asyncio.to_thread(servers.enter_context, serve(**settings))
                await scene.writer.rests()
            assert len(held) > 4, "more than those that were written while it was gone"
            await scene.reader.until(lambda: scene.reader.states().keys() >= held)
            heard = scene.reader.texts
            assert heard == [text for text in scene.said if text in set(heard)]
            assert scene.writer.texts == scene.said
        assert await asyncio.to_thread(served.stop) == 0


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_night_asleep(serving: Serving, transport: str) -> None:
    """Until the server has given the tab up: the others see it go and come, and it sees what was said meanwhile."""
    hasty = serving(grace_time=0.2, ping_interval=0.5, ping_timeout=2)
    async with meeting(hasty, transports=[transport]) as scene:
        await scene.say("good night")
        await scene.arrives()
        scene.writer.freeze()
        await scene.witness.hears("user_left")
        await scene.witness.say("meanwhile")
        scene.writer.say("good morning")
        scene.writer.thaw()
        await scene.writer.until(lambda: scene.writer.states().get("good morning") == "sent")
        for tab in (scene.writer, scene.reader):
            await tab.sees("good night", "meanwhile", "good morning")
        assert [name for name, _ in scene.witness.events if name in {"user_left", "new_user"}] == [
            *("new_user", "new_user"),
            *("user_left", "new_user"),
        ]
        assert scene.writer.notices == []
        assert [words.partition(" ")[2].partition(" ")[2] for words, _ in scene.reader.notices] == ["left", "joined"]


async def test_frozen_too_shortly_to_be_missed(serving: Serving) -> None:
    async with meeting(serving(ping_interval=0.5, ping_timeout=20)) as scene:
        scene.writer.freeze()
        scene.writer.say("late")
        scene.said.append("late")
        await scene.witness.say("meanwhile")
        await scene.reader.sees("meanwhile")
        scene.writer.thaw()
        await scene.writer.sees("meanwhile", "late")
        await scene.reader.sees("meanwhile", "late")
        assert scene.writer.statuses.count(("joined", None)) == 1


async def test_a_woken_tab_finds_out_at_once_that_its_line_is_dead(server: Served) -> None:
    """Long before the heartbeat would have told."""
    async with meeting(server) as scene:
        scene.line.stall()
        scene.writer.wake()
        await scene.writer.until(lambda: ("connecting", None) in scene.writer.statuses[3:])
        scene.line.flow()
        await scene.say("awake")
        await scene.arrives()
        scene.once_and_in_order()


async def test_a_woken_tab_whose_line_is_good_stays_on_it(server: Served) -> None:
    async with meeting(server) as scene:
        before = list(scene.writer.statuses)
        scene.writer.wake()
        await scene.say("awake")
        await scene.arrives()
        assert scene.writer.statuses == before


async def test_a_woken_tab_does_not_wait_for_its_next_attempt(server: Served) -> None:
    async with meeting(server, reconnectionDelay=3_600_000, reconnectionDelayMax=3_600_000) as scene:
        await scene.line.cut()
        await scene.writer.reaches("offline")
        await scene.line.mend()
        scene.writer.wake()
        await scene.say("awake")
        await scene.arrives()
        scene.once_and_in_order()


async def test_another_node_and_back(serving: Serving, tmp_path: Path) -> None:
    """The same site, another memory: what is written on the way is seen once, by everybody who goes the same way."""
    first, second = serving(state=tmp_path), serving(state=tmp_path)
    async with meeting(first, readers_by_line=True) as scene:
        await scene.say("on the first")
        await scene.writer.rests()
        for node in (second, first):
            await scene.line.cut()
            await scene.writer.reaches("offline")
            await scene.say(f"between {node.port}", f"and {node.port}")
            scene.line.target = node.port
            await scene.line.mend()
            await scene.writer.rests()
            await scene.say(f"on {node.port}")
            await scene.writer.rests()
            await scene.reader.sees(*scene.said)
        assert scene.writer.texts == scene.said
        for tab in (scene.writer, scene.reader):
            assert [notice for notice in tab.notices if notice[1] != "quiet"] == [HISTORY_LOST] * 2
