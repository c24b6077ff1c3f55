"""How a room is written in Redis: its keys, its channel, the script that is every command on it, and how what the
script answers and publishes reads. Asks nobody.
"""

import json
from pathlib import Path
from typing import Any

from rooms import kept
from rooms.broker import Limits
from rooms.model import (
    Changed,
    Entry,
    Joined,
    Left,
    Lost,
    Member,
    MemberId,
    Posted,
    RoomAddress,
    Typed,
    from_base64url,
    to_base64url,
)
from rooms.redis_site import PREFIX
from rooms.redis_topology import Script
from rooms.track import Held, State, Step

ROOM = Script((Path(__file__).parent / "redis_broker.lua").read_text("utf-8"))
KEYS = ("room", "members", "log", "digests", "times", "nodes")
"""As the script wants them."""

Answer = list[Any]
"""A code, and where that is `ok`, the number of the last event, the epoch and the command's own."""


def keys(address: RoomAddress) -> list[str]:
    """All of one hash tag, so that they lie in one slot of a cluster. Source: Redis Cluster specification, "Hash
    tags"."""
    tag = to_base64url(address)
    return [f"{PREFIX}:{{{tag}}}:{key}" for key in KEYS]


def channel(address: RoomAddress) -> str:
    """Where a room's events are published; in the slot of its keys."""
    return f"{PREFIX}:{{{to_base64url(address)}}}:feed"


def rules(limits: Limits, lease: float) -> str:
    """What the script must know of the settings. `lease`: seconds after which a silent node is dead."""
    return json.dumps(
        {
            "log_size": limits.log_size,
            "message_ttl": limits.message_ttl,
            "empty_room_ttl": limits.empty_room_ttl,
            "room_members": limits.room_members,
            "room_log_bytes": limits.room_log_bytes,
            "digests_kept": kept.DIGESTS_KEPT,
            "digests_at_most": kept.DIGESTS_AT_MOST,
            "digest_seconds": kept.DIGEST_SECONDS,
            "lease": lease,
        },
        separators=(",", ":"),
    )


def read_epoch(text: bytes | str) -> bytes:
    """Empty where there is no room."""
    return from_base64url(text if isinstance(text, str) else text.decode())


def read_state(answer: Answer) -> State:
    """What `join` and `state` answer."""
    flat = answer[6]
    members = [(json.loads(value), MemberId(key.decode())) for key, value in zip(flat[::2], flat[1::2], strict=True)]
    members.sort(key=lambda each: each[0]["order"])
    entries = (json.loads(entry) for entry in answer[7])
    return State(
        int(answer[1]),
        read_epoch(answer[2]),
        int(answer[3]),
        answer[4].decode(),
        int(answer[5]),
        {key: Held(Member(key, held["user"], held["seat"]), held["node"]) for held, key in members},
        tuple(Entry(entry[0], MemberId(entry[1]), entry[2]) for entry in entries),
    )


def read_step(address: RoomAddress, said: dict[str, Any]) -> Step:
    """What was said on a room's channel."""
    seq = said["seq"]
    if said["kind"] == "anew":
        return Step(seq, Lost(address))
    member = MemberId(said["member"])
    match said["kind"]:
        case "joined":
            bare = State(seq, read_epoch(said["epoch"]), 0, "", 0, {}, ()).snapshot(bare=True)
            event = Joined(address, Member(member, said["user"], said["seat"]), bare, said["returned"])
            return Step(seq, event, node=said["node"])
        case "left":
            return Step(seq, Left(address, member))
        case "changed":
            return Step(seq, Changed(address, Member(member, said["user"], said["seat"])))
        case "posted":
            entry = Entry(said["id"], member, said["ciphertext"])
            return Step(seq, Posted(address, entry), said["before"], said["after"])
        case _:
            return Step(seq, Typed(address, member, said["ciphertext"]))
