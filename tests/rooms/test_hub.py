"""Who sits where on this node, and that an event is encoded once for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protocol import Frame, Json
from protocol.socketio import Decoder
from rooms.hub import Hub, encode_event
from rooms.model import MemberId, RoomAddress

ROOM, OTHER_ROOM = RoomAddress(b"r" * 32), RoomAddress(b"o" * 32)
ANN, BOB = MemberId("Ann"), MemberId("Bob")


@dataclass(eq=False)
class Chair:
    """protocol.namespace.Socket that keeps what it is sent, and may do something about it."""

    id: str = "socket"
    sent: list[Sequence[Frame]] = field(default_factory=list)
    leaves: Hub | None = None

    def emit(self, event: str, *args: Json) -> None:
        self.send(encode_event(event, *args))

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        raise AssertionError("the hub asks nobody anything")

    def send(self, frames: Sequence[Frame]) -> None:
        self.sent.append(frames)
        if self.leaves is not None:
            self.leaves.leave(ROOM, ANN, self)

    def disconnect(self) -> None:
        raise AssertionError("the hub shows nobody the door")


def test_everybody_in_the_room_gets_the_same_frames_and_nobody_else_any() -> None:
    hub, ann, bob, eve = Hub(), Chair(), Chair(), Chair()
    assert hub.enter(ROOM, ANN, ann) is None
    hub.enter(ROOM, BOB, bob)
    hub.enter(OTHER_ROOM, ANN, eve)
    hub.broadcast(ROOM, "user_left", {"member": "x"})
    assert ann.sent[0] is bob.sent[0], "encoded once"
    assert eve.sent == []
    packet = Decoder(1000).feed(str(ann.sent[0][0])[1:])
    assert packet is not None
    assert packet.data == ["user_left", {"member": "x"}]


def test_a_place_is_handed_over() -> None:
    hub, old, new = Hub(), Chair(), Chair()
    hub.enter(ROOM, ANN, old)
    assert hub.enter(ROOM, ANN, new) is old
    assert hub.leave(ROOM, ANN, old) is None, "the place is not the old one's any more"
    hub.broadcast(ROOM, "typing")
    assert (len(old.sent), len(new.sent)) == (0, 1)
    assert hub.leave(ROOM, ANN, new) is new
    assert hub.leave(ROOM, ANN, new) is None


def test_anybody_may_be_asked_to_leave_by_name() -> None:
    hub, ann = Hub(), Chair()
    hub.enter(ROOM, ANN, ann)
    assert hub.leave(ROOM, BOB) is None
    assert hub.leave(OTHER_ROOM, ANN) is None
    assert hub.leave(ROOM, ANN) is ann


def test_a_room_without_anybody_takes_no_memory() -> None:
    hub = Hub()
    hub.broadcast(ROOM, "typing")
    hub.leave(ROOM, ANN)
    assert hub._rooms == {}
    hub.enter(ROOM, ANN, Chair())
    hub.leave(ROOM, ANN)
    assert hub._rooms == {}


def test_who_leaves_while_being_told_takes_nothing_from_the_others() -> None:
    hub = Hub()
    ann, bob = Chair(leaves=hub), Chair()
    hub.enter(ROOM, ANN, ann)
    hub.enter(ROOM, BOB, bob)
    hub.broadcast(ROOM, "typing")
    hub.broadcast(ROOM, "typing")
    assert (len(ann.sent), len(bob.sent)) == (1, 2)
