"""One connected client as the chat knows it, and places kept for those whose line broke; decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from envelope import Channel
from protocol.namespace import Socket
from rooms.clock import Cancellable, Clock
from rooms.limits import Allowance, Flow, Quotas, TokenBucket
from rooms.model import ErrorCode, MemberId, Refused, RoomAddress, Since

NOWHERE, NOBODY = RoomAddress(b""), MemberId("")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides about guests: seconds that a lost line is waited for, that messages are shown (0: no
    limit), and that a client may stay without joining; and how much may be sent, of files apart."""

    grace_time: float
    message_ttl: float
    join_timeout: float
    quotas: Quotas
    files: Flow


class Stage(Enum):
    """A connection joins at most once, and never again after it has left."""

    OUTSIDE = auto()
    JOINING = auto()
    INSIDE = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Guest:
    """One connected client. `room`, `member` and `channel` are there from INSIDE on, `since` while JOINING. `patience`
    ends with it unless it has joined by then. `asked`: chunks of files that it waits for."""

    socket: Socket
    allowance: Allowance
    refusals: TokenBucket
    stage: Stage = Stage.OUTSIDE
    attempts: int = 0
    asked: int = 0
    admitted: bool = False
    room: RoomAddress = NOWHERE
    member: MemberId = NOBODY
    since: Since | None = None
    channel: Channel | None = None
    patience: Cancellable | None = None

    def refused_once_too_often(self, code: ErrorCode, now: float) -> bool:
        """Whether this refusal is one more than a client may cause. Some are no client's fault."""
        return code is not ErrorCode.UNAVAILABLE and not self.refusals.take(now)

    def settle(self) -> None:
        """It has joined."""
        self.stage, self.admitted = Stage.INSIDE, True
        self._end_patience()

    def go(self) -> Stage:
        """It does nothing more; answers how far it had come."""
        stage, self.stage = self.stage, Stage.GONE
        self._end_patience()
        return stage

    def _end_patience(self) -> None:
        patience, self.patience = self.patience, None
        if patience is not None:
            patience.cancel()

    def must_still_join(self) -> None:
        """Raises Refused `not-in-room` for a client that has gone while it was waiting to get in."""
        if self.stage is not Stage.JOINING:
            raise Refused(ErrorCode.NOT_IN_ROOM)


class Grace:
    """Members whose line broke keep their place for a while, unnoticed by the others."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self._clock = clock
        self._timers: dict[tuple[RoomAddress, MemberId], Cancellable] = {}

    def begin(self, room: RoomAddress, member: MemberId, over: Callable[[], None]) -> None:
        """Calls `over` when the time is up and the member has neither come back nor gone for good."""

        def elapsed() -> None:
            del self._timers[room, member]
            over()

        self._timers[room, member] = self._clock.call_later(self.seconds, elapsed)

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
