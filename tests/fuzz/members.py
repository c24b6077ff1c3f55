"""A connection of somebody who is in a room as a target, without a network: what is sealed properly, and whatever is
near it, comes to the chat itself. Proofs are believed, so that the same bytes open every time."""

import asyncio
import functools
import json
import logging

import envelope
from handlers.client import Client
from handlers.connections import Connections
from protocol.session import CloseReason, Timing, Via
from rooms.events import JOIN_ROOM
from rooms.join import Door, Join
from rooms.model import (
    MESSAGE_CLASSES,
    PERSON_CLASSES,
    MemberId,
    RoomAddress,
    Since,
    from_base64url,
    parse_ciphertext,
    to_base64url,
)
from tests.fakes import FakeTransport
from tests.fuzz.decoders import Target, must
from tests.fuzz.doors import Complaints
from tests.fuzz.mutation import Input
from tests.reference_join import Channel
from tests.rooms.stage import SITE, Stage, server_key

MAX_PAYLOAD = 50_000
KEY = bytes(32)
ROOM = RoomAddress(b"r" * 32)
USER = parse_ciphertext(bytes(540), PERSON_CLASSES)


class OpenDoor(Door):
    """Lets everybody in who can seal."""

    def open(self, socket_id: str, sealed: bytes, body: bytes) -> Join:
        channel = envelope.Channel(KEY)
        try:
            said = json.loads(channel.open(JOIN_ROOM, body))
        except envelope.EnvelopeError:
            return super().open(socket_id, sealed, body)
        since = said["since"] and Since(from_base64url(said["since"]["epoch"]), said["since"]["id"])
        return Join(ROOM, MemberId(said["member"]), USER, since, channel)


def visit(frames: Input) -> None:
    """Frames of one WebSocket."""
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        asyncio.run(_visit(frames))
    finally:
        logging.getLogger().removeHandler(complaints)
    must(not complaints.heard, "complaints: " + "; ".join(complaints.heard))


async def _visit(frames: Input) -> None:
    stage = Stage()
    stage.chat._door = OpenDoor(server_key(), SITE)
    await stage.chat.start()
    namespaces = {"/": stage.chat}
    timing = Timing(max_payload=MAX_PAYLOAD, outbox_bytes=MAX_PAYLOAD)
    connections = Connections(
        lambda connection: Client(connection, namespaces, MAX_PAYLOAD), timing, stage.clock, at_most=1
    )
    transport = FakeTransport()
    connection = connections.open(transport, Via.WEBSOCKET)
    for frame in frames:
        await connection.receive(frame, transport)
        await stage.settle()
    for room in stage.memory._rooms.values():
        for entry in room.log:
            size = len(from_base64url(entry.ciphertext)) - 28
            must(size in MESSAGE_CLASSES, "a message of a size that no class has")
    connection.lost(transport, CloseReason.TRANSPORT_CLOSE)
    await stage.wait(100)
    must(not connections._open, "a session is left")
    must(stage.nobody, "a guest is left")
    await stage.wait(10_000)
    must(stage.clock.pending == 0, "a timer is left")


@functools.cache
def visits() -> tuple[Input, ...]:
    """What a guest says who joins, talks and goes."""

    def join(since: object = None) -> tuple[Channel, str]:
        channel = Channel(KEY)
        said = {"member": to_base64url(KEY), "since": since}
        body = channel.seal(JOIN_ROOM, json.dumps(said).encode())
        return channel, event(0, JOIN_ROOM, {"envelope": "", "body": body})

    def event(number: int, name: str, argument: object) -> str:
        return f"42{number}{json.dumps([name, argument])}"

    channel, joining = join()
    said = ("send_message", 284), ("typing", 540), ("update_user", 540), ("send_message", 65_564), ("leave-room", 0)
    events = [event(number, name, channel.seal(name, bytes(size))) for number, (name, size) in enumerate(said, 1)]
    channel, again = join({"epoch": to_base64url(bytes(16)), "id": 3})
    going = event(1, "disconnect_user", channel.seal("disconnect_user"))
    return (
        ("40", joining, *events),
        ("40", again, going),
        ("40", joining, *events[:3], "41"),
        ("40", '420["get_public_key"]', joining, events[0], "3", '430["nobody asked"]'),
        ("40", *(joining.replace("A", "B", 1),) * 4),
    )


def target() -> Target:
    return Target("a member's line", visits(), visit, (), bytes_per_byte=200, memory=1_000_000, short=800)
