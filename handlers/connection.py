"""One client's Engine.IO connection: session, transports, timer.

Not a handler and not Tornado: the transports hand it frames and are handed frames, so that it is tested with
fakes for the transport and the clock. Source: the Engine.IO protocol, revision 4.
"""

import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from protocol import Frame, ProtocolError, engineio
from protocol.batch import Batch
from protocol.engineio import Packet, PacketType
from protocol.session import Closed, CloseReason, Event, Probed, Received, Session, Timing, Upgraded, UpgradeFailed, Via
from rooms.clock import Cancellable, Clock
from rooms.tally import Tally

logger = logging.getLogger(__name__)

ID_BYTES = 15
"""120 bits: an Engine.IO session id is a bearer secret."""
HOLD_WHILE_PROBING = 0.1
"""Seconds that a poll is held while its client waits for the last one to end: not so long that the upgrade is
slow, not so short that a client that never ends it polls without a pause."""
FLUSH_BYTES = 65_536
"""What is handed to a transport at a time. What it cannot send stays in the outbox, where it is counted."""
FAREWELL_SECONDS = 30.0
"""How long a client that is between two polls may take to fetch the news that its session is over."""
CROSSING_SECONDS = 1.0
"""How much later a poll may come in than the goodbye that its client sent at the same time."""

MESSAGE = engineio.encode(Packet(PacketType.MESSAGE))
NOOP = engineio.encode(Packet(PacketType.NOOP))
CLOSE = engineio.encode(Packet(PacketType.CLOSE))

DECIDED_HERE = frozenset({CloseReason.FORCED_CLOSE, CloseReason.SLOW_CONSUMER})
"""Ends of which a client that is there cannot know by itself. Who never joined anything is not expected back."""


class Transport(Protocol):
    """What carries frames to one client, in order."""

    def wanted(self, connection: "Connection") -> None:
        """Something is queued: `Connection.flush` is called now, or when this turn of the loop is over."""

    def writable(self) -> bool:
        """Whether `send` may be called now: what was sent before is on its way, or a poll waits."""

    def send(self, batch: Batch) -> None:
        """Sends; whoever owns it calls `Connection.flush` when it is writable again."""

    def offer(self, batch: Batch) -> bool:
        """Sends if that may be done now; answers whether it did."""

    def move(self, number: int) -> None:
        """What it brings is best handled together with what others with this number bring."""

    def busy(self) -> bool:
        """Whether what it has brought, or is bringing, is not yet handled."""

    def retire(self) -> None:
        """Another transport has taken over: nobody is to wait for this one any more."""

    def close(self, reason: CloseReason, rest: Batch) -> bool:
        """Closes the line after what has been sent and `rest`; answers whether the client gets to know of it."""


class Application(Protocol):
    """What speaks over a connection: Socket.IO, mostly (handlers.client.Client)."""

    def message(self, data: str | bytes) -> Coroutine[Any, Any, None] | None:
        """One message of the client. Answers what is still to be awaited, if anything is. Raises ProtocolError for what
        its protocol does not allow, at once or when awaited."""

    def closed(self, gone: bool) -> None:
        """The connection is over. Called once. `gone`: for good, as the client itself has said."""


class Connection:
    """Drives the session of one client over the transport that it uses, and the one that it may change to.

    `receive` and `handle` must be awaited before the next frame of the same transport is handed in: that keeps a
    client's messages in order, and lets a busy server slow its client down instead of queueing for it.
    """

    def __init__(
        self,
        transport: Transport,
        via: Via,
        attend: Callable[["Connection"], Application],
        timing: Timing,
        clock: Clock,
        on_closed: Callable[["Connection"], None],
        address: bytes = b"",
        tally: Tally | None = None,
    ) -> None:
        self._tally = tally or Tally()
        self.address = address
        """Where its client comes from, as handlers.address.Addresses says."""
        self.session = Session(secrets.token_urlsafe(ID_BYTES), via, timing, clock.time())
        self._transport = transport
        self._candidate: Transport | None = None
        self._number = 0
        self._clock = clock
        self._on_closed = on_closed
        self._hold: Cancellable | None = None
        self._timer: Cancellable | None = None
        self._timer_due = 0.0
        self.farewell: tuple[float, Sequence[Frame]] | None = None
        """For how many seconds a client that could not be told of the end is to be told what, if it asks."""
        self._application: Application | None = attend(self)

    def start(self) -> None:
        """Sends the handshake and lets the session's clock run."""
        self.flush()
        self._arm()

    @property
    def transport(self) -> Transport:
        """The one that is in use now."""
        return self._transport

    def receive(self, frame: Frame, transport: Transport) -> Coroutine[Any, Any, None]:
        """A frame came in over a WebSocket."""
        if frame[:1] == MESSAGE and transport is self._transport and self.session.closed is None:
            return self._message(frame[1:])  # all that becomes of a message in the end, and they are many
        return self._receive(frame, transport)

    async def _receive(self, frame: Frame, transport: Transport) -> None:
        try:
            packet = engineio.decode(frame)
        except ProtocolError:
            self._turn_away(transport)
            return
        await self.handle(packet, transport)

    async def handle(self, packet: Packet, transport: Transport) -> None:
        """A packet came in."""
        if transport is self._transport:
            via = self.session.via
        elif transport is self._candidate and not (packet.type is PacketType.UPGRADE and self._transport.busy()):
            via = Via.WEBSOCKET
        else:
            # From a transport that has been given up; or whose client takes it into use before what it sent over
            # the other is handled: its messages would be handled side by side, or lost.
            self._turn_away(transport)
            return
        for event in self.session.receive(packet, via=via, now=self._clock.time()):
            if isinstance(event, Received):
                await self._message(event.data)
            else:
                self._apply([event])
        if packet.type is not PacketType.MESSAGE:  # messages move no deadline, or only away
            self._arm()

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        """Queues frames, for the transport to send when it can; at once if they are the `last` of this turn."""
        session = self.session
        if (
            last
            and not session.waiting
            and session.closed is None
            and isinstance(frames, Batch)
            and self._transport.offer(frames)
        ):
            return  # queued and taken in one step
        events = session.send(frames)
        self._tally.outbox = max(self._tally.outbox, session.waiting)
        if events:
            self._apply(events)
        elif session.waiting > FLUSH_BYTES:
            self.flush()  # who reads well must not be taken for slow because a turn brought much
        else:
            self._transport.wanted(self)

    def flush(self) -> None:
        """Hands the transport what waits for it, if it can take it; ends a poll that the client wants to end."""
        if self.session.closed is not None or not self._transport.writable():
            return
        if not self.session.waiting:
            if self.session.probing and self._hold is None:
                self._hold = self._clock.call_later(HOLD_WHILE_PROBING, self._end_poll)
            return
        while self.session.waiting and self._transport.writable():
            self._transport.send(self.session.take(FLUSH_BYTES))

    def move(self, number: int) -> None:
        """What this client sends is best handled together with what others with this number send."""
        self._number = number
        self._transport.move(number)

    def unused(self, seconds: float | None = None) -> None:
        """Nothing goes over it any more. It has so many seconds, or as long as when it was opened."""
        self.session.unused(self._clock.time(), seconds)
        self._arm()

    def begin_upgrade(self, transport: Transport) -> bool:
        """A WebSocket asks to take over. False where it must be closed."""
        if not self.session.begin_upgrade(self._clock.time()):
            return False
        self._candidate = transport
        self._arm()
        return True

    def lost(self, transport: Transport, reason: CloseReason) -> None:
        """A transport's line has ended, which ends the session if it was the one in use."""
        if transport is self._transport:
            self.close(reason)
        elif transport is self._candidate:
            self._candidate = None
            self.session.abandon_upgrade()

    def close(self, reason: CloseReason) -> None:
        """Ends the session, for the given reason unless it had ended already."""
        self._apply(self.session.close(reason))

    def _turn_away(self, transport: Transport) -> None:
        """What came over a transport is no Engine.IO, or comes too late."""
        self.lost(transport, CloseReason.PARSE_ERROR)
        if self.session.closed is None:
            transport.close(CloseReason.PARSE_ERROR, Batch(()))

    async def _message(self, data: str | bytes) -> None:
        try:
            to_await = self._application.message(data) if self._application is not None else None
            if to_await is not None:
                await to_await
        except ProtocolError as error:
            logger.info("a connection broke the protocol: %s", error)
            self.close(CloseReason.FORCED_CLOSE)
        except Exception:
            # The edge for messages: a bug met one client's event. That client goes; the server and this log stay.
            logger.exception("an event could not be handled")
            self.close(CloseReason.FORCED_CLOSE)

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Probed(frame):
                    self._probed(frame)
                case Upgraded():
                    self._upgraded()
                case UpgradeFailed():
                    self._give_up_candidate()
                case Closed(reason):
                    self._closed(reason)

    def _probed(self, answer: Frame) -> None:
        if self._candidate is not None:
            self._candidate.send(Batch([answer]))
        self._end_poll()

    def _end_poll(self) -> None:
        """While the client waits for its last poll to end, none is held for long."""
        self._hold = None
        if self.session.probing and self._transport.writable():
            self._transport.send(self.session.take() or Batch([NOOP]))

    def _upgraded(self) -> None:
        if self._candidate is not None:
            before, self._transport, self._candidate = self._transport, self._candidate, None
            before.retire()
            self._transport.move(self._number)
            self.flush()

    def _give_up_candidate(self, reason: CloseReason = CloseReason.TRANSPORT_ERROR) -> None:
        candidate, self._candidate = self._candidate, None
        if candidate is not None:
            candidate.close(reason, Batch(()))

    def _closed(self, reason: CloseReason) -> None:
        for timer in (self._timer, self._hold):
            if timer is not None:
                timer.cancel()
        self._give_up_candidate(reason)
        slow = reason is CloseReason.SLOW_CONSUMER
        self._tally.slow += slow
        rest = Batch(()) if slow else self.session.take()
        if not self._transport.close(reason, rest):
            if reason in DECIDED_HERE:
                self.farewell = (FAREWELL_SECONDS, [*rest, CLOSE])
            elif reason is CloseReason.TRANSPORT_CLOSE:
                self.farewell = (CROSSING_SECONDS, [NOOP])
        self._on_closed(self)
        # They would hold each other, and the garbage collector would have to find them.
        application, self._application = self._application, None
        if application is not None:
            application.closed(gone=reason is CloseReason.CLIENT_GONE)

    def _arm(self) -> None:
        """One timer a connection. A deadline that moved away needs no new one: that tick finds nothing due."""
        due = self.session.deadline()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_later(max(0.0, due - self._clock.time()), self._tick)

    def catch_up(self) -> None:
        """What is due by now happens, although its timer has still to come."""
        due = self.session.deadline()
        if due is not None and due <= self._clock.time():
            self._tick()

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._apply(self.session.tick(self._clock.time()))
        self.flush()
        self._arm()
