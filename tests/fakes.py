"""A clock that the test holds in its hand, and the two ends of a connection without a network."""

import asyncio
import heapq
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from handlers.connection import Connection
from protocol import Frame, Json
from protocol.namespace import ConnectRefused, Departure, Socket
from protocol.session import CloseReason
from protocol.socketio import Packet, PacketType, encode


@dataclass(slots=True)
class FakeCall:
    """A call that has been put off: rooms.clock.Cancellable."""

    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


MANY_CALLS = 200


class FakeClock:
    """rooms.clock.Clock. Time stands still until `advance`, which makes what is due happen at its own time."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now
        self._order = itertools.count()
        self._calls: list[tuple[float, int, FakeCall]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeCall:
        assert delay >= 0
        call = FakeCall(callback)
        heapq.heappush(self._calls, (self._now + delay, next(self._order), call))
        if len(self._calls) > MANY_CALLS and self.pending < len(self._calls) / 2:  # as asyncio does
            self._calls = [each for each in self._calls if not each[2].cancelled]
            heapq.heapify(self._calls)
        return call

    @property
    def pending(self) -> int:
        """How many calls are still to come."""
        return sum(not call.cancelled for _, _, call in self._calls)

    def pass_unnoticed(self, seconds: float) -> None:
        """Time passes and what has become due has still to happen, as on a busy loop."""
        self._now += seconds

    def advance(self, seconds: float = 0.0) -> None:
        """Lets so many seconds pass; 0 makes happen what is due now."""
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            due, _, call = heapq.heappop(self._calls)
            self._now = max(self._now, due)
            if not call.cancelled:
                call.callback()
        self._now = end


def at_once(call: Callable[[], None]) -> None:
    """For what would be put off to the end of a turn, where there are no turns."""
    call()


class Seated:
    """What a protocol.namespace.Socket is told about its place, and how it keeps to that."""

    say: Callable[[Sequence[Frame]], None] | None = None
    number = 0
    address = b"an address"

    def move(self, number: int) -> None:
        self.number = number

    def order(self, say: Callable[[Sequence[Frame]], None] | None) -> None:
        self.say = say

    def emit(self, event: str, *args: Json) -> None:
        (self.say or self.send)(encode(Packet(PacketType.EVENT, data=[event, *args])))

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError


@dataclass(slots=True)
class FakeTransport:
    """handlers.connection.Transport. `open` is whether it takes frames now; `tells`, whether a client that it is not
    open to gets to know of a close, as over a WebSocket."""

    sent: list[Frame] = field(default_factory=list)
    closed: list[CloseReason] = field(default_factory=list)
    open: bool = True
    retired: int = 0
    number: int = 0
    posting: bool = False
    tells: bool = True

    def wanted(self, connection: Connection) -> None:
        connection.flush()

    def writable(self) -> bool:
        return self.open

    def send(self, frames: Sequence[Frame]) -> None:
        assert self.open, "sent although it is not writable"
        assert not self.closed, "sent after it was closed"
        assert frames, "nothing was sent"
        self.sent += frames

    def offer(self, frames: Sequence[Frame]) -> bool:
        if self.open:
            self.send(frames)
        return self.open

    def move(self, number: int) -> None:
        self.number = number

    def busy(self) -> bool:
        return self.posting

    def retire(self) -> None:
        self.retired += 1

    def close(self, reason: CloseReason, rest: Sequence[Frame]) -> bool:
        if self.open:
            self.sent += rest
        self.closed.append(reason)
        return self.tells or self.open

    def taken(self) -> list[Frame]:
        """What was sent since the last look."""
        sent, self.sent = self.sent, []
        return sent


class Echo:
    """A namespace (protocol.namespace.Namespace) that answers with what it was asked, and writes down what happened.

    Events with a meaning: `ask` asks its arguments back and writes the answer down, `pause` waits until `resume` is
    called, `fail` raises, `emit` emits its arguments, `out` disconnects the socket, `nothing` answers nothing, `deep`
    answers what is nested too deeply to be written.
    """

    def __init__(self, refuse: str | None = None) -> None:
        self.refuse = refuse
        self.diary: list[tuple[object, ...]] = []
        self.sockets: list[Socket] = []
        self.resume: Callable[[], None] = lambda: None

    def authorize(self, auth: Json) -> None:
        self.diary.append(("authorize", auth))
        if self.refuse is not None:
            raise ConnectRefused(self.refuse)

    def connected(self, socket: Socket) -> None:
        self.diary.append(("connected", socket.id))
        self.sockets.append(socket)
        socket.emit("welcome")

    async def event(self, socket: Socket, name: str | int, args: list[Json]) -> list[Json]:
        self.diary.append((name, *args))
        match name:
            case "pause":
                await self._paused()
            case "fail":
                raise LookupError("a bug")
            case "emit":
                socket.emit(*args)
            case "ask":
                socket.ask(*args, answered=lambda answer: self.diary.append(("answered", *answer)))
            case "out":
                socket.disconnect()
            case "nothing":
                return []
            case "deep":
                return _deep()
        return args

    def disconnected(self, socket: Socket, departure: Departure) -> None:
        self.diary.append(("disconnected", socket.id, departure))

    async def _paused(self) -> None:
        resumed = asyncio.get_running_loop().create_future()
        self.resume = lambda: resumed.set_result(None)
        await resumed


def _deep() -> list[Json]:
    deep: list[Json] = []
    for _ in range(2 * sys.getrecursionlimit()):
        deep = [deep]
    return deep
