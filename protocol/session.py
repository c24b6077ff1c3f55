"""The state machine of one Engine.IO session: heartbeat, upgrade, outbox, close. Knows no clock (time is an
argument, in seconds of any monotonic clock), no socket and no Socket.IO.

Source: the Engine.IO protocol, revision 4 (sections "Heartbeat", "Upgrade"); section 7 of the reference
server's documentation for the close reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from protocol import Frame
from protocol.batch import Batch
from protocol.engineio import Handshake, Packet, PacketType, encode


class Via(StrEnum):
    """The transports, by the names that the `transport` query parameter gives them."""

    POLLING = "polling"
    WEBSOCKET = "websocket"


class CloseReason(StrEnum):
    """Why a session ended; exactly one for each session."""

    TRANSPORT_CLOSE = "transport close"
    CLIENT_GONE = "client going away"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    PARSE_ERROR = "parse error"
    FORCED_CLOSE = "forced close"
    FORCED_SERVER_CLOSE = "forced server close"
    SHUTTING_DOWN = "server shutting down"
    SLOW_CONSUMER = "slow consumer"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a session waits, in seconds, and how much it holds, in bytes."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    connect_timeout: float = 45.0
    upgrade_timeout: float = 10.0
    max_payload: int = 200_000
    outbox_bytes: int = 1_000_000


class Received(NamedTuple):
    """A message came: text or bytes."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Probed:
    """Answer `frame` at once on the WebSocket that asks to take over, not on the current transport."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The WebSocket is the transport now; what is queued goes there."""


@dataclass(frozen=True, slots=True)
class UpgradeFailed:
    """Close the WebSocket that wanted to take over; the session goes on by polling."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over."""

    reason: CloseReason


Event = Received | Probed | Upgraded | UpgradeFailed | Closed


class _Upgrade(Enum):
    NONE = auto()
    OPENED = auto()  # a WebSocket carries our sid, its probe has not come
    PROBED = auto()  # its probe is answered: every GET is to be answered at once until the UPGRADE packet


_PROBE = "probe"

LATENESS = 0.1
"""Of the ping timeout: what a timer may be late by."""


class Session:
    """One client's session over whichever transport it uses now.

    Every method that can change the state answers the events that follow from it, in order. After
    `Closed` nothing happens any more: each later call answers an empty list.
    """

    __slots__ = (
        *("_connect_due", "_largest", "_outbox", "_ping_due", "_pong_due", "_timing", "_upgrade", "_upgrade_due"),
        *("closed", "sid", "via", "waiting"),
    )

    def __init__(self, sid: str, via: Via, timing: Timing, now: float) -> None:
        self.sid = sid
        self.via = via
        self._timing = timing
        self.closed: CloseReason | None = None
        """The reason it is over, None while it is open."""
        self._outbox: list[Batch] = []
        self.waiting = self._largest = 0
        """Bytes that are queued, and those of the largest frame in it."""
        self._ping_due: float | None = now + timing.ping_interval
        self._pong_due: float | None = None
        self._connect_due: float | None = now + timing.connect_timeout
        self._upgrade = _Upgrade.NONE
        self._upgrade_due: float | None = None
        upgrades = (Via.WEBSOCKET.value,) if via is Via.POLLING else ()
        handshake = Handshake(sid, upgrades, timing.ping_interval, timing.ping_timeout, timing.max_payload)
        self.send([encode(handshake.packet())])

    @property
    def probing(self) -> bool:
        """Whether a client waits for its polls to end, so that none may be held."""
        return self._upgrade is _Upgrade.PROBED

    def receive(self, packet: Packet, *, via: Via, now: float) -> list[Event]:
        """A packet came over `via`, which is not the current transport only while an upgrade is under way."""
        if self.closed is not None:
            return []
        if via is not self.via:
            return self._receive_upgrading(packet, now)
        match packet.type:
            case PacketType.MESSAGE:
                return [Received(packet.data)]
            case PacketType.PONG:
                if self._pong_due is not None:
                    self._pong_due, self._ping_due = None, now + self._timing.ping_interval
                return []
            case PacketType.CLOSE:
                return self.close(CloseReason.TRANSPORT_CLOSE)
            case PacketType.PING:
                # In revision 4 only the server pings: whoever does is not a client of this protocol.
                return self.close(CloseReason.TRANSPORT_ERROR)
            case _:
                return []

    def begin_upgrade(self, now: float) -> bool:
        """A WebSocket with this session's sid was opened. False where it must be closed: one at a time, once."""
        if self.closed is not None or self.via is not Via.POLLING or self._upgrade is not _Upgrade.NONE:
            return False
        self._upgrade, self._upgrade_due = _Upgrade.OPENED, now + self._timing.upgrade_timeout
        return True

    def abandon_upgrade(self) -> None:
        """That WebSocket is gone before it took over: polling goes on and another may try."""
        self._upgrade, self._upgrade_due = _Upgrade.NONE, None

    def _receive_upgrading(self, packet: Packet, now: float) -> list[Event]:
        if self._upgrade is _Upgrade.NONE:
            return []  # late, from a transport that has been given up
        if self._upgrade is _Upgrade.OPENED and packet == Packet(PacketType.PING, _PROBE):
            self._upgrade = _Upgrade.PROBED
            return [Probed(encode(Packet(PacketType.PONG, _PROBE)))]
        if self._upgrade is _Upgrade.PROBED and packet.type is PacketType.UPGRADE:
            self.abandon_upgrade()
            self.via = Via.WEBSOCKET
            if self._pong_due is not None:
                # The pong may have been lost with the last poll: ask again over the new transport.
                self._pong_due, self._ping_due = None, now + self._timing.ping_interval
            return [Upgraded()]
        self.abandon_upgrade()
        return [UpgradeFailed()]

    def connected(self) -> None:
        """The client joined a namespace: it is no longer one that holds a session and never uses it."""
        self._connect_due = None

    def unused(self, now: float, seconds: float | None = None) -> None:
        """The client has left all namespaces: it may join one again within so many seconds, as many as at first unless
        they are given, or is gone."""
        if self.closed is None:
            self._connect_due = now + (self._timing.connect_timeout if seconds is None else seconds)

    def send(self, frames: Sequence[Frame]) -> list[Event]:
        """Queues encoded packets. Whoever has let more than `outbox_bytes` pile up when more comes is closed as a
        slow consumer. The largest frame does not count, so that a long log can be sent and something behind it; the
        outbox exceeds the bound by no more than that frame and one call's."""
        if self.closed is not None:
            return []
        if self.waiting - self._largest > self._timing.outbox_bytes:
            return self.close(CloseReason.SLOW_CONSUMER)
        batch = frames if isinstance(frames, Batch) else Batch(frames)
        size, largest = batch.measure()
        self._outbox.append(batch)
        self.waiting += size
        self._largest = max(self._largest, largest)
        return []

    def take(self, at_most: int | None = None) -> Batch:
        """What is queued, for the current transport to send now: all of it, or until it is so many bytes or more."""
        queued, self._outbox = self._outbox, []
        if at_most is not None and self.waiting > at_most:
            taken = 0
            for count, batch in enumerate(queued, 1):
                taken += batch.measure()[0]
                if taken >= at_most:
                    queued, self._outbox = queued[:count], queued[count:]
                    break
        self.waiting = sum([batch.measure()[0] for batch in self._outbox])
        self._largest = max([batch.measure()[1] for batch in self._outbox], default=0)
        return Batch.joined(queued)

    def deadline(self) -> float | None:
        """When `tick` must be called at the latest; None once closed."""
        dues = (self._ping_due, self._pong_due, self._connect_due, self._upgrade_due)
        return min((due for due in dues if due is not None), default=None)

    def tick(self, now: float) -> list[Event]:
        """Time has passed: whatever is overdue happens."""
        if self._pong_due is not None and now >= self._pong_due:
            return self.close(CloseReason.PING_TIMEOUT)
        if self._connect_due is not None and now >= self._connect_due:
            return self.close(CloseReason.FORCED_SERVER_CLOSE)
        events: list[Event] = []
        if self._upgrade_due is not None and now >= self._upgrade_due:
            self.abandon_upgrade()
            events.append(UpgradeFailed())
        if self._ping_due is not None and now >= self._ping_due:
            # A timer that is a little late gives the client no more time; a server that stood still does.
            timeout = self._timing.ping_timeout
            asked = self._ping_due if now - self._ping_due < LATENESS * timeout else now
            self._ping_due, self._pong_due = None, asked + timeout
            events += self.send([encode(Packet(PacketType.PING))])
        return events

    def close(self, reason: CloseReason) -> list[Event]:
        """Ends the session; idempotent, the first reason stays. What was queued is still there to be taken."""
        if self.closed is not None:
            return []
        self.closed = reason
        self._ping_due = self._pong_due = self._connect_due = self._upgrade_due = None
        self._upgrade = _Upgrade.NONE
        return [Closed(reason)]
