"""WebSocket frames of any kind, cut and mixed in any way: what is heard is what was said, for us and for others'
implementations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tornado.util import _websocket_mask
from websockets.client import ClientProtocol
from websockets.frames import Frame as OtherFrame
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from wsproto.frame_protocol import FrameProtocol, ParseFailed
from wsproto.frame_protocol import Opcode as WsprotoOpcode

from protocol import Frame
from protocol.websocket import (
    Close,
    CloseCode,
    Event,
    Ping,
    encode,
    encode_close,
    encode_pong,
    unmask,
)
from tests.properties import quick
from tests.protocol.listening import Heard, chopped, cut, listen
from tests.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame

CODES = [*range(1000, 1004), *range(1007, 1015), 3000, 4999]
BAD_GATEWAY = 1014

places = st.lists(st.integers(0, 300), max_size=6)
"""Where something is cut."""
WIDE = {0: 0, 2: 126, 8: 127}
"""What stands instead of a length of so many bytes."""

masks = st.binary(min_size=4, max_size=4)
control_data = st.binary(max_size=125)
lengths = st.sampled_from([0, 1, 124, 125, 126, 127, 65_535, 65_536])
messages = st.text(max_size=60) | st.binary(max_size=200) | lengths.map(bytes) | lengths.map("x".__mul__)
closes = st.none() | st.builds(Close, st.sampled_from(CODES) | st.none())
maskings = pytest.mark.parametrize("unmask", [unmask, _websocket_mask], ids=["ours", "tornado"])


@dataclass(frozen=True)
class Said:
    """What a client says: on the wire, and as what it must be heard. `pings` are on the wire, too."""

    wire: bytes
    events: tuple[Event, ...]


@st.composite
def control(draw: st.DrawFn) -> Said:
    data = draw(control_data)
    if draw(st.booleans()):
        return Said(frame(PING, data, mask=draw(masks)), (Ping(data),))
    return Said(frame(PONG, data, mask=draw(masks)), ())


@st.composite
def message(draw: st.DrawFn) -> Said:
    """One message in any fragments, with any control frames in between."""
    whole = draw(messages)
    opcode = BINARY if isinstance(whole, bytes) else TEXT
    pieces = cut(whole if isinstance(whole, bytes) else whole.encode(), draw(places))
    said = []
    for at, piece in enumerate(pieces):
        if at:
            said += draw(st.lists(control(), max_size=2))
        data = frame(opcode if at == 0 else 0, piece, fin=at == len(pieces) - 1, mask=draw(masks))
        said.append(Said(data, (whole,) if at == len(pieces) - 1 else ()))
    return together(said)


@st.composite
def speeches(draw: st.DrawFn) -> Said:
    """All that a client says, perhaps to its close."""
    said = draw(st.lists(message() | control(), max_size=6))
    close = draw(closes)
    if close is not None:
        reason = b"" if close.code is None else close.code.to_bytes(2, "big") + draw(st.text(max_size=30)).encode()
        said.append(Said(frame(CLOSE, reason, mask=draw(masks)), (close,)))
        said.append(Said(draw(st.binary(max_size=30)), ()))
    return together(said)


def together(several: Sequence[Said]) -> Said:
    return Said(b"".join(said.wire for said in several), tuple(chain.from_iterable(said.events for said in several)))


@st.composite
def wild(draw: st.DrawFn, names: Sequence[int] = range(256), sizes: Sequence[int] = tuple(WIDE)) -> bytes:
    """A frame that is right or wrong in any part of its head."""
    size = draw(st.sampled_from(sizes))
    data = draw(st.binary(max_size=140) | st.text(max_size=20).map(str.encode) | st.sampled_from(CODES).map(two_bytes))
    data = data if size else data[:125]
    masked = 0x80 * draw(st.integers(0, 20).map(bool))
    head = bytes([draw(st.sampled_from(names)), masked | (WIDE[size] or len(data))])
    mask = draw(masks) if masked else b""
    return head + (len(data).to_bytes(size, "big") if size else b"") + mask + (unmask(mask, data) if mask else data)


def two_bytes(code: int) -> bytes:
    return code.to_bytes(2, "big")


USUAL = [fin | opcode for fin in (0, 0x80) for opcode in (0, TEXT, BINARY)] + [0x88, 0x89, 0x8A]
frames = st.lists(wild() | wild(USUAL, (0,)) | message().map(lambda said: said.wire), max_size=8).map(b"".join)
"""Whole ones."""
anything = st.one_of(
    st.binary(max_size=300),
    frames,
    st.tuples(frames, st.binary(max_size=20)).map(b"".join),
    st.tuples(frames, st.integers(0, 300)).map(lambda parts: parts[0][: parts[1]]),
)


# -- what is heard is what was said


@maskings
@quick
@given(speeches(), places)
def test_what_is_heard_is_what_was_said(unmask: Callable[[bytes, bytes], bytes], said: Said, ends: list[int]) -> None:
    assert listen(cut(said.wire, ends), unmask=unmask) == Heard(said.events)


@quick
@given(speeches())
def test_byte_by_byte_too(said: Said) -> None:
    wire = said.wire[:3000]
    assert listen(chopped(wire, 1)) == listen([wire])


@quick
@given(anything, places, st.sampled_from([0, 1, 50, 100_000]))
def test_anything_at_all_is_heard_or_refused_and_in_pieces_it_is_the_same(
    wire: bytes, ends: list[int], max_bytes: int
) -> None:
    heard = listen([wire], max_bytes)
    assert listen(cut(wire, ends), max_bytes) == heard
    assert all(len(payload(event)) <= max_bytes for event in heard.events if isinstance(event, str | bytes))
    if heard.refused is not None:
        assert heard.refused in {CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA, CloseCode.TOO_LARGE}


@quick
@given(anything, st.binary(max_size=50))
def test_what_comes_later_changes_nothing_of_what_came_before(wire: bytes, more: bytes) -> None:
    before, after = listen([wire]), listen([wire, more])
    assert after.events[: len(before.events)] == before.events
    if before.refused is not None or (before.events and isinstance(before.events[-1], Close)):
        assert after == before


@quick
@given(masks, st.binary(max_size=300) | lengths.map(bytes))
def test_all_ways_to_take_a_mask_off_agree(mask: bytes, data: bytes) -> None:
    plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    assert unmask(mask, data) == _websocket_mask(mask, data) == plain


def payload(said: Frame) -> bytes:
    return said.encode() if isinstance(said, str) else said


# -- others' implementations


def other_client(max_size: int | None = None) -> ClientProtocol:
    """The client of the package `websockets`, without a line."""
    return ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=max_size)


@quick
@given(st.lists(messages | st.builds(Ping, control_data), max_size=6), st.none() | st.sampled_from(CloseCode), places)
def test_another_client_hears_what_we_say(
    said: list[str | bytes | Ping], code: CloseCode | None, ends: list[int]
) -> None:
    wire = b"".join(encode_pong(event.data) if isinstance(event, Ping) else encode(event) for event in said)
    client = other_client()
    for piece in cut(wire + encode_close(code), ends):
        if piece:  # an empty one would be the end of its line
            client.receive_data(piece)
    assert client.parser_exc is None
    *heard, close = client.events_received()
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == (code or 1005)
    assert isinstance(close, OtherFrame)
    assert [spoken(each) for each in heard if isinstance(each, OtherFrame)] == said


def spoken(other: OtherFrame) -> str | bytes | Ping:
    """What we said, if this is what the other made of it."""
    assert other.fin
    match other.opcode:
        case Opcode.PONG:
            return Ping(bytes(other.data))
        case Opcode.TEXT:
            return bytes(other.data).decode()
        case Opcode.BINARY:
            return bytes(other.data)
        case _:
            raise AssertionError(other)


@quick
@given(st.lists(messages | st.builds(Ping, control_data), max_size=6), closes, places)
def test_we_hear_what_another_client_says(said: list[str | bytes | Ping], close: Close | None, ends: list[int]) -> None:
    client = other_client()
    for each in said:
        if isinstance(each, Ping):
            client.send_ping(each.data)
        else:
            say(client, each, ends)
        client.send_pong(b"unasked")
    if close is not None:
        client.send_close(close.code, "" if close.code is None else "a reason")
    wire = b"".join(client.data_to_send())
    assert listen(cut(wire, ends)) == Heard((*said, *([close] if close else [])))


def say(client: ClientProtocol, message: Frame, ends: list[int]) -> None:
    """In fragments."""
    first, *others = cut(payload(message), ends)
    send = client.send_text if isinstance(message, str) else client.send_binary
    send(first, fin=not others)
    for left, piece in zip(range(len(others) - 1, -1, -1), others, strict=True):
        client.send_continuation(piece, fin=left == 0)


@quick
@given(frames)
def test_another_server_hears_and_refuses_the_same(wire: bytes) -> None:
    """wsproto keeps the rules that we keep, but stops at the first wrong byte of a text and not at its end."""
    ours, other = listen([wire]), heard_by_wsproto(wire)
    assume(Close(BAD_GATEWAY) not in ours.events)  # registered since, and not known to wsproto
    if other.refused is CloseCode.INVALID_DATA:
        assert ours.events[: len(other.events)] == other.events
        assert all(isinstance(event, Ping | Close) for event in ours.events[len(other.events) :])
    else:
        assert ours == other


def heard_by_wsproto(wire: bytes) -> Heard:
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(wire)
    events: list[Event] = []
    pieces: list[bytes] = []
    try:
        for each in server.received_frames():
            data = each.payload
            if isinstance(data, tuple):
                events.append(Close(None if data[0] == 1005 else int(data[0])))
            elif each.opcode is WsprotoOpcode.PING:
                assert isinstance(data, bytes)
                events.append(Ping(data))
            elif each.opcode is not WsprotoOpcode.PONG:
                pieces.append(data.encode() if isinstance(data, str) else bytes(data))
                if each.message_finished:
                    whole = b"".join(pieces)
                    events.append(whole.decode() if isinstance(data, str) else whole)
                    pieces = []
    except ParseFailed as error:
        return Heard(tuple(events), CloseCode(error.code))
    return Heard(tuple(events))
