"""A server with one thing broken does not get through the schedules: the checks of judge and guests can fail."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.connection import Connection
from protocol import Frame
from protocol.batch import Batch
from protocol.engineio import Packet, PacketType
from protocol.namespace import Departure
from protocol.session import Session, Via
from rooms.broker import MemoryBroker
from rooms.chat import ChatNamespace
from rooms.guest import Grace
from rooms.hub import Hub
from rooms.lobby import Lobby
from rooms.model import RoomAddress, Snapshot
from tests.schedules.test_schedules import play, some

AT_MOST = 100
"""Schedules within which it must be found out."""

Break = Callable[[pytest.MonkeyPatch], None]
BROKEN: dict[str, Break] = {}


def broken(break_it: Break) -> Break:
    BROKEN[break_it.__name__] = break_it
    return break_it


@broken
def messages_sent_again_are_posted_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("rooms.kept.DIGESTS_KEPT", 0)
    patch.setattr("rooms.kept.DIGEST_SECONDS", 0)


@broken
def a_seat_is_given_up_by_whoever_held_it_before(patch: pytest.MonkeyPatch) -> None:
    leave = MemoryBroker.leave

    async def anybodys(self: MemoryBroker, room: Any, member: Any, seat: str) -> None:  # noqa: ANN401 - passed on
        held = self._rooms[room].members.get(member) if room in self._rooms else None
        await leave(self, room, member, held.seat if held else seat)

    patch.setattr(MemoryBroker, "leave", anybodys)
    patch.setattr(Grace, "end", lambda self, room, member: None)


@broken
def nobody_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Grace, "begin", lambda self, room, member, over: over())


@broken
def everybody_is_waited_for_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Grace, "begin", lambda self, room, member, over: None)


@broken
def who_leaves_on_purpose_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    real = ChatNamespace.disconnected
    patch.setattr(ChatNamespace, "disconnected", lambda self, socket, _: real(self, socket, Departure.LOST))


@broken
def what_was_queued_is_lost_in_an_upgrade(patch: pytest.MonkeyPatch) -> None:
    upgraded = Connection._upgraded

    def losing(self: Connection) -> None:
        self.session.take()
        upgraded(self)

    patch.setattr(Connection, "_upgraded", losing)


@broken
def what_was_queued_comes_twice_in_an_upgrade(patch: pytest.MonkeyPatch) -> None:
    take = Session.take

    def twice(self: Session) -> Any:  # noqa: ANN401 - frames
        frames = take(self)
        if self.probing:
            self._outbox.append(Batch([frame for frame in frames if str(frame).startswith("42")]))
            self.waiting += 1
        return frames

    patch.setattr(Session, "take", twice)


@broken
def the_whole_log_is_sent_to_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Snapshot, "log_after", lambda self, since: self.log)


@broken
def who_comes_back_lacks_a_message(patch: pytest.MonkeyPatch) -> None:
    log_after = Snapshot.log_after
    patch.setattr(Snapshot, "log_after", lambda self, since: log_after(self, since)[1 if since else 0 :])


def _is_a_twentieth(frames: list[Frame]) -> bool:
    """Whether this is every twentieth message of a room."""
    message = re.match(r'42\["get_message",{"id":(\d+),', str(frames[0]))
    return message is not None and int(message[1]) % 20 == 0


@broken
def a_reader_is_left_out_now_and_then(patch: pytest.MonkeyPatch) -> None:
    spread = Hub.spread

    def some_of_them(self: Hub, room: RoomAddress, frames: list[Frame]) -> None:
        if not _is_a_twentieth(frames):
            spread(self, room, frames)

    patch.setattr(Hub, "spread", some_of_them)


@broken
def readers_hear_in_different_orders(patch: pytest.MonkeyPatch) -> None:
    spread = Hub.spread
    kept: list[Any] = []

    def late(self: Hub, room: RoomAddress, frames: list[Frame]) -> None:
        if _is_a_twentieth(frames):
            kept.append((self, room, frames))
            return
        spread(self, room, frames)
        while kept:
            spread(*kept.pop())

    patch.setattr(Hub, "spread", late)


@broken
def an_answer_comes_before_the_message(patch: pytest.MonkeyPatch) -> None:
    spread = Hub.spread

    def later(*args: Any) -> None:  # noqa: ANN401 - passed on
        asyncio.get_running_loop().call_soon(lambda: spread(*args))

    patch.setattr(Hub, "spread", later)


@broken
def frames_for_a_busy_transport_are_thrown_away(patch: pytest.MonkeyPatch) -> None:
    send = Connection.send
    patch.setattr(Connection, "send", lambda self, frames: send(self, frames) if self._transport.writable() else None)


@broken
def whatever_piles_up_is_kept(patch: pytest.MonkeyPatch) -> None:
    def keeping(self: Session, frames: Any) -> Any:  # noqa: ANN401 - frames
        if self.closed is None:
            self._outbox.append(Batch(frames))
            self.waiting += self._outbox[-1].measure()[0]
        return []

    patch.setattr(Session, "send", keeping)


@broken
def what_is_posted_while_an_upgrade_is_under_way_is_lost(patch: pytest.MonkeyPatch) -> None:
    receive = Session.receive

    def deaf(self: Session, packet: Packet, *, via: Via, now: float) -> Any:  # noqa: ANN401 - events
        unheard = self.probing and via is Via.POLLING and packet.type is PacketType.MESSAGE
        return [] if unheard else receive(self, packet, via=via, now=now)

    patch.setattr(Session, "receive", deaf)


@broken
def a_silent_line_is_kept_for_ever(patch: pytest.MonkeyPatch) -> None:
    tick = Session.tick

    def patient(self: Session, now: float) -> Any:  # noqa: ANN401 - events
        self._pong_due = None
        return tick(self, now)

    patch.setattr(Session, "tick", patient)


@broken
def who_comes_back_is_announced(patch: pytest.MonkeyPatch) -> None:
    admit = Lobby._admit
    patch.setattr(Lobby, "_admit", lambda self, joined: admit(self, replace(joined, returned=False)))


@broken
def who_has_gone_is_not_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lobby, "put_out", lambda self, socket: socket.disconnect())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_server_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[name](monkeypatch)
    for seed in range(AT_MOST):
        try:
            play(some(seed))
        except Exception as error:  # noqa: BLE001 - whatever notices
            print(f"schedule {seed}: {type(error).__name__} {error}")  # noqa: T201 - for `pytest -rP`
            return
    pytest.fail(f"not noticed in {AT_MOST} schedules")
