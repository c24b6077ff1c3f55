"""What all nodes of a site share in Redis beside rooms: its salt, a key for addresses, how much there is of it, and how
much of a limit has been used up. Knows no room.
"""

import contextlib
import json
import logging
import secrets
from pathlib import Path

from redis.exceptions import ResponseError

from rooms.model import to_base64url
from rooms.redis_link import Away
from rooms.redis_topology import Script, Topology

logger = logging.getLogger(__name__)

PREFIX = "chatsite"
FACTS, NODES = f"{PREFIX}:{{site}}:facts", f"{PREFIX}:{{site}}:nodes"
SITE = Script((Path(__file__).parent / "redis_site.lua").read_text("utf-8"))
SPENT = Script((Path(__file__).parent / "redis_spent.lua").read_text("utf-8"))
HELD = Script((Path(__file__).parent / "redis_held.lua").read_text("utf-8"))
HELD_SECONDS = 5.0
"""Nodes say once a second what they hold."""
SALT_BYTES, KEY_BYTES = 16, 16


class RedisSite:
    """One node's view of the site. `rooms_elsewhere`: those that other nodes count. `nodes`: how many there are."""

    def __init__(self, topology: Topology, node: str, lease: float) -> None:
        self._topology = topology
        self._node = node
        self._lease = lease
        self._salt = b""
        self.rooms_elsewhere = 0
        self.nodes = 1

    async def agree(self, salt: bytes | None) -> tuple[bytes, bytes]:
        """The salt and the key for addresses of the site: those that are there, else `salt`, or a new one where the
        node has none. Raises Away."""
        salt_now, key = await self._tell(salt or b"", 0, 0)
        self._salt = salt_now
        return salt_now, key

    async def beat(self, rooms: int, members: int) -> None:
        """This node is here and has so much."""
        try:
            salt, _ = await self._tell(self._salt, rooms, members)
        except Away:
            return
        if self._salt and salt != self._salt:
            logger.error("the site in Redis is another one by now: its salt has changed")

    async def spend(self, kind: str, whose: bytes, seconds: tuple[float, ...]) -> tuple[float, ...]:
        """rooms.shares.Common."""
        with contextlib.suppress(Away, ResponseError):
            return tuple(map(float, await self._topology.run(SPENT, [_key(kind, whose, "spent")], *seconds)))
        return ()

    async def hold(self, kind: str, whose: bytes, number: int) -> int:
        """rooms.shares.Common."""
        with contextlib.suppress(Away, ResponseError):
            counts = HELD_SECONDS
            return int(await self._topology.run(HELD, [_key(kind, whose, "held")], self._node, number, counts))
        return 0

    async def _tell(self, salt: bytes, rooms: int, members: int) -> tuple[bytes, bytes]:
        fresh = secrets.token_hex(SALT_BYTES), secrets.token_hex(KEY_BYTES)
        has = json.dumps({"rooms": rooms, "members": members})
        try:
            told = await self._topology.run(SITE, [FACTS, NODES], self._node, salt.hex(), *fresh, self._lease, has)
        except ResponseError as error:
            raise Away(str(error)) from error
        others = [json.loads(other) for other in told[2]]
        self.rooms_elsewhere = sum(other["rooms"] for other in others)
        self.nodes = 1 + len(others)
        return bytes.fromhex(told[0].decode()), bytes.fromhex(told[1].decode())


def _key(kind: str, whose: bytes, what: str) -> str:
    return f"{PREFIX}:{{{kind}.{to_base64url(whose)}}}:{what}"
