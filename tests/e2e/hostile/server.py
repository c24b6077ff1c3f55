"""Knows a server that has been broken into: the product's own, whose logs and whose every word to each client are in a
test's hands. Knows no room's key: what it forges, somebody in the room has made for it."""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import tornado.httpserver
import tornado.netutil

from composition import HOUSE, Site
from handlers.assets import read_assets
from handlers.connection import Connection, Transport
from protocol import Frame, Json
from protocol.session import CloseReason, Via
from rooms.broker import MemoryBroker
from rooms.guest import Guest
from rooms.hub import encode_event
from rooms.kept import KeptRoom
from rooms.model import Entry, MemberId, RoomAddress
from settings import Settings
from tests.fakes import at_once
from tests.reference import Room

Said = tuple[str, Json]
"""An event and its argument."""
Object = dict[str, Any]
"""The argument of an event, to be lied about."""
Twist = Callable[[Any], Sequence[Said]]
"""What is said instead of one event, given its argument. For an acknowledgement, ("ack", what it says) or nothing."""

SALT = bytes(range(16))
LOG_SIZE = Settings().log_size
PATIENCE = 20.0


class Line:
    """What the server says to one client: between the chat and the product's connection, which keeps the order.
    `honest`: all that an honest server would have said, oldest first. `member`: whose line it is, once `connected` has
    passed."""

    def __init__(self, connection: Connection, twists: "Callable[[Line, str], Twist | None]") -> None:
        self.honest: list[Said] = []
        self.member = ""
        self.connection = connection
        self._send = connection.send
        self._twists = twists
        connection.send = self._hear  # type: ignore[method-assign]

    def tell(self, event: str, *arguments: Json) -> None:
        """An event that nothing has caused."""
        self._send(encode_event(event, *arguments))

    def raw(self, *frames: Frame) -> None:
        self._send(frames)

    def cut(self) -> None:
        self.connection.close(CloseReason.TRANSPORT_ERROR)

    def last(self, event: str) -> Object:
        """The argument of the last event of this name that an honest server would have sent."""
        return cast(Object, [argument for name, argument in self.honest if name == event][-1])

    def _hear(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        self._send([each for frame in frames for each in self._twisted(frame)])

    def _twisted(self, frame: Frame) -> list[Frame]:
        if not isinstance(frame, str) or frame[:2] not in {"42", "43"}:
            return [frame]
        number = re.match(r"\d*", frame[2:])
        assert number is not None
        words = json.loads(frame[2 + number.end() :])
        event, argument = ("ack", words[0]) if frame[1] == "3" else words
        self.honest.append((event, argument))
        if event == "connected":
            self.member = argument["member"]
        twist = self._twists(self, event)
        if twist is None:
            return [frame]
        return [each for said in twist(argument) for each in _encoded(said, number.group())]


def _encoded(said: Said, number: str) -> list[Frame]:
    event, argument = said
    return [f"43{number}{json.dumps([argument])}"] if event == "ack" else encode_event(event, argument)


class HostileServer:
    """`lines`: every line that a client has ever opened, in order."""

    def __init__(self, url: str, site: Site) -> None:
        self.url = url
        self.site = site
        self.lines: list[Line] = []
        self._lies: list[tuple[str | None, dict[str, Twist]]] = []
        self._open = site.connections.open
        self._news = asyncio.Event()
        site.connections.open = self._opened  # type: ignore[method-assign]

    def line(self, member: str) -> Line:
        """The line that this member has now."""
        return next(line for line in reversed(self.lines) if line.member == member)

    @contextmanager
    def lying(self, to: str | None = None, /, **about: Twist) -> Iterator[None]:
        """While it lasts, these events are twisted, for this member or for everybody. Before a line has passed
        `connected` it is nobody's."""
        lies = (to, about)
        self._lies.append(lies)
        try:
            yield
        finally:
            self._lies.remove(lies)

    @contextmanager
    def deaf(self, member: str, event: str, answer: Json) -> Iterator[list[bytes]]:
        """While it lasts, this member's requests of this name change nothing and are answered so. Yields what was
        asked."""
        asked: list[bytes] = []
        honest = self.site.chat._sealed[event]

        async def swallow(guest: Guest, body: bytes) -> Json:
            if guest.member != member:
                return await honest(guest, body)
            asked.append(body)
            self._news.set()
            return answer

        self.site.chat._sealed[event] = swallow
        try:
            yield asked
        finally:
            self.site.chat._sealed[event] = honest

    def post(self, room: Room, member: str, message: str) -> int:
        """Puts into the log, and before everybody, what nobody has sent. Answers its id."""
        kept = self.kept(room)
        kept.last += 1
        entry = Entry(kept.last, MemberId(member), message)
        kept.log.append(entry)
        kept.log_times.append(asyncio.get_running_loop().time())
        while len(kept.log) > LOG_SIZE:
            kept.forget_oldest()
        # Spelt by itself: the product's own encoder knows that there is nothing to escape in what it is given.
        self.spread(room, "get_message", {"id": entry.id, "member": member, "message": message})
        return entry.id

    def kept(self, room: Room) -> KeptRoom:
        """What the server keeps of a room."""
        assert isinstance(self.site.broker, MemoryBroker)
        return self.site.broker._rooms[RoomAddress(room.address)]

    def spread(self, room: Room, event: str, argument: Json) -> None:
        """To everybody in the room, what nothing has caused."""
        self.site.chat._hub.broadcast(RoomAddress(room.address), event, argument)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for what something that the server hears or says brings about."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def _opened(self, transport: Transport, via: Via, address: bytes = b"") -> Connection:
        connection = self._open(transport, via, address)
        self.lines.append(Line(connection, self._twist))
        return connection

    def _twist(self, line: Line, event: str) -> Twist | None:
        self._news.set()
        for to, about in reversed(self._lies):
            if event in about and to in {None, line.member}:
                return about[event]
        return None


@asynccontextmanager
async def hostile_server(
    *,
    scripts: Sequence[Path] = (),
    **settings: Any,  # noqa: ANN401 any setting
) -> AsyncIterator[HostileServer]:
    """With these settings (by their names in settings.py), on a free port, on the loop that this is awaited on.
    `scripts` are served beside the product's own, and like them."""
    with tempfile.TemporaryDirectory(prefix="chatsite-test-") as folder:
        static = Path(shutil.copytree(HOUSE / "static", Path(folder) / "static"))
        for script in scripts:
            shutil.copy(script, static / "js")
        site = Site(Settings(**settings), read_assets(static), SALT, asyncio.get_running_loop(), vouched=False)
        site.chat._hub._soon = at_once  # what is said is heard, and twisted, before anything else happens
        await site.start()
        http = tornado.httpserver.HTTPServer(site.gate, max_body_size=1_000_000)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        http.add_sockets(sockets)
        try:
            yield HostileServer(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", site)
        finally:
            http.stop()
            await site.close()
            await http.close_all_connections()


# Some lies that are told more than once.


def nothing(_: object) -> Sequence[Said]:
    """Withholds it."""
    return []


def altered(event: str, **changes: Json) -> Twist:
    """Says it with other values."""
    return lambda said: [(event, {**said, **changes})]
