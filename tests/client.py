"""A chat client for tests, honest by default: python-socketio on the line, tests/reference.py for everything secret. A
hostile member has its keys, its channel and its line in the open. Knows no page and imports nothing of the product."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, cast

import aiohttp
import socketio

from tests.reference import Json, Kind, Opened, Payload, Room, Sealed, Signer, b64, open_content, seal_content, unb64
from tests.reference_join import Channel, Joining, ServerKey, Since, make_join

PATIENCE = 10.0
"""Seconds; the server answers within milliseconds, a machine with two cores and much to do may not."""

Heard = tuple[str, Json]
Object = dict[str, Json]


@functools.cache
def room_of(name: str, site: bytes) -> Room:
    """The room of a name. Kept, because the derivation takes 128 MiB and half a second."""
    return Room.from_name(name, site)


class Client:
    """One tab. `events`: all that the server has sent, oldest first. After `join`: `room`, `channel`, `member`."""

    def __init__(
        self, url: str, *, signer: Signer | None = None, transports: Sequence[str] = ("websocket",), source: str = ""
    ) -> None:
        """`source`: an address of this machine to come from, else any."""
        self.url = url
        self._transports = list(transports)
        self.signer = signer or Signer.generate()
        self.events: list[Heard] = []
        self.room: Room
        self.channel: Channel
        self.server_key: ServerKey
        self.site = b""
        self.username = ""
        self.seen: tuple[int, str] | None = None
        self._seq, self._prev = 0, ""
        self._news = asyncio.Event()
        local = (source, 0) if source else None
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False, local_addr=local))
        self.line = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        self.line.on("*", self._hear)
        self.line.on("disconnect", lambda reason: self._hear("disconnect", reason))

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        async with self._http.get(f"{self.url}/site.json") as answer:
            self.site = unb64((await answer.json())["salt"])
        await self.line.connect(self.url, transports=self._transports, wait_timeout=PATIENCE)
        self.server_key = ServerKey.from_pem(cast(str, await self.hears("send_public_key")))

    async def close(self) -> None:
        """The tab closes: a DISCONNECT packet, then the line."""
        if self.line.connected:
            await self.line.disconnect()
        await self._http.close()
        await asyncio.sleep(0)  # a socket is closed with the next turn

    @property
    def socket_id(self) -> str:
        return str(self.line.get_sid("/"))

    @property
    def member(self) -> str:
        return self.signer.member

    # what the server says

    def _hear(self, event: str, *args: Json) -> None:
        self.events.append((event, args[0] if args else None))
        if event in {"connected", "get_message"}:
            self._look_at(cast(Object, self.events[-1][1]))
        self._news.set()

    def _look_at(self, said: Object) -> None:
        entries = cast("list[Object]", said.get("log", [said]))
        if entries:
            last = entries[-1]
            opened = open_content(self.room, "message", str(last["message"]))
            self.seen = cast(int, last["id"]), opened.digest

    def all(self, event: str) -> list[Json]:
        """What came with every event of this name so far."""
        return [said for name, said in self.events if name == event]

    @property
    def comings_and_goings(self) -> list[str]:
        """Which of `new_user` and `user_left` it has been told, in order."""
        return [name for name, _ in self.events if name in {"new_user", "user_left"}]

    async def hears(self, event: str, times: int = 1) -> Json:
        """What comes, or came, with the event of this name, the `times`-th of them. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while len(self.all(event)) < times:
                self._news.clear()
                await self._news.wait()
        return self.all(event)[times - 1]

    @property
    def snapshot(self) -> Object:
        """What `connected` held, the last time."""
        return cast(Object, self.all("connected")[-1])

    @property
    def place(self) -> Since:
        """What this tab has seen of the room, as it says when it comes back."""
        ids = [cast(int, cast(Object, said)["id"]) for said in self.all("get_message")]
        return Since(unb64(str(self.snapshot["epoch"])), max([cast(int, self.snapshot["last"]), *ids]))

    @property
    def messages(self) -> list[Opened]:
        """All messages, from the log and live, opened and verified. Raises Refused."""
        found: list[Opened] = []
        for name, said in self.events:
            if name in {"connected", "get_message"}:
                for each in cast("list[Object]", cast(Object, said).get("log", [said])):
                    opened = open_content(self.room, "message", str(each["message"]))
                    assert opened.member == each["member"]
                    found.append(opened)
        return found

    @property
    def texts(self) -> list[str]:
        return [str(opened.payload["text"]) for opened in self.messages]

    def names(self) -> dict[str, str]:
        """Username by member, of all that the last snapshot lists."""
        users = cast("list[Object]", self.snapshot["users"])
        return {str(each["member"]): self.name_in(str(each["user"])) for each in users}

    def name_in(self, user: str) -> str:
        return str(open_content(self.room, "user", user).payload["name"])

    # what it says itself

    async def join(self, room: Room | str, username: str, *, since: Since | None = None) -> Object:
        """Answers what the server acknowledged; waits for `connected` unless that was an error."""
        # In a thread, so that pings are answered meanwhile, whatever else the machine does.
        self.room = await asyncio.to_thread(room_of, room, self.site) if isinstance(room, str) else room
        self.username = username
        joining = Joining(self.server_key, self.socket_id, self.site, since, self.seal_user().data)
        request, self.channel = make_join(joining, self.room, self.signer)
        answer = await self.ask("join-room", cast(Object, request))
        if "error" not in answer:
            await self.hears("connected")
        return answer

    async def say(self, text: str) -> Object:
        """A message. Answers what the server acknowledged."""
        return await self.act(name=self.username, text=text)

    async def act(self, **body: Json) -> Object:
        """Whatever one does in a message. Answers what the server acknowledged."""
        seen: Json = self.seen and list(self.seen)
        payload: Payload = {**body, "at": now(), "seq": self._seq + 1, "prev": self._prev}
        sealed = self.seal("message", payload | {"seen": seen})
        answer = await self.request("send_message", sealed.data)
        if "error" not in answer:
            self._seq, self._prev = self._seq + 1, sealed.payload_digest
        return answer

    async def type(self, *, on: bool = True) -> Object:
        return await self.request("typing", self.seal("typing", {"on": on, **self._head()}).data)

    async def rename(self, username: str) -> Object:
        self.username = username
        return await self.request("update_user", self.seal_user().data)

    async def leave(self) -> Object:
        return await self.request("leave-room")

    def crash(self) -> None:
        """The line is cut without a word, as when a machine loses its power."""
        self.line.eio.ws._response.connection.transport.abort()

    def seal(self, kind: Kind, payload: Payload) -> Sealed:
        return seal_content(self.room, self.signer, kind, payload)

    def seal_user(self) -> Sealed:
        return self.seal("user", {"name": self.username, **self._head()})

    def _head(self) -> Payload:
        return {"at": now(), "seq": self._seq, "prev": self._prev}

    async def request(self, event: str, body: bytes = b"") -> Object:
        """Anything through the sealed channel, one after the other. Answers what the server acknowledged."""
        return await self.ask(event, self.channel.seal(event, body))

    async def ask(self, event: str, argument: Json) -> Object:
        """Anything at all. Answers what the server acknowledged; raises socketio's TimeoutError without an answer."""
        return cast(Object, await self.line.call(event, argument, timeout=PATIENCE))


def now() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def talking(url: str, room: Room | str, *usernames: str) -> AsyncIterator[list[Client]]:
    """Clients that have joined one room, one after the other. A name costs its derivation, once."""
    clients = [Client(url) for _ in usernames]
    try:
        for client, username in zip(clients, usernames, strict=True):
            await client.connect()
            assert await client.join(room, username) == {"member": b64(client.signer.public_key)}
        yield clients
    finally:
        for client in clients:
            await client.close()
