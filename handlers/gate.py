"""How many requests an address may make: whoever makes more is told to wait, and the line is closed; knows no page."""

from collections.abc import Callable

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from handlers.address import Addresses
from handlers.base import LastHandler
from rooms.limits import Rate, Shared, TokenBucket
from rooms.tally import Tally

RETRY_SECONDS = 10


class CrowdedHandler(LastHandler):
    """Too many requests from one address."""

    def prepare(self) -> None:
        self.send_error(429)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Retry-After", str(RETRY_SECONDS))
        self.finish()


class Gate(Router):
    """Lets requests through to an application, so many from each address. `time` answers seconds of any monotonic
    clock."""

    def __init__(
        self,
        application: Application,
        addresses: Addresses,
        rate: Rate,
        time: Callable[[], float],
        tally: Tally | None = None,
    ) -> None:
        self._tally = tally or Tally()
        self.application = application
        self._addresses = addresses
        self._time = time
        self.obey(rate)

    def obey(self, rate: Rate) -> None:
        """Another rate; what was used up until now is forgotten."""
        self._buckets = Shared[bytes, TokenBucket](lambda now: TokenBucket(rate, now))

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> HTTPMessageDelegate | None:
        now = self._time()
        if self._buckets.of(self._addresses.of(request), now).take(now):
            return self.application.find_handler(request, **kwargs)
        self._tally.refused["429"] += 1
        return self.application.get_handler_delegate(request, CrowdedHandler)
