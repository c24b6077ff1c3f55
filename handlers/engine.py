"""What every request to an Engine.IO path is asked before a transport gets it, and the documented errors.

Source: the Engine.IO protocol, revision 4 (section "Handshake"); the errors 0 to 5 are the reference server's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher

from handlers.address import Addresses
from handlers.base import BaseHandler
from handlers.connection import Connection
from handlers.connections import Connections
from protocol import engineio, strict_json
from protocol.session import Via

ANY_ORIGIN = "*"
METHODS = "GET, POST, OPTIONS"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a request that must not go on: one of the documented errors has a code and a message."""

    status: int
    code: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


UNKNOWN_TRANSPORT = Refusal(400, 0, "Transport unknown")
UNKNOWN_SESSION = Refusal(400, 1, "Session ID unknown")
BAD_METHOD = Refusal(400, 2, "Bad handshake method")
BAD_REQUEST = Refusal(400, 3, "Bad request")
FORBIDDEN = Refusal(403, 4, "Forbidden")
UNSUPPORTED_VERSION = Refusal(400, 5, "Unsupported protocol version")
FULL = Refusal(503, headers={"Retry-After": "10"})
CROWDED = Refusal(429, headers={"Retry-After": "10"})


def query(request: HTTPServerRequest, name: str) -> str:
    """The last value of a query parameter; "" where it is missing or no UTF-8, which is as good as unknown."""
    try:
        return request.query_arguments.get(name, [b""])[-1].decode()
    except UnicodeDecodeError:
        return ""


class Asks(Matcher):
    """Routes requests by the transport that they ask for."""

    def __init__(self, via: Via) -> None:
        self._via = via

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if query(request, "transport") == self._via else None


class EngineHandler(BaseHandler):
    """One request to an Engine.IO path, for the transport `via`."""

    via: Via

    def initialize(self, connections: Connections, allowed_origins: Collection[str], addresses: Addresses) -> None:
        self._connections = connections
        self._addresses = addresses
        self._allowed_origins = allowed_origins
        self.connection: Connection | None = None
        """The one that this request belongs to, once `judge` has found nothing wrong."""

    @property
    def sid(self) -> str:
        """The Engine.IO session id of the request, "" for a handshake."""
        return query(self.request, "sid")

    def options(self) -> None:
        """CORS: a browser asks whether a page elsewhere may ask."""
        self.set_status(204)
        self.set_header("Access-Control-Allow-Methods", METHODS)
        wanted = self.request.headers.get("Access-Control-Request-Headers", "Content-Type")
        self.set_header("Access-Control-Allow-Headers", wanted)  # none means anything here

    def judge(self) -> Refusal | None:
        """The first thing wrong, in the reference server's order, with strangers' pages turned away early."""
        self._allow_origin()
        if query(self.request, "transport") != self.via:
            return UNKNOWN_TRANSPORT
        if not self._origin_is_allowed():
            return FORBIDDEN
        if self.request.method == "OPTIONS" and "Origin" in self.request.headers:
            return None
        version = query(self.request, "EIO")
        if self.sid:
            connection = self._connections.find(self.sid)
            if connection is None:
                return UNKNOWN_SESSION
            if version != engineio.VERSION or not self.fits(connection):
                return BAD_REQUEST
            self.connection = connection
            return None
        if self.request.method != "GET":
            return BAD_METHOD
        if not self.fits(None):
            return BAD_REQUEST
        if version != engineio.VERSION:
            return UNSUPPORTED_VERSION
        return self.no_room()

    @property
    def address(self) -> bytes:
        """Where the request comes from."""
        return self._addresses.of(self.request)

    def no_room(self) -> Refusal | None:
        """Why there is no place for one more session, if there is none."""
        if self._connections.full:
            return FULL
        return CROWDED if self._connections.full_for(self.address) else None

    def fits(self, connection: Connection | None) -> bool:
        """Whether a request like this can carry on with this session, or begin one."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """Ends the request with this answer."""
        self._connections.tally.refused[str(refusal.status)] += 1
        self.set_status(refusal.status)
        for name, value in refusal.headers.items():
            self.set_header(name, value)
        if refusal.code is None:
            self.finish()
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(strict_json.dump({"code": refusal.code, "message": refusal.message}))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """For programs: no page. A method that is never right is wrong in the same order as everything else."""
        refusal = self.judge()
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.refuse(refusal or BAD_REQUEST)
        else:
            self.finish()

    def check_origin(self, origin: str) -> bool:
        """Pages of this site, and of those that the operator lists; a WebSocket knows no other protection."""
        try:
            own = urlsplit(origin).netloc == self.request.host
        except ValueError:
            return False
        return own or origin in self._allowed_origins or ANY_ORIGIN in self._allowed_origins

    def _origin_is_allowed(self) -> bool:
        origin = self.request.headers.get("Origin")
        if origin is None:
            # A page elsewhere can have a browser ask without saying for whom, as for a picture.
            return self.request.headers.get("Sec-Fetch-Site") != "cross-site"
        return self.check_origin(origin)

    def _allow_origin(self) -> None:
        """CORS headers on every answer, errors included, so that a page that is let in can read them."""
        self.set_header("Vary", "Origin")
        origin = self.request.headers.get("Origin", "")
        if origin in self._allowed_origins:
            self.set_header("Access-Control-Allow-Origin", origin)
            # For proxies that keep a client at one server by a cookie; never for pages that are not named.
            self.set_header("Access-Control-Allow-Credentials", "true")
        elif ANY_ORIGIN in self._allowed_origins:
            self.set_header("Access-Control-Allow-Origin", ANY_ORIGIN)
