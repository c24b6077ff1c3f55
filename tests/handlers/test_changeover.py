"""A connection between two transports, with a clock that the test holds: time limits, holds and farewells."""

import asyncio

import pytest

from handlers.client import Client
from handlers.connection import CROSSING_SECONDS, FAREWELL_SECONDS, HOLD_WHILE_PROBING
from handlers.connections import Connections
from protocol import Frame
from protocol.engineio import decode
from protocol.session import CloseReason, Timing, Via
from tests.fakes import Echo, FakeClock, FakeTransport

TIMING = Timing(
    ping_interval=25, ping_timeout=20, connect_timeout=45, upgrade_timeout=10, max_payload=1000, outbox_bytes=1000
)


class Scene:
    """A client that polls. `polls` begins a GET and answers what it is answered at once."""

    def __init__(self, at_most: int = 2) -> None:
        self.clock = FakeClock()
        self.echo = Echo()
        namespaces = {"/": self.echo}
        self.connections = Connections(
            lambda connection: Client(connection, namespaces, 1000), TIMING, self.clock, at_most
        )
        self.polling, self.candidate = FakeTransport(tells=False), FakeTransport()
        self.connection = self.connections.open(self.polling, Via.POLLING)
        self.sid = self.connection.session.sid
        self.posts("40")
        self.polls()

    def polls(self) -> list[Frame]:
        self.polling.open = True
        self.connection.flush()
        return self.answered()

    def answered(self) -> list[Frame]:
        """What the GET that was open is answered, which ends it."""
        frames = self.polling.taken()
        self.polling.open = not frames
        return frames

    def posts(self, *frames: str) -> None:
        for frame in frames:
            asyncio.run(self.connection.handle(decode(frame), self.polling))

    def hears(self, *frames: str) -> list[Frame]:
        """Frames from the WebSocket that wants to take over."""
        for frame in frames:
            asyncio.run(self.connection.receive(frame, self.candidate))
        return self.candidate.taken()


def probing() -> Scene:
    scene = Scene()
    scene.polls()
    assert scene.connection.begin_upgrade(scene.candidate)
    assert scene.hears("2probe") == ["3probe"]
    return scene


def test_the_poll_that_waits_ends_at_once_and_later_ones_soon() -> None:
    scene = probing()
    assert scene.answered() == ["6"]
    for _ in range(3):
        assert scene.polls() == []
        scene.clock.advance(HOLD_WHILE_PROBING / 2)
        assert scene.answered() == []
        scene.clock.advance(HOLD_WHILE_PROBING)
        assert scene.answered() == ["6"]


def test_what_there_is_to_say_is_said_instead() -> None:
    scene = probing()
    scene.answered()
    scene.echo.sockets[0].emit("a")
    assert scene.polls() == ['42["a"]']
    assert scene.polls() == []
    scene.echo.sockets[0].emit("b")
    assert scene.answered() == ['42["b"]']


def test_who_shares_a_number_still_does_over_the_websocket() -> None:
    scene = probing()
    scene.echo.sockets[0].move(7)
    assert (scene.polling.number, scene.candidate.number) == (7, 0)
    scene.hears("5")
    assert scene.candidate.number == 7


def test_a_probe_that_is_not_followed_is_given_up_and_another_may_try() -> None:
    scene = probing()
    scene.answered()
    scene.clock.advance(TIMING.upgrade_timeout)
    assert scene.candidate.closed == [CloseReason.TRANSPORT_ERROR]
    assert scene.polls() == []
    scene.clock.advance(1)
    assert scene.answered() == [], "polls are held again"
    assert scene.hears("5") == [], "too late"
    assert scene.connection.session.via is Via.POLLING
    scene.candidate = FakeTransport()
    assert scene.connection.begin_upgrade(scene.candidate)
    assert scene.hears("2probe", "5") == ["3probe"]
    assert scene.connection.transport is scene.candidate


def test_a_websocket_that_never_probes_is_given_up() -> None:
    scene = Scene()
    assert scene.connection.begin_upgrade(scene.candidate)
    scene.clock.advance(TIMING.upgrade_timeout)
    assert scene.candidate.closed == [CloseReason.TRANSPORT_ERROR]
    assert scene.connection.session.closed is None


def test_the_heartbeat_goes_on_over_the_websocket() -> None:
    scene = Scene()
    scene.polls()
    scene.clock.advance(TIMING.ping_interval)
    assert scene.answered() == ["2"]
    assert scene.connection.begin_upgrade(scene.candidate)
    scene.hears("2probe", "5")
    scene.clock.advance(TIMING.ping_timeout)
    assert scene.connection.session.closed is None, "the pong may have been lost with the last poll"
    scene.clock.advance(TIMING.ping_interval - TIMING.ping_timeout)
    assert scene.candidate.taken() == ["2"]
    scene.clock.advance(TIMING.ping_timeout)
    assert scene.connection.session.closed is CloseReason.PING_TIMEOUT


def test_the_old_transport_is_retired_and_what_it_still_brings_counts_for_nothing() -> None:
    scene = probing()
    scene.answered()
    scene.echo.sockets[0].emit("queued")
    assert scene.hears("5") == ['42["queued"]']
    assert scene.polling.retired == 1
    scene.posts('42["late"]')
    assert ("late",) not in scene.echo.diary
    assert scene.connection.session.closed is None
    scene.connection.lost(scene.polling, CloseReason.TRANSPORT_ERROR)
    assert scene.connection.session.closed is None
    scene.connection.lost(scene.candidate, CloseReason.TRANSPORT_CLOSE)
    assert scene.connection.session.closed is CloseReason.TRANSPORT_CLOSE
    assert scene.clock.pending == 0


def test_nobody_changes_over_while_a_post_is_under_way() -> None:
    scene = probing()
    scene.answered()
    scene.polling.posting = True
    assert scene.hears("5") == []
    assert scene.candidate.closed == [CloseReason.PARSE_ERROR]
    assert scene.connection.transport is scene.polling
    scene.posts('421["a"]')
    assert scene.polls() == ["431[]"]


def test_what_is_overdue_has_happened_when_somebody_asks() -> None:
    scene = Scene()
    scene.polls()
    scene.clock.advance(TIMING.ping_interval)
    scene.clock.pass_unnoticed(TIMING.ping_timeout)
    assert scene.connections.find(scene.sid) is None
    assert scene.connection.session.closed is CloseReason.PING_TIMEOUT
    assert scene.clock.pending == 0


def test_an_end_in_the_middle_leaves_nothing_behind() -> None:
    scene = probing()
    scene.answered()
    scene.polls()
    scene.connection.close(CloseReason.PING_TIMEOUT)
    assert scene.candidate.closed == [CloseReason.PING_TIMEOUT]
    assert scene.clock.pending == 0


# -- farewells


def test_who_is_between_two_polls_is_told_with_the_next_of_them() -> None:
    scene = Scene()
    scene.echo.sockets[0].emit("last")
    scene.connection.close(CloseReason.FORCED_CLOSE)
    assert scene.connections.find(scene.sid) is None
    assert scene.connections.farewell(scene.sid) == ['42["last"]', "1"]
    assert scene.connections.farewell(scene.sid) == ()
    assert scene.clock.pending == 0


def test_a_slow_consumer_is_told_and_not_given_what_it_did_not_fetch() -> None:
    scene = Scene()
    for _ in range(200):
        scene.echo.sockets[0].emit("x" * 100)
    assert scene.connection.session.closed is CloseReason.SLOW_CONSUMER
    assert scene.connections.farewell(scene.sid) == ["1"]


def test_a_farewell_is_kept_for_a_while_and_counts_as_a_connection() -> None:
    scene = Scene(at_most=1)
    scene.connection.close(CloseReason.FORCED_CLOSE)
    scene.clock.advance(FAREWELL_SECONDS - 1)
    assert scene.connections.full
    scene.clock.advance(1)
    assert not scene.connections.full
    assert scene.connections.farewell(scene.sid) == ()


@pytest.mark.parametrize(
    "reason",
    [
        *(CloseReason.TRANSPORT_ERROR, CloseReason.PING_TIMEOUT, CloseReason.PARSE_ERROR),
        *(CloseReason.SHUTTING_DOWN, CloseReason.FORCED_SERVER_CLOSE),
    ],
)
def test_who_knows_or_is_gone_gets_none(reason: CloseReason) -> None:
    scene = Scene()
    scene.connection.close(reason)
    assert scene.connections.farewell(scene.sid) == ()
    assert scene.clock.pending == 0


def test_a_poll_that_comes_in_behind_its_clients_goodbye_ends_as_it_should() -> None:
    for asks_in_time in (True, False):
        scene = Scene()
        scene.posts("1")
        scene.clock.advance(0 if asks_in_time else CROSSING_SECONDS)
        assert scene.connections.farewell(scene.sid) == (["6"] if asks_in_time else ())
        assert scene.clock.pending == 0


def test_who_polls_is_told_at_once() -> None:
    scene = Scene()
    scene.polls()
    scene.connection.close(CloseReason.FORCED_CLOSE)
    assert scene.polling.closed == [CloseReason.FORCED_CLOSE]
    assert scene.connections.farewell(scene.sid) == ()


def test_a_server_that_stops_says_no_farewells() -> None:
    scene = Scene()
    scene.connection.close(CloseReason.FORCED_CLOSE)
    scene.connections.close()
    assert scene.clock.pending == 0
