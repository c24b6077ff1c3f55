"""The server's half of the cryptography against another implementation, its vectors, and whoever tries things out."""

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from Crypto.Cipher import PKCS1_OAEP, PKCS1_v1_5
from Crypto.Hash import SHA1, SHA256
from Crypto.PublicKey import RSA
from hypothesis import given
from hypothesis import strategies as st

import envelope
from envelope import Channel, EnvelopeError, ServerKey, is_safe_key, transcript, verify
from rooms.join import Door
from rooms.model import ErrorCode, Refused, Since, from_base64url
from tests import reference, reference_join
from tests.properties import quick
from tests.reference import b64, unb64

VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((VECTORS / f"{name}.json").read_text("utf-8")))


JOIN = vectors("join")


def server_key(pem: str) -> ServerKey:
    """A server whose key is known: only here, since the product makes one at each start and tells nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RSA, "generate", lambda bits: RSA.import_key(pem))
        return ServerKey()


KEY = server_key(JOIN["private_key_for_tests_only"])
PUBLIC = reference_join.ServerKey.from_pem(KEY.pem)


def refused() -> pytest.RaisesExc[EnvelopeError]:
    """The one error there is, whatever failed."""
    return pytest.raises(EnvelopeError, match=r"\Acannot be opened\Z")


# Vectors


def test_a_server_key_is_rsa_2048_and_new_at_each_start() -> None:
    made = ServerKey()
    key = RSA.import_key(made.pem)
    assert (key.size_in_bits(), key.e, key.has_private()) == (2048, 65537, False)
    assert made.pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert made.digest == reference_join.ServerKey.from_pem(made.pem).digest
    assert made.digest != KEY.digest
    assert made.open(reference_join.ServerKey.from_pem(made.pem).seal(bytes(128))).address == bytes(32)


def test_the_vectors_join_is_opened_step_by_step() -> None:
    assert KEY.pem.strip() == JOIN["pem"].strip()
    assert KEY.digest.hex() == JOIN["server_digest"]
    opened = KEY.open(from_base64url(JOIN["request"]["envelope"]))
    room = reference.Room.from_secret(bytes.fromhex(JOIN["room_secret"]))
    assert opened.address == room.address
    assert opened.session_key.hex() == JOIN["session_key"]
    assert opened.room_proof.hex() == JOIN["room_proof"]

    channel = Channel(opened.session_key)
    body = json.loads(channel.open("join-room", from_base64url(JOIN["request"]["body"])))
    assert body["member"] == JOIN["member"]
    since = from_base64url(JOIN["since"]["epoch"]) + JOIN["since"]["id"].to_bytes(8, "big")
    for position, expected in ((since, "transcript"), (b"", "transcript_without_since")):
        fields = (
            JOIN["socket_id"].encode(),
            KEY.digest,
            bytes.fromhex(JOIN["site"]),
            opened.address,
            opened.session_key,
            from_base64url(JOIN["member"]),
            position,
            reference.sha256(unb64(JOIN["user"])),
        )
        assert transcript(fields).hex() == JOIN[expected]
    proven = bytes.fromhex(JOIN["transcript"])
    verify(opened.address, envelope.ROOM_PROOF + proven, opened.room_proof)
    verify(from_base64url(JOIN["member"]), envelope.MEMBER_PROOF + proven, bytes.fromhex(JOIN["member_proof"]))

    for each in JOIN["sealed"]:
        assert channel.open(each["event"], from_base64url(each["sealed"])).hex() == each["body"]


def test_the_vectors_join_opens_the_door() -> None:
    door = Door(KEY, bytes.fromhex(JOIN["site"]))
    sealed, body = (from_base64url(JOIN["request"][part]) for part in ("envelope", "body"))
    join = door.open(JOIN["socket_id"], sealed, body)
    assert (join.member, join.user) == (JOIN["member"], JOIN["user"])
    assert join.since == Since(from_base64url(JOIN["since"]["epoch"]), JOIN["since"]["id"])
    first = JOIN["sealed"][0]
    assert join.channel.open(first["event"], from_base64url(first["sealed"])).hex() == first["body"]
    with pytest.raises(Refused) as wrong:
        door.open(JOIN["socket_id"] + "x", sealed, body)
    assert wrong.value.code is ErrorCode.BAD_ENVELOPE
    with pytest.raises(Refused) as elsewhere:
        Door(KEY, bytes(16)).open(JOIN["socket_id"], sealed, body)
    assert elsewhere.value.code is ErrorCode.WRONG_SITE


@pytest.mark.parametrize("case", vectors("signers")["keys"], ids=lambda case: str(case["about"]))
def test_the_vectors_keys_are_judged_alike(case: dict[str, Any]) -> None:
    assert is_safe_key(bytes.fromhex(case["key"])) is case["safe"]


@pytest.mark.parametrize("case", vectors("base64url")["cases"], ids=lambda case: repr(case["in"]))
def test_the_vectors_spellings_are_read_alike(case: dict[str, Any]) -> None:
    if "out" in case:
        assert from_base64url(case["in"]).hex() == case["out"]
    else:
        with pytest.raises(ValueError, match=r"\w"):
            from_base64url(case["in"])


# The RSA envelope


def test_only_the_right_size_is_an_envelope() -> None:
    for size in (0, 1, 127, 129, 190):
        with refused():
            KEY.open(PUBLIC.seal(os.urandom(size)))


def oaep(plain: bytes, **how: object) -> bytes:
    return PKCS1_OAEP.new(PUBLIC.rsa, **cast("dict[str, Any]", how)).encrypt(plain)


@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        b"\0",
        bytes(256),
        b"\xff" * 256,
        bytes(255) + b"\1",
        PUBLIC.rsa.n.to_bytes(256, "big"),
        (PUBLIC.rsa.n - 1).to_bytes(256, "big"),
        PUBLIC.seal(bytes(128))[:-1],
        b"\0" + PUBLIC.seal(bytes(128)),
        PUBLIC.seal(bytes(128)) + b"\0",
        bytes(100_000),
        oaep(bytes(128), hashAlgo=SHA1),
        oaep(bytes(128), hashAlgo=SHA256, label=b"chatsite"),
        oaep(bytes(128), hashAlgo=SHA256, mgfunc=lambda seed, size: bytes(size)),
        PKCS1_v1_5.new(PUBLIC.rsa).encrypt(bytes(128)),
    ],
)
def test_garbage_is_no_envelope(sealed: bytes) -> None:
    with refused():
        KEY.open(sealed)


def test_another_starts_envelope_stays_closed() -> None:
    sealed = PUBLIC.seal(bytes(128))
    other = server_key(RSA.generate(2048).export_key().decode())
    with refused():
        other.open(sealed)


@quick
@given(st.binary(min_size=256, max_size=256))
def test_whatever_is_sent_there_is_one_error(sealed: bytes) -> None:
    with refused():
        KEY.open(sealed)


# The channel


@pytest.fixture(name="ends")
def _ends() -> tuple[reference_join.Channel, Channel]:
    """The client's end, by the other implementation, and the server's."""
    key = os.urandom(32)
    return reference_join.Channel(key), Channel(key)


Ends = tuple[reference_join.Channel, Channel]


def test_requests_open_in_order(ends: Ends) -> None:
    client, server = ends
    for event, body in [("join-room", b"{}"), ("send_message", b"1"), ("typing", b""), ("send_message", bytes(70_000))]:
        assert server.open(event, unb64(client.seal(event, body))) == body


def test_a_request_opens_once_in_its_turn_for_its_event(ends: Ends) -> None:
    client, server = ends
    first, second = (unb64(client.seal("typing", body)) for body in (b"1", b"2"))
    with refused():
        server.open("typing", second)
    with refused():
        server.open("send_message", first)
    with refused():
        server.open("Typing", first)
    assert server.open("typing", first) == b"1", "what did not open has not counted"
    with refused():
        server.open("typing", first)
    assert server.open("typing", second) == b"2"


def test_a_request_of_another_channel_stays_closed(ends: Ends) -> None:
    with refused():
        ends[1].open("typing", unb64(reference_join.Channel(os.urandom(32)).seal("typing")))


@pytest.mark.parametrize("size", [0, 1, 15])
def test_what_is_too_short_to_be_sealed_stays_closed(ends: Ends, size: int) -> None:
    with refused():
        ends[1].open("typing", bytes(size))


@quick
@given(st.data())
def test_no_bit_of_a_request_can_be_turned(data: st.DataObject) -> None:
    key = bytes(32)
    sealed = bytearray(unb64(reference_join.Channel(key).seal("typing", b"on")))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with refused():
        Channel(key).open("typing", bytes(sealed))


# Signatures


SIGNER = reference.Signer.from_seed(bytes(32))
ORDER = 2**252 + 27742317777372353535851937790883648493


def test_a_signature_holds_for_its_key_and_message_only() -> None:
    signature = SIGNER.sign(b"message")
    verify(SIGNER.public_key, b"message", signature)
    other = reference.Signer.generate().public_key
    for key, message, given_ in [
        (SIGNER.public_key, b"massage", signature),
        (other, b"message", signature),
        (SIGNER.public_key, b"message", bytes(64)),
        (SIGNER.public_key, b"message", signature[:-1]),
        (SIGNER.public_key, b"message", signature + b"\0"),
        (SIGNER.public_key, b"message", b""),
        (SIGNER.public_key[:-1], b"message", signature),
        (SIGNER.public_key + b"\0", b"message", signature),
        (b"", b"message", signature),
    ]:
        with refused():
            verify(key, message, given_)


def test_a_signature_has_one_spelling() -> None:
    """RFC 8032, section 5.1.7: S is below the order of the group."""
    signature = SIGNER.sign(b"message")
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    with refused():
        verify(SIGNER.public_key, b"message", other)


# Keys of small order, from the curve itself: RFC 8032, section 5.1

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(one: Point, two: Point) -> Point:
    (x1, y1), (x2, y2) = one, two
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def times(factor: int, point: Point) -> Point:
    result = (0, 1)
    for bit in f"{factor:b}":
        result = add(result, result)
        result = add(result, point) if bit == "1" else result
    return result


def lift(y: int) -> Point | None:
    """A point of the curve with this y, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    for root in (x, x * pow(2, (P - 1) // 4, P) % P):
        if root * root % P == square:
            return root, y
    return None


def small_order() -> set[Point]:
    """The eight points whose order divides 8: any point, times the order of the large subgroup, is one of them."""
    found: set[Point] = set()
    for point in filter(None, map(lift, range(2, 60))):
        found.add(times(ORDER, point))
        if len(found) == 8:
            break
    return found


def encoded(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def test_the_points_of_small_order_are_exactly_those_that_are_refused() -> None:
    points = small_order()
    assert len(points) == 8
    assert {times(8, point) for point in points} == {(0, 1)}
    ys = {y for _, y in points}
    assert ys == envelope._SMALL_ORDER
    for y in ys:
        assert not is_safe_key(encoded(y, 0))
        assert not is_safe_key(encoded(y, 1))
        assert (y + 2) % P in ys or is_safe_key(encoded((y + 2) % P, 0)), "its neighbours are innocent"


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", range(P, 2**255))
def test_keys_that_are_not_canonical_are_refused(y: int, sign: int) -> None:
    assert not is_safe_key(encoded(y, sign))


def test_the_largest_canonical_key_is_not_refused_for_its_form() -> None:
    assert is_safe_key(encoded(P - 2, 0))
    assert not is_safe_key(encoded(P - 1, 0))


def test_a_key_of_small_order_signs_nothing_whatever_the_library_thinks() -> None:
    """Under the neutral point, R = neutral and S = 0 holds for every message in libraries that do not look."""
    for y in envelope._SMALL_ORDER:
        for sign in (0, 1):
            with refused():
                verify(encoded(y, sign), b"anything", encoded(1, 0) + bytes(32))


@quick
@given(
    st.binary(min_size=32, max_size=32) | st.integers(0, 2**256 - 1).map(lambda number: number.to_bytes(32, "little"))
)
def test_keys_are_judged_as_arithmetic_judges_them(key: bytes) -> None:
    assert is_safe_key(key) is reference.is_safe_key(key)


def test_an_honest_key_is_safe() -> None:
    assert all(is_safe_key(reference.Signer.generate().public_key) for _ in range(20))
    assert b64(SIGNER.public_key) == SIGNER.member
