"""Letters between nodes about chunks of files: each question gets its answer, once; what is no letter does nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from protocol import Json
from rooms.events import CHUNK_WANTED
from rooms.files import ANSWER_SECONDS, Wanted
from rooms.model import MemberId, RoomAddress, to_base64url
from rooms.post import FarSeat, Post
from tests.fakes import FakeClock

ROOM, MEMBER, FILE = RoomAddress(b"r" * 32), MemberId("m" * 43), to_base64url(bytes(16))
CHUNK = bytes(range(256)) * 256 + b"\n" * 16


class Town:
    """Two nodes. `lent`: what was asked of the second, and where its answer goes; `letters`: all that was sent."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lent: list[tuple[Wanted, Callable[[dict[str, Json]], None]]] = []
        self.letters: list[tuple[str, bytes]] = []
        self.nodes = {
            name: Post(name, self._send, lambda wanted, give: self.lent.append((wanted, give)), self.clock)
            for name in ("one", "two")
        }
        self.heard: list[list[Json]] = []

    def _send(self, node: str, letter: bytes) -> None:
        self.letters.append((node, letter))
        if node in self.nodes:
            self.nodes[node].receive(letter)

    def ask(self, number: int, node: str = "two") -> None:
        seat = FarSeat(self.nodes["one"], node, ROOM, MEMBER)
        seat.ask(CHUNK_WANTED, {"file": FILE, "index": number}, answered=self.heard.append)


def test_what_is_asked_on_one_node_is_answered_by_the_other() -> None:
    town = Town()
    town.ask(3)
    town.ask(4)
    assert [wanted for wanted, _ in town.lent] == [Wanted(ROOM, MEMBER, FILE, 3), Wanted(ROOM, MEMBER, FILE, 4)]
    town.lent[1][1]({"chunk": CHUNK})
    town.lent[0][1]({"error": "file-gone"})
    assert town.heard == [[{"chunk": CHUNK}], [{"error": "file-gone"}]]
    town.lent[1][1]({"chunk": CHUNK})
    assert len(town.heard) == 2, "an answer counts once"


def test_what_nobody_answers_is_forgotten_in_time() -> None:
    town = Town()
    for number in range(5):
        town.ask(number, "a node that is gone")
    town.clock.advance(ANSWER_SECONDS)
    town.ask(5)
    assert len(town.nodes["one"]._asked) == 1
    town.lent[0][1]({"chunk": CHUNK})
    assert town.heard == [[{"chunk": CHUNK}]]


def test_seats_of_one_member_are_the_same() -> None:
    post = Town().nodes["one"]
    assert FarSeat(post, "two", ROOM, MEMBER) == FarSeat(post, "two", ROOM, MEMBER)
    assert FarSeat(post, "two", ROOM, MEMBER) != FarSeat(post, "three", ROOM, MEMBER)


@pytest.mark.parametrize(
    "letter", [b"{}", b"[]", b"7", b'{"ask": "1"}', b'{"answer": 77}', b'{"ask": 1, "from": "one"}']
)
def test_what_is_no_letter_does_nothing(letter: bytes) -> None:
    town = Town()
    town.nodes["one"].receive(letter)
    assert (town.lent, town.letters, town.heard) == ([], [], [])


@pytest.mark.parametrize("args", [(), ({},), ({"file": FILE},), ({"file": 1, "index": 1},)])
def test_nothing_else_is_asked_from_afar(args: Any) -> None:  # noqa: ANN401 - anything at all
    town = Town()
    FarSeat(town.nodes["one"], "two", ROOM, MEMBER).ask("event", *args, answered=town.heard.append)
    assert town.letters == []
