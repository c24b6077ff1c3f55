"""The HTTP long-polling transport: a GET waits for frames, a POST brings packets.

Source: the Engine.IO protocol, revision 4 (section "HTTP long-polling"); what is answered to those who break it is
what the reference server answers.
"""

import asyncio
import sys
from collections.abc import Collection
from typing import cast

import tornado.web
from tornado.http1connection import HTTP1Connection

from handlers.address import Addresses
from handlers.connection import CLOSE, NOOP, Connection
from handlers.connections import Connections
from handlers.engine import BAD_REQUEST, UNKNOWN_SESSION, EngineHandler, Refusal
from protocol import ProtocolError
from protocol.batch import Batch
from protocol.engineio import decode_payload, encode_payload
from protocol.session import CloseReason, Via

TOO_LARGE = Refusal(413)
PACKETS_A_TURN = 64
"""A payload can hold half a million packets; the others are heard in between."""
DIGITS = 18
"""Of a Content-Length, which may have as many as fit into a header: the first say enough."""
BINARY = "application/octet-stream"
BLAMED = frozenset({CloseReason.PARSE_ERROR, CloseReason.TRANSPORT_ERROR, CloseReason.FORCED_CLOSE})
"""Ends of a session that what a POST brought has led to."""


class PollingTransport:
    """handlers.connection.Transport over one GET after the other: writable while one waits."""

    def __init__(self) -> None:
        self._poll: asyncio.Future[str] | None = None
        self.posting: PollingHandler | None = None
        """The POST that is being read, or whose packets are being handled."""

    def begin_poll(self) -> "asyncio.Future[str] | None":
        """A poll begins; answers its payload to come, or None where one waits already."""
        if self._poll is not None:
            return None
        self._poll = asyncio.get_running_loop().create_future()
        return self._poll

    def wanted(self, connection: Connection) -> None:
        connection.flush()

    def writable(self) -> bool:
        return self._poll is not None

    def busy(self) -> bool:
        return self.posting is not None

    def send(self, batch: Batch) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.set_result(encode_payload(batch))

    def offer(self, batch: Batch) -> bool:
        writable = self.writable()
        self.send(batch)
        return writable

    def move(self, number: int) -> None:
        pass  # its requests come over lines of Tornado's

    def retire(self) -> None:
        self.send(Batch([NOOP]))

    def close(self, reason: CloseReason, rest: Batch) -> bool:
        told = self.writable()
        # Whose poll merely has to end, which an empty body must not do: a client that said goodbye itself; and one that
        # is to come back, since some take CLOSE for the server's wish that they do not.
        quietly = reason in {CloseReason.TRANSPORT_CLOSE, CloseReason.SHUTTING_DOWN}
        self.send(Batch([*rest, NOOP if quietly else CLOSE]))
        return told


@tornado.web.stream_request_body
class PollingHandler(EngineHandler):
    """One GET or POST of a client that polls.

    What is refused is refused when its body has come, and is thrown away: an answer in the middle of it would be lost
    with the reset of the line. A body beyond all measure is cut off.
    """

    via = Via.POLLING

    def initialize(self, connections: Connections, allowed_origins: Collection[str], addresses: Addresses) -> None:
        super().initialize(connections, allowed_origins, addresses)
        self._max_payload = connections.timing.max_payload
        self._connection: Connection | None = None
        self._transport = PollingTransport()
        self._refusal: Refusal | None = None
        self._body = bytearray()
        self._size = 0

    def prepare(self) -> None:
        """Looks at the head of the request; a POST counts from here on."""
        line, timing = cast(HTTP1Connection, self.request.connection), self._connections.timing
        line.set_max_body_size(sys.maxsize)  # Tornado's own bound cuts the line without an answer
        line.set_body_timeout(timing.ping_interval + timing.ping_timeout)  # no longer than a session without a word
        self._refusal = self.judge()
        if self.connection is not None:
            self._transport = cast(PollingTransport, self.connection.transport)  # says `fits`
            if self.request.method == "POST":
                self._refusal = self._begin_post(self.connection)
        length = self.request.headers.get("Content-Length", "")
        if length.isdecimal():
            self._measure(int(length[:DIGITS]))

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._measure(self._size)
        if self._refusal is None and self._transport.posting is self:
            self._body += chunk

    async def get(self) -> None:
        self._refusal = self._refusal or self._overtaken()
        if self._refusal is UNKNOWN_SESSION and (farewell := self._connections.farewell(self.sid)):
            self._answer(encode_payload(farewell))
            return
        if self._refusal is not None:
            self.refuse(self._refusal)
            return
        if self.connection is None:
            self.connection = self._connections.open(self._transport, Via.POLLING, self.address)
        poll = self._transport.begin_poll()
        if poll is None:
            self.refuse(_broken_off(self.connection))
        else:
            self.connection.flush()
            self._answer(await poll)

    async def post(self) -> None:
        self._refusal = self._refusal or self._overtaken()
        if self._refusal is None and self.connection is not None:
            self._refusal = await self._bring(self.connection)
        self._end_post()
        if self._refusal is not None:
            self.refuse(self._refusal)
        else:
            self._answer("ok")

    def options(self) -> None:
        if self._refusal is not None:
            self.refuse(self._refusal)
        else:
            super().options()

    def fits(self, connection: Connection | None) -> bool:
        return self.request.method in {"GET", "POST"} and (
            connection is None or isinstance(connection.transport, PollingTransport)
        )

    def on_connection_close(self) -> None:
        super().on_connection_close()
        # Without the circles in which Tornado leaves handlers of cut requests for the garbage collector to find: one
        # over the error that the body's future holds, and the frame it was raised in; one that `finish` would break.
        self.request._body_future = asyncio.get_running_loop().create_future()  # noqa: SLF001
        self.request._body_future.cancel()  # noqa: SLF001
        self.ui = None  # type: ignore[assignment]
        self._body = bytearray()
        if self.connection is not None and not self._finished:
            self._end_post()
            self.connection.lost(self._transport, CloseReason.TRANSPORT_ERROR)

    def _measure(self, size: int) -> None:
        """A body of this size is coming, or has come."""
        if size > self._max_payload:
            self._refusal = self._refusal or TOO_LARGE
            self._body.clear()
        # Who asks whether to send it has not begun to.
        beyond = 2 * self._max_payload if "Expect" not in self.request.headers else self._max_payload
        if size > beyond and not self._finished:
            self._end_post()
            self.refuse(self._refusal or TOO_LARGE)

    def _begin_post(self, connection: Connection) -> Refusal | None:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if self._transport.posting is not None or kind == BINARY:
            return _broken_off(connection)
        self._transport.posting = self
        return None

    def _end_post(self) -> None:
        if self._transport.posting is self:
            self._transport.posting = None

    async def _bring(self, connection: Connection) -> Refusal | None:
        """Hands the connection what the body holds, packet by packet, up to a bad one."""
        try:
            body, self._body = self._body, bytearray()
            self._connections.tally.received += len(body)
            for number, packet in enumerate(decode_payload(body.decode()), 1):
                if connection.session.closed is not None:
                    break
                await connection.handle(packet, self._transport)
                if number % PACKETS_A_TURN == 0:
                    await asyncio.sleep(0)
        except (UnicodeDecodeError, ProtocolError):
            connection.close(CloseReason.PARSE_ERROR)
        closed = connection.session.closed
        if closed is None or closed is CloseReason.TRANSPORT_CLOSE:
            return None
        return BAD_REQUEST if closed in BLAMED else UNKNOWN_SESSION

    def _overtaken(self) -> Refusal | None:
        """What has happened while the body was on its way: the last place taken, the session over, or upgraded."""
        if self.connection is None:
            return self.no_room()
        if self.connection.session.closed is not None:
            return UNKNOWN_SESSION
        return None if self.connection.transport is self._transport else BAD_REQUEST

    def _answer(self, payload: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self._connections.tally.sent += len(payload)
        self.finish(payload)


def _broken_off(connection: Connection) -> Refusal:
    """Two requests where one is allowed, or no text: that client has lost count."""
    connection.close(CloseReason.TRANSPORT_ERROR)
    return Refusal(400)
