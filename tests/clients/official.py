"""What the official clients of others have in common: how a test tells one to do something, and what it has heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from protocol import Json

SECONDS = 20


@dataclass(frozen=True)
class Wish:
    """How to connect. `transports`: None for what the client does by default."""

    url: str
    transports: tuple[str, ...] | None = None
    namespaces: tuple[str, ...] = ("/",)
    auth: Json = None


class Ears:
    """What a client has heard: `all` of it as (namespace, event, arguments), and what nobody has asked for yet.

    Besides the server's events: `connect` (socket id), `connect_error` (message) and `disconnect` (reason); under the
    namespace "" `ping` and `flooded`, and of JavaScript's clients also `open` and `upgrade` (transport) and
    `upgradeError` (message).
    """

    def __init__(self) -> None:
        self.all: list[tuple[str, str, list[Json]]] = []
        self._new: list[tuple[str, str, list[Json]]] = []
        self._news = asyncio.Event()

    def hear(self, namespace: str, event: str, *args: Json) -> None:
        heard = (namespace, event, list(args))
        self.all.append(heard)
        self._new.append(heard)
        self._news.set()

    async def heard(self, event: str, namespace: str = "/") -> list[Json]:
        """The arguments of the first such event that was not asked for before; waits until there is one."""
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    for position, (there, what, args) in enumerate(self._new):
                        if (there, what) == (namespace, event):
                            del self._new[position]
                            return args
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {event} at {namespace!r}, but {self.all}") from None

    def names(self, namespace: str = "/") -> list[str]:
        """All that was heard in a namespace, by name."""
        return [event for there, event, _ in self.all if there == namespace]


class Official(Protocol):
    """One connection of an official client. Who is asked something by `question` acknowledges it with its arguments."""

    ears: Ears

    async def open(self, wish: Wish) -> None:
        """Begins to connect, and to come back whenever the line breaks."""

    async def emit(self, event: str, *args: Json, namespace: str = "/") -> None:
        """Emits and returns at once."""

    async def flood(self, event: str, total: int, pause: float) -> None:
        """Begins to emit the numbers from 0, so many seconds apart; `flooded` is heard when it is over."""

    async def call(self, event: str, *args: Json, namespace: str = "/", seconds: float = SECONDS) -> list[Json]:
        """Emits and answers what is acknowledged. Raises TimeoutError when the client's own time is over."""

    async def transport(self) -> str:
        """The name of the one that is in use."""

    async def leave(self) -> None:
        """Disconnects on purpose."""

    async def close(self) -> None:
        """Leaves nothing behind."""


class Home(Protocol):
    """Where connections of one client live, by its `name`. `upgrades_later`: whether a client that has connected may
    still be about to change its transport."""

    name: str
    upgrades_later: bool

    async def start(self) -> None:
        """Before the first client is made."""

    def client(self) -> Official:
        """One that has not been opened."""

    async def stop(self) -> None:
        """After the last is closed."""


@asynccontextmanager
async def opened(home: Home, wish: Wish) -> AsyncIterator[Official]:
    """A client that begins to connect, and leaves nothing behind."""
    client = home.client()
    try:
        await client.open(wish)
        yield client
    finally:
        await client.close()
