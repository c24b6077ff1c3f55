"""Where a room's Redis server is: the only one, the master that sentinels name, or the one of a cluster that has the
room's slot; and one script that is run there. Knows no room's contents.

What is asked goes to one server at a time and is never asked twice but where the server has said that it did nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError, TryAgainError

from rooms.redis_link import SECONDS, Away, Link, Pair, Word, hang_up

logger = logging.getLogger(__name__)

SHARDED_SINCE = 7
"""The version that knows channels of one shard. Before, a cluster tells every server everything."""
REFRESH_SECONDS = 0.5
"""Between two looks at a cluster's topology."""
SENTINEL_PORT = 26379

Address = tuple[str, int]


@dataclass(slots=True, eq=False)
class Script:
    """What is run at a server in one atomic step. `sha`: how servers call it, from the first time on."""

    text: str
    sha: str = ""


class Topology:
    """`url`: `redis://`, `rediss://` or `unix://` as redis-py reads it, with several hosts if need be; of sentinels, the
    path is the master's name. Which of the three it is, the first server that answers says.

    `heard`: what is said on a channel. `sure`: from now on nothing is missed on a channel, once more after each break.
    """

    def __init__(self, url: str, heard: Callable[[bytes, bytes], None], sure: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._sure = sure
        self._hosts, self._master, self._given = _parsed(url)
        self._mode = "standalone"
        self._sharded = True
        self._links: dict[Address | None, Link] = {}
        self._slots: list[tuple[int, int, Address]] = []
        self._channels: dict[bytes, Link] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._quiet = False

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
        if self._mode == "sentinel" and not self._master:
            raise Away("these are sentinels; expected the name of their master as the path")
        if self._mode != "sentinel":
            self._sharded = int(said["redis_version"].split(".")[0]) >= SHARDED_SINCE
        if self._mode == "cluster":
            await self._look()
        else:
            self._link(None)
        async with asyncio.timeout(2 * SECONDS):
            while not self.up:  # noqa: ASYNC110 - at the start, once
                await asyncio.sleep(0.01)

    async def run(self, script: Script, keys: Sequence[str], *words: Word) -> Any:
        """The script's answer, at the server that has the keys. Raises Away, and ResponseError for what the script itself
        has raised."""
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
        if link is not None:
            link.unsubscribe(channel)

    async def close(self) -> None:
        """No connection is left."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()))

    # -- servers

    def _link(self, address: Address | None) -> Link:
        link = self._links.get(address)
        if link is None:

            async def make() -> Pair:
                if address is not None:
                    return self._connection(address), self._connection(address)
                found = await self._found()
                return self._connection(found), self._connection(found)

            link = Link(make, self._heard, self._sure, self._broken, sharded=self._sharded)
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

    def _connection(self, address: Address | None) -> AbstractConnection:
        given = dict(self._given)
        kind = given.pop("connection_class", Connection)
        if address is not None:
            given["host"], given["port"] = address
        return kind(**given)  # type: ignore[no-any-return]

    async def _found(self) -> Address | None:
        """The master of now. Raises Away."""
        if self._mode == "sentinel":
            ask = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
            host, port = await self._first(lambda connection: _ask(connection, *ask))
            return host.decode(), int(port)
        if len(self._hosts) < 2:
            return self._hosts[0] if self._hosts else None

        async def master(connection: AbstractConnection) -> Address:
            if (await _ask(connection, "ROLE"))[0] != b"master":
                raise Away
            return getattr(connection, "host"), getattr(connection, "port")  # noqa: B009 - of TCP alone

        return await self._first(master)  # type: ignore[no-any-return]

    async def _first(self, ask: Callable[[AbstractConnection], Any]) -> Any:
        """What the first of the given hosts to answer says. Raises Away."""
        why: Exception = Away("no host is given")
        for host in self._hosts or [None]:
            connection = self._connection(host)
            if self._mode == "sentinel" or self._master:
                connection.db = 0  # sentinels have none to select
            try:
                async with asyncio.timeout(SECONDS):
                    await connection.connect()
                    return await ask(connection)
            except (Away, RedisError, OSError, TimeoutError) as error:
                why = error
            finally:
                await hang_up(connection)
        raise Away(str(why) or type(why).__name__) from why

    def _broken(self, why: Exception) -> None:
        if not self._quiet:
            logger.warning("Redis is away: %s", type(why).__name__)
        self._look_soon()

    # -- a cluster

    def _look_soon(self) -> None:
        if self._mode == "cluster" and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.ensure_future(self._refresh_later())

    async def _refresh_later(self) -> None:
        await asyncio.sleep(REFRESH_SECONDS)
        with contextlib.suppress(Away):
            await self._look()

    async def _look(self) -> None:
        """Who has which slots now. Raises Away where nobody knows."""
        slots = await self._told()
        found = []
        for first, last, (host, port, *_), *_ in slots:
            found.append((int(first), int(last), (host.decode() or self._hosts[0][0], int(port))))
        self._slots = found
        wanted = {address for _, _, address in found}
        for address in wanted:
            self._link(address)
        for channel, link in tuple(self._channels.items()):
            try:
                now = self._at(channel.decode())
            except Away:
                continue
            if now is not link:
                link.unsubscribe(channel)
                self.subscribe(channel)
        for address in self._links.keys() - wanted:
            gone = self._links.pop(address)
            task = asyncio.ensure_future(gone.close())
            task.add_done_callback(lambda done: None)

    async def _told(self) -> Any:
        for link in self._links.values():
            if link.up:
                with contextlib.suppress(Away, RedisError):
                    return await link.ask("CLUSTER", "SLOTS")
        return await self._first(lambda connection: _ask(connection, "CLUSTER", "SLOTS"))


async def _ask(connection: AbstractConnection, *words: Word) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()


def _parsed(url: str) -> tuple[list[Address], str, Mapping[str, Any]]:
    """The hosts, the name of a master (where the path is one), and what else redis-py makes of a URL. Raises ValueError."""
    parts = urlsplit(url)
    own, at, hosts = parts.netloc.rpartition("@")
    names = [name for name in hosts.split(",") if name]
    first = own + at + (names[0] if names else "")
    given: dict[str, Any] = dict(parse_url(urlunsplit(parts._replace(netloc=first))))
    master = "" if parts.scheme == "unix" or parts.path.strip("/").isdecimal() else parts.path.strip("/")
    addresses = []
    if parts.scheme != "unix":
        for name in names or ["localhost"]:
            host = urlsplit(f"//{name}")
            addresses.append((host.hostname or "localhost", host.port or (SENTINEL_PORT if master else 6379)))
    given |= {"socket_connect_timeout": SECONDS, "socket_timeout": None, "protocol": 2}
    return addresses, master, given
