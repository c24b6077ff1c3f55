"""Everything that reads what strangers send, as targets: good inputs, what may be refused and how, and what must hold
for whatever is accepted."""

import base64
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import settings
from protocol import Frame, ProtocolError, engineio, socketio, strict_json
from rooms import model
from rooms.model import MESSAGE_CLASSES, MemberId
from tests.fuzz.bounds import MEMORY, Mistake
from tests.fuzz.mutation import Input, as_text


@dataclass(frozen=True)
class Target:
    """`read` is given a whole input; it raises one of `refusals` or nothing. `bytes_per_byte`: the memory that it may
    need at its peak, as a multiple of the input; `short`: inputs of a short run."""

    name: str
    corpus: tuple[Input, ...]
    read: Callable[[Input], None]
    refusals: tuple[type[Exception], ...]
    bytes_per_byte: int = 20
    memory: int = MEMORY
    short: int = 1500


def must(holds: bool, what: str) -> None:
    """A mistake where it does not hold; an assertion could be a decoder's own."""
    if not holds:
        raise Mistake(what)


def text_of(frame: Frame) -> str:
    return frame if isinstance(frame, str) else as_text(frame)


def bytes_of(frame: Frame) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


# What is on the wire, as the official clients send it.
SOCKET_IO: tuple[Input, ...] = (
    ("0",),
    ('0{"token":"123"}',),
    ("0/admin,", "1/admin,", "0/admin"),
    ('0/admin,{"token":"123"}', '2/admin,13["bar",{"a":[1,2.5,-3e2,"\\u00e4",null,true,false]}]'),
    ('2["hey","Jude"]', '212["foo"]', '2[7,"a number for a name"]'),
    ('312["bar"]', "312[]", '3/admin,13["bar"]'),
    ('51-["baz",{"_placeholder":true,"num":0}]', b"\1\2\3\4"),
    ('52-/admin,["baz",{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]', b"", b"\xff" * 300),
    ('51-789["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', b"twice"),
    ('61-15["bar",{"_placeholder":true,"num":0}]', b"\0", "1"),
    ('4{"message":"Not authorized"}',),
    ("1",),
)
ENGINE_IO: tuple[Input, ...] = (
    *((f"4{frame}" if isinstance(frame, str) else frame,) for frames in SOCKET_IO for frame in frames),
    ('0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}',),
    *((frame,) for frame in ("1", "2", "2probe", "3probe", "5", "6", "4", b"", b"\x1e")),
)
PAYLOADS: tuple[Input, ...] = (
    *ENGINE_IO,
    ("4hello\x1e2\x1e4world",),
    ("4hello\x1ebAQIDBA==",),
    ("b\x1eb\x1e1\x1e4after the end",),
    ('451-["baz",{"_placeholder":true,"num":0}]\x1ebAQIDBA==\x1e40\x1e3',),
    ("\x1e".join(["4" + "x" * 50] * 200),),
)
JSON: tuple[Input, ...] = (
    *((frame.lstrip("0123456789-/admin,"),) for frames in SOCKET_IO for frame in frames if isinstance(frame, str)),
    ('{"member":"A","proof":"B","user":"C","since":{"epoch":"D","id":9007199254740991},"site":"E"}',),
    (' [ 1 , {"a" : [ ] } , "\\ud83d\\ude00" , 1.5e-7 , -0 ] ',),
)


def read_packets(frames: Input) -> None:
    for frame in frames:
        packet = engineio.decode(frame)
        must(engineio.encode(packet) == frame, "encoded again it is another frame")


def read_payloads(frames: Input) -> None:
    for frame in frames:
        packets = list(engineio.decode_payload(text_of(frame)))
        again = engineio.encode_payload(engineio.encode(packet) for packet in packets)
        must(list(engineio.decode_payload(again)) == packets, "encoded again it has other packets")


def read_messages(frames: Input) -> None:
    decoder = socketio.Decoder(max_bytes=1000)
    for frame in frames:
        packet = decoder.feed(frame)
        if packet is None:
            continue
        try:
            encoded = socketio.encode(packet)
        except ValueError as error:
            # What may be received may hold one attachment any number of times, and no packet sent has more than ten.
            must("attachments" in str(error), str(error))
            continue
        other = socketio.Decoder(max_bytes=10_000_000)
        again = [other.feed(frame if isinstance(frame, bytes) else frame[1:]) for frame in encoded]
        must(again[-1] == packet, "encoded again it is another packet")


def read_json(frames: Input) -> None:
    for frame in frames:
        value = strict_json.load(text_of(frame))
        must(strict_json.load(strict_json.dump(value)) == value, "dumped and loaded it is another value")


def read_base64url(frames: Input) -> None:
    for frame in frames:
        data = model.from_base64url(text_of(frame))
        must(model.to_base64url(data) == text_of(frame), "a second spelling of the same bytes")


def read_ciphertexts(frames: Input) -> None:
    for frame in frames:
        data = bytes_of(frame)
        message = model.parse_message(MemberId("m"), data)
        must(base64.urlsafe_b64decode(message.ciphertext + "==") == data, "a message of other bytes")
        must(len(data) - 28 in MESSAGE_CLASSES, "a size that no class has")
        model.parse_ciphertext(data, model.PERSON_CLASSES)


def read_configuration(frames: Input) -> None:
    """The first is a file, the others are variables: a name, and after the equals sign a value."""
    with tempfile.NamedTemporaryFile(prefix="chatsite-fuzz-") as file:
        path = Path(file.name)
        path.write_bytes(bytes_of(frames[0]) if frames else b"")
        variables = (os.fsdecode(bytes_of(frame)).partition("=") for frame in frames[1:])
        # What an environment cannot hold is nobody's to send.
        environment = {name: value for name, _, value in variables if "\0" not in name + value}
        try:
            chosen = settings.load(path, environment, {})
        except settings.SettingsError as error:
            must(len(str(error).splitlines()) == 1, "a refusal of more than one line")
            raise
        again = settings.load(None, {}, {"port": str(chosen.port), "ip": chosen.ip})
        must((again.port, again.ip) == (chosen.port, chosen.ip), "the same values are not allowed a second time")


CONFIGURATIONS: tuple[Input, ...] = (
    ((Path(settings.__file__).parent / "config" / "chatsite.toml").read_bytes(),),
    (b'ip = "::1"\nport = 0\nallowed_origins = ["https://a.example"]\nlog_size = 5\n', "CHATSITE_PORT=8000"),
    (b"", "CHATSITE_GRACE_TIME=1.5", "CHATSITE_BEHIND_PROXY=true", "CHATSITE_FILTER_LINKS=://, www."),
    (
        b"",
        "CHATSITE_IP=chat.example",
        "CHATSITE_FILTER_PUNCTUATION=!?",
        "CHATSITE_EVENTS_PER_ROOM=1e3, 5",
        "HOME=/root",
    ),
    (b"port = 0x10", "CHATSITE_PORT=1"),
    (b'a.b = "c"\n',),
    (b'"a b" = 5\n', "CHATSITE_A B=5"),
    (b"message_ttl = 0b1\nlabel_link = '''x'''", "CHATSITE_LOG_SIZE=1"),
    (b"", "CHATSITE_TLS_CERTIFICATE=/a.pem", "CHATSITE_TLS_KEY=/b.pem", "CHATSITE_ALLOWED_ORIGINS=http://b"),
)

DECODERS = (
    Target("engineio.decode", ENGINE_IO, read_packets, (ProtocolError,)),
    Target("engineio.decode_payload", PAYLOADS, read_payloads, (ProtocolError,), bytes_per_byte=200),
    Target("socketio.Decoder", SOCKET_IO, read_messages, (ProtocolError,), bytes_per_byte=200),
    Target("strict_json.load", JSON, read_json, (ProtocolError,), bytes_per_byte=200),
    Target("from_base64url", (("",), ("AQIDBA",), ("-_" * 32,)), read_base64url, (ValueError,)),
    Target(
        "parse_message",
        tuple((bytes(size + 28),) for size in (*MESSAGE_CLASSES[:3], 511, MESSAGE_CLASSES[-1])),
        read_ciphertexts,
        (model.Refused,),
    ),
    Target(
        "settings.load", CONFIGURATIONS, read_configuration, (settings.SettingsError,), bytes_per_byte=400, short=500
    ),
)
