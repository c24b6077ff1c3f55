"""Any order of coming, going, breaking and talking, however it interleaves: what each member has been told is what is
true, and in the end nobody is left behind."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from envelope import Channel
from protocol import Json
from protocol.namespace import Departure
from rooms.join import Door, Join
from rooms.model import MemberId, RoomAddress, to_base64url
from tests import reference_join
from tests.rooms.stage import LIMITS, POLICY, SITE, FakeSocket, Gate, Stage, message, person, seated, server_key

ROOMS = [RoomAddress(b"a" * 32), RoomAddress(b"b" * 32)]
PEOPLE = [MemberId(to_base64url(bytes([number]) * 32)) for number in range(3)]
KEY = bytes(32)


class OpenDoor(Door):
    """Everybody is who they say they are: proofs are not the subject, and cost most of the time. A body of two bytes
    names the room and the person."""

    def open(self, socket_id: str, sealed: bytes, body: bytes) -> Join:
        return Join(ROOMS[body[0]], PEOPLE[body[1]], to_base64url(person()), None, Channel(KEY))


class Line:
    """One connection through its life, and what its client has come to believe about the room."""

    def __init__(self, stage: Stage, room: int, person_: int) -> None:
        self.stage = stage
        self.room, self.member = ROOMS[room], PEOPLE[person_]
        self.socket: FakeSocket = stage.connect()
        self.channel = reference_join.Channel(KEY)
        self.channel.counter = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self._ask("join-room", {"envelope": "", "body": to_base64url(bytes([room, person_]))})

    def _ask(self, event: str, argument: Json) -> None:
        """As a connection does: an event is handed in when the one before has been answered."""
        earlier = self.tasks[-1:]

        async def ask() -> None:
            await asyncio.gather(*earlier)
            if self.socket.connected:
                await self.stage.chat.event(self.socket, event, [argument])

        self.tasks.append(asyncio.create_task(ask()))

    def request(self, event: str, body: bytes = b"") -> None:
        self._ask(event, self.channel.seal(event, body))

    def believes(self) -> set[str] | None:
        """Who is in the room, by `connected` and what came after; None where there was no `connected`. Fails for
        anything that is told twice, too early, of somebody else's room, or that makes no sense."""
        people: set[str] | None = None
        for name, said in self.socket.heard:
            if name == "send_public_key":
                assert people is None
            elif name == "connected":
                assert people is None, "connected twice"
                people = {user["member"] for user in said["users"]}
                assert said["member"] == self.member
                assert self.member in people
                assert len(people) == len(said["users"])
            else:
                assert people is not None, f"{name} before connected"
                self._follow(people, name, said)
        return people

    def _follow(self, people: set[str], name: str, said: dict[str, str]) -> None:
        if name == "new_user":
            assert said["member"] not in people, "came twice"
            people.add(said["member"])
        elif name == "user_left":
            assert said["member"] in people, "left twice"
            assert said["member"] != self.member, "told of its own leaving"
            people.remove(said["member"])
        else:
            assert said["member"] in people, f"{name} of somebody who is not there"


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "connect",
                "connect",
                "connect",
                "let go",
                "let go",
                "let go",
                "lose",
                "close",
                "leave",
                "say",
                "wait",
                "slow",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=50,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.booleans())
def test_no_schedule_leaves_a_ghost_or_tells_a_lie(schedule: list[tuple[str, int, int]], waits: bool) -> None:
    asyncio.run(play(schedule, waits=waits))


async def play(schedule: list[tuple[str, int, int]], *, waits: bool) -> None:
    stage = Stage(replace(LIMITS, empty_room_ttl=20), replace(POLICY, grace_time=10))
    stage.chat._door = OpenDoor(server_key(), SITE)
    await stage.chat.start()
    gates = [stage.runner.turn, stage.runner.way_back, stage.broker.before, stage.broker.after]
    hold(gates, held=waits)
    lines: list[Line] = []
    for action, number, other in schedule:
        await step(stage, lines, gates, (action, number, other))
        await stage.settle()
        for line in lines:
            line.believes()

    hold(gates, held=False)
    for _ in range(10):
        await stage.settle()
    check(stage, lines)

    for line in lines:
        stage.cut(line.socket, Departure.LOST)
    await stage.wait(10)
    await stage.wait(20)
    for line in lines:
        line.believes()
        await asyncio.gather(*line.tasks)
    assert stage.nobody
    assert stage.memory._rooms == {}
    assert stage.clock.pending == 0


def hold(gates: list[Gate], *, held: bool) -> None:
    for gate in gates:
        gate.held = held
        while gate.waiting:
            gate.let_go()


async def step(stage: Stage, lines: list[Line], gates: list[Gate], action: tuple[str, int, int]) -> None:
    match action:
        case "connect", number, other:
            lines.append(Line(stage, number // 3, other))
        case "let go", number, other:
            gates[number % len(gates)].let_go(other)
        case "wait", number, _:
            await stage.wait(number * 3)
        case (what, number, _) if lines:
            line = lines[number % len(lines)]
            match what:
                case "lose":
                    stage.cut(line.socket, Departure.LOST)
                case "close":
                    stage.cut(line.socket, Departure.LEFT)
                case "leave":
                    line.request("leave-room")
                case "say":
                    line.request("send_message", message())
                case "slow":
                    line.socket.breaks = lambda: stage.cut(line.socket)


def check(stage: Stage, lines: list[Line]) -> None:
    """Nothing is under way: whoever sits in a room believes in exactly its members, and each has a line or a grace."""
    for room in ROOMS:
        sockets = seated(stage.hub, room)
        members = stage.memory._rooms[room].members if room in stage.memory._rooms else {}
        waited_for = {member for where, member in stage.chat._lobby._grace._timers if where == room}
        assert set(members) == set(sockets) | waited_for
        assert not set(sockets) & waited_for
        for member, socket in sockets.items():
            (line,) = [line for line in lines if line.socket is socket]
            assert (line.member, line.room, line.socket.connected) == (member, room, True)
            assert members[member].seat == socket.id
            assert line.believes() == set(cast("dict[str, object]", members))
