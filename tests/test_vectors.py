"""Holds the vectors against the reference that made them, and the browser's modules against the reference, live."""

import json
from typing import Any, cast

import pytest

from tests.make_vectors import ANN, AT, GIVEN_UP, NEXT, ROOM, SERVER_KEY, TYPING, USER, VECTORS, build, stream
from tests.node import ask
from tests.reference import Json, Kind, Payload, Refused, b64, open_content, seal_content
from tests.reference_join import Channel, Joining, ServerKey, Since, make_join, open_join

CONTENT: dict[str, list[dict[str, Any]]] = json.loads((VECTORS / "content.json").read_text())


def test_files_hold_what_the_reference_makes() -> None:
    for name, case in build().items():
        assert json.loads((VECTORS / f"{name}.json").read_text()) == case, f"{name}: python -m tests.make_vectors"


@pytest.mark.parametrize("case", CONTENT["refused"], ids=lambda case: case["about"])
def test_reference_refuses(case: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        open_content(ROOM, cast("Kind", case["kind"]), case["ciphertext"])
    assert refused.value.code == case["code"]


@pytest.fixture(scope="module")
def server_key() -> ServerKey:
    return ServerKey.from_pem(SERVER_KEY.read_text(encoding="ascii"))


LONG: Payload = {"name": "Ann", "text": "\x00" * 10_000, "at": AT, "seq": 1, "prev": "", "seen": None}
WIDE: Payload = {**LONG, "text": "𝄞" * 10_000, "name": "𝄞" * 32}


@pytest.mark.parametrize("since", [None, Since(stream("epoch", 16), 7)])
def test_browser_makes_what_the_reference_opens(server_key: ServerKey, since: Since | None) -> None:
    contents: list[tuple[Kind, Payload]] = [
        ("message", NEXT),
        ("message", GIVEN_UP),
        ("message", LONG),
        ("message", WIDE),
        ("typing", TYPING),
    ]
    requests = [("send_message", stream("body", 284)), ("leave-room", b"")]
    after: Json = {"epoch": b64(since.epoch), "id": since.id} if since else None
    made: Any = ask(
        "make.js",
        {
            "secret": b64(stream("room secret", 32)),
            "pem": server_key.pem,
            "socketId": "Zb9-x_7AAAB",
            "site": b64(stream("site", 16)),
            "since": after,
            "user": USER,
            "contents": [{"kind": kind, "payload": payload} for kind, payload in contents],
            "requests": [{"event": event, "body": b64(body)} for event, body in requests],
        },
    )
    joined = open_join(server_key, "Zb9-x_7AAAB", made["join"])
    assert (joined.address, joined.member) == (ROOM.address, made["member"])
    assert (joined.joining.site, joined.joining.since) == (stream("site", 16), since)
    assert b64(joined.joining.user) == made["user"]
    assert open_content(ROOM, "user", made["user"]).payload == USER
    for (kind, payload), sealed in zip(contents, made["contents"], strict=True):
        opened = open_content(ROOM, kind, sealed["ciphertext"])
        assert (opened.member, opened.payload) == (made["member"], payload)
        assert (opened.digest, opened.payload_digest) == (sealed["digest"], sealed["payloadDigest"])
    for (event, body), sealed in zip(requests, made["sealed"], strict=True):
        assert joined.channel.open(event, sealed) == body


def test_join_speaks_of_this_socket_site_server_and_user_only(server_key: ServerKey) -> None:
    user = seal_content(ROOM, ANN, "user", USER).data
    joining = Joining(server_key, "socket", bytes(16), None, user)
    request, _ = make_join(joining, ROOM, ANN)
    assert open_join(server_key, "socket", request).member == ANN.member
    with pytest.raises(Refused, match="signature"):
        open_join(server_key, "another socket", request)


def test_sealed_requests_open_once_in_order_and_under_their_event() -> None:
    client, server = Channel(bytes(32)), Channel(bytes(32))
    first, second = client.seal("typing", b"1"), client.seal("typing", b"2")
    for event, sealed in (("typing", second), ("send_message", first)):
        with pytest.raises(Refused, match="seal"):
            server.open(event, sealed)
    assert server.open("typing", first) == b"1"
    with pytest.raises(Refused, match="seal"):
        server.open("typing", first)
    assert server.open("typing", second) == b"2"
