"""Holds docs/protocol.md against the house wherever it can be held: a visit as it is written there, errors, limits,
characters and keys. tests/test_architecture.py looks after the vocabulary, tests/test_bot.py after the quoted code."""

import asyncio
import importlib
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator

import pytest

import handlers.client
import protocol.socketio
import rooms.files
import rooms.join
import rooms.kept
import rooms.model
from handlers.engine import Refusal
from protocol.session import Timing
from settings import Settings
from tests.architecture import DOCUMENT
from tests.client import now
from tests.make_vectors import VECTORS
from tests.reference import _NO_WIDTH, _WHITE_SPACE, Json, Kind, Room, Signer, b64, is_safe_key, seal_content, unb64
from tests.reference_join import Channel, Joining, ServerKey, make_join
from tests.serving import serve
from tests.websocket import RawWebSocket, request

SITE = "GET /site.json HTTP/1.1\nHost: localhost\nConnection: close\n\n"
TEXT = DOCUMENT.read_text("utf-8")


def table(header: str) -> list[list[str]]:
    """The rows below the head of the table whose first header is this, cell by cell."""
    lines = TEXT.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith(f"| {header} |")]
    rows: list[list[str]] = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def numbers(text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


# -- a visit


class Visitor:
    """Fills in what a written visit leaves out of a client's lines, from what the server has said."""

    def __init__(self) -> None:
        self.signer, self.room = Signer.generate(), Room.from_secret(os.urandom(32))
        self.socket_id = self.pem = ""
        self.channel: Channel

    def hear(self, line: str) -> None:
        if line.startswith("40"):
            self.socket_id = json.loads(line[2:])["sid"]
        elif line.startswith('42["send_public_key"'):
            self.pem = json.loads(line[2:])[1]

    def say(self, written: str, site: bytes) -> str:
        if "…" not in written:
            return written
        head, event = re.findall(r'^(42\d+)\["([\w-]+)"', written)[0]
        return f"{head}{json.dumps([event, self._argument(event, site)])}"

    def _argument(self, event: str, site: bytes) -> Json:
        if event == "join-room":
            user = self._seal("user", {"name": "Ann", "at": now(), "seq": 0, "prev": ""})
            joining = Joining(ServerKey.from_pem(self.pem), self.socket_id, site, None, user)
            request, self.channel = make_join(joining, self.room, self.signer)
            return dict(request)
        if event == "send_message":
            said: dict[str, Json] = {"name": "Ann", "text": "Hi", "at": now(), "seq": 1, "prev": "", "seen": None}
            return self.channel.seal(event, self._seal("message", said))
        return self.channel.seal(event)

    def _seal(self, kind: Kind, payload: dict[str, Json]) -> bytes:
        return seal_content(self.room, self.signer, kind, payload).data


def test_a_visit_goes_as_it_is_written() -> None:
    (trace,) = re.findall(r"^```trace\n(.+?)^```", TEXT, re.MULTILINE | re.DOTALL)
    first, *lines = trace.splitlines()
    query = first.removeprefix("> GET /socket.io/?")
    assert len(lines) > 10

    async def scene() -> None:
        with serve() as served:
            site = unb64(json.loads((await request(served.port, SITE)).body)["salt"])
            visitor = Visitor()
            async with await RawWebSocket.open(served.port, query) as line:
                for each in lines:
                    side, written = each.split(" ", 1)
                    if side == ">":
                        line.send(visitor.say(written, site))
                    else:
                        heard = await line.text()
                        assert re.fullmatch(re.escape(written).replace("…", ".+"), heard), heard
                        visitor.hear(heard)

    asyncio.run(scene())


# -- tables


def test_errors_of_requests_are_those_of_the_handlers() -> None:
    # By its full name, because the package has a function of the same.
    known = [each for each in vars(importlib.import_module("handlers.engine")).values() if isinstance(each, Refusal)]
    documented = {(int(code), int(status), message) for code, status, message, *_ in table("error")}
    assert documented == {(each.code, each.status, each.message) for each in known if each.code is not None}
    assert {each.status for each in known if each.code is None} == {429, 503}


def test_limits_are_those_of_the_house() -> None:
    constants = {
        name: value
        for module in (handlers.client, protocol.socketio, rooms.files, rooms.join, rooms.model)
        for name, value in vars(module).items()
        if name.isupper()
    }
    values = {**constants, "upgrade_timeout": Timing().upgrade_timeout}
    values |= {name: getattr(Settings(), name) for name in Settings.__slots__}
    seen: set[str] = set()
    for what, value, named in table("limit"):
        names = re.findall(r"`(\w+)`", named)
        assert names, what
        parts = [values[name] if isinstance(values[name], tuple) else (values[name],) for name in names]
        documented = [*itertools.chain.from_iterable(parts)]
        assert numbers(value)[: len(documented)] == documented, what
        seen |= set(names)
    bounds = {"max_", "_timeout", "_ttl", "_bytes", "_interval", "_time", "_size", "_per_"}
    assert {name for name in Settings.__slots__ if any(part in name for part in bounds)} <= seen


def test_the_largest_ciphertext_is_as_long_as_is_written() -> None:
    (value,) = [value for what, value, _ in table("limit") if what == "room ciphertext"]
    largest = rooms.model.LARGEST_CIPHERTEXT
    assert numbers(value) == [largest, len(b64(bytes(largest))), len(b64(bytes(largest + 16)))]


def test_the_memory_of_what_was_sent_is_as_is_written() -> None:
    (sentence,) = re.findall(r"knows the digests of recent messages of a room \((.+?)\)", TEXT)
    assert numbers(sentence) == [rooms.kept.DIGESTS_KEPT, rooms.kept.DIGESTS_AT_MOST]
    assert ("ten minutes" in sentence) == (rooms.kept.DIGEST_SECONDS == 600)


def test_every_file_of_vectors_is_named() -> None:
    assert {cells[0].strip("`") for cells in table("file")} == {path.name for path in VECTORS.glob("*.json")}


# -- characters and keys


def code_points(sentence: str) -> set[int]:
    """What is written as `U+2000 to U+200A, U+2028`."""
    found: set[int] = set()
    for first, last in re.findall(r"U\+([0-9A-F]{4,5})(?: to U\+([0-9A-F]{4,5}))?", sentence):
        found |= set(range(int(first, 16), int(last or first, 16) + 1))
    return found


@pytest.mark.parametrize(
    ("beginning", "pattern"),
    [("JavaScript's white space (`\\s`)", re.compile(_WHITE_SPACE)), ("A username holds", _NO_WIDTH)],
    ids=["white space", "no width"],
)
def test_characters_are_those_of_the_reference(beginning: str, pattern: re.Pattern[str]) -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith(beginning)]
    sentence = line.partition("None of" if "None of" in line else "none of")[2] or line
    written = code_points(sentence.split(". ")[0])
    assert written == {point for point in range(sys.maxunicode + 1) if pattern.fullmatch(chr(point))}


def test_keys_of_small_order_are_all_there() -> None:
    written = {bytes.fromhex(line) for line in re.findall(r"^    ([0-9a-f]{64})$", TEXT, re.MULTILINE)}
    canonical = [case for case in vectors_of_keys() if not case["safe"] and len(str(case["key"])) == 64]
    refused = {bytes.fromhex(str(case["key"])) for case in canonical}
    assert len(written) == 5
    assert written == {key for key in refused if not key[31] & 0x80 and int.from_bytes(key, "little") < 2**255 - 19}
    assert not any(is_safe_key(key) for key in written)


def vectors_of_keys() -> Iterator[dict[str, object]]:
    yield from json.loads((VECTORS / "signers.json").read_text("utf-8"))["keys"]
