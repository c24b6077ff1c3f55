"""Listening sockets: hands out a few connections a turn of the loop, whoever asks, and so many in all and from one
address; knows no requests.

On a port for https the first byte tells TLS from plain http, which is handed out as such: it is to be sent on to https.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import tornado.netutil
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

logger = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections that the system keeps for us, oldest first. Whom it has no room for tries again ever more rarely: a short
queue would serve those last who have waited longest."""
ACCEPTS_A_TURN = 3
"""A new connection costs half a millisecond, with TLS more. When ten thousand clients come back at once, others have
their turn in between."""
ACCEPT_SECONDS = 0.001
"""From one such turn to the next, at least: three thousand a second. To accept costs little;
if it were all done at first, ten thousand handshakes would be under way at the same time, and all have something to do
in the same turns, of a second each."""
FIRST_BYTE_SECONDS = 10.0
"""How long a client may take to begin with TLS."""
REST_SECONDS = 1.0
"""How long nothing is accepted when the system cannot give us one more socket."""
TLS_HANDSHAKE = b"\x16"
"""The content type that a connection by TLS begins with. Source: RFC 8446, section 5.1."""

Peer = tuple[str, int] | tuple[str, int, int, int]

_GONE = (BlockingIOError, InterruptedError, ConnectionAbortedError)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Counts:
    """Tells when it is closed, whoever closes it."""

    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        super().close()  # type: ignore[misc]  # the socket's, which stands behind this one
        told, self.on_close = self.on_close, None
        if told is not None:
            told()


class CountedSocket(_Counts, socket.socket):
    """One that the listener has handed out."""


class CountedTLS(_Counts, ssl.SSLSocket):
    """The same by TLS."""


class _Reads:
    """Takes no request from a line that is closed. Tornado does: whoever has sent a thousand of them ahead, and is cut
    off with the answer to the first, would have each of them answered to nobody."""

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        if self.closed():  # type: ignore[attr-defined]  # the stream's, which stands behind this one
            raise StreamClosedError
        return super().read_until_regex(regex, max_bytes)  # type: ignore[misc,no-any-return]


class Stream(_Reads, IOStream):
    """A line by http."""


class SecureStream(_Reads, SSLIOStream):
    """The same by TLS."""


class Listener:
    """Accepts for `server`, and for `plain` what comes by http where https is spoken.

    `at_most`: sockets in all; more wait in the system's queue. `at_most_each`: of one address, as `address_of` names it
    (None: whoever comes from there is not counted); more are closed.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        server: HTTPServer,
        *,
        at_most: int,
        at_most_each: int,
        address_of: Callable[[str], bytes | None],
        tls: ssl.SSLContext | None = None,
        plain: HTTPServer | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._server = server
        self._plain = plain
        self._tls = tls
        self._at_most = at_most
        self._at_most_each = at_most_each
        self._address_of = address_of
        self._by_address = Counter[bytes]()
        self._waiting: dict[CountedSocket, asyncio.TimerHandle] = {}
        self._open = 0
        self._stopped = False
        self._accepting = False
        if tls is not None:
            tls.sslsocket_class = CountedTLS
        self._accept_more()

    def obey(self, *, at_most: int, at_most_each: int, tls: ssl.SSLContext | None) -> None:
        """Other limits, and a fresh certificate, for those who come from now on."""
        self._at_most, self._at_most_each = at_most, at_most_each
        if tls is not None:
            tls.sslsocket_class = CountedTLS
            self._tls = tls
        self._accept_more()

    def stop(self) -> None:
        """Nobody is let in any more; whoever has been stays."""
        self._stopped = True
        self._accept_no_more()
        for each in self._sockets:
            each.close()
        for waiting in tuple(self._waiting):
            self._give_up(waiting)

    def _accept_more(self) -> None:
        if not self._accepting and not self._stopped and self._open < self._at_most:
            self._accepting = True
            for each in self._sockets:
                self._loop.add_reader(each, self._accept, each)

    def _accept_no_more(self) -> None:
        if self._accepting:
            self._accepting = False
            for each in self._sockets:
                self._loop.remove_reader(each)

    def _accept(self, listening: socket.socket) -> None:
        """What is not accepted in this turn is there in the next."""
        for _ in range(ACCEPTS_A_TURN):
            if self._open >= self._at_most:
                self._accept_no_more()
                return
            try:
                connection, peer = listening.accept()
            except _GONE:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._rest()
                return
            self._let_in(CountedSocket(connection.family, connection.type, connection.proto, connection.detach()), peer)
        self._accept_no_more()
        self._loop.call_later(ACCEPT_SECONDS, self._accept_more)

    def _rest(self) -> None:
        """What waits would have the loop ask again and again for what the system does not have."""
        logger.warning(
            "no more sockets: the limit of open files (ulimit -n) is below max_connections, or memory is out"
        )
        self._accept_no_more()
        self._loop.call_later(REST_SECONDS, self._accept_more)

    def _let_in(self, connection: CountedSocket, peer: Peer) -> None:
        address = self._address_of(peer[0])
        if address is not None and self._by_address[address] >= self._at_most_each:
            connection.close()
            return
        self._open += 1
        if address is not None:
            self._by_address[address] += 1
        connection.on_close = lambda: self._closed(address)
        connection.setblocking(False)
        if self._tls is None:
            self._server.handle_stream(Stream(connection), peer)
        else:
            self._waiting[connection] = self._loop.call_later(FIRST_BYTE_SECONDS, self._give_up, connection)
            self._loop.add_reader(connection, self._look, connection, peer, self._tls)

    def _look(self, connection: CountedSocket, peer: Peer, tls: ssl.SSLContext) -> None:
        """The first byte is there, or the end."""
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        self._loop.remove_reader(connection)
        self._waiting.pop(connection).cancel()
        if first == TLS_HANDSHAKE:
            self._speak_tls(connection, peer, tls)
        elif first and self._plain is not None:
            self._plain.handle_stream(Stream(connection), peer)
        else:
            connection.close()

    def _speak_tls(self, connection: CountedSocket, peer: Peer, tls: ssl.SSLContext) -> None:
        told, connection.on_close = connection.on_close, None
        try:
            secure = cast(CountedTLS, tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False))
        except OSError:  # it has gone meanwhile
            connection.close()
            if told is not None:
                told()
            return
        secure.on_close = told
        self._server.handle_stream(SecureStream(secure), peer)

    def _give_up(self, connection: CountedSocket) -> None:
        """It has said nothing for too long."""
        self._waiting.pop(connection).cancel()
        self._loop.remove_reader(connection)
        connection.close()

    def _closed(self, address: bytes | None) -> None:
        self._open -= 1
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
        self._accept_more()


def listen(port: int, address: str, *, reuse: bool = False) -> Sequence[socket.socket]:
    """One for each address that a name stands for; port 0 takes any free one. `reuse`: other processes of this user may
    listen there, too, and the system deals connections out to all. Raises OSError."""
    return tornado.netutil.bind_sockets(port, address, backlog=BACKLOG, reuse_port=reuse)
