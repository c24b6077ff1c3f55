"""Sockets past their HTTP: what has come is read once a turn of the loop, what is to go is written once a turn. Knows
neither WebSocket frames nor sessions.

Selectors of its own watch the sockets, one for each lane, and the loop watches those as files: many sockets that are
ready cost the loop one call. Each is read once a turn and up to READ_BYTES, so that a client that keeps its socket full
starves nobody. Lanes have their turns one after the other, each looks anew at what has come by then, and what follows
from it is written before the next: those who talk with each other share one, and hear each other once in a round of
all lanes. With a single lane it would be up to two rounds, one until it is looked at and one until all else is read.
"""

import asyncio
import contextlib
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Protocol, cast

from tornado.iostream import IOStream, StreamClosedError

from rooms.tally import Tally

READ_BYTES = 65_536
"""What one line may bring in a turn. TLS hands out a record at a time, a quarter of it."""
LANES = 16
"""Many, so that each takes little of a round; few, so that a look at each costs nothing beside what it finds."""
EARLY_BYTES = 1_000_000
"""More than a stream can have read beyond the head of a request."""

_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Owner(Protocol):
    """Who reads and writes over a line."""

    def received(self, data: bytes) -> None:
        """Something came."""

    def drained(self) -> None:
        """What was written is on its way. Called after a write that had to wait."""

    def ended(self) -> None:
        """Nothing comes any more, and nothing arrives. Called once, and not after `Line.close`."""


class Lines:
    """All lines of this process, and what is put off to the end of the turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tally: Tally | None = None) -> None:
        self.loop = loop
        self.tally = tally or Tally()
        self._lanes = tuple(selectors.DefaultSelector() for _ in range(LANES))
        self._open: dict[Line, None] = {}
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._put_off: deque[Callable[[], None]] = deque()
        self._turning = False
        for lane in self._lanes:
            loop.add_reader(lane, self._turn, lane)

    def open(self, stream: IOStream, make_owner: "Callable[[Line], Owner]") -> None:
        """Takes a stream's socket over; its owner is handed what the client has sent already."""
        taken = _take_over(stream)
        if taken is None:
            return
        early, its_socket = taken
        self._none_left.clear()
        line = Line(self, its_socket, make_owner)
        self._open[line] = None
        line.begin(early)

    def soon(self, call: Callable[[], None]) -> None:
        """Calls when everything that came in this turn of a lane has been handled. What such a call puts off in turn
        still belongs to the same end."""
        if not self._put_off and not self._turning:
            self.loop.call_soon(self.settle)
        self._put_off.append(call)

    async def close(self, seconds: float) -> None:
        """Waits until every line is closed, so long at most; the others are cut."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none_left.wait()
        for line in tuple(self._open):
            line.close()
        for lane in self._lanes:
            self.loop.remove_reader(lane)
            lane.close()

    def lane(self, number: int) -> selectors.BaseSelector:
        """That of everybody who has this number."""
        return self._lanes[number % LANES]

    def forget(self, line: "Line") -> None:
        """It is closed."""
        self._open.pop(line, None)
        if not self._open:
            self._none_left.set()

    def settle(self) -> None:
        """What was put off happens now."""
        calls = self._put_off
        try:
            while calls:
                calls[0]()  # stays while it is called, so that what it puts off is called by us
                calls.popleft()
        finally:
            if calls:  # the first met a bug: the others are still called
                calls.popleft()
            if calls:
                self.loop.call_soon(self.settle)

    def _turn(self, lane: selectors.BaseSelector) -> None:
        self._turning, began = True, self.loop.time()
        try:
            for key, events in lane.select(0):
                line: Line = key.data
                if events & EVENT_WRITE:
                    line.write_rest()
                if events & EVENT_READ:
                    line.read()
        finally:
            self._turning = False
            self.settle()
            self.tally.turns.note(self.loop.time() - began)


class Line:
    """One socket. Whoever writes asks `idle` first: what cannot be sent at once waits here, without a bound."""

    __slots__ = ("_ahead", "_events", "_finishing", "_lane", "_lines", "_owner", "_reading", "_unsent", "socket")

    def __init__(self, lines: Lines, taken: socket.socket, make_owner: "Callable[[Line], Owner]") -> None:
        # Nagle would hold the second of two small writes until the first is acknowledged, 40 ms later.
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = taken
        self._lines = lines
        self._ahead = taken.pending if isinstance(taken, ssl.SSLSocket) else None
        """How much TLS has read ahead, which the selector does not know of."""
        self._lane = lines.lane(0)
        self._events = 0
        self._reading = True
        self._finishing = False
        self._unsent = b""
        self._owner = make_owner(self)
        self._watch()

    def begin(self, early: bytes) -> None:
        """The owner is ready. `early` came before it was."""
        if early:
            self._owner.received(early)
        self._lines.loop.call_soon(self._read_on)  # TLS may have taken more out of the kernel's hands

    def move(self, number: int) -> None:
        """To the lane of everybody who has this number."""
        events, self._events = self._events, 0
        if events:
            self._lane.unregister(self.socket)
        self._lane = self._lines.lane(number)
        self._watch()

    def idle(self) -> bool:
        """Whether all that was written is on its way."""
        return not self._unsent

    def offer(self, data: bytes) -> bool:
        """Writes, unless something waits already; answers whether it did."""
        if self._unsent:
            return False
        self._lines.tally.sent += len(data)
        try:
            sent = self.socket.send(data)
        except OSError as error:
            sent = self._failed(error, data)
        if sent < len(data):
            self._unsent = data[sent:]
            self._watch()
        return True

    def write(self, data: bytes) -> None:
        """Sends what the socket takes; the rest follows when it takes more."""
        if not self.offer(data):
            self._lines.tally.sent += len(data)
            self._unsent += data

    def read(self) -> None:
        """Something has come, or the end."""
        try:
            data = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return
        except OSError:  # the line broke; or TLS would have to write before it reads, for a peer that does not read
            data = b""
        if not data:
            # What came before is answered first: the peer may have closed only its own side.
            self.read_on(False)
            self._lines.soon(self._lost)
            return
        self._lines.tally.received += len(data)
        self._owner.received(data)
        if self._ahead is not None and self._ahead() and self._reading:
            self._lines.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._events & EVENT_READ:
            self.read()

    def write_rest(self) -> None:
        """The socket takes more."""
        if not self._unsent:
            return
        try:
            sent = self.socket.send(self._unsent)
        except OSError as error:
            sent = self._failed(error, self._unsent)
        self._unsent = self._unsent[sent:]
        if self._unsent:
            return
        if self._finishing:
            self._shut()
        self._watch()
        self._owner.drained()

    def read_on(self, wanted: bool) -> None:
        """Whether more is to be read; the end of the line is noticed only while it is. Of a closed one nothing
        is, whoever was busy with what came last."""
        if wanted != self._reading and self.socket.fileno() >= 0:
            self._reading = wanted
            self._watch()
            if wanted:
                self._lines.loop.call_soon(self._read_on)

    def finish(self) -> None:
        """Nothing more will be written: the peer sees the end when it has got what was."""
        self._finishing = True
        if not self._unsent:
            self._shut()

    def close(self) -> None:
        """At once, with whatever has not been sent."""
        if self.socket.fileno() < 0:
            return
        self._unsent, self._reading = b"", False
        self._watch()
        self.socket.close()
        self._lines.forget(self)
        # It knows this line in turn. As a circle both would wait for the garbage collector, which counts objects and
        # not what they hold: half a message, for one.
        self._owner = _NOBODY

    @staticmethod
    def _failed(error: OSError, data: bytes) -> int:
        """How much of `data` is off our hands, although sending it did not work."""
        # Where the line broke: whoever writes is in the middle of something. Reading tells the owner, when its turn
        # comes.
        return 0 if isinstance(error, _NOT_NOW) else len(data)

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _lost(self) -> None:
        if self.socket.fileno() >= 0:
            owner = self._owner
            self.close()
            owner.ended()

    def _watch(self) -> None:
        events = (EVENT_READ if self._reading else 0) | (EVENT_WRITE if self._unsent else 0)
        before, self._events = self._events, events
        if events == before:
            return
        if not before:
            self._lane.register(self.socket, events, self)
        elif not events:
            self._lane.unregister(self.socket)
        else:
            self._lane.modify(self.socket, events, self)


class _Nobody:
    """Owns what is closed."""

    def received(self, data: bytes) -> None: ...
    def drained(self) -> None: ...
    def ended(self) -> None: ...


_NOBODY = _Nobody()


class _Given:
    """Stands in a stream for the socket that it no longer has, so that its end is not the socket's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """It is not the stream's any more."""


def _take_over(stream: IOStream) -> tuple[bytes, socket.socket] | None:
    """What has been read from a stream and not used, and its socket; None where it is closed. The stream is closed."""
    try:
        read = cast("asyncio.Future[bytes]", stream.read_bytes(EARLY_BYTES, partial=True))
        early = read.result() if read.done() else b""
    except StreamClosedError:  # the peer has not waited for the answer
        return None
    if stream.writing():  # it does not even take it
        stream.close()
        return None
    taken = stream.socket
    stream.socket = cast(socket.socket, _Given(taken.fileno()))
    stream.close()
    return early, taken
