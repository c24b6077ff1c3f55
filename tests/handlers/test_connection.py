"""One client's connection, with a transport and a clock that the test holds: Socket.IO's rules of conduct."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from handlers.client import Client
from handlers.connection import Connection
from handlers.connections import Connections
from protocol import Frame
from protocol.namespace import Departure, Namespace
from protocol.session import CloseReason, Timing, Via
from tests.fakes import Echo, FakeClock, FakeTransport

TIMING = Timing(
    ping_interval=25, ping_timeout=20, connect_timeout=45, upgrade_timeout=10, max_payload=1000, outbox_bytes=1000
)


class Line:
    """A client with a line to a server of its own: `says` hands frames in, the answer is what came back."""

    def __init__(self, namespaces: Mapping[str, Namespace] | None = None, timing: Timing = TIMING) -> None:
        self.echo = Echo()
        self.clock = FakeClock()
        self.transport = FakeTransport()
        spoken = namespaces or {"/": self.echo}
        self.connections = Connections(
            lambda connection: Client(connection, spoken, timing.max_payload), timing, self.clock, at_most=2
        )
        self.connection: Connection = self.connections.open(self.transport, Via.WEBSOCKET)
        self.handshake = self.transport.taken()

    def says(self, *frames: Frame) -> list[Frame]:
        asyncio.run(self._receive(frames))
        return self.transport.taken()

    async def _receive(self, frames: tuple[Frame, ...]) -> None:
        for frame in frames:
            await self.connection.receive(frame, self.transport)

    @property
    def events(self) -> list[tuple[object, ...]]:
        """What the namespace was asked, without how the client came."""
        return [entry for entry in self.echo.diary if entry[0] not in {"authorize", "connected"}]


def joined() -> Line:
    line = Line()
    line.says("40")
    return line


def sid_in(frame: Frame) -> str:
    text = str(frame)
    sid = json.loads(text[text.index("{") :])["sid"]
    assert isinstance(sid, str)
    return sid


def ended(line: Line, reason: CloseReason) -> bool:
    """Whether it ended for this reason, once, and nothing of it is left."""
    return (
        line.transport.closed == [reason]
        and line.connection.session.closed is reason
        and line.connections.find(line.connection.session.sid) is None
        and line.clock.pending == 0
    )


# -- coming


def test_the_handshake_is_sent_before_anything_is_asked() -> None:
    line = Line()
    assert len(line.handshake) == 1
    assert sid_in(line.handshake[0]) == line.connection.session.sid
    assert line.connections.find(line.connection.session.sid) is line.connection


def test_a_client_is_told_its_id_before_it_gets_any_event() -> None:
    line = Line()
    told, welcome = line.says("40")
    assert str(told).startswith('40{"sid":"')
    assert welcome == '42["welcome"]'
    assert line.echo.diary == [("authorize", None), ("connected", sid_in(told))]


def test_the_two_ids_are_unguessable_and_have_nothing_in_common() -> None:
    line = Line()
    engine, socket = line.connection.session.sid, sid_in(line.says("40")[0])
    assert engine != socket
    assert len(engine) == len(socket) == 20
    assert len({Line().connection.session.sid for _ in range(20)}) == 20


def test_what_a_client_says_about_itself_reaches_the_namespace() -> None:
    line = Line()
    line.says('40{"token":"123"}')
    assert line.echo.diary[0] == ("authorize", {"token": "123"})


@pytest.mark.parametrize("namespace", ["/nowhere", "/nowhere?a=b", "/näme", "//", "/__proto__"])
def test_an_unknown_namespace_is_refused_and_the_connection_stays(namespace: str) -> None:
    line = Line()
    assert line.says(f"40{namespace},") == [f'44{namespace},{{"message":"Invalid namespace"}}']
    assert line.says("40")[1] == '42["welcome"]'


def test_a_namespace_may_refuse_with_a_message_and_the_connection_stays() -> None:
    line = Line({"/": Echo(refuse="Not today"), "/open": Echo()})
    assert line.says("40") == ['44{"message":"Not today"}']
    assert str(line.says("40/open,")[0]).startswith('40/open,{"sid":"')
    assert line.transport.closed == []


def test_who_was_refused_has_not_joined() -> None:
    line = Line({"/": Echo(refuse="Not today")})
    assert line.says("40", '42["a"]') == ['44{"message":"Not today"}']
    assert ended(line, CloseReason.FORCED_CLOSE)


@pytest.mark.parametrize("frame", ['42["a"]', '420["a"]', '430["a"]', "41", '44{"message":"x"}', '451-["a"]'])
def test_a_client_that_speaks_before_it_has_connected_is_closed_at_once(frame: str) -> None:
    line = Line()
    assert line.says(frame, b"") == []
    assert ended(line, CloseReason.FORCED_CLOSE)
    assert line.echo.diary == []


def test_a_namespace_is_joined_once() -> None:
    line = joined()
    assert line.says("40") == []
    assert ended(line, CloseReason.FORCED_CLOSE)
    assert line.events == [("disconnected", line.echo.sockets[0].id, Departure.LOST)]


def test_a_client_that_is_too_slow_to_be_told_its_id_never_was_there() -> None:
    line = Line()
    line.transport.open = False
    line.says("40/" + "x" * 1500, "40/" + "x" * 1500)
    assert line.says("40") == []
    assert ended(line, CloseReason.SLOW_CONSUMER)
    assert line.echo.diary == [("authorize", None)]


# -- talking


def test_events_arrive_in_order_with_their_arguments() -> None:
    line = joined()
    assert line.says('42["a",1]', '42["b",{"c":[null]}]', '42[7,"x"]') == []
    assert line.events == [("a", 1), ("b", {"c": [None]}), (7, "x")]


def test_an_ack_is_sent_if_one_was_asked_for_and_only_then() -> None:
    line = joined()
    assert line.says('4212["a","x"]', '42["b","y"]', '420["nothing"]') == ['4312["x"]', "430[]"]


def test_binary_events_arrive_and_are_answered_in_kind() -> None:
    line = joined()
    placeholder = '{"_placeholder":true,"num":0}'
    assert line.says(f'451-5["a",{placeholder}]', b"\x00\xff") == [f"461-5[{placeholder}]", b"\x00\xff"]
    assert line.says(f'451-["emit","b",{placeholder}]', b"z") == [f'451-["b",{placeholder}]', b"z"]


def test_what_is_emitted_during_an_event_precedes_its_ack() -> None:
    line = joined()
    assert line.says('421["emit","b",2]') == ['42["b",2]', '431["b",2]']


def test_acks_that_nobody_asked_for_are_ignored() -> None:
    line = joined()
    assert line.says('430["x"]', '439999["x"]', "461-1[]", b"x") == []
    assert line.says('421["a"]') == ["431[]"]


def test_namespaces_share_a_line_and_nothing_else() -> None:
    first, second = Echo(), Echo()
    line = Line({"/": first, "/two": second})
    line.says("40", "40/two,")
    assert line.says('42/two,3["a",1]') == ["43/two,3[1]"]
    assert first.sockets[0].id != second.sockets[0].id
    line.says("41")
    assert line.says('42/two,4["a",2]') == ["43/two,4[2]"], "the other one stays"
    assert first.diary[-1] == ("disconnected", first.sockets[0].id, Departure.LEFT)
    second.sockets[0].emit("news")
    assert line.transport.taken() == ['42/two,["news"]']


@pytest.mark.parametrize(
    "frame", ['42/two,["a"]', '43/two,1["a"]', "41/two,", '44/two,{"message":"x"}', '44{"message":"x"}']
)
def test_what_is_said_to_a_namespace_that_is_not_joined_or_by_the_wrong_side_closes(frame: str) -> None:
    line = joined()
    assert line.says(frame) == []
    assert ended(line, CloseReason.FORCED_CLOSE)


# -- nonsense


@pytest.mark.parametrize("frame", ["", "7", "b", "bAAAA", "x", "٤"])
def test_a_frame_that_is_no_packet_closes(frame: str) -> None:
    line = joined()
    line.says(frame)
    assert ended(line, CloseReason.PARSE_ERROR)


@pytest.mark.parametrize(
    "frame",
    [
        *("4", "47", "4x", '42"a"', "42{}", "42[]", '42["a"', '42["a",NaN]', '42["a",1e999]', "42[null]"),
        *('42["connect"]', '42["disconnect"]', "41{}", '450-["a"]', '4511-["a"]', '45["a"]', b"unannounced"),
        *("42" + "[" * 100_000, '42["a",' + "1" * 4301 + "]"),
    ],
)
def test_a_message_that_is_no_packet_closes(frame: Frame) -> None:
    line = joined()
    line.says(frame)
    assert ended(line, CloseReason.FORCED_CLOSE)


def test_attachments_beyond_the_largest_payload_close() -> None:
    line = joined()
    line.says('452-["a"]', bytes(600), bytes(401))
    assert ended(line, CloseReason.FORCED_CLOSE)


def test_an_echo_nested_too_deeply_closes_and_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    line = joined()
    assert line.says('421["deep"]') == []
    assert ended(line, CloseReason.FORCED_CLOSE)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_lone_surrogates_are_echoed_as_they_came() -> None:
    assert joined().says('421["a","\\ud800"]') == ['431["\\ud800"]']


def test_after_the_end_nothing_is_heard() -> None:
    line = joined()
    line.says("1")
    assert ended(line, CloseReason.TRANSPORT_CLOSE)
    assert line.says('42["a"]', "40", "2", "", "x") == []
    assert line.events == [("disconnected", line.echo.sockets[0].id, Departure.LOST)]


def test_a_client_that_pings_is_closed() -> None:
    line = joined()
    line.says("2")
    assert ended(line, CloseReason.TRANSPORT_ERROR)


@pytest.mark.parametrize("frame", ["0{}", "5", "6", "3", "3probe"])
def test_packets_without_a_meaning_here_are_ignored(frame: str) -> None:
    line = joined()
    assert line.says(frame) == []
    assert line.says('421["a"]') == ["431[]"]


def test_a_bug_met_by_one_event_ends_that_client_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    line = joined()
    other = FakeTransport()
    line.connections.open(other, Via.WEBSOCKET)
    assert line.says('421["fail"]') == []
    assert ended_beside_another(line, CloseReason.FORCED_CLOSE)
    assert other.closed == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert line.events[-1] == ("disconnected", line.echo.sockets[0].id, Departure.LOST)


def ended_beside_another(line: Line, reason: CloseReason) -> bool:
    return line.transport.closed == [reason] and line.clock.pending == 1


@pytest.mark.parametrize("frame", ["x", '42["a"', b"x"])
def test_a_client_that_breaks_the_protocol_is_no_error_of_ours(frame: Frame, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        joined().says(frame)
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


# -- going


def test_a_client_may_leave_a_namespace_and_come_back() -> None:
    line = joined()
    assert line.says("41") == []
    assert line.transport.closed == [], "with no namespace left it is the client that closes"
    told, welcome = line.says("40")
    assert welcome == '42["welcome"]'
    before, after = line.echo.sockets
    assert (sid_in(told), before.id != after.id) == (after.id, True)
    assert line.events == [("disconnected", before.id, Departure.LEFT)]
    before.emit("stale")
    before.disconnect()
    assert line.transport.taken() == [], "the socket that left is not the one that came"


def test_a_namespace_may_put_a_client_out() -> None:
    line = joined()
    line.echo.sockets[0].disconnect()
    assert line.transport.taken() == ["41"]
    assert line.events == [], "whoever puts it out knows"
    line.echo.sockets[0].disconnect()
    line.echo.sockets[0].emit("stale")
    assert line.transport.taken() == []
    assert line.transport.closed == []
    line.connection.close(CloseReason.TRANSPORT_CLOSE)
    assert line.events == []


def test_a_client_that_is_put_out_by_its_own_event_gets_no_ack() -> None:
    assert joined().says('421["out"]') == ["41"]


def test_a_client_that_is_too_slow_to_be_put_out_is_put_out_once() -> None:
    line = joined()
    line.transport.open = False
    for _ in range(2):
        line.echo.sockets[0].emit("x" * 1500)
    line.echo.sockets[0].disconnect()
    assert ended(line, CloseReason.SLOW_CONSUMER)
    assert line.events == []


def test_every_namespace_learns_of_a_lost_line_once() -> None:
    first, second = Echo(), Echo()
    line = Line({"/": first, "/two": second})
    line.says("40", "40/two,")
    line.connection.close(CloseReason.TRANSPORT_CLOSE)
    line.connection.close(CloseReason.PING_TIMEOUT)
    for echo in (first, second):
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)
        assert [entry[0] for entry in echo.diary].count("disconnected") == 1
    assert ended(line, CloseReason.TRANSPORT_CLOSE)


def test_whoever_goes_while_an_event_is_answered_gets_no_answer() -> None:
    line = joined()

    async def leave_meanwhile() -> None:
        event = asyncio.ensure_future(line.connection.receive('421["pause"]', line.transport))
        await asyncio.sleep(0)
        line.connection.close(CloseReason.TRANSPORT_CLOSE)
        line.echo.resume()
        await event

    asyncio.run(leave_meanwhile())
    assert line.transport.taken() == []
    assert ended(line, CloseReason.TRANSPORT_CLOSE)
    assert line.events == [("pause",), ("disconnected", line.echo.sockets[0].id, Departure.LOST)]


# -- time


def test_the_server_pings_and_a_pong_keeps_the_line() -> None:
    line = joined()
    for _ in range(10):
        line.clock.advance(24)
        assert line.transport.taken() == []
        line.clock.advance(1)
        assert line.transport.taken() == ["2"]
        assert line.says("3") == []
    assert line.transport.closed == []


def test_without_a_pong_the_line_is_given_up() -> None:
    line = joined()
    line.clock.advance(25)
    line.clock.advance(19)
    assert line.transport.closed == []
    line.clock.advance(1)
    assert ended(line, CloseReason.PING_TIMEOUT)


def test_a_client_that_never_connects_is_let_go() -> None:
    line = Line()
    line.clock.advance(25)
    line.says("3")
    line.clock.advance(20)
    assert ended(line, CloseReason.FORCED_SERVER_CLOSE)


def test_a_connection_has_one_timer() -> None:
    line = joined()
    for _ in range(50):
        line.says('42["a"]', "3")
        line.clock.advance(20)
        line.says("3")
    assert line.clock.pending == 1


# -- slow readers


def test_what_cannot_be_sent_now_is_sent_in_order_when_it_can() -> None:
    line = joined()
    line.transport.open = False
    line.echo.sockets[0].emit("a")
    line.says('421["b"]')
    assert line.transport.taken() == []
    line.transport.open = True
    line.connection.flush()
    assert line.transport.taken() == ['42["a"]', "431[]"]
    line.connection.flush()
    assert line.transport.taken() == []


def test_a_client_that_does_not_read_is_closed_and_its_namespace_told() -> None:
    line = joined()
    line.transport.open = False
    for _ in range(100):
        line.echo.sockets[0].emit("x" * 40)
    assert ended(line, CloseReason.SLOW_CONSUMER)
    assert line.events == [("disconnected", line.echo.sockets[0].id, Departure.LOST)]
    line.transport.open = True
    line.connection.flush()
    assert line.transport.taken() == []


def test_frames_made_once_are_sent_to_many() -> None:
    line = joined()
    frames: list[Frame] = ['451-["a",{"_placeholder":true,"num":0}]', b"x"]
    line.echo.sockets[0].send(frames)
    assert line.transport.taken() == frames


# -- all of them


def test_there_is_room_for_so_many_and_again_when_one_has_gone() -> None:
    line = Line()
    assert not line.connections.full
    line.connections.open(FakeTransport(), Via.WEBSOCKET)
    assert line.connections.full
    line.says("1")
    assert not line.connections.full


def test_when_the_server_stops_everybody_is_let_go() -> None:
    line = joined()
    other = FakeTransport()
    line.connections.open(other, Via.WEBSOCKET)
    line.connections.close()
    assert ended(line, CloseReason.SHUTTING_DOWN)
    assert other.closed == [CloseReason.SHUTTING_DOWN]
    assert line.transport.taken() == [], "no 41: clients are to come back"
    line.connections.close()
    assert other.closed == [CloseReason.SHUTTING_DOWN]


def test_nobody_is_found_by_the_id_that_others_know() -> None:
    line = joined()
    assert line.connections.find(line.echo.sockets[0].id) is None
    assert line.connections.find("") is None


# -- the server stops


def test_clients_are_let_go_one_after_the_other_and_nobody_comes_any_more() -> None:
    clock, ended = FakeClock(), list[float]()
    connections = Connections(lambda connection: Client(connection, {"/": Echo()}, 1000), TIMING, clock, at_most=100)
    transports = [FakeTransport() for _ in range(50)]
    for transport in transports:
        connections.open(transport, Via.WEBSOCKET)
    connections.drain(5, lambda: ended.append(clock.time()))
    assert connections.full
    gone = []
    for _ in range(50):
        gone.append(sum(bool(transport.closed) for transport in transports))
        clock.advance(0.1)
    assert all(abs(number - tenth) <= 1 for tenth, number in enumerate(gone)), gone
    assert {reason for transport in transports for reason in transport.closed} == {CloseReason.SHUTTING_DOWN}
    clock.advance(0.1)
    assert (len(connections), ended) == (0, [1005.0])


def test_in_no_order_of_theirs() -> None:
    def first_half_gone() -> frozenset[int]:
        clock = FakeClock()
        connections = Connections(
            lambda connection: Client(connection, {"/": Echo()}, 1000), TIMING, clock, at_most=100
        )
        transports = [FakeTransport() for _ in range(40)]
        for transport in transports:
            connections.open(transport, Via.WEBSOCKET)
        connections.drain(4, lambda: None)
        clock.advance(2)
        return frozenset(number for number, transport in enumerate(transports) if transport.closed)

    assert len({first_half_gone() for _ in range(5)}) > 1


def test_where_nobody_is_there_is_nobody_to_wait_for() -> None:
    clock, ended = FakeClock(), list[float]()
    connections = Connections(lambda connection: Client(connection, {"/": Echo()}, 1000), TIMING, clock, at_most=1)
    connections.drain(0, lambda: ended.append(clock.time()))
    clock.advance(0)
    assert ended == [1000.0]
