"""One connected client as the chat knows it, and places kept for those whose line broke; decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from envelope import Channel
from protocol.namespace import Socket
from rooms.clock import Cancellable, Clock
from rooms.limits import TokenBucket
from rooms.model import ErrorCode, MemberId, Refused, RoomAddress, Since

NOWHERE, NOBODY = RoomAddress(b""), MemberId("")


class Stage(Enum):
    """A connection joins at most once, and never again after it has left."""

    OUTSIDE = auto()
    JOINING = auto()
    INSIDE = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Guest:
    """One connected client. `room`, `member` and `channel` are there from INSIDE on, `since` while JOINING."""

    socket: Socket
    bucket: TokenBucket
    stage: Stage = Stage.OUTSIDE
    attempts: int = 0
    admitted: bool = False
    room: RoomAddress = NOWHERE
    member: MemberId = NOBODY
    since: Since | None = None
    channel: Channel | None = None

    def must_still_join(self) -> None:
        """Raises Refused `not-in-room` for a client that has gone while it was waiting to get in."""
        if self.stage is not Stage.JOINING:
            raise Refused(ErrorCode.NOT_IN_ROOM)


class Grace:
    """Members whose line broke keep their place for a while, unnoticed by the others."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._timers: dict[tuple[RoomAddress, MemberId], Cancellable] = {}

    def begin(self, room: RoomAddress, member: MemberId, over: Callable[[], None]) -> None:
        """Calls `over` when the time is up and the member has neither come back nor gone for good."""

        def elapsed() -> None:
            del self._timers[room, member]
            over()

        self._timers[room, member] = self._clock.call_later(self._seconds, elapsed)

    def end(self, room: RoomAddress, member: MemberId) -> None:
        """The member is back, or gone."""
        timer = self._timers.pop((room, member), None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Nobody is waited for any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
