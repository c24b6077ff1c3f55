"""Files on their way: chunks that a member asks another member's tab for, and is given as they come. Knows neither what
is in a file nor how long it is, and keeps a chunk only while others are likely to want it, too.

Source: docs/protocol.md, "Files".
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from protocol import Json
from rooms.clock import Cancellable, Clock
from rooms.events import CHUNK, CHUNK_WANTED
from rooms.guest import Guest, Stage
from rooms.limits import Flow, Pace, Shared
from rooms.model import TAG_BYTES, ErrorCode, MemberId, Refused, RoomAddress, to_base64url
from rooms.tally import Tally

PLAIN_BYTES = 65_536
CHUNK_BYTES = PLAIN_BYTES + TAG_BYTES
"""Every chunk has this size, the last one of a file, too: no more than that can be told of how long it is."""
MEMBER_BYTES, FILE_BYTES, INDEX_BYTES = 32, 16, 4

MOST_ASKED = 8
"""Chunks that one client may wait for: so many that it does not read may lie in its outbox."""
MOST_IN_FLIGHT = 16
"""Chunks that one client is asked for at a time; the others wait until it has answered."""
ANSWER_SECONDS = 20.0
"""For a line on which so many chunks take long. What comes later is thrown away."""
LONGEST_WAIT = 10.0
"""Seconds. Who asks for so much that their turn would come later may ask again later."""
KEPT_BYTES, KEEP_SECONDS = 16_000_000, 10.0
"""Those who read the same file at about the same time get what its owner sent once."""

Peer = tuple[RoomAddress, MemberId]
Said = dict[str, Json]
Give = Callable[[Said], None]
"""Gets what there is to say about a chunk: the chunk, or an error."""


class Wanted(NamedTuple):
    """A chunk: whose tab has it, of which file (as base64url), and which one from 0 on."""

    room: RoomAddress
    member: MemberId
    file: str
    number: int


def parse_wanted(room: RoomAddress, body: bytes) -> Wanted:
    """What a member of this room asks for: member(32) file(16) index(4). Raises Refused."""
    if len(body) != MEMBER_BYTES + FILE_BYTES + INDEX_BYTES:
        raise Refused(ErrorCode.BAD_REQUEST)
    member, rest = body[:MEMBER_BYTES], body[MEMBER_BYTES:]
    number = int.from_bytes(rest[FILE_BYTES:], "big")
    return Wanted(room, MemberId(to_base64url(member)), to_base64url(rest[:FILE_BYTES]), number)


class Seat(Protocol):
    """A member who can be asked: by a line of this node, or by way of another node (rooms.post)."""

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        """The ack's arguments go to `answered`, once, or never."""


class Relay:
    """Passes chunks on. `seat` answers with where a member can be asked."""

    def __init__(
        self, flow: Flow, seat: Callable[[RoomAddress, MemberId], Seat | None], clock: Clock, tally: Tally
    ) -> None:
        self._seat = seat
        self._clock = clock
        self._tally = tally
        self._sources: dict[Peer, _Source] = {}
        self._kept: OrderedDict[Wanted, tuple[float, bytes]] = OrderedDict()
        self._tidying: Cancellable | None = None
        self.obey(flow)

    def obey(self, flow: Flow) -> None:
        """Other limits, for what is asked from now on."""
        self._flow = flow
        self._all = Pace(flow.all, self._clock.time())
        self._addresses = Shared[bytes, Pace](lambda now: Pace(flow.each, now))

    def ask(self, guest: Guest, wanted: Wanted) -> None:
        """The guest is told of this chunk in an event of its own. Raises Refused: `bad-request` beyond the largest
        file, `rate-limited` for one who asks for too many."""
        if wanted.number * PLAIN_BYTES >= self._flow.largest:
            raise Refused(ErrorCode.BAD_REQUEST)
        now = self._clock.time()
        paces = self._addresses.of(guest.socket.address, now), self._all
        wait = max(pace.wait(now) for pace in paces)
        if guest.asked >= MOST_ASKED or wait > LONGEST_WAIT:
            raise Refused(ErrorCode.RATE_LIMITED)
        for pace in paces:
            pace.take(now, CHUNK_BYTES)
        guest.asked += 1
        # Whoever has to wait does so before anything is sent that would have to be kept meanwhile.
        if wait:
            self._clock.call_later(wait, lambda: self._go(guest, wanted))
        else:
            self._go(guest, wanted)

    def close(self) -> None:
        """Nothing is passed on any more."""
        for source in self._sources.values():
            source.close()
        if self._tidying is not None:
            self._tidying.cancel()

    def _go(self, guest: Guest, wanted: Wanted) -> None:
        if guest.stage is not Stage.INSIDE:
            return
        self._fetch(self._seat(wanted.room, wanted.member), wanted, lambda said: self._give(guest, wanted, said))

    def lend(self, seat: Seat | None, wanted: Wanted, give: Give) -> None:
        """For a guest of another node, which has looked at what they may ask for: `give` gets what there is to say."""
        self._fetch(seat, wanted, give)

    def _fetch(self, seat: Seat | None, wanted: Wanted, give: Give) -> None:
        if seat is None:  # what is kept goes with its owner, too
            give({"error": ErrorCode.UNAVAILABLE.value})
            return
        if wanted in self._kept:
            give({"chunk": self._kept[wanted][1]})
            return
        peer = wanted.room, wanted.member
        source = self._sources.get(peer)
        if source is None or source.seat != seat:
            # What the line before was asked for is over in its time.
            source = self._sources[peer] = _Source(seat, self._clock, self._came)
        source.want(wanted, give)

    def _came(self, source: "_Source", wanted: Wanted, waiting: list[Give], said: Said) -> None:
        """What there is to say to those who have waited for a chunk."""
        if "chunk" in said:
            self._keep(wanted, said["chunk"])
        for give in waiting:
            give(said)
        peer = wanted.room, wanted.member
        if source.idle and self._sources.get(peer) is source:
            del self._sources[peer]

    def _give(self, guest: Guest, wanted: Wanted, said: Said) -> None:
        guest.asked -= 1
        if guest.stage is Stage.INSIDE:
            self._tally.chunks += "chunk" in said
            guest.socket.emit(CHUNK, {"member": wanted.member, "file": wanted.file, "index": wanted.number, **said})

    def _keep(self, wanted: Wanted, chunk: bytes) -> None:
        self._kept[wanted] = self._clock.time(), chunk
        while len(self._kept) * CHUNK_BYTES > KEPT_BYTES:
            self._kept.popitem(last=False)
        if self._tidying is None:
            self._tidying = self._clock.call_later(KEEP_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        now = self._clock.time()
        while self._kept:
            came, _ = next(iter(self._kept.values()))
            if came + KEEP_SECONDS > now:
                self._tidying = self._clock.call_later(came + KEEP_SECONDS - now, self._tidy)
                return
            self._kept.popitem(last=False)


class _Source:
    """One line to a tab that has files, and who waits for what from there."""

    def __init__(
        self,
        seat: Seat,
        clock: Clock,
        came: Callable[["_Source", Wanted, list[Give], Said], None],
    ) -> None:
        self.seat = seat
        self._clock = clock
        self._came = came
        self._waiting: dict[Wanted, list[Give]] = {}
        self._queue: deque[Wanted] = deque()
        self._in_flight: dict[Wanted, Cancellable] = {}

    @property
    def idle(self) -> bool:
        return not self._waiting

    def want(self, wanted: Wanted, give: Give) -> None:
        if wanted in self._waiting:
            self._waiting[wanted].append(give)
            return
        self._waiting[wanted] = [give]
        self._queue.append(wanted)
        self._go_on()

    def close(self) -> None:
        for timer in self._in_flight.values():
            timer.cancel()

    def _go_on(self) -> None:
        while self._queue and len(self._in_flight) < MOST_IN_FLIGHT:
            self._ask(self._queue.popleft())

    def _ask(self, wanted: Wanted) -> None:
        def over() -> None:
            self._end(wanted, {"error": ErrorCode.UNAVAILABLE.value})

        def answered(args: list[Json]) -> None:
            match args:
                case [{"chunk": bytes(chunk)}] if len(chunk) == CHUNK_BYTES:
                    self._end(wanted, {"chunk": chunk})
                case [{"error": str(ErrorCode.UNAVAILABLE)}]:  # by way of another node, which has lost them, too
                    over()
                case _:
                    self._end(wanted, {"error": ErrorCode.FILE_GONE.value})

        self._in_flight[wanted] = self._clock.call_later(ANSWER_SECONDS, over)
        self.seat.ask(CHUNK_WANTED, {"file": wanted.file, "index": wanted.number}, answered=answered)

    def _end(self, wanted: Wanted, said: Said) -> None:
        timer = self._in_flight.pop(wanted, None)
        if timer is None:
            return  # it came too late
        timer.cancel()
        self._came(self, wanted, self._waiting.pop(wanted), said)
        self._go_on()
