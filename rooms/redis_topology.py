"""Where a room's Redis server is: the only one, the master that sentinels name, or the one of a cluster that has the
room's slot; and one script that is run there. Knows no room's contents.

What is asked goes to one server at a time and is never asked twice but where the server has said that it did nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio.connection import AbstractConnection, Connection
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError, TryAgainError

from rooms.redis_link import SECONDS, Away, Link, Pair, Word, hang_up
from rooms.redis_url import Address, Source

SHARDED_SINCE = 7
"""The version that knows channels of one shard. Before, a cluster tells every server everything."""
REFRESH_SECONDS = 0.5
"""Between two looks at a cluster's topology."""

Told = TypeVar("Told")


@dataclass(slots=True, eq=False)
class Script:
    """What is run at a server in one atomic step. `sha`: how servers call it, from the first time on."""

    text: str
    sha: str = ""


class Topology:
    """`url`: as rooms.redis_url reads it. Whether it is a server, sentinels or a cluster, the first that answers says.

    `heard`: what is said on a channel. `sure`: from now on nothing is missed on a channel, once more after each break.
    """

    def __init__(self, url: str, heard: Callable[[bytes, bytes], None], sure: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._sure = sure
        self._source = Source.read(url)
        self._mode = "standalone"
        self._sharded = True
        self._links: dict[Address | None, Link] = {}
        self._slots: list[tuple[int, int, Address]] = []
        self._channels: dict[bytes, Link] = {}
        self._adrift: set[bytes] = set()
        """Channels whose server has let go of them."""
        self._looking: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._why = ""

    @property
    def opened(self) -> bool:
        """Whether `open` has found out where to ask."""
        return bool(self._links)

    @property
    def up(self) -> bool:
        """Whether every server that is known answers."""
        return bool(self._links) and all(link.up for link in self._links.values())

    @property
    def publish(self) -> str:
        """The command that says something on a channel."""
        return "SPUBLISH" if self._sharded else "PUBLISH"

    async def open(self) -> None:
        """Raises Away where nobody answers or nobody may be asked, with the reason in one line."""
        facts = await self._first(lambda connection: _ask(connection, "INFO", "server"))
        said = dict(line.split(":", 1) for line in facts.decode().splitlines() if ":" in line)
        self._mode = said.get("redis_mode", "standalone")
        if self._mode == "sentinel" and not self._source.master:
            raise Away("these are sentinels; expected the name of their master as the path")
        # Elsewhere there is one shard, and whether its server is as new as its sentinels, they do not say.
        self._sharded = self._mode == "cluster" and int(said["redis_version"].split(".")[0]) >= SHARDED_SINCE
        if self._mode == "cluster":
            await self._look()
        else:
            await self._found()
            self._link(None)
        try:
            async with asyncio.timeout(2 * SECONDS):
                while not self.up:  # noqa: ASYNC110 - at the start, once
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise Away(self._why or "no answer") from error

    async def run(self, script: Script, keys: Sequence[str], *words: Word) -> Any:
        """The script's answer, at the server that has the keys. Raises Away, and ResponseError for what the script
        itself has raised."""
        given = (len(keys), *keys, *words)
        link = self._at(keys[0])
        try:
            if not script.sha:
                script.sha = (await link.ask("SCRIPT", "LOAD", script.text)).decode()
            try:
                return await link.ask("EVALSHA", script.sha, *given)
            except NoScriptError:  # another server, or started anew
                return await link.ask("EVAL", script.text, *given)
        except MovedError:
            await self._look()
            return await self.ask(keys[0], "EVAL", script.text, *given)
        except (AskError, TryAgainError, ClusterDownError) as error:  # its slot is moving, or has no master
            self._look_soon()
            raise Away from error

    async def ask(self, key: str, *words: Word) -> Any:
        """The answer to any other command, at the server that has `key`. Raises Away and ResponseError."""
        try:
            return await self._at(key).ask(*words)
        except (MovedError, AskError, TryAgainError, ClusterDownError) as error:
            self._look_soon()
            raise Away from error

    def came_back(self, key: str, seconds: float) -> bool:
        """Whether the server that has `key` was away until so many seconds ago, or is."""
        try:
            return self._at(key).came_back(seconds)
        except Away:
            return True

    def subscribe(self, channel: bytes) -> None:
        """`sure` is told when it is done."""
        link = self._channels[channel] = self._at(channel.decode())
        link.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """No more of it."""
        link = self._channels.pop(channel, None)
        self._adrift.discard(channel)
        if link is not None:
            link.unsubscribe(channel)

    async def close(self) -> None:
        """No connection is left."""
        looks = [look for look in (self._refreshing, self._looking) if look is not None]
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()), *self._closing)

    # -- servers

    def _link(self, address: Address | None) -> Link:
        link = self._links.get(address)
        if link is None:

            async def make() -> Pair:
                if address is not None:
                    return self._source.connection(address), self._source.connection(address)
                found = await self._found()
                return self._source.connection(found), self._source.connection(found)

            link = Link(make, self._heard, self._sure, self._moved, self._broken, sharded=self._sharded)
            self._links[address] = link
        return link

    def _at(self, key: str) -> Link:
        if self._mode != "cluster":
            return self._links[None]
        slot = key_slot(key.encode())
        for first, last, address in self._slots:
            if first <= slot <= last:
                return self._links[address]
        raise Away

    async def _found(self) -> Address | None:
        """The master of now. Raises Away."""
        return await self._first(self._named if self._mode == "sentinel" else _itself)

    async def _named(self, sentinel: AbstractConnection) -> Address:
        told = await _ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._source.master)
        if told is None:
            raise Away("the sentinels know no master of this name")
        return told[0].decode(), int(told[1])

    async def _first(self, ask: Callable[[AbstractConnection], Awaitable[Told]]) -> Told:
        """What the first of the given hosts to answer says. Raises Away."""
        why: Exception = Away("no host is given")
        for connection in self._source.candidates():
            try:
                async with asyncio.timeout(SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]
                    return await ask(connection)
            except TimeoutError:
                why = Away(f"no answer within {SECONDS:g} seconds")
            except (Away, RedisError, OSError) as error:
                why = error if str(error) else why
            finally:
                await hang_up(connection)
        raise Away(_reason(why)) from why

    def _broken(self, why: Exception) -> None:
        self._why = _reason(why)
        self._look_soon()

    # -- a cluster

    def _look_soon(self) -> None:
        if self._mode == "cluster" and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.ensure_future(self._refresh_later())

    def _moved(self, channel: bytes) -> None:
        if channel in self._channels:
            self._adrift.add(channel)
            self._look_soon()

    async def _refresh_later(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(Away):
                await self._look()
            if not self._adrift:
                return

    async def _look(self) -> None:
        """Who has which slots now; one look at a time, however many want it. Raises Away where nobody knows."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._learn())
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._looking)

    async def _learn(self) -> None:
        slots = await self._told()
        given = self._source.hosts[0][0] if self._source.hosts else "localhost"
        self._slots = [
            (int(first), int(last), ((host or b"").decode().strip("?") or given, int(port)))
            for first, last, (host, port, *_), *_ in slots
        ]
        wanted = {address for _, _, address in self._slots}
        for address in wanted:
            self._link(address)
        for channel, link in tuple(self._channels.items()):
            with contextlib.suppress(Away):
                self._follow(channel, link)
        for gone in self._links.keys() - wanted:
            task = asyncio.ensure_future(self._links.pop(gone).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _follow(self, channel: bytes, link: Link) -> None:
        """A channel, to where its slot is by now. Raises Away where that is nowhere."""
        now = self._at(channel.decode())
        if now is not link:
            link.unsubscribe(channel)
        elif channel not in self._adrift:
            return
        self._adrift.discard(channel)
        self.subscribe(channel)

    async def _told(self) -> Any:
        for link in self._links.values():
            if link.up:
                with contextlib.suppress(Away, RedisError):
                    return await link.ask("CLUSTER", "SLOTS")
        return await self._first(lambda connection: _ask(connection, "CLUSTER", "SLOTS"))


async def _ask(connection: AbstractConnection, *words: Word) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()


async def _itself(server: AbstractConnection) -> Address | None:
    """The server that is asked, if it is a master."""
    if (await _ask(server, "ROLE"))[0] != b"master":
        raise Away("this server is a replica, which nothing can be written to")
    return (server.host, server.port) if isinstance(server, Connection) else None


def _reason(why: Exception) -> str:
    """In one line."""
    return " ".join(str(why).split()) or type(why).__name__
