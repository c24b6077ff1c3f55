"""Letters between nodes: a chunk of a file that is asked for on one node and lies in a tab of another. Knows no Redis,
and no more of files than their names.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from protocol import Json
from rooms.clock import Clock
from rooms.files import ANSWER_SECONDS, Wanted
from rooms.model import ErrorCode, MemberId, RoomAddress, from_base64url, to_base64url

Said = dict[str, Json]
Answered = Callable[[list[Json]], None]


@dataclass(frozen=True, slots=True)
class FarSeat:
    """A member on another node, who can be asked for chunks as one who is here. Equal to any other of the same."""

    post: "Post"
    node: str
    room: RoomAddress
    member: MemberId

    def ask(self, event: str, *args: Json, answered: Answered) -> None:
        """The one event that is asked from afar: rooms.events.CHUNK_WANTED."""
        match args:
            case [{"file": str(file), "index": int(index)}]:
                self.post.ask(self.node, Wanted(self.room, self.member, file, index), answered)


class Post:
    """`node`: this one. `send` brings a letter to another, or loses it. `lend` finds out what there is to say about a
    chunk of somebody who is here."""

    def __init__(
        self,
        node: str,
        send: Callable[[str, bytes], None],
        lend: Callable[[Wanted, Callable[[Said], None]], None],
        clock: Clock,
    ) -> None:
        self._node = node
        self._send = send
        self._lend = lend
        self._clock = clock
        self._asked: dict[int, tuple[float, Answered]] = {}
        self._number = 0

    def ask(self, node: str, wanted: Wanted, answered: Answered) -> None:
        """What the node answers goes to `answered`, once, or never."""
        now = self._clock.time()
        self._forget(now)
        self._number += 1
        self._asked[self._number] = now, answered
        head = {
            "ask": self._number,
            "from": self._node,
            "room": to_base64url(wanted.room),
            "member": wanted.member,
            "file": wanted.file,
            "index": wanted.number,
        }
        self._send(node, _letter(head))

    def receive(self, letter: bytes) -> None:
        """A letter for this node. What is none is not read."""
        head, _, chunk = letter.partition(b"\n")
        match json.loads(head):
            case {
                "ask": int(number),
                "from": str(node),
                "room": str(room),
                "member": str(member),
                "file": str(file),
                "index": int(index),
            }:
                wanted = Wanted(RoomAddress(from_base64url(room)), MemberId(member), file, index)
                self._lend(wanted, lambda said: self._answer(node, number, said))
            case {"answer": int(number), **rest}:
                _, answered = self._asked.pop(number, (0, None))
                if answered is not None:
                    answered([{"error": rest["error"]} if "error" in rest else {"chunk": chunk}])

    def _answer(self, node: str, number: int, said: Said) -> None:
        chunk = said.get("chunk")
        if isinstance(chunk, bytes):
            self._send(node, _letter({"answer": number}, chunk))
        else:
            self._send(node, _letter({"answer": number, "error": said.get("error", ErrorCode.UNAVAILABLE.value)}))

    def _forget(self, now: float) -> None:
        """Those that nobody waits for any more."""
        while self._asked:
            number, (asked, _) = next(iter(self._asked.items()))
            if asked + ANSWER_SECONDS > now:
                return
            del self._asked[number]


def _letter(head: Json, chunk: bytes = b"") -> bytes:
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + chunk
