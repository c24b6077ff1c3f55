"""The life of a session, said as: this goes in at that second, this must come out. Time is plain numbers."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import Frame
from protocol.engineio import Packet, PacketType
from protocol.session import Closed, CloseReason, Event, Probed, Received, Session, Timing, Upgraded, UpgradeFailed, Via
from tests.properties import quick

POLLING, WEBSOCKET = Via.POLLING, Via.WEBSOCKET
TIMING = Timing(
    ping_interval=25, ping_timeout=20, connect_timeout=45, upgrade_timeout=10, max_payload=1000, outbox_bytes=100
)
BORN = 1000.0

PROBE, UPGRADE = Packet(PacketType.PING, "probe"), Packet(PacketType.UPGRADE)
PONG, CLOSE = Packet(PacketType.PONG), Packet(PacketType.CLOSE)


def born(via: Via = WEBSOCKET, *, connected: bool = True) -> Session:
    """A session whose handshake is on its way."""
    session = Session("sid", via, TIMING, BORN)
    session.take()
    if connected:
        session.connected()
    return session


def say(
    session: Session, kind: PacketType, data: Frame = "", *, via: Via | None = None, at: float = BORN
) -> list[Event]:
    return session.receive(Packet(kind, data), via=via or session.via, now=at)


def closed(reason: CloseReason) -> list[Event]:
    return [Closed(reason)]


# -- the handshake


@pytest.mark.parametrize(("via", "upgrades"), [(WEBSOCKET, []), (POLLING, ["websocket"])])
def test_the_handshake_comes_first_and_offers_what_there_is(via: Via, upgrades: list[str]) -> None:
    session = Session("sid", via, TIMING, BORN)
    session.send(["4later"])
    handshake, later = session.take()
    assert isinstance(handshake, str)
    assert handshake[0] == "0"
    assert json.loads(handshake[1:]) == {
        "sid": "sid",
        "upgrades": upgrades,
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": 1000,
    }
    assert later == "4later"


# -- messages


@pytest.mark.parametrize("data", ["hello", "", b"bytes", b""])
def test_a_message_is_received(data: Frame) -> None:
    assert say(born(), PacketType.MESSAGE, data) == [Received(data)]


@pytest.mark.parametrize("kind", [PacketType.OPEN, PacketType.UPGRADE, PacketType.NOOP])
def test_what_only_servers_say_is_ignored_outside_an_upgrade(kind: PacketType) -> None:
    session = born()
    before = session.deadline()
    assert say(session, kind, "anything") == []
    assert session.closed is None
    assert session.deadline() == before
    assert list(session.take()) == []


@pytest.mark.parametrize("data", ["", "probe"])
def test_a_client_that_pings_is_closed(data: str) -> None:
    assert say(born(), PacketType.PING, data) == closed(CloseReason.TRANSPORT_ERROR)


def test_a_client_may_close() -> None:
    session = born()
    assert say(session, PacketType.CLOSE) == closed(CloseReason.TRANSPORT_CLOSE)
    assert say(session, PacketType.MESSAGE, "behind it") == []


# -- the heartbeat


def test_the_server_pings_after_each_interval_from_the_handshake_and_then_from_each_pong() -> None:
    session = born()
    assert session.deadline() == BORN + 25
    assert session.tick(BORN + 24.99) == []
    assert list(session.take()) == []
    assert session.tick(BORN + 25) == []
    assert list(session.take()) == ["2"]
    assert session.deadline() == BORN + 45, "the pong is awaited"
    assert say(session, PacketType.PONG, at=BORN + 30) == []
    assert session.deadline() == BORN + 55
    session.tick(BORN + 55)
    assert list(session.take()) == ["2"]


def test_a_client_that_does_not_answer_in_time_is_closed() -> None:
    session = born()
    session.tick(BORN + 25)
    assert session.tick(BORN + 44.99) == []
    assert session.tick(BORN + 45) == closed(CloseReason.PING_TIMEOUT)


def test_only_one_ping_is_on_its_way() -> None:
    session = born()
    for second in range(25, 45):
        assert session.tick(BORN + second) == []
    assert list(session.take()) == ["2"]


def test_only_pongs_are_signs_of_life() -> None:
    session = born()
    session.tick(BORN + 25)
    say(session, PacketType.MESSAGE, "busy", at=BORN + 44)
    say(session, PacketType.NOOP, at=BORN + 44)
    assert session.tick(BORN + 45) == closed(CloseReason.PING_TIMEOUT)


def test_a_pong_that_nobody_asked_for_puts_nothing_off() -> None:
    session = born()
    assert say(session, PacketType.PONG, at=BORN + 20) == []
    assert session.deadline() == BORN + 25
    session.tick(BORN + 25)
    say(session, PacketType.PONG, at=BORN + 26)
    say(session, PacketType.PONG, at=BORN + 40)
    assert session.deadline() == BORN + 51, "the second of two pongs counts for nothing"


def test_after_a_long_sleep_of_the_server_the_client_is_asked_before_it_is_judged() -> None:
    session = born()
    assert session.tick(BORN + 10_000) == []
    assert list(session.take()) == ["2"]
    assert session.deadline() == BORN + 10_020


# -- a session must be used


def test_a_client_that_joins_no_namespace_in_time_is_closed() -> None:
    session = born(connected=False)
    session.tick(BORN + 25)
    say(session, PacketType.PONG, at=BORN + 26)
    assert session.deadline() == BORN + 45
    assert session.tick(BORN + 44.99) == []
    assert session.tick(BORN + 45) == closed(CloseReason.FORCED_SERVER_CLOSE)


def test_a_client_that_has_joined_may_stay() -> None:
    session = born(connected=True)
    session.tick(BORN + 25)
    say(session, PacketType.PONG, at=BORN + 26)
    assert session.tick(BORN + 50) == []
    assert session.closed is None


# -- upgrade


def upgrading() -> Session:
    """A polling session whose WebSocket has been probed at BORN."""
    session = born(POLLING)
    assert session.begin_upgrade(BORN)
    assert session.receive(PROBE, via=WEBSOCKET, now=BORN) == [Probed("3probe")]
    return session


def test_a_websocket_probes_then_takes_over_with_what_is_queued() -> None:
    session = born(POLLING)
    assert session.begin_upgrade(BORN)
    assert not session.probing
    assert session.receive(PROBE, via=WEBSOCKET, now=BORN) == [Probed("3probe")]
    assert session.probing, "no poll may be held until the upgrade is done"
    assert list(session.take()) == [], "the answer to the probe goes to the WebSocket only"
    session.send(["4queued"])
    assert session.receive(UPGRADE, via=WEBSOCKET, now=BORN + 1) == [Upgraded()]
    assert not session.probing
    assert session.via is WEBSOCKET
    assert list(session.take()) == ["4queued"]
    assert say(session, PacketType.MESSAGE, "behind the 5") == [Received("behind the 5")]


def test_polling_goes_on_during_an_upgrade() -> None:
    session = upgrading()
    assert say(session, PacketType.MESSAGE, "posted", via=POLLING) == [Received("posted")]
    session.tick(BORN + 9)
    assert session.probing


@pytest.mark.parametrize(
    "packet",
    [
        Packet(PacketType.PING),
        Packet(PacketType.PING, "prob"),
        Packet(PacketType.PONG, "probe"),
        Packet(PacketType.MESSAGE, "x"),
        Packet(PacketType.MESSAGE, b"probe"),
        UPGRADE,
        CLOSE,
    ],
)
def test_a_websocket_that_does_not_begin_with_a_probe_is_refused_and_polling_goes_on(packet: Packet) -> None:
    session = born(POLLING)
    session.begin_upgrade(BORN)
    assert session.receive(packet, via=WEBSOCKET, now=BORN) == [UpgradeFailed()]
    assert session.closed is None
    assert session.via is POLLING
    assert session.begin_upgrade(BORN), "another may try"


@pytest.mark.parametrize("packet", [PROBE, PONG, CLOSE, Packet(PacketType.MESSAGE, "x")])
def test_after_the_probe_nothing_but_the_upgrade_will_do(packet: Packet) -> None:
    session = upgrading()
    assert session.receive(packet, via=WEBSOCKET, now=BORN) == [UpgradeFailed()]
    assert not session.probing
    assert session.closed is None
    assert session.begin_upgrade(BORN)


def test_an_upgrade_that_takes_too_long_is_given_up() -> None:
    session = upgrading()
    assert session.deadline() == BORN + 10
    assert session.tick(BORN + 9.99) == []
    assert session.tick(BORN + 10) == [UpgradeFailed()]
    assert not session.probing
    assert session.tick(BORN + 10) == []
    assert session.begin_upgrade(BORN + 11)


def test_a_websocket_that_drops_before_it_took_over_leaves_the_session_as_it_was() -> None:
    session = upgrading()
    session.abandon_upgrade()
    assert not session.probing
    assert session.deadline() == BORN + 25
    assert session.begin_upgrade(BORN + 1)


def test_one_websocket_at_a_time_may_try_and_one_may_succeed() -> None:
    session = born(POLLING)
    assert session.begin_upgrade(BORN)
    assert not session.begin_upgrade(BORN)
    session.receive(PROBE, via=WEBSOCKET, now=BORN)
    assert not session.begin_upgrade(BORN)
    session.receive(UPGRADE, via=WEBSOCKET, now=BORN)
    assert not session.begin_upgrade(BORN)
    assert not born(WEBSOCKET).begin_upgrade(BORN)


def test_what_a_former_transport_still_brings_is_nobodys() -> None:
    upgraded = upgrading()
    upgraded.receive(UPGRADE, via=WEBSOCKET, now=BORN)
    for packet in (Packet(PacketType.MESSAGE, "late post"), CLOSE, PROBE):
        assert upgraded.receive(packet, via=POLLING, now=BORN) == []
    assert upgraded.closed is None

    abandoned = upgrading()
    abandoned.abandon_upgrade()
    assert abandoned.receive(UPGRADE, via=WEBSOCKET, now=BORN) == []
    assert abandoned.via is POLLING


def test_a_pong_that_was_due_when_the_transport_changed_is_asked_for_anew() -> None:
    session = born(POLLING)
    session.tick(BORN + 25)
    session.begin_upgrade(BORN + 26)
    session.receive(PROBE, via=WEBSOCKET, now=BORN + 26)
    session.receive(UPGRADE, via=WEBSOCKET, now=BORN + 27)
    assert session.deadline() == BORN + 27 + 25
    assert session.tick(BORN + 46) == [], "the old deadline for the pong is void"


def test_the_heartbeat_goes_on_across_an_upgrade() -> None:
    session = upgrading()
    session.receive(UPGRADE, via=WEBSOCKET, now=BORN + 5)
    assert session.deadline() == BORN + 25


# -- the outbox


def test_what_is_queued_is_taken_once_and_in_order() -> None:
    session = born()
    session.send(["4a", b"b"])
    session.send(["4c"])
    assert list(session.take()) == ["4a", b"b", "4c"]
    assert list(session.take()) == []


def test_a_client_that_lets_more_pile_up_than_the_bound_is_closed() -> None:
    session = born()
    assert session.send(["4" + "x" * 999]) == [], "the largest does not count"
    assert session.send(["4" + "x" * 99]) == [], "exactly the bound"
    assert session.send([b"one more"]) == []
    assert session.send(["4too much"]) == closed(CloseReason.SLOW_CONSUMER)
    assert session.send(["4ever"]) == []


def test_one_packet_larger_than_the_bound_can_be_sent() -> None:
    session = born()
    assert session.send(["4" + "x" * 1000]) == []
    assert session.send(["4" + "y" * 100]) == [], "with something behind it"
    assert len(session.take()) == 2
    assert session.send(["4" + "x" * 99]) == []
    assert session.send(["4" + "x" * 101]) == []
    assert session.send(["4a"]) == [], "what was taken counts no more, also as the largest"


def test_what_was_taken_does_not_count() -> None:
    session = born()
    for _ in range(10):
        assert session.send(["4" + "x" * 99]) == []
        session.take()
    assert session.closed is None


def test_bytes_are_counted_not_characters() -> None:
    session = born()
    session.send(["4" + "€" * 40, "4" + "€" * 40])
    assert session.send(["4a"]) == closed(CloseReason.SLOW_CONSUMER)


def test_a_client_that_reads_nothing_is_found_by_the_next_ping() -> None:
    session = born()
    session.send(["4" + "x" * 200, "4" + "x" * 200])
    assert session.tick(BORN + 25) == closed(CloseReason.SLOW_CONSUMER)


# -- the end


@pytest.mark.parametrize("reason", CloseReason)
def test_a_session_ends_once_for_one_reason(reason: CloseReason) -> None:
    session = born()
    assert session.close(reason) == closed(reason)
    for other in CloseReason:
        assert session.close(other) == []
    assert session.closed is reason


def test_after_the_end_nothing_happens() -> None:
    session = born(POLLING, connected=False)
    session.begin_upgrade(BORN)
    session.receive(PROBE, via=WEBSOCKET, now=BORN)
    session.send(["4last words"])
    session.close(CloseReason.FORCED_CLOSE)
    assert session.deadline() is None
    assert session.tick(BORN + 10_000) == []
    assert session.send(["4too late"]) == []
    for kind in PacketType:
        assert say(session, kind, "probe", via=WEBSOCKET) == []
        assert say(session, kind, "probe", via=POLLING) == []
    assert not session.begin_upgrade(BORN)
    assert not session.probing
    session.connected()
    session.abandon_upgrade()
    assert session.deadline() is None
    assert list(session.take()) == ["4last words"], "a polling client may still fetch what was queued"
    assert list(session.take()) == []


# -- whatever is done to it


class AnyLife(RuleBasedStateMachine):
    """It ends at most once, and loses, doubles and swaps nothing, whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BORN
        self.events: list[Event] = []
        self.sent: list[Frame] = []
        self.taken: list[Frame] = []

    @initialize(via=st.sampled_from(Via))
    def begin(self, via: Via) -> None:
        self.session = Session("sid", via, TIMING, BORN)
        self.session.take()

    def note(self, events: list[Event], *, was_closed: CloseReason | None) -> None:
        assert was_closed is None or events == []
        self.events += events

    @rule(seconds=st.sampled_from([0.0, 0.5, 9.0, 10.0, 20.0, 25.0, 100.0]))
    def wait(self, seconds: float) -> None:
        was_closed = self.session.closed
        self.now += seconds
        self.note(self.session.tick(self.now), was_closed=was_closed)
        due = self.session.deadline()
        assert due is None or due > self.now, "a tick leaves nothing overdue, or a timer would spin"

    @precondition(lambda self: self.session.closed is None)
    @rule()
    def wait_for_the_deadline(self) -> None:
        due = self.session.deadline()
        assert due is not None
        self.wait(max(0.0, due - self.now))

    @rule(
        packet=st.sampled_from([PROBE, UPGRADE, PONG, CLOSE, Packet(PacketType.MESSAGE, "m"), Packet(PacketType.NOOP)]),
        via=st.sampled_from(Via),
    )
    def receive(self, packet: Packet, via: Via) -> None:
        was_closed = self.session.closed
        self.note(self.session.receive(packet, via=via, now=self.now), was_closed=was_closed)

    @rule(size=st.integers(1, 60))
    def send(self, size: int) -> None:
        was_closed, frame = self.session.closed, "4" + f"{len(self.sent)}".rjust(size)
        self.note(self.session.send([frame]), was_closed=was_closed)
        if self.session.closed is None:
            self.sent.append(frame)

    @rule()
    def take(self) -> None:
        self.taken += self.session.take()

    @rule()
    def open_a_websocket(self) -> None:
        self.session.begin_upgrade(self.now)

    @rule()
    def drop_the_websocket(self) -> None:
        self.session.abandon_upgrade()

    @rule()
    def join_a_namespace(self) -> None:
        self.session.connected()

    @rule(reason=st.sampled_from(CloseReason))
    def close(self, reason: CloseReason) -> None:
        was_closed = self.session.closed
        self.note(self.session.close(reason), was_closed=was_closed)

    @invariant()
    def it_waits_for_something_as_long_as_it_is_open(self) -> None:
        assert (self.session.deadline() is None) == (self.session.closed is not None)

    @invariant()
    def it_ends_once_for_the_reason_it_names(self) -> None:
        ends = [event.reason for event in self.events if isinstance(event, Closed)]
        assert ends == ([] if self.session.closed is None else [self.session.closed])

    @invariant()
    def it_is_upgraded_once_at_most(self) -> None:
        assert self.events.count(Upgraded()) <= 1

    def teardown(self) -> None:
        self.take()
        assert [frame for frame in self.taken if frame != "2"] == self.sent


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(quick, stateful_step_count=30)
