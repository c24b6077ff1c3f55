"""What an operator's URL says of Redis: hosts, the name of a master where they are sentinels, and how to connect. Knows
not who is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import RedisError

from rooms.redis_link import SECONDS

SENTINEL_PORT, PORT = 26379, 6379

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """`hosts`: none of a Unix socket. `master`: "" where they are no sentinels. `options`: as redis-py has
    them; `nobody`: the same without who connects and the password."""

    hosts: tuple[Address, ...]
    master: str
    options: dict[str, Any]
    nobody: dict[str, Any]

    @classmethod
    def read(cls, url: str) -> Self:
        """`redis://`, `rediss://` or `unix://` as redis-py reads it, with several hosts if need be; of sentinels, the
        path is the master's name. Raises ValueError, which holds nothing of the URL: a password that is not escaped
        may be anywhere in it."""
        try:
            source = cls._read(url)
            source.connection(None)
        except (ValueError, TypeError, AttributeError, RedisError):
            raise ValueError("no URL of a Redis") from None
        return source

    @classmethod
    def _read(cls, url: str) -> Self:
        parts = urlsplit(url)
        own, at, hosts = parts.netloc.rpartition("@")
        names = [name for name in hosts.split(",") if name]
        first = names[0] if names else ""
        options, nobody = (_options(parts._replace(netloc=netloc)) for netloc in (own + at + first, first))
        if parts.scheme == "unix":
            return cls((), "", options, nobody)
        path = unquote(parts.path).strip("/")
        master = "" if path.isdecimal() else path
        if "/" in master:
            raise ValueError
        addresses = []
        for name in names or ["localhost"]:
            host = urlsplit(f"//{name}")
            addresses.append((host.hostname or "localhost", host.port or (SENTINEL_PORT if master else PORT)))
        return cls(tuple(addresses), master, options, nobody)

    def connection(self, address: Address | None) -> AbstractConnection:
        """Not yet connected. No address: to the Unix socket."""
        return _connection(self.options, address)

    def candidates(self) -> Iterator[AbstractConnection]:
        """To each of the hosts. Sentinels have no databases, and often no password where their master has one."""
        hosts: tuple[Address | None, ...] = self.hosts or (None,)
        for host in hosts:
            if not self.master:
                yield self.connection(host)
                continue
            yield _connection(self.options | {"db": 0}, host)
            if self.options.get("password"):
                yield _connection(self.nobody | {"db": 0}, host)


def _options(parts: SplitResult) -> dict[str, Any]:
    ours = {"socket_connect_timeout": SECONDS, "socket_timeout": None, "protocol": 2, "decode_responses": False}
    return dict(parse_url(urlunsplit(parts))) | ours


def _connection(options: dict[str, Any], address: Address | None) -> AbstractConnection:
    given = dict(options)
    if address is not None:
        given |= {"host": address[0], "port": address[1]}
    kind: type[AbstractConnection] = given.pop("connection_class", Connection)
    return kind(**given)
