"""A room relay that can be told to do wrong, for a generator that must notice; speaks just enough for --plain."""

import asyncio
import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one member. `place`: where the member, `sender`: where its author sits in the room."""

    room: str
    place: int
    sender: int
    number: int
    packet: str


Deliver = Callable[["Relay", Delivery], list[str]]
"""What a member is sent instead of one packet."""
Answer = Callable[[int, str], list[str]]
"""What the author of its message with this number is sent instead of the ack."""


@dataclass
class Relay:
    """Honest unless told otherwise."""

    deliver: Deliver = field(default=lambda _, delivery: [delivery.packet])
    answer: Answer = field(default=lambda _, ack: [ack])
    rooms: defaultdict[str, list["Member"]] = field(default_factory=lambda: defaultdict(list))
    ids: Counter[str] = field(default_factory=Counter)

    def publish(self, author: "Member", number: int, message: str) -> int:
        self.ids[author.room] += 1
        entry = {"id": self.ids[author.room], "member": "m", "message": message}
        packet = "42" + json.dumps(["get_message", entry], separators=(",", ":"))
        members = self.rooms[author.room]
        for place, member in enumerate(members):
            for sent in self.deliver(self, Delivery(author.room, place, members.index(author), number, packet)):
                with contextlib.suppress(tornado.websocket.WebSocketClosedError):
                    member.write_message(sent)
        return self.ids[author.room]


class Member(tornado.websocket.WebSocketHandler):
    """One client's line."""

    room = ""

    def initialize(self, relay: Relay) -> None:
        self._relay = relay

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.write_message('0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}')

    def on_message(self, message: str | bytes) -> None:
        packet = str(message)
        if packet == "40":
            self.write_message('40{"sid":"s"}')
            return
        number, bracket, rest = packet.removeprefix("42").partition("[")
        name, said = json.loads(bracket + rest)
        if name == "join":
            self.room = said
            self._relay.rooms[said].append(self)
            self.write_message(f"43{number}[{{}}]")
        else:
            known = self._relay.publish(self, int(number), said)
            for sent in self._relay.answer(int(number), f'43{number}[{{"id":{known}}}]'):
                self.write_message(sent)


class _Running(threading.Thread):
    """The relay's own loop: whoever asks the generator waits for its answer and cannot serve it meanwhile."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay
        self.ready = threading.Event()
        self.url = ""

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        routes = [(r"/socket.io/", Member, {"relay": self._relay})]
        server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        self.ready.set()
        await self._stopped.wait()
        server.stop()
        await server.close_all_connections()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()


@contextmanager
def relaying(relay: Relay) -> Iterator[str]:
    """The address of the relay, which runs meanwhile."""
    running = _Running(relay)
    running.start()
    running.ready.wait()
    try:
        yield running.url
    finally:
        running.stop()
