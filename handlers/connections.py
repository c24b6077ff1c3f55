"""All connections of this process: who is here, who may still come, who is still to be told of the end. Knows no
Tornado, and nothing of what is said.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import SystemRandom

from handlers.connection import Application, Connection, Transport
from protocol import Frame
from protocol.session import CloseReason, Timing, Via
from rooms.clock import Cancellable, Clock
from rooms.tally import Tally

_chance = SystemRandom()


class Connections:
    """All connections of this process. `attend` gives each its application."""

    def __init__(
        self,
        attend: Callable[[Connection], Application],
        timing: Timing,
        clock: Clock,
        at_most: int,
        at_most_each: int | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.tally = tally or Tally()
        self.timing = timing
        self._attend = attend
        self._clock = clock
        self._at_most = at_most
        self._at_most_each = at_most if at_most_each is None else at_most_each
        self._by_address = Counter[bytes]()
        self._elsewhere: Mapping[bytes, int] = {}
        self._open: dict[str, Connection] = {}
        self._farewells: dict[str, tuple[Sequence[Frame], Cancellable]] = {}

    @property
    def ready(self) -> bool:
        """Whether anybody may come at all: the server is not about to stop."""
        return self._at_most > 0

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._open) + len(self._farewells) >= self._at_most

    def full_for(self, address: bytes) -> bool:
        """Whether one more from there would be too many."""
        return self._by_address[address] + self._elsewhere.get(address, 0) >= self._at_most_each

    def held(self) -> Mapping[bytes, int]:
        """How many each address has here."""
        return self._by_address

    def heard(self, elsewhere: Mapping[bytes, int]) -> None:
        """How many some addresses have on other nodes of the site; of all others that is none."""
        self._elsewhere = elsewhere

    @property
    def at_most_each(self) -> int:
        """How many one address may have, on all nodes together."""
        return self._at_most_each

    def open(self, transport: Transport, via: Via, address: bytes = b"") -> Connection:
        """A new session over a transport that is ready to send."""
        connection = Connection(
            transport, via, self._attend, self.timing, self._clock, self._forget, address, self.tally
        )
        self._by_address[address] += 1
        self._open[connection.session.sid] = connection
        connection.start()
        return connection

    def find(self, sid: str) -> Connection | None:
        """The connection with this Engine.IO session id, if it is open."""
        connection = self._open.get(sid)
        if connection is not None:
            connection.catch_up()
        return self._open.get(sid)

    def farewell(self, sid: str) -> Sequence[Frame]:
        """What a session that is over still has to say to its client, once; nothing, mostly."""
        frames, timer = self._farewells.pop(sid, ((), None))
        if timer is not None:
            timer.cancel()
        return frames

    def obey(self, timing: Timing, at_most: int, at_most_each: int) -> None:
        """Other limits, for connections to come."""
        self.timing, self._at_most, self._at_most_each = timing, at_most, at_most_each

    def count(self) -> Counter[str]:
        """How many there are by each transport."""
        return Counter(connection.session.via.value for connection in self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def drain(self, seconds: float, done: Callable[[], object]) -> None:
        """The server stops: within so many seconds every client is let go, in no order, and will try to come back when
        it has been. Those who come back together would wait for each other. Calls `done` then."""
        self._at_most = 0
        leaving = list(self._open.values())
        _chance.shuffle(leaving)
        for number, connection in enumerate(leaving):
            leave = partial(connection.close, CloseReason.SHUTTING_DOWN)
            self._clock.call_later(seconds * number / len(leaving), leave)
        self._clock.call_later(seconds, done)

    def close(self) -> None:
        """The server stops: every client that is still here is let go at once."""
        self._at_most = 0  # also for handshakes that are under way
        for connection in tuple(self._open.values()):
            connection.close(CloseReason.SHUTTING_DOWN)
        for sid in tuple(self._farewells):
            self.farewell(sid)

    def _forget(self, connection: Connection) -> None:
        sid = connection.session.sid
        self._open.pop(sid, None)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]
        if connection.farewell is not None:
            seconds, frames = connection.farewell
            self._farewells[sid] = (frames, self._clock.call_later(seconds, lambda: self.farewell(sid)))
