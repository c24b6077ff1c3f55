"""One start of the server without a socket of its own: every part but Tornado's is the real one, save that proofs,
which cost most of the time, are believed. It writes down what happened, for whoever judges."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import tornado.web
from tornado.web import url

from envelope import Channel, EnvelopeError
from handlers.address import Addresses
from handlers.client import Client
from handlers.connections import Connections
from handlers.polling import PollingHandler
from protocol import Json
from protocol.namespace import Departure, Socket
from protocol.session import Timing, Via
from rooms.broker import Limits, MemoryBroker
from rooms.chat import LEAVING, ChatNamespace
from rooms.events import JOIN_ROOM
from rooms.guest import Policy
from rooms.hub import Hub
from rooms.join import Door, Join
from rooms.limits import Rate, Traffic
from rooms.model import (
    ErrorCode,
    Joined,
    Left,
    MemberId,
    Posted,
    Refused,
    RoomAddress,
    RoomEvent,
    Since,
    from_base64url,
    to_base64url,
)
from tests.fakes import FakeClock
from tests.rooms.stage import AMPLE, FLOW, QUOTAS, SITE, Gate, server_key
from tests.schedules.network import ENDED, Caller, Exchange, Line

ROOM = RoomAddress(b"r" * 32)
USER = to_base64url(bytes(540))
GRACE = 3.0
PING_INTERVAL, PING_TIMEOUT = 5.0, 4.0
TIMING = Timing(
    ping_interval=PING_INTERVAL,
    ping_timeout=PING_TIMEOUT,
    connect_timeout=4,
    upgrade_timeout=3,
    max_payload=100_000,
    outbox_bytes=4_000,
)
EMPTY_ROOM_TTL = 1000.0
JOIN_TIMEOUT = 60.0


class OpenDoor(Door):
    """Everybody is who they say they are. The envelope is the session key as it is."""

    def open(self, socket_id: str, sealed: bytes, body: bytes) -> Join:
        channel = Channel(sealed)
        try:
            said = json.loads(channel.open(JOIN_ROOM, body))
        except EnvelopeError as error:
            raise Refused(ErrorCode.BAD_ENVELOPE) from error
        if said["socket"] != socket_id:
            raise Refused(ErrorCode.BAD_ENVELOPE)
        since = said["since"] and Since(from_base64url(said["since"]["epoch"]), said["since"]["id"])
        return Join(ROOM, MemberId(said["member"]), USER, since, channel)


@dataclass(frozen=True)
class Presence:
    """Something that decides who is there. `what`: lost, left (a DISCONNECT) or leaving (a command, or being shown
    the door) of a seat; joined, returned or gone of a member."""

    at: float
    what: str
    who: str
    seat: str = ""


class Site:
    """`logs`: what was posted, by epoch; `presence`: who came and went and what the lines did, in its order."""

    def __init__(self, now: float, log_size: int) -> None:
        self.clock = FakeClock(now)
        self.logs: dict[str, list[tuple[str, str]]] = {}
        self.presence: list[Presence] = []
        self.way_in = Gate()
        limits = Limits(log_size, 0, EMPTY_ROOM_TTL, room_members=100, rooms=10)
        policy = Policy(GRACE, 0, JOIN_TIMEOUT, replace(QUOTAS, socket=Traffic(Rate(4, 12), AMPLE)), FLOW)
        self.broker = _WritingBroker(self, limits, self.clock)
        self.hub = Hub(lambda call: self.clock.call_later(0, call))
        self.chat = ChatNamespace(OpenDoor(server_key(), SITE), self.broker, self.hub, policy, self.clock, self._run)
        namespaces = {"/": _WatchedChat(self)}
        self.connections = Connections(
            lambda connection: Client(connection, namespaces, TIMING.max_payload), TIMING, self.clock, at_most=1000
        )
        self._application = tornado.web.Application(
            [
                url(
                    r"/socket\.io/",
                    PollingHandler,
                    {"connections": self.connections, "allowed_origins": (), "addresses": Addresses(())},
                )
            ],
            log_function=lambda handler: None,
        )

    async def _run(self, work: Callable[[], Join]) -> Join:
        await self.way_in.passed()
        return work()

    def dial(self, caller: Caller, sid: str | None = None) -> Line:
        """A WebSocket, of its own or for the session `sid`: what handlers/websocket.py does."""
        line = Line(caller)
        if sid is None:
            line.connection = self.connections.open(line, Via.WEBSOCKET)
            return line
        connection = self.connections.find(sid)
        if connection is not None and connection.begin_upgrade(line):
            line.connection = connection
        else:
            line.down.append(ENDED)
        return line

    def request(self, caller: Caller, method: str, query: str, body: str = "") -> Exchange:
        return Exchange(caller, self._application, method, query, body)

    async def close(self) -> None:
        """As chatsite.py does when it is told to stop."""
        self.connections.close()
        await self.chat.close()
        await self.broker.close()

    @property
    def members(self) -> set[str]:
        room = self.broker._rooms.get(ROOM)
        return set(room.members) if room else set()

    def wrote(self, event: RoomEvent) -> None:
        at = self.clock.time()
        match event:
            case Joined(_, member, snapshot, returned):
                self.logs.setdefault(to_base64url(snapshot.epoch), [])
                self.presence.append(Presence(at, "returned" if returned else "joined", member.id, member.seat))
            case Left(_, member):
                self.presence.append(Presence(at, "gone", member))
            case Posted(_, entry):
                log = self.logs[to_base64url(self.broker._rooms[ROOM].epoch)]
                log.append((entry.member, entry.ciphertext))
                assert entry.id == len(log)
            case _:
                pass


class _WritingBroker(MemoryBroker):
    """What it says is written down before anybody hears it."""

    def __init__(self, site: Site, limits: Limits, clock: FakeClock) -> None:
        super().__init__(limits, clock)
        self._site = site

    async def start(self, deliver: Callable[[RoomEvent], None], receive: Callable[[bytes], None] | None = None) -> None:
        def written(event: RoomEvent) -> None:
            self._site.wrote(event)
            deliver(event)

        await super().start(written, receive)


class _WatchedChat:
    """The chat, and a diary of what connections did to it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def authorize(self, auth: Json) -> None:
        self._site.chat.authorize(auth)

    def connected(self, socket: Socket) -> None:
        self._site.chat.connected(socket)

    async def event(self, socket: Socket, name: str | int, args: list[Json]) -> list[Json]:
        if name in LEAVING:
            self._note("leaving", socket)
        answer = await self._site.chat.event(socket, name, args)
        if answer == [{"error": ErrorCode.BAD_ENVELOPE.value}]:
            self._note("leaving", socket)
        return answer

    def disconnected(self, socket: Socket, departure: Departure) -> None:
        self._note("lost" if departure is Departure.LOST else "left", socket)
        self._site.chat.disconnected(socket, departure)

    def _note(self, what: str, socket: Socket) -> None:
        self._site.presence.append(Presence(self._site.clock.time(), what, "", socket.id))
