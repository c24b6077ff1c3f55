"""WebSocket frames rule by rule: what is taken, what is refused and with which code. In the order of RFC 6455's
public conformance suite: framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes."""

import itertools

import pytest

from protocol import ProtocolError
from protocol.websocket import (
    Close,
    CloseCode,
    Event,
    FrameError,
    Ping,
    Receiver,
    encode,
    encode_close,
    encode_pong,
    unmask,
)
from tests.protocol.listening import Heard, chopped, hear, listen
from tests.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame

CONTINUATION = 0
DATA = (TEXT, BINARY)
CONTROL = (CLOSE, PING, PONG)
EDGES = (0, 1, 125, 126, 127, 128, 65_535, 65_536)
"""Sizes around which the form of a length changes."""
MASK = b"\x37\xfa\x21\x3d"

BROKEN = Heard((), CloseCode.PROTOCOL_ERROR)
NO_TEXT = Heard((), CloseCode.INVALID_DATA)
TOO_LARGE = Heard((), CloseCode.TOO_LARGE)


def message(opcode: int, size: int) -> str | bytes:
    return "*" * size if opcode == TEXT else bytes(range(256)) * (size // 256) + bytes(size % 256)


def payload(said: str | bytes) -> bytes:
    return said.encode() if isinstance(said, str) else said


def fragments(opcode: int, *pieces: bytes) -> list[bytes]:
    """One message in so many frames."""
    last = len(pieces) - 1
    return [frame(0 if at else opcode, piece, fin=at == last) for at, piece in enumerate(pieces)]


def events(*several: Event) -> Heard:
    """These and no refusal."""
    return Heard(several)


# -- 1: framing


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("opcode", DATA)
def test_a_message_of_any_size_is_taken(opcode: int, size: int) -> None:
    said = message(opcode, size)
    assert hear(frame(opcode, payload(said))) == events(said)


@pytest.mark.parametrize("piece", [1, 2, 3, 997, 4096, 65_536])
@pytest.mark.parametrize("opcode", DATA)
def test_and_in_pieces_of_any_size(opcode: int, piece: int) -> None:
    several = [message(opcode, size) for size in EDGES]
    wire = b"".join(frame(opcode, payload(said)) for said in several)
    assert listen(chopped(wire, piece)) == events(*several)


def test_a_head_may_be_cut_anywhere() -> None:
    for size in (5, 200, 65_536):
        wire = frame(BINARY, bytes(size))
        for place in range(len(wire) - size + 2):
            assert listen([wire[:place], wire[place:]]) == events(bytes(size))


def test_there_may_be_many_messages_in_a_piece_and_none_in_the_next() -> None:
    wire = frame(TEXT, b"one") + frame(BINARY, b"two") + frame(TEXT, b"three")
    assert listen([b"", wire, b"", b"", frame(TEXT, b"four")[:3]]) == events("one", b"two", "three")


def test_pieces_may_be_fed_before_what_came_earlier_is_heard() -> None:
    wire = b"".join(frame(TEXT, b"%d" % number) for number in range(100))
    receiver = Receiver(100)
    heard = []
    for piece in chopped(wire, 13):
        receiver.feed(piece)
        heard.append(receiver.next())  # one at a time, and slower than they come
    heard += iter(receiver.next, None)
    assert [event for event in heard if event is not None] == [str(number) for number in range(100)]


def test_frames_are_those_of_the_specifications_examples() -> None:
    """Section 5.7."""
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    assert frame(TEXT, b"Hello", mask=MASK) == hello
    assert hear(hello) == events("Hello")
    assert encode("Hello") == bytes.fromhex("810548656c6c6f")
    assert hear(bytes.fromhex("898537fa213d7f9f4d5158")) == events(Ping(b"Hello"))
    assert encode_pong(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert encode(bytes(256)) == bytes.fromhex("827e0100") + bytes(256)
    assert encode(bytes(65_536)) == bytes.fromhex("827f0000000000010000") + bytes(65_536)


@pytest.mark.parametrize(
    ("size", "length"),
    [
        *((0, "00"), (1, "01"), (125, "7d"), (126, "7e007e"), (127, "7e007f"), (128, "7e0080"), (65_535, "7effff")),
        (65_536, "7f0000000000010000"),
    ],
)
def test_a_length_is_written_as_short_as_it_may_be_and_no_frame_is_masked(size: int, length: str) -> None:
    assert encode("a" * size) == b"\x81" + bytes.fromhex(length) + b"a" * size
    assert encode(b"a" * size) == b"\x82" + bytes.fromhex(length) + b"a" * size


def test_lengths_are_those_of_bytes_and_not_of_letters() -> None:
    assert encode("€" * 42) == b"\x81\x7e\x00\x7e" + "€".encode() * 42


@pytest.mark.parametrize("opcode", [*DATA, *CONTROL])
@pytest.mark.parametrize("data", [b"", b"1234"])
def test_a_frame_without_a_mask_is_refused(opcode: int, data: bytes) -> None:
    """Section 5.1."""
    assert hear(frame(opcode, data, masked=False)) == BROKEN
    assert hear(*fragments(TEXT, b"a", b"b")[:1], frame(CONTINUATION, b"b", masked=False)) == BROKEN


@pytest.mark.parametrize("mask", [bytes(4), b"\xff" * 4, MASK, b"\x00\x00\x00\x01"])
@pytest.mark.parametrize("size", range(9))
def test_any_mask_is_taken_off(mask: bytes, size: int) -> None:
    data = b"abcdefgh"[:size]
    assert hear(frame(BINARY, data, mask=mask)) == events(data)
    assert unmask(mask, unmask(mask, data)) == data


@pytest.mark.parametrize("opcode", [*DATA, *CONTROL, CONTINUATION])
@pytest.mark.parametrize("length", ["fe0000", "fe0001", "fe007d", f"ff{0:016x}", f"ff{125:016x}", f"ff{65_535:016x}"])
def test_a_length_that_could_be_shorter_is_refused(opcode: int, length: str) -> None:
    """Section 5.2: the minimal number of bytes must be used."""
    assert hear(bytes([0x80 | opcode]) + bytes.fromhex(length) + MASK + bytes(125)) == BROKEN


@pytest.mark.parametrize("length", [1 << 63, (1 << 63) + 5, (1 << 64) - 1])
def test_a_length_with_the_highest_bit_is_refused(length: int) -> None:
    """Section 5.2: it must be 0."""
    assert hear(b"\x82\xff" + length.to_bytes(8, "big")) == BROKEN


# -- 2: pings and pongs


@pytest.mark.parametrize("data", [b"", b"x", b"Hello", bytes(125), b"\xff\xfe\xfd\x00"])
def test_a_ping_is_heard_with_its_bytes_and_its_pong_carries_them(data: bytes) -> None:
    assert hear(frame(PING, data)) == events(Ping(data))
    assert encode_pong(data) == bytes([0x8A, len(data)]) + data


@pytest.mark.parametrize("opcode", CONTROL)
@pytest.mark.parametrize("size", [126, 127, 65_535, 65_536])
def test_a_control_frame_of_more_than_125_bytes_is_refused(opcode: int, size: int) -> None:
    wire = frame(opcode, b"\x03\xe8" + bytes(size - 2))
    assert hear(wire) == BROKEN
    assert hear(wire[: len(wire) - size - 4]) == BROKEN, "as soon as its length is there"


@pytest.mark.parametrize("data", [b"", b"nobody asked", bytes(125)])
def test_a_pong_that_nobody_asked_for_amounts_to_nothing(data: bytes) -> None:
    assert hear(frame(PONG, data)) == events()
    assert hear(frame(PONG, data), frame(PING, b"x"), frame(PONG, data), frame(TEXT, b"a")) == events(Ping(b"x"), "a")


def test_many_pings_in_one_piece_are_all_heard_in_their_order() -> None:
    assert hear(*(frame(PING, b"%d" % number) for number in range(500))) == events(
        *(Ping(b"%d" % number) for number in range(500))
    )


# -- 3: reserved bits


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [*DATA, *CONTROL])
@pytest.mark.parametrize("data", [b"", b"\x03\xe8"])
def test_reserved_bits_are_refused_and_what_stands_before_them_counts(opcode: int, data: bytes, reserved: int) -> None:
    good = frame(TEXT, b"before")
    assert hear(good, frame(opcode, data, reserved=reserved), good) == Heard(("before",), CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("reserved", range(1, 8))
def test_reserved_bits_in_the_middle_of_a_message_are_refused(reserved: int) -> None:
    assert hear(frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", reserved=reserved)) == BROKEN


# -- 4: opcodes


@pytest.mark.parametrize("opcode", [*range(3, 8), *range(11, 16)])
@pytest.mark.parametrize("data", [b"", b"x", bytes(200)])
@pytest.mark.parametrize("fin", [True, False])
def test_opcodes_that_are_not_defined_are_refused(opcode: int, data: bytes, *, fin: bool) -> None:
    good = frame(TEXT, b"before")
    assert hear(good, frame(opcode, data, fin=fin), good) == Heard(("before",), CloseCode.PROTOCOL_ERROR)
    assert hear(frame(TEXT, b"a", fin=False), frame(opcode, data, fin=fin)) == BROKEN


# -- 5: fragments


@pytest.mark.parametrize("opcode", DATA)
@pytest.mark.parametrize(
    "pieces",
    [
        *((b"a", b"b"), (b"", b""), (b"", b"", b"a"), (b"a", b"", b""), (b"", b"a", b""), (b"a", b"b", b"c", b"d")),
        *((b"x" * 125, b"y" * 126, b"z" * 65_536), (b"1",) * 300),
    ],
)
def test_fragments_are_one_message(opcode: int, pieces: tuple[bytes, ...]) -> None:
    whole = b"".join(pieces)
    said = whole.decode() if opcode == TEXT else whole
    assert hear(*fragments(opcode, *pieces)) == events(said)
    assert hear(*fragments(opcode, *pieces), *fragments(opcode, *pieces)) == events(said, said)


@pytest.mark.parametrize("opcode", DATA)
def test_control_frames_may_stand_between_fragments_and_are_heard_first(opcode: int) -> None:
    first, second, third = fragments(opcode, b"a", b"b", b"c")
    ping, pong = frame(PING, b"1"), frame(PONG, b"2")
    whole: str | bytes = "abc" if opcode == TEXT else b"abc"
    assert hear(first, ping, second, third) == events(Ping(b"1"), whole)
    assert hear(first, pong, second, ping, ping, third, ping) == events(*[Ping(b"1")] * 2, whole, Ping(b"1"))
    assert hear(first, ping, pong) == events(Ping(b"1")), "a message without an end is none"


@pytest.mark.parametrize("opcode", CONTROL)
@pytest.mark.parametrize("data", [b"", b"\x03\xe8"])
def test_control_frames_are_not_fragmented(opcode: int, data: bytes) -> None:
    """Section 5.5."""
    assert hear(frame(opcode, data, fin=False), frame(CONTINUATION, b"")) == BROKEN


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("before", [(), fragments(TEXT, b"a", b"b"), fragments(BINARY, b"a"), [frame(PING, b"")]])
def test_what_continues_nothing_is_refused(before: list[bytes], *, fin: bool) -> None:
    heard = hear(*before)
    assert heard.refused is None
    wire = frame(CONTINUATION, b"of nothing", fin=fin)
    assert hear(*before, wire, frame(TEXT, b"c")) == Heard(heard.events, CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("begun", DATA)
@pytest.mark.parametrize("new", DATA)
@pytest.mark.parametrize("fin", [True, False])
def test_a_message_within_a_message_is_refused(begun: int, new: int, *, fin: bool) -> None:
    assert hear(frame(begun, b"a", fin=False), frame(new, b"b", fin=fin), frame(CONTINUATION, b"c")) == BROKEN
    assert hear(frame(begun, b"", fin=False), frame(new, b"b", fin=fin)) == BROKEN, "an empty beginning is one"
    assert hear(*fragments(begun, b"a", b"b")[:1], frame(CONTINUATION, b"", fin=False), frame(new, b"")) == BROKEN


def test_every_order_of_beginning_middle_and_end_is_taken_or_refused_as_it_must_be() -> None:
    kinds = {
        "whole": frame(BINARY, b"w"),
        "begin": frame(BINARY, b"b", fin=False),
        "middle": frame(CONTINUATION, b"m", fin=False),
        "end": frame(CONTINUATION, b"e"),
    }
    for order in itertools.product(kinds, repeat=4):
        expected: list[Event] = []
        begun, broken = b"", False
        for kind in order:
            if (kind in {"whole", "begin"}) == bool(begun):
                broken = True
                break
            begun += kind[:1].encode()
            if kind in {"whole", "end"}:
                expected.append(begun)
                begun = b""
        refused = CloseCode.PROTOCOL_ERROR if broken else None
        assert hear(*(kinds[kind] for kind in order)) == Heard(tuple(expected), refused), order


# -- 6: UTF-8

GOOD = [
    *("", "a", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff"),
    *("\U00010000", "\U0010ffff", "\U0001fffe", "κόσμε", "\ufeffκόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\U0001f600" * 31),
]
BAD = [
    *(b"\x80", b"\xbf", b"\x80\xbf" * 3, b"\xc0", b"\xe0", b"\xf0", b"\xf8", b"\xfc", b"\xfe", b"\xff", b"\xff\xfe"),
    *(b"\xc0 ", b"\xe0\x80", b"\xf0\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xce\xba\xe1\xbd"),
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"),
    *(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"),
    *(b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xce\xba\xed\xa0\x80edited"),
]
"""Continuations alone, beginnings alone, truncated, longer than they must be, beyond the last, surrogates."""


@pytest.mark.parametrize("text", GOOD)
def test_text_of_every_kind_is_taken_however_it_is_cut(text: str) -> None:
    data = text.encode()
    assert hear(frame(TEXT, data)) == events(text)
    assert hear(*fragments(TEXT, *(data[at : at + 1] for at in range(len(data))), b"")) == events(text)
    for at in range(len(data)):
        assert hear(*fragments(TEXT, data[:at], data[at:])) == events(text)


@pytest.mark.parametrize("data", BAD)
def test_what_is_no_text_is_refused_however_it_is_cut(data: bytes) -> None:
    for wrong in (data, b"before" + data, data + b"after", "€".encode() + data + "€".encode()):
        assert hear(frame(TEXT, wrong), frame(TEXT, b"later")) == NO_TEXT
        for at in range(len(wrong)):
            assert hear(*fragments(TEXT, wrong[:at], wrong[at:])) == NO_TEXT
    assert hear(frame(BINARY, data)) == events(data), "bytes may be anything"


def test_a_text_must_be_one_by_itself() -> None:
    """What is cut in two messages is not put together."""
    first, second = "€".encode()[:2], "€".encode()[2:]
    assert hear(frame(TEXT, b"good"), frame(TEXT, first), frame(TEXT, second)) == Heard(
        ("good",), CloseCode.INVALID_DATA
    )


def test_a_ping_may_come_within_a_letter() -> None:
    first, second = fragments(TEXT, *("€".encode()[:1], "€".encode()[1:]))
    assert hear(first, frame(PING, b"\xff"), second) == events(Ping(b"\xff"), "€")


def test_text_that_has_no_utf_8_is_never_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("\ud800")


# -- 7: closing


@pytest.mark.parametrize("reason", [b"", b"bye", "€".encode() * 41])
@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3001, 3999, 4000, 4001, 4999], ids=str)
def test_a_close_is_heard_with_its_code_and_nothing_after_it(code: int, reason: bytes) -> None:
    wire = frame(CLOSE, code.to_bytes(2, "big") + reason)
    later = frame(TEXT, b"later") + frame(PING, b"") + wire
    assert hear(frame(TEXT, b"before"), wire) == events("before", Close(code))
    assert hear(wire, later) == events(Close(code))
    assert hear(wire, b"\xff" * 20) == events(Close(code)), "not even a refusal"


def test_a_close_may_have_no_code() -> None:
    assert hear(frame(CLOSE, b""), frame(TEXT, b"later")) == events(Close(None))


def test_a_close_of_one_byte_is_refused() -> None:
    assert hear(frame(CLOSE, b"\x03")) == BROKEN


def test_a_code_that_no_peer_may_send_is_refused() -> None:
    """Sections 7.4.1 and 7.4.2; those that are registered as never being on the wire; all that is not registered."""
    taken = {code for code in range(1 << 16) if listen([frame(CLOSE, code.to_bytes(2, "big"))]) != BROKEN}
    assert taken == {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} | set(range(3000, 5000))


@pytest.mark.parametrize("data", BAD)
def test_a_reason_that_is_no_text_is_refused(data: bytes) -> None:
    assert hear(frame(CLOSE, b"\x03\xe8" + data)) == NO_TEXT


def test_a_close_within_fragments_ends_the_message_too() -> None:
    assert hear(frame(TEXT, b"a", fin=False), frame(CLOSE, b"\x03\xe9"), frame(CONTINUATION, b"b")) == events(
        Close(1001)
    )


@pytest.mark.parametrize("code", [None, *CloseCode])
def test_our_own_close_is_one_that_a_peer_may_hear(code: int | None) -> None:
    wire = encode_close(code)
    data = b"" if code is None else code.to_bytes(2, "big")
    assert wire == bytes([0x88, len(data)]) + data
    assert hear(frame(CLOSE, data)) == events(Close(code))


# -- 9: sizes


@pytest.mark.parametrize("opcode", DATA)
@pytest.mark.parametrize("limit", [1, 125, 126, 1000, 65_535, 65_536, 70_000])
def test_a_message_at_the_limit_is_taken_and_one_byte_more_is_refused_by_its_length(opcode: int, limit: int) -> None:
    said = message(opcode, limit)
    assert hear(frame(opcode, payload(said)), max_bytes=limit) == events(said)
    over = frame(opcode, bytes(limit + 1))
    assert hear(over, frame(TEXT, b""), max_bytes=limit) == TOO_LARGE
    head = over[: len(over) - limit - 1 - 4]
    assert hear(head, max_bytes=limit) == TOO_LARGE, "before its mask or its payload is there"
    assert hear(head[:-1], max_bytes=limit) == events()


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 63) - 1])
def test_a_length_beyond_all_measure_costs_nothing(length: int) -> None:
    assert hear(b"\x82\xff" + length.to_bytes(8, "big") + MASK) == TOO_LARGE


@pytest.mark.parametrize("opcode", DATA)
def test_fragments_must_not_add_up_to_more_than_the_limit(opcode: int) -> None:
    at_limit = fragments(opcode, b"a" * 60, b"", b"b" * 39, b"c")
    assert len(hear(*at_limit, *at_limit, max_bytes=100).events) == 2
    over = fragments(opcode, b"a" * 60, b"b" * 40, b"c")
    assert hear(*over, max_bytes=100) == TOO_LARGE
    assert hear(*over[:2], over[2][:2], max_bytes=100) == TOO_LARGE, "as soon as the length is there"
    assert hear(*over[:2], frame(CONTINUATION, b""), max_bytes=100).refused is None, "an empty one adds nothing"


def test_control_frames_do_not_count() -> None:
    ping = frame(PING, bytes(125))
    first, second = fragments(BINARY, b"a" * 60, b"b" * 40)
    assert hear(ping, first, ping, ping, second, ping, max_bytes=100) == events(
        *[Ping(bytes(125))] * 3, b"a" * 60 + b"b" * 40, Ping(bytes(125))
    )
    assert hear(ping, max_bytes=0) == events(Ping(bytes(125)))


def test_where_nothing_may_be_said_an_empty_message_still_may() -> None:
    assert hear(frame(TEXT, b""), frame(BINARY, b"a"), max_bytes=0) == Heard(("",), CloseCode.TOO_LARGE)


def test_a_refusal_is_a_protocol_error_that_says_why_and_not_what_was_sent() -> None:
    for wire in (frame(TEXT, b"secret\xff"), frame(3, b"secret"), frame(TEXT, b"secret" * 40), frame(CLOSE, b"s")):
        receiver = Receiver(100)
        receiver.feed(wire)
        with pytest.raises(FrameError) as raised:
            receiver.next()
        assert isinstance(raised.value, ProtocolError)
        assert "secret" not in str(raised.value)
        assert str(raised.value)
