"""Which rooms a node listens to: those that somebody here is in or about to enter. Knows not what is said there, but
keeps what is said before somebody has entered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rooms.model import ErrorCode, Refused, RoomAddress
from rooms.redis_link import Away
from rooms.redis_room import channel as channel_of
from rooms.redis_topology import Topology

Said = dict[str, Any]

WAIT_SECONDS = 1.0
"""For the word that nothing is missed on a channel from now on."""


@dataclass(slots=True)
class _Channel:
    """`sure`: done when nothing that is said there is missed any more. `entering`: how many are about to enter;
    `early`: what was said meanwhile, where nobody is in yet."""

    address: RoomAddress
    sure: "asyncio.Future[None]"
    entering: int = 0
    early: list[Said] = field(default_factory=list)


class Channels:
    """`needed`: whether somebody is in a room."""

    def __init__(self, topology: Topology, needed: Callable[[RoomAddress], bool]) -> None:
        self._topology = topology
        self._needed = needed
        self._open: dict[bytes, _Channel] = {}

    def room_of(self, name: bytes) -> RoomAddress | None:
        """Whose channel this is."""
        channel = self._open.get(name)
        return None if channel is None else channel.address

    def entered_by(self, address: RoomAddress) -> bool:
        """Whether somebody is about to enter."""
        channel = self._open.get(_name(address))
        return channel is not None and channel.entering > 0

    @asynccontextmanager
    async def entering(self, address: RoomAddress) -> AsyncIterator[None]:
        """Nothing that is said in the room is missed within. Raises Refused `unavailable`."""
        name = _name(address)
        channel = self._open.get(name)
        if channel is None:
            channel = _Channel(address, asyncio.get_running_loop().create_future())
            try:
                self._topology.subscribe(name)
            except Away as error:
                raise Refused(ErrorCode.UNAVAILABLE) from error
            self._open[name] = channel
        channel.entering += 1
        try:
            await asyncio.wait_for(asyncio.shield(channel.sure), WAIT_SECONDS)
            yield
        except TimeoutError as error:
            raise Refused(ErrorCode.UNAVAILABLE) from error
        finally:
            channel.entering -= 1
            if not channel.entering:
                channel.early.clear()
                self.release(address)

    def release(self, address: RoomAddress) -> None:
        """Nobody is in the room any more; it is listened to no longer, unless somebody enters."""
        name = _name(address)
        channel = self._open.get(name)
        if channel is not None and not channel.entering and not self._needed(address):
            del self._open[name]
            self._topology.unsubscribe(name)

    def sure(self, name: bytes) -> None:
        """From now on nothing is missed there."""
        channel = self._open.get(name)
        if channel is not None and not channel.sure.done():
            channel.sure.set_result(None)

    def keep(self, address: RoomAddress, said: Said) -> None:
        """Said before anybody was in."""
        channel = self._open.get(_name(address))
        if channel is not None and channel.entering:
            channel.early.append(said)

    def kept(self, address: RoomAddress) -> list[Said]:
        """What was, in its order; once."""
        channel = self._open[_name(address)]
        early, channel.early = channel.early, []
        return early


def _name(address: RoomAddress) -> bytes:
    return channel_of(address).encode()
