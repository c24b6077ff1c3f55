"""Socket.IO packets against the specification's examples, as the inverse of themselves, and against hostile peers."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol import Frame, Json, ProtocolError
from protocol.socketio import MAX_ATTACHMENTS, RESERVED_EVENTS, Decoder, Packet, PacketType, encode
from tests.properties import quick
from tests.protocol.test_strict_json import json_values

CONNECT, DISCONNECT, EVENT = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT
ACK, CONNECT_ERROR = PacketType.ACK, PacketType.CONNECT_ERROR

EXAMPLES: list[tuple[Packet, list[Frame]]] = [
    (Packet(CONNECT), ["40"]),
    (Packet(CONNECT, data={"token": "123"}), ['40{"token":"123"}']),
    (Packet(CONNECT, "/admin"), ["40/admin,"]),
    (Packet(CONNECT, "/admin", data={"token": "123"}), ['40/admin,{"token":"123"}']),
    (Packet(CONNECT, "/admin?token=1&a=b"), ["40/admin?token=1&a=b,"]),
    (Packet(DISCONNECT), ["41"]),
    (Packet(DISCONNECT, "/admin"), ["41/admin,"]),
    (Packet(EVENT, data=["hey", "Jude"]), ['42["hey","Jude"]']),
    (Packet(EVENT, "/admin", data=["x", {"a": [1]}]), ['42/admin,["x",{"a":[1]}]']),
    (Packet(EVENT, id=12, data=["foo"]), ['4212["foo"]']),
    (Packet(EVENT, id=0, data=["foo"]), ['420["foo"]']),
    (Packet(EVENT, data=[7, None]), ["42[7,null]"]),
    (Packet(EVENT, "/admin", 13, ["bar"]), ['42/admin,13["bar"]']),
    (Packet(ACK, id=12, data=["bar"]), ['4312["bar"]']),
    (Packet(ACK, "/admin", 13, ["bar"]), ['43/admin,13["bar"]']),
    (Packet(ACK, id=12, data=[]), ["4312[]"]),
    (Packet(CONNECT_ERROR, data={"message": "no", "data": {"a": 1}}), ['44{"message":"no","data":{"a":1}}']),
    (
        Packet(CONNECT_ERROR, "/random", data={"message": "Invalid namespace"}),
        ['44/random,{"message":"Invalid namespace"}'],
    ),
    (
        Packet(EVENT, data=["baz", b"\x01\x02\x03\x04"]),
        ['451-["baz",{"_placeholder":true,"num":0}]', b"\x01\x02\x03\x04"],
    ),
    (
        Packet(EVENT, "/admin", 789, ["m", {"a": [b"x", {"b": b""}]}]),
        [
            '452-/admin,789["m",{"a":[{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]}]',
            b"x",
            b"",
        ],
    ),
    (Packet(ACK, id=15, data=["bar", b"y"]), ['461-15["bar",{"_placeholder":true,"num":0}]', b"y"]),
]

values = st.recursive(
    json_values | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
names = st.text(max_size=8).filter(lambda name: name not in RESERVED_EVENTS) | st.integers()
namespaces = st.just("/") | st.text(max_size=8).map(lambda text: "/" + text.replace(",", ""))
ids = st.integers(0, 10**15 - 1)
packets = st.one_of(
    st.builds(
        Packet, st.just(CONNECT), namespaces, st.none(), st.none() | st.dictionaries(st.text(max_size=4), json_values)
    ),
    st.builds(Packet, st.just(DISCONNECT), namespaces, st.none(), st.none()),
    st.builds(
        Packet,
        st.just(EVENT),
        namespaces,
        st.none() | ids,
        st.tuples(names, st.lists(values, max_size=4)).map(lambda parts: [parts[0], *parts[1]]),
    ),
    st.builds(Packet, st.just(ACK), namespaces, ids, st.lists(values, max_size=4)),
    st.builds(
        Packet, st.just(CONNECT_ERROR), namespaces, st.none(), st.fixed_dictionaries({"message": st.text(max_size=8)})
    ),
)


def feed(decoder: Decoder, frames: list[Frame]) -> Packet | None:
    """Hands a decoder what Engine.IO would: texts without their message type. Only the last may complete a packet."""
    for frame in frames[:-1]:
        assert decoder.feed(frame if isinstance(frame, bytes) else frame[1:]) is None
    last = frames[-1]
    return decoder.feed(last if isinstance(last, bytes) else last[1:])


def refused(*messages: Frame, max_bytes: int = 1000) -> bool:
    """Whether the last of these is refused and those before it are not."""
    decoder = Decoder(max_bytes)
    for message in messages[:-1]:
        decoder.feed(message)
    with pytest.raises(ProtocolError):
        decoder.feed(messages[-1])
    return True


def survives(messages: list[Frame]) -> bool:
    """Whether they are read as packets or refused as a breach of the protocol, and nothing else happens."""
    decoder = Decoder(5)
    try:
        return all(isinstance(decoder.feed(message), Packet | None) for message in messages)
    except ProtocolError:
        return True


def attachments_in(data: Json) -> int:
    if isinstance(data, bytes):
        return 1
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return sum(map(attachments_in, children))


@pytest.mark.parametrize(("packet", "frames"), EXAMPLES)
def test_a_packet_is_written_and_read_as_the_specification_has_it(packet: Packet, frames: list[Frame]) -> None:
    assert encode(packet) == frames
    assert feed(Decoder(1000), frames) == packet


@quick
@given(packets)
def test_decode_undoes_encode(packet: Packet) -> None:
    assume(attachments_in(packet.data) <= MAX_ATTACHMENTS)
    decoder = Decoder(1000)
    assert feed(decoder, encode(packet)) == packet
    assert feed(decoder, encode(packet)) == packet, "a decoder is used for packet after packet"


@quick
@given(
    st.text(st.sampled_from('0123456-/,?"[]{}:aN.e\n')) | st.text(),
    st.lists(st.binary(max_size=3) | st.text(st.sampled_from('0123456-/,"[]{}')), max_size=3),
)
def test_garbage_is_a_packet_or_a_protocol_error(first: str, more: list[Frame]) -> None:
    assert survives([first, *more])


@quick
@given(packets, st.integers(0), st.characters())
def test_a_packet_with_one_character_changed_is_a_packet_or_a_protocol_error(
    packet: Packet, at: int, character: str
) -> None:
    assume(attachments_in(packet.data) <= MAX_ATTACHMENTS)
    text, *attachments = encode(packet)
    assert isinstance(text, str)
    position = 1 + at % (len(text) - 1)
    assert survives([text[1:position] + character + text[position + 1 :], *attachments])


# -- the head


@pytest.mark.parametrize("text", ["", "7", "9[]", "x", "-", "/", '["a"]', " 2", "４", "\x00", '2x["a"]', "4", "20x"])
def test_what_begins_with_no_packet_type_or_ends_too_early_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("0/ns", "/ns"),
        ("0/ns,", "/ns"),
        ("0/,", "/"),
        ("0/", "/"),
        ("0/a/b?c=d#e,", "/a/b?c=d#e"),
        ('0/ns{"a":1}', '/ns{"a":1}'),
        ("0/näme", "/näme"),
        ("0/a\nb", "/a\nb"),
    ],
)
def test_a_namespace_goes_to_the_comma_or_to_the_end(text: str, namespace: str) -> None:
    assert Decoder(0).feed(text) == Packet(CONNECT, namespace)


@pytest.mark.parametrize("digits", ["0", "12", "007", "9" * 15])
def test_an_ack_id_is_decimal(digits: str) -> None:
    assert Decoder(0).feed(f'2{digits}["a"]') == Packet(EVENT, id=int(digits), data=["a"])
    assert Decoder(0).feed(f'2/n,{digits}["a"]') == Packet(EVENT, "/n", int(digits), ["a"])


@pytest.mark.parametrize("digits", ["9" * 16, "1" * 5000, "-1", "1.5", "1e3", "٣", "0x1"])
def test_an_ack_id_that_javascript_cannot_count_to_is_refused(digits: str) -> None:
    assert refused(f'2{digits}["a"]')


@pytest.mark.parametrize("text", ["3[]", '3["a"]', "3/n,[]"])
def test_an_ack_needs_an_id(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", ["012", '012{"a":1}', "112", "0/n,12", '412{"message":"x"}'])
def test_an_id_stands_on_events_and_acks_only(text: str) -> None:
    assert refused(text)


# -- payloads


@pytest.mark.parametrize(
    "text",
    [
        *("0[]", '0"x"', "0null", "0true", "0/n,[]"),
        *("1{}", "1[]", "1null", '1"x"', "1/n,{}"),
        *("2", "2[]", "2{}", '2"a"', "2null", "2[null]", "2[{}]", "2[[]]", "2[true]", "2/n,", "21", '2{"0":"a"}'),
        *("31", "31{}", '31"a"', "31null"),
        *("4", "4[]", "41", "4null", "4/n,"),
        *('2["a"', '2["a"]]', '2["a"]x', "2['a']", '2["a",]', '2["a",undefined]'),
        *('2["a",NaN]', '2["a",Infinity]', '2["a",-Infinity]', '2["a",1e999]', '2["a",' + "1" * 4301 + "]"),
        *("31[NaN]", '0{"a":NaN}', '2["a","\ud800'),
    ],
)
def test_a_payload_of_the_wrong_shape_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_a_reserved_event_is_neither_received_nor_sent(name: str) -> None:
    assert refused(f'2["{name}"]')
    assert refused(f'51-["{name}",{{"_placeholder":true,"num":0}}]')
    with pytest.raises(ValueError, match="reserved"):
        encode(Packet(EVENT, data=[name]))


@pytest.mark.parametrize("name", ["message", "error", "ping", "Connect", "", "toString", "__proto__"])
def test_other_names_are_free(name: str) -> None:
    assert Decoder(0).feed(f'2["{name}"]') == Packet(EVENT, data=[name])


def test_lone_surrogates_can_be_echoed() -> None:
    packet = Decoder(0).feed('2["\\ud800","\\udc00\\ud800"]')
    assert packet is not None
    assert encode(packet) == ['42["\\ud800","\\udc00\\ud800"]']


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(Packet(EVENT, data=["a", value]))


@pytest.mark.parametrize("kind", ['2["a",', "31[", '51-["a",'])
def test_deep_nesting_is_a_packet_or_a_protocol_error_also_when_it_is_echoed(kind: str) -> None:
    outcomes = set()
    for depth in (10, *range(100, 1500, 50), 100_000):
        decoder = Decoder(1000)
        try:
            packet = decoder.feed(kind + "[" * depth + '{"_placeholder":true,"num":0}' + "]" * depth + "]")
            packet = packet or decoder.feed(b"x")
            assert packet is not None
            assert len(encode(packet)[0]) > 2 * depth
            outcomes.add("echoed")
        except ProtocolError:
            outcomes.add("refused")
    assert outcomes == {"echoed", "refused"}


# -- attachments


@pytest.mark.parametrize("count", ["0", "00", "11", "100", "9999", "10000", "", "-1", "1.0", "x", " 1", "１"])
@pytest.mark.parametrize("kind", ['5{}-["a"]', "6{}-1[]"])
def test_a_binary_packet_announces_one_to_ten_attachments(kind: str, count: str) -> None:
    assert refused(kind.format(count))


@pytest.mark.parametrize("text", ['5["a"]', '5/n,["a"]', "61[]", '51["a"]', '21-["a"]', "01-", "11-", "31-1[]"])
def test_attachments_are_announced_by_binary_packets_and_no_others(text: str) -> None:
    assert refused(text)


def test_ten_attachments_are_received_and_sent() -> None:
    data = ["a", *(bytes([number]) for number in range(10))]
    frames = encode(Packet(EVENT, data=data))
    assert len(frames) == 11
    assert feed(Decoder(10), frames) == Packet(EVENT, data=data)


def test_eleven_attachments_are_never_sent() -> None:
    with pytest.raises(ValueError, match="11 attachments"):
        encode(Packet(ACK, id=1, data=[bytes([number]) for number in range(11)]))


def test_what_a_peer_repeats_a_thousand_times_is_echoed_as_it_came() -> None:
    placeholder = '{"_placeholder":true,"num":0}'
    text = f'51-["a",{",".join([placeholder] * 1000)}]'
    packet = feed(Decoder(100), [f"4{text}", b"x" * 100])
    assert packet is not None
    assert packet.data == ["a", *[b"x" * 100] * 1000]
    assert encode(packet) == [f"4{text}", b"x" * 100]


def test_an_attachment_that_nothing_announced_is_refused() -> None:
    assert refused(b"x")
    assert refused('2["a"]', b"x")
    assert refused('51-["a",{"_placeholder":true,"num":0}]', b"x", b"y")


def test_a_text_while_attachments_are_due_is_refused() -> None:
    assert refused('51-["a"]', '2["a"]')
    assert refused('52-["a"]', b"x", '2["a"]')


@pytest.mark.parametrize(("first", "second", "fits"), [(6, 4, True), (6, 5, False), (10, 0, True), (0, 11, False)])
def test_the_attachments_of_a_packet_are_bounded_together(first: int, second: int, *, fits: bool) -> None:
    decoder = Decoder(10)
    assert decoder.feed('52-["a"]') is None
    assert decoder.feed(bytes(first)) is None
    if fits:
        assert decoder.feed(bytes(second)) == Packet(EVENT, data=["a"])
        assert decoder.feed('51-["b"]') is None
        assert decoder.feed(bytes(10)) == Packet(EVENT, data=["b"]), "the bound is for each packet anew"
    else:
        with pytest.raises(ProtocolError):
            decoder.feed(bytes(second))


def test_placeholders_may_be_nested_repeated_unordered_and_unused() -> None:
    decoder = Decoder(100)
    assert (
        decoder.feed(
            '53-["a",{"x":[{"_placeholder":true,"num":2}]},{"num":0,"_placeholder":true},{"_placeholder":true,"num":2}]'
        )
        is None
    )
    assert decoder.feed(b"zero") is None
    assert decoder.feed(b"one") is None
    assert decoder.feed(b"two") == Packet(EVENT, data=["a", {"x": [b"two"]}, b"zero", b"two"])


@pytest.mark.parametrize(
    "placeholder",
    [
        *('{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}', '{"_placeholder":true,"num":"0"}'),
        *('{"_placeholder":true,"num":true}', '{"_placeholder":true,"num":0.5}', '{"_placeholder":true,"num":null}'),
        *('{"_placeholder":true}', '{"_placeholder":true,"num":[0]}', '{"_placeholder":true,"num":1e3}'),
    ],
)
def test_a_placeholder_that_points_nowhere_is_refused(placeholder: str) -> None:
    assert refused(f'51-["a",{placeholder}]', b"x")
    assert refused(f'61-1[{{"deep":[{placeholder}]}}]', b"x")


@pytest.mark.parametrize(
    "data", [{"_placeholder": False, "num": 0}, {"_placeholder": 1, "num": 0}, {"num": 0}, {"_placeholder": "true"}]
)
def test_what_only_looks_like_a_placeholder_is_data(data: Json) -> None:
    assert feed(Decoder(100), encode(Packet(EVENT, data=["a", data, b"x"]))) == Packet(EVENT, data=["a", data, b"x"])


def test_a_placeholder_in_a_packet_without_attachments_is_data() -> None:
    assert Decoder(0).feed('2["a",{"_placeholder":true,"num":7}]') == Packet(
        EVENT, data=["a", {"_placeholder": True, "num": 7}]
    )


# -- what is sent


def test_the_ack_of_bytes_is_a_binary_ack() -> None:
    assert encode(Packet(ACK, "/n", 3, [b"x"])) == ['461-/n,3[{"_placeholder":true,"num":0}]', b"x"]


def test_tuples_are_written_as_lists() -> None:
    assert encode(Packet(EVENT, data=["a", (b"x", 1)])) == ['451-["a",[{"_placeholder":true,"num":0},1]]', b"x"]
