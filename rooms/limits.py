"""How much each may do in a while: one client, all that share its address, all in one room. Arithmetic only, time is an
argument, in seconds of any monotonic clock.

What is refused is paid for by who asked and by the address it came from, never by the room.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

AT_ONCE_SECONDS = 0.5
LOOKED_AT = 2
"""Buckets that are looked at for each new one: more than come, so that those that are full go in time."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second` on."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What may be said: events, and their bytes."""

    events: Rate
    size: Rate


@dataclass(frozen=True, slots=True)
class Quotas:
    """All rates of the chat. `attempts`: joins that one client may get wrong. `refusals`: requests of one client that
    may be refused before its connection is closed."""

    socket: Traffic
    address: Traffic
    room: Traffic
    address_joins: Rate
    room_joins: Rate
    attempts: int
    refusals: Rate


@dataclass(frozen=True, slots=True)
class Flow:
    """Of files: bytes of the largest (0 for none at all), and bytes a second that go to one address, and to all."""

    largest: int
    each: float
    all: float


class Bucket(Protocol):
    """Fills with time."""

    def full(self, now: float) -> bool:
        """Whether it is as good as new."""


_Key = TypeVar("_Key", bound=Hashable)
_Bucket = TypeVar("_Bucket", bound=Bucket)


class TokenBucket:
    """A full bucket at first; each take costs one."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether there was one to take."""
        tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
        enough = tokens >= 1
        self._tokens, self._at = tokens - enough, now
        return enough

    def owe(self, now: float, seconds: float) -> None:
        """It will not be full before so many seconds have passed: others have taken from it, too."""
        self._tokens = min(self._tokens, self._rate.burst - seconds * self._rate.per_second)
        self._at = now

    def full(self, now: float) -> bool:
        return self._tokens + (now - self._at) * self._rate.per_second >= self._rate.burst


class Allowance:
    """A bucket of events and one of their bytes, full at first. Kept as the times when they will be full again, which
    is what costs least: it is asked three times for every message."""

    __slots__ = ("_bytes_full", "_events_full", "_terms")

    def __init__(self, traffic: Traffic, now: float) -> None:
        events, size = traffic.events, traffic.size
        self._terms = (
            *(1 / events.per_second, events.burst / events.per_second),
            *(1 / size.per_second, size.burst / size.per_second),
        )
        self._events_full = self._bytes_full = now

    def take(self, now: float, size: int) -> bool:
        """One event of so many bytes. False, and nothing is taken, where one of the buckets has too little."""
        event, events_at_once, byte, bytes_at_once = self._terms
        events_full, bytes_full = self._events_full, self._bytes_full
        events_full = (max(events_full, now)) + event
        bytes_full = (max(bytes_full, now)) + size * byte
        if events_full > now + events_at_once or bytes_full > now + bytes_at_once:
            return False
        self._events_full, self._bytes_full = events_full, bytes_full
        return True

    def owe(self, now: float, events: float, size: float) -> None:
        """Its buckets will not be full before so many seconds have passed: others have taken from them, too."""
        self._events_full = max(self._events_full, now + events)
        self._bytes_full = max(self._bytes_full, now + size)

    def full(self, now: float) -> bool:
        return self._events_full <= now and self._bytes_full <= now


class Pace:
    """A flow of bytes in which everything has its turn, half a second's worth at once. Kept as the time when all that
    was let in will have gone."""

    __slots__ = ("_free", "_per_second")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._free = now

    def wait(self, now: float) -> float:
        """Seconds until the turn of what comes now."""
        return max(0.0, self._free - now - AT_ONCE_SECONDS)

    def take(self, now: float, size: int) -> None:
        """So many bytes are let in."""
        self._free = max(self._free, now) + size / self._per_second

    def full(self, now: float) -> bool:
        return self._free <= now


class Shared(Generic[_Key, _Bucket]):
    """One bucket for each key. Who has a full one is forgotten in time: it would get the same again."""

    def __init__(self, make: Callable[[float], _Bucket]) -> None:
        self._make = make
        self._buckets: dict[_Key, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: _Key, now: float) -> _Bucket:
        """To be used at once: kept by the caller, it might not be the one that others get."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._look_at_some(now)
            bucket = self._buckets[key] = self._make(now)
        return bucket

    def _look_at_some(self, now: float) -> None:
        """At those that were looked at longest ago."""
        for _ in range(min(LOOKED_AT, len(self._buckets))):
            key = next(iter(self._buckets))
            bucket = self._buckets.pop(key)
            if not bucket.full(now):
                self._buckets[key] = bucket


class Spending(NamedTuple):
    """What has been used up of one allowance: as how many seconds each of its buckets takes to fill by so much."""

    kind: str
    whose: bytes
    seconds: tuple[float, ...]


class Meters:
    """What all that share an address and all in a room have used up, beside what each client has. `shared`: other nodes
    keep the same meters and will want to know."""

    def __init__(self, quotas: Quotas, *, shared: bool = False) -> None:
        self.quotas = quotas
        self._spent: dict[tuple[str, bytes], list[int]] | None = {} if shared else None
        self._addresses = Shared[bytes, Allowance](lambda now: Allowance(quotas.address, now))
        self._rooms = Shared[bytes, Allowance](lambda now: Allowance(quotas.room, now))
        self._address_joins = Shared[bytes, TokenBucket](lambda now: TokenBucket(quotas.address_joins, now))
        self._room_joins = Shared[bytes, TokenBucket](lambda now: TokenBucket(quotas.room_joins, now))

    def event(self, own: Allowance, address: bytes, room: bytes, now: float, size: int) -> bool:
        """Whether a client may say something of so many bytes; `room` is empty for one that is in none."""
        if not (own.take(now, size) and self._addresses.of(address, now).take(now, size)):
            return False
        self._note("address", address, size)
        if room and not self._rooms.of(room, now).take(now, size):
            return False
        self._note("room", room, size)
        return True

    def attempt(self, address: bytes, now: float) -> bool:
        """Whether somebody from there may try to join."""
        may = self._address_joins.of(address, now).take(now)
        if may:
            self._note("address joins", address)
        return may

    def join(self, room: bytes, now: float) -> bool:
        """Whether somebody who has proven to know the room may come in."""
        may = self._room_joins.of(room, now).take(now)
        if may:
            self._note("room joins", room)
        return may

    def spent(self) -> list[Spending]:
        """Since the last time that this was asked."""
        if not self._spent:
            return []
        taken, self._spent = self._spent, {}
        return [Spending(kind, whose, self._seconds(kind, *used)) for (kind, whose), used in taken.items() if whose]

    def owe(self, kind: str, whose: bytes, seconds: Sequence[float], now: float) -> None:
        """So far from full is an allowance of all nodes."""
        match kind, seconds:
            case "address", (events, size):
                self._addresses.of(whose, now).owe(now, events, size)
            case "room", (events, size):
                self._rooms.of(whose, now).owe(now, events, size)
            case "address joins", (joins,):
                self._address_joins.of(whose, now).owe(now, joins)
            case "room joins", (joins,):
                self._room_joins.of(whose, now).owe(now, joins)

    def _note(self, kind: str, whose: bytes, size: int = 0) -> None:
        if self._spent is not None:
            used = self._spent.setdefault((kind, whose), [0, 0])
            used[0] += 1
            used[1] += size

    def _seconds(self, kind: str, events: int, size: int) -> tuple[float, ...]:
        quotas = self.quotas
        match kind:
            case "address" | "room":
                traffic = quotas.address if kind == "address" else quotas.room
                return events / traffic.events.per_second, size / traffic.size.per_second
            case _:
                rate = quotas.address_joins if kind == "address joins" else quotas.room_joins
                return (events / rate.per_second,)
