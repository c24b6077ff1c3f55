"""Who sits where on this node, and that an event is encoded once for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protocol import Frame, Json
from protocol.batch import Batch
from protocol.socketio import Decoder
from rooms.hub import UNTOLD_BYTES, Hub
from rooms.model import MemberId, RoomAddress
from tests.fakes import Seated, at_once

ROOM, OTHER_ROOM = RoomAddress(b"r" * 32), RoomAddress(b"o" * 32)
ANN, BOB = MemberId("Ann"), MemberId("Bob")


@dataclass(eq=False)
class Chair(Seated):
    """protocol.namespace.Socket that keeps what it is sent, and may do something about it."""

    id: str = "socket"
    sent: list[Sequence[Frame]] = field(default_factory=list)
    leaves: Hub | None = None

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        raise AssertionError("the hub asks nobody anything")

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        self.sent.append(frames)
        if self.leaves is not None:
            self.leaves.leave(ROOM, ANN, self)

    def disconnect(self, *, for_good: bool = False) -> None:
        raise AssertionError("the hub shows nobody the door")


def test_everybody_in_the_room_gets_the_same_frames_and_nobody_else_any() -> None:
    hub, ann, bob, eve = Hub(at_once), Chair(), Chair(), Chair()
    assert hub.enter(ROOM, ANN, ann) is None
    hub.enter(ROOM, BOB, bob)
    hub.enter(OTHER_ROOM, ANN, eve)
    hub.broadcast(ROOM, "user_left", {"member": "x"})
    assert ann.sent[0] is bob.sent[0], "encoded once"
    assert eve.sent == []
    packet = Decoder(1000).feed(str(ann.sent[0][0])[1:])
    assert packet is not None
    assert packet.data == ["user_left", {"member": "x"}]


def test_those_of_one_room_share_a_number() -> None:
    hub, ann, bob, eve = Hub(at_once), Chair(), Chair(), Chair()
    hub.enter(ROOM, ANN, ann)
    hub.enter(ROOM, BOB, bob)
    hub.enter(OTHER_ROOM, ANN, eve)
    assert ann.number == bob.number == hash(ROOM)
    assert eve.number == hash(OTHER_ROOM)


def test_a_place_is_handed_over() -> None:
    hub, old, new = Hub(at_once), Chair(), Chair()
    hub.enter(ROOM, ANN, old)
    assert hub.enter(ROOM, ANN, new) is old
    assert hub.leave(ROOM, ANN, old) is None, "the place is not the old one's any more"
    hub.broadcast(ROOM, "typing")
    assert (len(old.sent), len(new.sent)) == (0, 1)
    assert hub.leave(ROOM, ANN, new) is new
    assert hub.leave(ROOM, ANN, new) is None


def test_anybody_may_be_asked_to_leave_by_name() -> None:
    hub, ann = Hub(at_once), Chair()
    hub.enter(ROOM, ANN, ann)
    assert hub.leave(ROOM, BOB) is None
    assert hub.leave(OTHER_ROOM, ANN) is None
    assert hub.leave(ROOM, ANN) is ann


def test_a_room_without_anybody_takes_no_memory() -> None:
    hub = Hub(at_once)
    hub.broadcast(ROOM, "typing")
    hub.leave(ROOM, ANN)
    assert hub._rooms == {}
    hub.enter(ROOM, ANN, Chair())
    hub.leave(ROOM, ANN)
    assert hub._rooms == {}


def test_who_leaves_while_being_told_takes_nothing_from_the_others() -> None:
    hub = Hub(at_once)
    ann, bob = Chair(leaves=hub), Chair()
    hub.enter(ROOM, ANN, ann)
    hub.enter(ROOM, BOB, bob)
    hub.broadcast(ROOM, "typing")
    hub.broadcast(ROOM, "typing")
    assert (len(ann.sent), len(bob.sent)) == (1, 2)


def test_who_comes_when_the_last_one_is_too_slow_to_be_told_sits_in_a_room_that_is_heard() -> None:
    turn, bob = Turn(), Chair()
    hub = Hub(turn.soon)
    ann = Chair(leaves=hub)
    hub.enter(ROOM, ANN, ann)
    hub.broadcast(ROOM, "new_user")
    hub.enter(ROOM, BOB, bob)
    hub.broadcast(ROOM, "typing")
    turn.end()
    assert told(ann) == [["new_user"]]
    assert told(bob) == [["typing"]]


class Turn:
    """What is put off to the end of a turn."""

    def __init__(self) -> None:
        self.put_off: list[Callable[[], None]] = []

    def soon(self, call: Callable[[], None]) -> None:
        self.put_off.append(call)

    def end(self) -> None:
        calls, self.put_off = self.put_off, []
        for call in calls:
            call()


def told(chair: Chair) -> list[list[str]]:
    """The events of each `send`, by name."""
    return [[str(frame).split('"')[1] for frame in frames] for frames in chair.sent]


def test_what_a_room_says_in_a_turn_is_told_in_one_piece_to_all() -> None:
    turn, ann, bob = Turn(), Chair(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, ann)
    hub.enter(ROOM, BOB, bob)
    for event in ("a", "b", "c"):
        hub.broadcast(ROOM, event)
    assert ann.sent == bob.sent == []
    assert len(turn.put_off) == 1
    turn.end()
    assert told(ann) == told(bob) == [["a", "b", "c"]]
    assert ann.sent[0] is bob.sent[0], "made once"
    hub.broadcast(ROOM, "d")
    turn.end()
    assert told(ann) == [["a", "b", "c"], ["d"]]


def test_what_a_member_is_told_alone_comes_where_it_was_said_and_in_the_same_piece() -> None:
    turn, ann, bob = Turn(), Chair(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, ann)
    hub.enter(ROOM, BOB, bob)
    ann.emit("first")
    assert told(ann) == [["first"]], "there is nothing to wait for"
    hub.broadcast(ROOM, "a")
    ann.emit("alone")
    ann.emit("alone too")
    hub.broadcast(ROOM, "b")
    hub.broadcast(ROOM, "c")
    ann.emit("last")
    assert told(ann) == [["first"]]
    turn.end()
    assert told(ann) == [["first"], ["a", "alone", "alone too", "b", "c", "last"]]
    assert told(bob) == [["a", "b", "c"]]
    whole = ann.sent[-1]
    assert isinstance(whole, Batch)
    assert whole.wire() == Batch(list(whole)).wire(), "the same on the wire as one by one"
    hub.broadcast(ROOM, "d")
    turn.end()
    assert told(ann)[2:] == [["d"]], "what was said alone is said once"


def test_who_has_gone_or_was_replaced_is_told_things_alone_at_once() -> None:
    turn, old, new = Turn(), Chair(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, old)
    hub.broadcast(ROOM, "a")
    old.emit("alone")
    hub.enter(ROOM, ANN, new)
    assert told(old) == [["a", "alone"]]
    hub.broadcast(ROOM, "b")
    old.emit("out")
    new.emit("in")
    assert told(old) == [["a", "alone"], ["out"]]
    assert told(new) == []
    hub.leave(ROOM, ANN, new)
    assert told(new) == [["b", "in"]]
    new.emit("bye")
    turn.end()
    assert told(new) == [["b", "in"], ["bye"]]


def test_much_that_is_said_to_one_member_alone_is_told_before_the_turn_ends() -> None:
    turn, ann = Turn(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, ann)
    hub.broadcast(ROOM, "a")
    ann.emit("alone", "x" * UNTOLD_BYTES)
    assert told(ann) == [["a", "alone"]]


def test_who_comes_in_the_middle_of_a_turn_hears_only_what_is_said_afterwards_and_who_goes_what_was_before() -> None:
    turn, ann, bob = Turn(), Chair(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, ann)
    hub.broadcast(ROOM, "a")
    hub.enter(ROOM, BOB, bob)
    assert told(ann) == [["a"]]
    hub.broadcast(ROOM, "b")
    hub.leave(ROOM, ANN)
    hub.broadcast(ROOM, "c")
    turn.end()
    assert told(ann) == [["a"], ["b"]]
    assert told(bob) == [["b"], ["c"]]


def test_a_turn_that_says_much_is_told_before_it_ends() -> None:
    turn, ann = Turn(), Chair()
    hub = Hub(turn.soon)
    hub.enter(ROOM, ANN, ann)
    for _ in range(3):
        hub.broadcast(ROOM, "a", "x" * (UNTOLD_BYTES // 2))
    assert told(ann) == [["a", "a"]]
    turn.end()
    assert told(ann) == [["a", "a"], ["a"]]
