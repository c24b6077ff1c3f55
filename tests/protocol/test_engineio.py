"""Engine.IO packets and payloads against the specification's own examples, and as the inverse of themselves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ProtocolError
from protocol.engineio import SEPARATOR, Handshake, Packet, PacketType, decode, decode_payload, encode, encode_payload
from tests.properties import quick

EXAMPLES = [
    (Packet(PacketType.OPEN, "{}"), "0{}"),
    (Packet(PacketType.CLOSE), "1"),
    (Packet(PacketType.PING), "2"),
    (Packet(PacketType.PING, "probe"), "2probe"),
    (Packet(PacketType.PONG), "3"),
    (Packet(PacketType.PONG, "probe"), "3probe"),
    (Packet(PacketType.MESSAGE, "hello"), "4hello"),
    (Packet(PacketType.MESSAGE, "41"), "441"),
    (Packet(PacketType.MESSAGE), "4"),
    (Packet(PacketType.MESSAGE, "€ \U0001f600"), "4€ \U0001f600"),
    (Packet(PacketType.MESSAGE, b"\x01\x02"), b"\x01\x02"),
    (Packet(PacketType.MESSAGE, b""), b""),
    (Packet(PacketType.UPGRADE), "5"),
    (Packet(PacketType.NOOP), "6"),
]

texts = st.text(st.characters(exclude_characters=SEPARATOR))
packets = st.one_of(
    st.builds(Packet, st.sampled_from(PacketType), texts),
    st.builds(Packet, st.just(PacketType.MESSAGE), st.binary()),
)


@pytest.mark.parametrize(("packet", "frame"), EXAMPLES)
def test_a_packet_is_written_and_read_as_the_specification_has_it(packet: Packet, frame: str | bytes) -> None:
    assert encode(packet) == frame
    assert decode(frame) == packet


@pytest.mark.parametrize("frame", ["", "7", "9x", "b", "bAQID", "-1", " 4", "\x00", "٤", "４", "a4", "{}", "\x1e4"])
def test_what_begins_with_no_packet_type_is_refused(frame: str) -> None:
    with pytest.raises(ProtocolError):
        decode(frame)


@pytest.mark.parametrize("kind", [kind for kind in PacketType if kind is not PacketType.MESSAGE])
def test_only_messages_carry_bytes(kind: PacketType) -> None:
    with pytest.raises(ValueError, match="cannot carry bytes"):
        encode(Packet(kind, b"x"))


@quick
@given(packets)
def test_decode_undoes_encode(packet: Packet) -> None:
    assert decode(encode(packet)) == packet


@quick
@given(st.text() | st.binary())
def test_any_frame_is_a_packet_or_a_protocol_error(frame: str | bytes) -> None:
    try:
        packet = decode(frame)
    except ProtocolError:
        assert isinstance(frame, str)
        assert frame[:1] not in set("0123456")
    else:
        assert encode(packet) == frame


@pytest.mark.parametrize(
    ("payload", "frames"),
    [
        ("4hello\x1e2\x1e4world", ["4hello", "2", "4world"]),
        ("4hello\x1ebAQIDBA==", ["4hello", b"\x01\x02\x03\x04"]),
        ("b", [b""]),
        ("6", ["6"]),
        ("b+/8=", [b"\xfb\xff"]),
        ("4€\x1e4a", ["4€", "4a"]),
    ],
)
def test_a_payload_is_written_and_read_as_the_specification_has_it(payload: str, frames: list[str | bytes]) -> None:
    assert encode_payload(frames) == payload
    assert [encode(packet) for packet in decode_payload(payload)] == frames


@quick
@given(st.lists(packets, min_size=1))
def test_decode_payload_undoes_encode_payload(several: list[Packet]) -> None:
    assert list(decode_payload(encode_payload(map(encode, several)))) == several


def test_a_payload_may_hold_any_number_of_packets() -> None:
    # A limit of 16 in one well-known server loses clients' packets without a word.
    several = [Packet(PacketType.MESSAGE, str(number)) for number in range(10_000)]
    assert list(decode_payload(encode_payload(map(encode, several)))) == several


@pytest.mark.parametrize(
    ("payload", "good"),
    [
        ("", []),
        ("\x1e", []),
        ("4a\x1e", ["4a"]),
        ("\x1e4a", []),
        ("4a\x1e\x1e4b", ["4a"]),
        ("4a\x1e9\x1e4b", ["4a"]),
        ("4a\x1ebA\x1e4b", ["4a"]),
        ("2\x1eb****", ["2"]),
        ("b€", []),
        ("bAQID\n", []),
        ("b-_8=", []),
    ],
)
def test_what_stands_before_a_bad_packet_counts_and_nothing_after_it(payload: str, good: list[str]) -> None:
    packets_read = decode_payload(payload)
    assert [encode(next(packets_read)) for _ in good] == good
    with pytest.raises(ProtocolError):
        next(packets_read)


@quick
@given(st.text(st.sampled_from("0123456bAQ=+/-\x1e\n€"), max_size=40) | st.text())
def test_any_payload_is_packets_or_a_protocol_error(payload: str) -> None:
    try:
        read = list(decode_payload(payload))
    except ProtocolError:
        return
    assert len(read) == payload.count(SEPARATOR) + 1


def test_the_handshake_has_exactly_the_five_keys_in_milliseconds() -> None:
    packet = Handshake("abc", ("websocket",), 25.0, 20.0, 1_000_000).packet()
    assert packet.type is PacketType.OPEN
    assert packet.data == (
        '{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.3, 300), (0.0001, 1), (1.0006, 1001), (0.1, 100)])
def test_fractions_of_a_second_are_announced_whole_and_never_as_zero(seconds: float, milliseconds: int) -> None:
    body = json.loads(str(Handshake("s", (), seconds, seconds, 1).packet().data))
    assert (body["pingInterval"], body["pingTimeout"]) == (milliseconds, milliseconds)
    assert type(body["pingInterval"]) is int
    assert body["upgrades"] == []
