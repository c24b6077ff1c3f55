"""A guest of the chat as docs/protocol.md asks for: an outbox with one message on its way, and a reader who notices
whatever is lost, doubled, out of order or said of somebody who is not there."""

import json
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from rooms.model import to_base64url
from tests.reference import unb64
from tests.reference_join import Channel
from tests.schedules.dialer import Dialer
from tests.schedules.site import USER, Site


class Guest:
    """One tab. `authored`: all that was typed, in order; `histories`: by epoch, what was seen, by id; `missed`: by
    epoch, the ids that the server has said to be gone."""

    def __init__(
        self, number: int, random: Random, mode: str, now: Callable[[], float], log_size: int, diary: list[str]
    ) -> None:
        self.member = to_base64url(bytes([number + 1]) * 32)
        self.mode = mode
        self.dialer: Dialer | None = None
        self.lines: list[Dialer] = []
        self.authored: list[str] = []
        self.given_up: set[str] = set()
        self.outbox: deque[str] = deque()
        self.histories: dict[str, dict[int, str]] = {}
        self.missed: dict[str, set[int]] = {}
        self.shown: list[str] = []
        self.users: set[str] | None = None
        self.gone = False
        self.repeated = False
        """Whether the network has sent a request of it twice, so that it may be answered twice."""
        self.epoch, self.last = "", 0
        self._random = random
        self._log_size = log_size
        self._name, self._diary = f"guest {number} ({mode})", diary
        self._now = now
        self._channel = Channel(bytes(32))
        self._numbers = 0
        self._acks: dict[int, Callable[[Any], None]] = {}
        self._on_its_way = False
        self._again_at = 0.0

    # what happens to it

    def wake(self, site: Site) -> None:
        """Connects, unless it is connected or has gone for good."""
        if self.dialer is None and not self.gone:
            self.dialer = Dialer(self, site, self.mode, self._now)
            self.lines.append(self.dialer)

    def type(self) -> None:
        message = to_base64url(self._random.randbytes(12 + 256 + 16))
        self.authored.append(message)
        self.outbox.append(message)
        self._pump()

    def leave(self, way: int) -> None:
        """Goes on purpose; what was not sent is given up."""
        if self.users is None or self.dialer is None:
            return
        self.given_up |= set(self.outbox)
        self.outbox.clear()
        if way % 3 == 0:
            self.dialer.send("1")
        else:
            event = ("leave-room", "disconnect_user")[way % 3 - 1]
            self._ask(event, self._channel.seal(event), lambda answer: None)
        self.gone = True
        if self.dialer is not None:
            self.dialer.close()

    def tick(self) -> None:
        if self.dialer is not None:
            self.dialer.tick()
        self._pump()

    @property
    def content(self) -> bool:
        """Whether there is nothing that it waits for."""
        return self.gone or (self.users is not None and not self.outbox)

    # what its dialer says: tests.schedules.dialer.Listener

    def lost(self) -> None:
        self._note("has no line any more")
        self.dialer, self.users = None, None
        self._on_its_way = False
        self._acks.clear()

    def message(self, text: str) -> None:
        self._note(f"hears {text[:70]}")
        match text[0]:
            case "0":
                self._socket_id = json.loads(text[1:])["sid"]
            case "1":
                # Another line of this guest has the seat, or a request was sent twice by the network.
                if self.dialer is not None:
                    self.dialer.close()
            case "2":
                name, *args = json.loads(text[1:])
                self._event(name, *args)
            case "3":
                begin = text.index("[")
                (answer,) = json.loads(text[begin:])
                number = int(text[1:begin])
                assert number in self._acks or self.repeated, "an answer that nobody waits for"
                self._acks.pop(number, lambda answer: None)(answer)
            case _:
                raise AssertionError(f"a packet that no guest expects: {text[:80]}")

    def _event(self, name: str, said: Any) -> None:  # noqa: ANN401 - JSON
        if name == "send_public_key":
            self._join()
        elif name == "connected":
            self._connected(said)
        else:
            assert self.users is not None, f"{name} before connected"
            self._news(self.users, name, said)

    def _news(self, users: set[str], name: str, said: Any) -> None:  # noqa: ANN401 - JSON
        match name:
            case "get_message":
                assert said["id"] == self.last + 1, "a message is missing or out of order"
                self._read(said)
            case "new_user":
                assert said["member"] not in users, "came twice"
                users.add(said["member"])
            case "user_left":
                assert said["member"] in users, "left twice"
                assert said["member"] != self.member, "told of its own leaving"
                users.remove(said["member"])
            case _:
                raise AssertionError(name)

    # what it does

    def _join(self) -> None:
        key = self._random.randbytes(32)
        self._channel = Channel(key)
        since = {"epoch": self.epoch, "id": self.last} if self.epoch else None
        body = json.dumps({"member": self.member, "socket": self._socket_id, "since": since}).encode()
        request = {"envelope": to_base64url(key), "body": self._channel.seal("join-room", body)}
        self._ask("join-room", request, self._let_in)

    def _let_in(self, answer: Any) -> None:  # noqa: ANN401 - JSON
        if "error" in answer:
            assert answer == {"error": "not-in-room"}, answer
        else:
            assert answer == {"member": self.member}
            assert self.users is not None, "joined without a word about the room"

    def _connected(self, said: Any) -> None:  # noqa: ANN401 - JSON
        assert self.users is None, "connected twice"
        members = [each["member"] for each in said["users"]]
        self.users = set(members)
        assert len(members) == len(self.users)
        assert said["member"] == self.member
        assert self.member in self.users
        assert all(each["user"] == USER for each in said["users"])
        first, last = said["first"], said["last"]
        if said["epoch"] != self.epoch:
            assert said["epoch"] not in self.histories, "an epoch that was over is back"
            self.epoch, self.last = said["epoch"], 0
        assert self.last <= last, "the server has forgotten what was seen"
        assert [entry["id"] for entry in said["log"]] == list(range(first, last + 1))
        assert first > self.last, "what was seen is told again"
        assert first == max(self.last, last - self._log_size) + 1, "less is told than the log holds"
        self.histories.setdefault(self.epoch, {})
        self.missed.setdefault(self.epoch, set()).update(range(self.last + 1, first))
        self.last = first - 1
        for entry in said["log"]:
            self._read(entry)
        self._pump()

    def _read(self, entry: Any) -> None:  # noqa: ANN401 - JSON
        self.last, message = entry["id"], entry["message"]
        history = self.histories[self.epoch]
        assert message not in history.values(), "a message twice"
        history[self.last] = message
        if message not in self.shown:  # again only after a restart: a reader knows by the signer's number
            self.shown.append(message)
        if entry["member"] == self.member and message not in self.given_up:
            assert self.outbox, "a message of its own that it did not wait for"
            assert message == self.outbox[0], "its own messages out of order"
            self._sent()

    def _pump(self) -> None:
        if self.users is None or self._on_its_way or not self.outbox or self._now() < self._again_at:
            return
        self._on_its_way = True
        message = self.outbox[0]

        def answered(answer: Any) -> None:  # noqa: ANN401 - JSON
            if "error" in answer:
                assert answer == {"error": "rate-limited"}, answer
                self._on_its_way, self._again_at = False, self._now() + 1
            elif self.outbox and self.outbox[0] == message:
                assert answer["id"] in self.missed[self.epoch], "answered before it was in the feed"
                self._sent()

        self._ask("send_message", self._channel.seal("send_message", unb64(message)), answered)

    def _sent(self) -> None:
        self.outbox.popleft()
        self._on_its_way = False
        self._pump()

    def _ask(self, event: str, argument: Any, answered: Callable[[Any], None]) -> None:  # noqa: ANN401 - JSON
        if self.dialer is not None:
            self._note(f"asks {event}")
            self._numbers += 1
            self._acks[self._numbers] = answered
            self.dialer.send(f"2{self._numbers}{json.dumps([event, argument])}")

    def _note(self, what: str) -> None:
        self._diary.append(f"{self._now():.2f} {self._name} {what}")
