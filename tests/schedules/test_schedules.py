"""Thousands of schedules, whatever a line may do: no message lost, none doubled, one order for all, no ghost. And that
they are not about nothing: what they come by, and that a broken server does not get through."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from handlers.connection import Connection
from protocol.session import CloseReason
from rooms.broker import MemoryBroker
from rooms.lobby import Lobby
from rooms.model import Snapshot
from tests.schedules.world import World

STEPS = 120
SIZE = 2 + 2 * STEPS
LAST = 100
"""Lines of what happened that are shown with a failure."""

schedules = st.binary(min_size=SIZE, max_size=SIZE)
checked = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],  # a failure tells its story; to make it smaller takes minutes
)


@pytest.fixture(autouse=True)
def _nothing_is_complained_about(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An exception that the server survives is one all the same."""
    yield
    gc.collect()  # a task that failed is complained about when it goes
    complaints = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert complaints == []


def play(schedule: bytes) -> None:
    world = World(schedule)
    try:
        asyncio.run(world.play())
    except BaseException as error:
        error.add_note("\n".join(world.diary[-LAST:]))
        raise


def some(seed: int) -> bytes:
    return Random(seed).randbytes(SIZE)  # noqa: S311 - to be repeated


@pytest.mark.timeout(300)
@settings(checked, max_examples=500)
@given(schedules)
def test_no_schedule_loses_or_doubles_or_leaves_a_ghost(schedule: bytes) -> None:
    play(schedule)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nor_do_many_more() -> None:
    for seed in range(20_000):
        play(some(seed))


def test_the_schedules_come_by_everything_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def counted(owner: type, name: str, what: Callable[..., str | None]) -> None:
        real = getattr(owner, name)

        def count(self: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - anything at all
            result = real(self, *args, **named)
            found = what(self, *args, **named)
            seen.update([found] if found else [])
            return result

        monkeypatch.setattr(owner, name, count)

    counted(Connection, "_closed", lambda self, reason: str(reason))
    counted(Connection, "_upgraded", lambda self: "upgraded")
    counted(
        Connection, "_give_up_candidate", lambda self, *_: "upgrade failed" if self.session.closed is None else None
    )
    counted(Lobby, "_admit", lambda self, joined: "returned" if joined.returned else "joined")
    counted(Snapshot, "log_after", lambda self, since: "since" if since and since.epoch == self.epoch else "all")
    counted(World, "_restart", lambda self, number: "restart" if number >= 160 else None)
    publish = MemoryBroker.publish

    async def counting(self: MemoryBroker, address: Any, message: Any, seat: str) -> int:  # noqa: ANN401 - passed on
        known = self._rooms[address].last if address in self._rooms else 0
        number = await publish(self, address, message, seat)
        seen.update(["posted" if number > known else "known already"])
        return number

    monkeypatch.setattr(MemoryBroker, "publish", counting)
    for seed in range(100):
        play(some(seed))
    assert not {what: seen[what] for what in EVERYTHING if seen[what] < 3}


EVERYTHING = (
    *(CloseReason.TRANSPORT_CLOSE, CloseReason.TRANSPORT_ERROR, CloseReason.PING_TIMEOUT, CloseReason.SLOW_CONSUMER),
    *(CloseReason.FORCED_SERVER_CLOSE, CloseReason.SHUTTING_DOWN, "upgraded", "returned", "joined", "since", "all"),
    *("restart", "posted", "known already"),
)
