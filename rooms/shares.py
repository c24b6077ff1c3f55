"""Limits that hold for all nodes of a site together: what much is used of is told to the others about once a second,
and what they have used counts here. Knows no Redis, and none of those whom the limits are for.

On the way of a message there is no question to anybody: until the others know, each node grants what one node may. So
an address gets as many bursts as there are nodes, and then no more than its rate.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from rooms.clock import Cancellable, Clock
from rooms.limits import Meters

EVERY_SECONDS = 1.0
WORTH_TELLING = 0.1
"""The part of a limit from which on its use is told: so much of it goes uncounted on each node at most."""
MOST = 2000
"""Allowances that are told of at a time, those that most is used of first."""


class Common(Protocol):
    """What all nodes share."""

    async def spend(self, kind: str, whose: bytes, seconds: tuple[float, ...]) -> tuple[float, ...]:
        """Adds to what is used up of an allowance; answers how many seconds its buckets are from full. Nothing where
        nobody can be asked."""

    async def hold(self, kind: str, whose: bytes, number: int) -> int:
        """This node holds so many; answers how many the others do. 0 where nobody can be asked."""


class Holder(Protocol):
    """Counts connections by address."""

    def held(self) -> Mapping[bytes, int]:
        """How many each address has here."""

    def heard(self, elsewhere: Mapping[bytes, int]) -> None:
        """How many those that were asked about have on other nodes."""


class Shares:
    """`meters`: those of now. `most`: how many connections an address may have."""

    def __init__(
        self,
        common: Common,
        meters: Callable[[], Meters],
        holder: Holder,
        most: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._common = common
        self._meters = meters
        self._holder = holder
        self._most = most
        self._clock = clock
        self._told: set[bytes] = set()
        self._task: asyncio.Task[None] | None = None
        self._timer: Cancellable = clock.call_later(EVERY_SECONDS, self._due)

    async def close(self) -> None:
        """No timer and no task is left."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _due(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self.share())
        self._timer = self._clock.call_later(EVERY_SECONDS, self._due)

    async def share(self) -> None:
        """Tells what is worth it, and hears."""
        meters = self._meters()
        spent = [each for each in meters.spent() if max(each.seconds) >= WORTH_TELLING * EVERY_SECONDS]
        spent.sort(key=lambda each: max(each.seconds), reverse=True)
        owed = await asyncio.gather(*(self._common.spend(*each) for each in spent[:MOST]))
        now = self._clock.time()
        for each, seconds in zip(spent, owed, strict=False):
            meters.owe(each.kind, each.whose, seconds, now)
        held = self._holder.held()
        many = {whose for whose, number in held.items() if number >= WORTH_TELLING * self._most()}
        asked = [*many, *(self._told - many)][:MOST]  # once more of those who have become few
        others = await asyncio.gather(*(self._common.hold("connections", whose, held.get(whose, 0)) for whose in asked))
        self._told = many
        self._holder.heard(dict(zip(asked, others, strict=True)))
