"""The log at its most talkative: a busy run with all kinds of trouble leaves nothing of its people in it."""

import asyncio
import json
import logging
import re
import sys

import pytest

import logs
from tests.client import Client
from tests.polling import POLLING, Poller, Request
from tests.reference import b64
from tests.serving import Served, serve
from tests.websocket import CLOSE, TEXT, RawWebSocket, Refusal, frame

ROOM, NAMES, SECRETS = (
    "room-of-roses",
    ("Rosencrantz", "Guildenstern"),
    ("the swordfish sings", "at the stroke of noon"),
)


async def busy(served: Served) -> set[str]:
    """People talk; others do what they must not. Answers what must stand nowhere."""
    telling = {ROOM, *NAMES, *SECRETS, "127.0.0.1", "localhost", "evil.example", "garbage", str(served.port)}
    async with Client(served.url) as one, Client(served.url) as two:
        await one.join(ROOM, NAMES[0])
        await two.join(ROOM, NAMES[1])
        for client, text in zip((one, two), SECRETS, strict=True):
            await client.say(text)
            await client.type()
        telling |= {b64(one.room.address), one.member, two.member, one.socket_id, two.socket_id}
        telling |= {str(message.payload["text"]) for message in one.messages}
        await one.ask("send_message", "garbage-sealed")
        two.crash()
    poller = await Poller.open(served.port)
    telling.add(poller.sid)
    for body in (b"garbage", b"40", b'42["join-room",{"envelope":"garbage","body":1}]', b"x" * 2_000_000):
        await poller.post(body)
    for query in (f"{POLLING}&sid=garbage", "EIO=3&transport=garbage"):
        await (await Request.begin(served.port, query)).answer()
    await (await Request.begin(served.port, POLLING, headers={"Origin": "https://evil.example"})).answer()
    await (await Request.begin(served.port, "garbage", path="/garbage")).answer()
    for raw in (
        frame(TEXT, b"garbage"),
        frame(TEXT, b'4{"garbage'),
        frame(3, b"garbage"),
        frame(CLOSE, b"x"),
        b"garbage" * 9,
    ):
        async with await RawWebSocket.open(served.port) as line:
            line.raw(raw)
            await line.end()
    with pytest.raises(Refusal):
        await RawWebSocket.open(served.port, headers={"Origin": "https://evil.example"})
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"garbage garbage\r\n\r\n")
    await reader.read()
    writer.transport.abort()
    await asyncio.sleep(0.01)
    return telling


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_of_anybody_is_in_the_log_of_a_busy_run(form: str) -> None:
    with serve(log_level="debug", log_format=form, grace_time=0.1) as served:
        telling = asyncio.run(busy(served))
        assert served.stop() == 0
    written = served.stderr
    assert "broke the protocol" in written, "the log is on"
    assert [word for word in telling if word in written] == []
    assert re.findall(r"[A-Za-z0-9_-]{20,}", written) == [], "what might be an id or a ciphertext"
    if form == "json":
        for line in written.splitlines():
            said = json.loads(line)
            assert {"time", "level", "logger", "message"} <= said.keys()
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])


def test_the_usual_log_of_such_a_run_is_empty() -> None:
    with serve(grace_time=0.1) as served:
        asyncio.run(busy(served))
        assert served.stop() == 0
    assert served.stderr == ""


def test_a_bug_is_one_object_too() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "it is %s", ("so",), sys.exc_info())
    said = json.loads(logs.JSONFormatter().format(record))
    assert (said["level"], said["logger"], said["message"]) == ("error", "a", "it is so")
    assert said["exception"].endswith("ValueError: two\nlines")
