"""One connection of somebody who talks, as tests/client.py has it, which ends with its line; knows no history."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import socketio

from tests.client import Client, Object
from tests.reference import Json, Room, Signer
from tests.reference_join import ServerKey, Since

ANSWER_SECONDS = 4.0
ENTER_SECONDS = 5.0
"""What the page waits for these, made shorter, so that a test need not be long."""

T = TypeVar("T")


class Gone(Exception):
    """The line has broken, or nobody is at its other end."""


class Life(Client):
    """One connection, from connecting to its end. `ended`: the server has said that it is over for good. `hear`: gets
    what comes until then."""

    def __init__(self, url: str, signer: Signer, hear: Callable[[str, Object], None]) -> None:
        super().__init__(url, signer=signer)
        self.gone = asyncio.Event()
        self.ended = False
        self._told = hear

    async def enter(self, room: Room, name: str, site: bytes, since: Since | None) -> Object:
        self.site = site
        await self.line.connect(self.url, transports=["websocket"], wait_timeout=ENTER_SECONDS)
        self.server_key = ServerKey.from_pem(cast(str, await self.or_gone(self.hears("send_public_key"))))
        return await self.or_gone(self.join(room, name, since=since))

    async def or_gone(self, waited: Awaitable[T]) -> T:
        """Raises Gone where the line breaks meanwhile."""
        task, gone = asyncio.ensure_future(waited), asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Gone
            return task.result()
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def asks(self, event: str, body: bytes = b"", seconds: float = ANSWER_SECONDS) -> Object:
        """Raises Gone, also where nobody answers in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.or_gone(self.request(event, body))
        except (TimeoutError, socketio.exceptions.SocketIOError) as error:
            raise Gone from error

    def hang_up(self) -> None:
        """Without a word."""
        connection = self.line.eio.ws and self.line.eio.ws._response.connection
        if connection and connection.transport:
            self.crash()
        self.gone.set()

    def _hear(self, event: str, *args: Json) -> None:
        super()._hear(event, *args)
        if event == "disconnect":
            self.ended = args[0] == self.line.reason.SERVER_DISCONNECT
            self.gone.set()
        elif not self.gone.is_set():
            self._told(event, cast(Object, args[0]) if args else {})

    def _look_at(self, said: Object) -> None:
        """What is sealed stays so: it is enough to know that it is the same."""
