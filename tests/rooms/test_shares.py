"""Limits of a site of several nodes: what one has used counts for the others, as soon as it is worth telling."""

import asyncio
from collections.abc import Mapping

from rooms.limits import Allowance, Meters, Quotas, Rate, Traffic
from rooms.shares import EVERY_SECONDS, WORTH_TELLING, Shares
from tests.fakes import FakeClock

AMPLE = Rate(1e9, 1e9)
QUOTAS = Quotas(
    socket=Traffic(AMPLE, AMPLE),
    address=Traffic(Rate(64, 256), Rate(1024, 4096)),
    room=Traffic(Rate(64, 256), AMPLE),
    address_joins=Rate(1, 5),
    room_joins=Rate(1, 5),
    attempts=3,
    refusals=AMPLE,
)
HERE, ROOM = b"h" * 16, b"r" * 32


class Common:
    """What all nodes share, in a dict. `away`: nobody can be asked."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.full: dict[tuple[str, bytes], tuple[float, ...]] = {}
        self.held: dict[bytes, dict[int, int]] = {}
        self.asked = 0
        self.away = False

    async def spend(self, kind: str, whose: bytes, seconds: tuple[float, ...]) -> tuple[float, ...]:
        if self.away:
            return ()
        self.asked += 1
        now = self._clock.time()
        before = self.full.get((kind, whose), (0.0,) * len(seconds))
        self.full[kind, whose] = tuple(max(full, now) + cost for full, cost in zip(before, seconds, strict=True))
        return tuple(full - now for full in self.full[kind, whose])


class Node:
    """rooms.shares.Holder, too."""

    def __init__(self, common: Common, clock: FakeClock, name: int) -> None:
        self.meters = Meters(QUOTAS, shared=True)
        self.clock = clock
        self.here: dict[bytes, int] = {}
        self.elsewhere: Mapping[bytes, int] = {}
        self._common, self._name = common, name
        self.shares = Shares(self, lambda: self.meters, self, lambda: 10, clock)

    async def spend(self, kind: str, whose: bytes, seconds: tuple[float, ...]) -> tuple[float, ...]:
        return await self._common.spend(kind, whose, seconds)

    async def hold(self, kind: str, whose: bytes, number: int) -> int:
        held = self._common.held.setdefault(whose, {})
        held[self._name] = number
        return sum(held.values()) - number

    def held(self) -> Mapping[bytes, int]:
        return self.here

    def heard(self, elsewhere: Mapping[bytes, int]) -> None:
        self.elsewhere = elsewhere

    def say(self, times: int, size: int = 0, room: bytes = ROOM, address: bytes = HERE) -> int:
        own = Allowance(QUOTAS.socket, 0)
        return sum(self.meters.event(own, address, room, self.clock.time(), size) for _ in range(times))


def two() -> tuple[Common, Node, Node]:
    clock = FakeClock()
    common = Common(clock)
    nodes = Node(common, clock, 1), Node(common, clock, 2)
    for node in nodes:
        node.shares._timer.cancel()  # the test says when
    return common, *nodes


async def shared(*nodes: Node) -> None:
    for node in nodes:
        await node.shares.share()


async def test_what_is_used_up_on_one_node_is_used_up_on_the_other() -> None:
    _, one, other = two()
    assert one.say(1000) == 256
    await shared(one)
    assert other.say(10) == 10, "it has not heard yet"
    await shared(other)
    assert other.say(5) == 0
    assert other.say(5, room=b"another", address=b"another") == 5
    one.clock.advance(1)
    assert one.say(1000) == 64
    assert other.say(1000) == 54, "what was taken too much is paid back"
    await shared(one, other)
    one.clock.advance(0.5)
    assert (one.say(100), other.say(100)) == (22, 0), "one heard before the other told"
    await shared(one, other)
    assert (one.say(100), other.say(100)) == (0, 0)


async def test_bytes_and_joins_count_as_well() -> None:
    _, one, other = two()
    assert one.say(10, size=1024, room=b"") == 4
    assert [one.meters.attempt(HERE, one.clock.time()) for _ in range(6)] == [True] * 5 + [False]
    assert [one.meters.join(ROOM, one.clock.time()) for _ in range(6)] == [True] * 5 + [False]
    other.say(1, size=500, room=b"")
    assert other.meters.attempt(HERE, other.clock.time())
    assert other.meters.join(ROOM, other.clock.time())
    await shared(one, other)
    assert other.say(1, size=1, room=b"") == 0
    assert not other.meters.attempt(HERE, other.clock.time())
    assert not other.meters.join(ROOM, other.clock.time())


async def test_little_is_not_told_and_not_kept() -> None:
    common, one, _ = two()
    few = int(WORTH_TELLING * EVERY_SECONDS * QUOTAS.address.events.per_second)
    for number in range(1000):
        assert one.say(few, address=number.to_bytes(16, "big"), room=b"") == few
    await shared(one)
    assert common.asked == 0
    assert one.meters.spent() == []


async def test_where_nobody_can_be_asked_each_node_keeps_its_own_limits() -> None:
    common, one, other = two()
    common.away = True
    assert one.say(1000) == 256
    await shared(one, other)
    assert one.say(1) == 0
    assert other.say(1000) == 256


async def test_connections_are_counted_together_and_forgotten_when_they_are_few() -> None:
    _, one, other = two()
    one.here, other.here = {HERE: 4}, {HERE: 3}
    await shared(one, other, one)
    assert (one.elsewhere, other.elsewhere) == ({HERE: 3}, {HERE: 4})
    one.here = {}
    await shared(one, other)
    assert other.elsewhere == {HERE: 0}
    await shared(one)
    assert one.elsewhere == {}, "of what is not here nobody is asked for ever"


async def test_it_happens_by_itself_and_closing_leaves_no_timer() -> None:
    clock = FakeClock()
    common = Common(clock)
    node = Node(common, clock, 1)
    assert node.say(20) == 20
    clock.advance(EVERY_SECONDS)
    for _ in range(5):
        await asyncio.sleep(0)
    assert common.asked == 2
    await node.shares.close()
    assert clock.pending == 0
