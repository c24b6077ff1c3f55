"""Runs the example docs/bot.py as its own text says, in a room with somebody, and holds what it believes against the
vectors: it stands for a client by somebody who knows docs/protocol.md and nothing else."""

import asyncio
import importlib.util
import json
import re
import shlex
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.architecture import imports, modules
from tests.client import PATIENCE, talking
from tests.make_vectors import ANN, AT, NEXT, ROOM, VECTORS, stream
from tests.programs import ROOT
from tests.reference import Payload, Signer, b64, seal_content, seal_encoded
from tests.serving import serve

BOT, PROTOCOL = ROOT / "docs" / "bot.py", ROOT / "docs" / "protocol.md"
UNTRUE = (InvalidSignature, InvalidTag, ValueError)


def the_bot() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bot", BOT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bot = the_bot()


def vectors(name: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return found


# -- in a room


@asynccontextmanager
async def running(url: str, room: str, name: str) -> AsyncIterator[Process]:
    """The bot as a process, by the command in its own text."""
    (command,) = re.findall(r"^    python (docs/bot\.py .+)$", str(bot.__doc__), re.MULTILINE)
    script, *arguments = shlex.split(command)
    assert len(arguments) == 3
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", script, url, room, name, cwd=ROOT, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def test_it_comes_in_greets_answers_and_goes_with_the_server() -> None:
    async def scene() -> None:
        # So few events a second that the bot has to wait, and to send what it had sealed for the room once more.
        with serve(events_per_connection="0.5, 1") as served:
            async with talking(served.url, "a room", "Ann") as (ann,), running(served.url, "  a \t room", "Echo") as it:
                joined: Any = await ann.hears("new_user")
                assert ann.name_in(joined["user"]) == "Echo"
                await ann.hears("get_message")
                assert await ann.say("echo something") == {"id": 2}
                await ann.hears("get_message", 3)
                assert ann.texts == ["Hello", "echo something", "Ann: something"]
                greeting, _, answer = ann.messages
                assert greeting.member == answer.member == joined["member"]
                assert (answer.payload["seq"], answer.payload["prev"]) == (2, greeting.payload_digest)
                assert answer.payload["seen"] == [2, ann.messages[1].digest]
                assert served.stop() == 0
                assert it.stderr is not None
                assert b"the line broke" in await asyncio.wait_for(it.stderr.read(), PATIENCE)
                assert await it.wait() == 1

    asyncio.run(scene())


# -- what it believes


def hearing(*said: Payload, member: str = ANN.member) -> list[Any]:
    """What a bot hears of messages, one after the other."""
    member_of_room = bot.Bot(None, bot.Room(stream("room secret", 32)), b"", "Echo")
    return [
        member_of_room.hear(
            {"id": number, "member": member, "message": seal_content(ROOM, ANN, "message", each).ciphertext}
        )
        for number, each in enumerate(said, 1)
    ]


def said(text: str, seq: int, *, age: float = 0) -> Payload:
    """What Ann said so many seconds ago."""
    return {**NEXT, "text": text, "seq": seq, "at": round((time.time() - age) * 1000)}


def test_it_hears_what_is_new_of_whom_it_is_said_to_be() -> None:
    assert hearing(said("Hi", 2), said("there", 3)) == [("Ann", "Hi"), ("Ann", "there")]
    assert hearing(said("Hi", 2), said("Hi", 2), said("no", 2)) == [("Ann", "Hi"), None, None]
    assert hearing(said("late", 3, age=301), said("soon", 4, age=-301), said("now", 5, age=200)) == [
        *(None, None),
        ("Ann", "now"),
    ]
    assert hearing(said("Hi", 2), member=Signer.generate().member) == [None]
    assert hearing({"void": True, "at": AT, "seq": 3, "prev": NEXT["prev"], "seen": None}) == [None]


def test_nobody_can_put_it_out_by_what_they_say() -> None:
    good = json.dumps(said("Hi", 2)).encode()
    evil = [
        b"[" * 30_000,
        b'{"a":' * 9_000,
        good.replace(b'"Hi"', b'"\\ud800"'),
        re.sub(rb'"at": \d+', b'"at": 1' + b"0" * 4_000, good),
        re.sub(rb'"at": \d+', b'"at": 1e999', good),
        re.sub(rb'"at": \d+', b'"at": 1' + b"0" * 5_000, good),
        b"[]",
        b"\xff",
        good.replace(b"Ann", b"\xed\xa0\x80"),
    ]
    messages = [seal_encoded(ROOM, ANN, "message", each).ciphertext for each in evil]
    listener = bot.Bot(None, bot.Room(stream("room secret", 32)), b"", "Echo")
    for number, message in enumerate(messages, 1):
        assert listener.hear({"id": number, "member": ANN.member, "message": message}) is None, evil[number - 1][:20]
    proper = seal_content(ROOM, ANN, "message", said("Hi", 3)).ciphertext
    assert listener.hear({"id": "no number", "member": ANN.member, "message": proper}) is None
    assert listener.hear({"id": 10, "member": ANN.member, "message": proper}) == ("Ann", "Hi")


REFUSED = [case for case in vectors("content")["refused"] if case["code"] != "payload" and case["kind"] != "typing"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["about"])
def test_it_opens_nothing_that_readers_refuse(case: dict[str, str]) -> None:
    with pytest.raises(UNTRUE):
        open_as_bot(case)


def test_it_opens_what_readers_accept() -> None:
    cases = [case for case in vectors("content")["accepted"] if case["kind"] != "typing"]
    assert len(cases) > 5
    for case in cases:
        encoded = open_as_bot(case)
        assert b64(bot.digest(encoded)) == case["payload_digest"]
        assert case["payload"].items() <= json.loads(encoded).items(), case["about"]


def open_as_bot(case: dict[str, str]) -> bytes:
    data, kind = bot.unb64(case["ciphertext"]), case["kind"]
    return bytes(bot.Room(stream("room secret", 32)).open(kind, signer_in(data, kind), data))


def signer_in(data: bytes, kind: str) -> str:
    """Who signed it, if that can be read: of such the server is to say so, that this is not what is wrong with it."""
    try:
        return b64(AESGCM(ROOM.key).decrypt(data[:12], data[12:], ROOM.binding(kind))[:32])
    except (InvalidTag, ValueError):
        return ANN.member


# -- what it makes: the rest is proven by the server, which lets it in


def test_it_normalizes_room_names_as_everybody() -> None:
    cases = [case for case in vectors("names")["room"] if "out" in case]
    assert len(cases) > 10
    for case in cases:
        assert bot.room_name(case["in"]) == case["out"]


def test_it_derives_keys_as_everybody() -> None:
    for case in vectors("kdf")["cases"]:
        assert bot.room_secret(case["name"], bytes.fromhex(case["site_salt"])).hex() == case["secret"]
    for case in vectors("rooms")["cases"]:
        room = bot.Room(bytes.fromhex(case["secret"]))
        assert room.identity.public.hex() == case["address"]
    for case in vectors("signers")["keys"]:
        assert bot.is_safe(bytes.fromhex(case["key"])) == case["safe"] or len(case["key"]) != 64


def test_it_knows_public_libraries_only_and_says_which() -> None:
    (listed,) = re.findall(r"^# dependencies = (\[.+\])$", BOT.read_text("utf-8"), re.MULTILINE)
    assert json.loads(listed) == ["argon2-cffi", "cryptography", "python-socketio[asyncio-client]"]
    known = {name.partition(".")[0] for name in imports(BOT)} - sys.stdlib_module_names
    assert known == {"aiohttp", "argon2", "cryptography", "socketio"}
    assert not known & {name.partition(".")[0] for name in modules()}


def test_what_the_document_quotes_is_the_example() -> None:
    quoted = re.findall(r"^```python\n(.+?)^```", PROTOCOL.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert quoted
    for each in quoted:
        assert each in BOT.read_text("utf-8")
