"""The Engine.IO end of a guest: one session over a WebSocket, by polling, or by polling with an upgrade, as the
official client does it. Knows no chat."""

import json
from collections import deque
from collections.abc import Callable
from typing import Protocol

from protocol import Frame
from tests.schedules.network import ENDED, Exchange, Line
from tests.schedules.site import PING_INTERVAL, PING_TIMEOUT, Site

SEPARATOR = "\x1e"
MODES = ("websocket", "polling", "upgrade")


class Listener(Protocol):
    """Who has a session."""

    def message(self, text: str) -> None:
        """A message of the server."""

    def lost(self) -> None:
        """The session is over; called once."""


class Dialer:
    """One session from its beginning to its end."""

    def __init__(self, listener: Listener, site: Site, mode: str, now: Callable[[], float]) -> None:
        self._listener = listener
        self._site = site
        self._mode = mode
        self._now = now
        self._pinged = now()
        self._sid = ""
        self._waiting: deque[str] = deque()
        self._socket: Line | None = None
        self._probe: Line | None = None
        self._pausing = False
        self._poll: Exchange | None = None
        self._post: Exchange | None = None
        self.over = False
        self.lines: list[Line] = []
        self.exchanges: list[Exchange] = []
        if mode == "websocket":
            self._socket = self._dialled(None)
        else:
            self._poll = self._asked("GET", "")

    def send(self, text: str) -> None:
        """A message, as soon as a transport can take it."""
        self._packet(f"4{text}")

    def close(self) -> None:
        """The guest goes: a WebSocket is closed in order, polling with a packet that says so."""
        if self._socket is None and self._sid and not self.over:
            self._asked("POST", self._sid, "1")
        self._end()

    def open_lines(self) -> "list[Line | Exchange]":
        """Those that are not over for both ends."""
        self.exchanges = [exchange for exchange in self.exchanges if not exchange.over]
        return [*(line for line in self.lines if not (line.caller_knows and line.server_knows)), *self.exchanges]

    def tick(self) -> None:
        """Who has not been pinged for too long takes the line for dead."""
        if not self.over and self._now() > self._pinged + PING_INTERVAL + PING_TIMEOUT:
            self._end()

    # what the network says: tests.schedules.network.Caller

    def heard(self, line: Line, frame: Frame) -> None:
        if self.over:
            return
        assert isinstance(frame, str), "nobody sends bytes"
        if line is self._probe:
            if frame == "3probe":
                self._pausing = True
                self._pump()
            return
        assert line is self._socket, "a frame over a line that is not in use"
        self._take(frame)

    def answered(self, exchange: Exchange, status: int, body: str) -> None:
        if self.over:
            return
        if status != 200:
            self._end()
            return
        if exchange is self._post:
            assert body == "ok"
            self._post = None
        else:
            assert exchange is self._poll
            self._poll = None
            for packet in body.split(SEPARATOR):
                if not self.over:
                    self._take(packet)
        self._pump()

    def broken(self, line: Line | Exchange) -> None:
        if line is self._probe:
            self._probe, self._pausing = None, False
            self._pump()
        elif line in {self._socket, self._poll, self._post}:
            self._end()

    # what it does

    def _take(self, packet: str) -> None:
        kind, data = packet[:1], packet[1:]
        match kind:
            case "0":
                assert not self._sid, "two handshakes"
                self._opened(json.loads(data))
            case "1":
                self._end()
            case "2":
                self._pinged = self._now()
                self._packet("3")
            case "4":
                assert self._sid, "a message before the handshake"
                self._listener.message(data)
            case _:
                assert packet == "6", f"a packet that no client understands: {packet!r}"

    def _opened(self, handshake: dict[str, object]) -> None:
        self._sid, self._pinged = str(handshake["sid"]), self._now()
        polls = self._socket is None
        assert handshake["upgrades"] == (["websocket"] if polls else [])
        if self._mode == "upgrade":
            self._probe = self._dialled(self._sid)
            self._up(self._probe, "2probe")
        self.send("0")

    def _packet(self, packet: str) -> None:
        self._waiting.append(packet)
        self._pump()

    def _pump(self) -> None:
        """Sends what can be sent and keeps a poll waiting; changes over when both kinds of request have come back."""
        if self.over or not self._sid:
            return
        if self._pausing and self._poll is None and self._post is None and self._probe is not None:
            self._socket, self._probe, self._pausing = self._probe, None, False
            self._up(self._socket, "5")
        if self._socket is not None:
            while self._waiting:
                self._up(self._socket, self._waiting.popleft())
        elif not self._pausing:
            if self._poll is None:
                self._poll = self._asked("GET", self._sid)
            if self._waiting and self._post is None:
                body = SEPARATOR.join(self._waiting)
                self._waiting.clear()
                self._post = self._asked("POST", self._sid, body)

    def _up(self, line: Line, frame: Frame) -> None:
        if not line.cut:
            line.up.append(frame)

    def _dialled(self, sid: str | None) -> Line:
        line = self._site.dial(self, sid)
        self.lines.append(line)
        return line

    def _asked(self, method: str, sid: str, body: str = "") -> Exchange:
        exchange = self._site.request(self, method, f"&sid={sid}" if sid else "", body)
        self.exchanges.append(exchange)
        return exchange

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        # What was sent before is still on its way; a poll is broken off.
        if self._poll is not None and self._poll.arrived:
            self._poll.tell_server()
        for line in self.lines:
            self._up(line, ENDED)
        self._listener.lost()
