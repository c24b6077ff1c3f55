"""Acks that the server asks a client for, and several namespaces side by side on one connection."""

import pytest

from handlers.client import MAX_CONNECTS, MAX_UNANSWERED
from protocol.namespace import Departure
from protocol.session import CloseReason
from tests.fakes import Echo
from tests.handlers.test_connection import Line, ended, joined

# -- acks of the client


def test_the_server_asks_and_is_answered_once() -> None:
    line = joined()
    assert line.says('42["ask","question",1,{"a":null}]') == ['420["question",1,{"a":null}]']
    assert line.says('430["answer",[2]]') == []
    assert line.says('430["again"]', '4399["never asked"]', '42["after"]') == []
    assert line.events[1:] == [("answered", "answer", [2]), ("after",)]


def test_questions_are_numbered_and_may_be_answered_in_any_order() -> None:
    line = joined()
    assert line.says(*['42["ask","q"]'] * 3) == ['420["q"]', '421["q"]', '422["q"]']
    line.says('432["c"]', '430["a"]', '431["b"]')
    assert [entry for entry in line.events if entry[0] == "answered"] == [
        ("answered", "c"),
        ("answered", "a"),
        ("answered", "b"),
    ]


def test_a_question_and_its_answer_may_hold_bytes() -> None:
    line = joined()
    placeholder = '{"_placeholder":true,"num":0}'
    assert line.says(f'451-["ask","q",{placeholder}]', b"\x01") == [f'451-0["q",{placeholder}]', b"\x01"]
    line.says(f"461-0[{placeholder}]", b"\x02")
    assert line.events[-1] == ("answered", b"\x02")


def test_who_has_gone_answers_nothing_any_more() -> None:
    line = joined()
    line.says('42["ask","q"]', "41", "40")
    line.says('430["late"]')
    assert ("answered", "late") not in line.events


def test_a_client_that_never_answers_is_given_up() -> None:
    line = joined()
    for _ in range(MAX_UNANSWERED):
        assert line.says('42["ask","q"]') != []
    assert line.says('42["ask","q"]') == []
    assert ended(line, CloseReason.SLOW_CONSUMER)


def test_nobody_is_asked_who_has_gone() -> None:
    line = joined()
    (socket,) = line.echo.sockets
    line.says("41")
    socket.ask("q", answered=lambda answer: line.echo.diary.append(("answered", *answer)))
    assert line.transport.taken() == []
    assert len(line.events) == 1


# -- namespaces


@pytest.fixture
def custom() -> Echo:
    return Echo()


@pytest.fixture
def both(custom: Echo) -> Line:
    """A client in `/` and `/custom`."""
    main = Echo()
    line = Line({"/": main, "/custom": custom})
    line.echo = main
    first, _, second, _ = line.says("40", '40/custom,{"token":"123"}')
    assert str(first).startswith('40{"sid"')
    assert str(second).startswith('40/custom,{"sid"')
    assert first != str(second).replace("/custom,", "")
    return line


def test_each_namespace_hears_its_own(both: Line, custom: Echo) -> None:
    assert custom.diary[0] == ("authorize", {"token": "123"})
    assert both.says('42/custom,1["a"]', '421["b"]') == ["43/custom,1[]", "431[]"]
    assert both.events == [("b",)]
    assert custom.diary[2:] == [("a",)]


def test_acks_are_counted_by_namespace(both: Line, custom: Echo) -> None:
    assert both.says('42["ask","q"]', '42/custom,["ask","q"]') == ['420["q"]', '42/custom,0["q"]']
    both.says('43/custom,0["custom"]')
    assert custom.diary[-1] == ("answered", "custom")
    assert both.events == [("ask", "q")]


def test_who_leaves_one_stays_in_the_other_and_may_come_back(both: Line, custom: Echo) -> None:
    assert both.says("41/custom,") == []
    assert custom.diary[-1] == ("disconnected", custom.sockets[0].id, Departure.LEFT)
    assert both.says('421["a"]') == ["431[]"]
    assert str(both.says("40/custom")[0]).startswith('40/custom,{"sid"')
    assert both.says('42/custom,1["b"]') == ["43/custom,1[]"]


def test_with_none_left_the_connection_stays(both: Line) -> None:
    assert both.says("41", "41/custom,") == []
    assert both.transport.closed == []
    assert str(both.says("40")[0]).startswith('40{"sid"')


def test_an_event_for_a_namespace_that_was_left_breaks_the_protocol(both: Line, custom: Echo) -> None:
    both.says("41/custom,", '42/custom,["a"]')
    assert ended(both, CloseReason.FORCED_CLOSE)
    assert both.events == [("disconnected", both.echo.sockets[0].id, Departure.LOST)]
    assert ("a",) not in custom.diary


def test_a_lost_line_is_lost_to_both(both: Line, custom: Echo) -> None:
    both.connection.close(CloseReason.TRANSPORT_CLOSE)
    for echo in (both.echo, custom):
        assert echo.diary[-1] == ("disconnected", echo.sockets[0].id, Departure.LOST)


# -- coming and going


def test_who_comes_and_goes_without_end_is_closed() -> None:
    line = joined()
    for _ in range(MAX_CONNECTS - 1):
        assert len(line.says("41", "40")) == 2
    assert line.transport.closed == []
    line.says("41", "40")
    assert ended(line, CloseReason.FORCED_CLOSE)


def test_asking_for_what_is_not_there_counts_as_well() -> None:
    line = joined()
    for _ in range(MAX_CONNECTS - 1):
        assert len(line.says("40/nowhere,")) == 1
    line.says("40/nowhere,")
    assert ended(line, CloseReason.FORCED_CLOSE)


def test_who_has_left_everything_is_not_kept_for_ever() -> None:
    line = joined()
    line.clock.advance(20)
    line.says("41")
    line.clock.advance(24.9)  # the ping's time has come, and its answer
    line.says("3")
    line.clock.advance(20)
    assert line.transport.closed == []
    line.clock.advance(0.1)
    assert ended(line, CloseReason.FORCED_SERVER_CLOSE)


def test_who_comes_back_in_time_stays() -> None:
    line = joined()
    line.says("41")
    line.clock.advance(44)
    line.says("3", "40")
    line.clock.advance(10)
    assert line.transport.closed == []


def test_who_is_put_out_for_good_is_told_and_its_connection_ends() -> None:
    line = joined()
    (socket,) = line.echo.sockets
    socket.disconnect(for_good=True)
    assert line.transport.taken() == ["41"]
    assert line.says("40", '420["again"]', "4garbage") == []
    line.clock.advance(4)
    socket.disconnect()
    assert line.transport.closed == []
    line.clock.advance(1)
    assert ended(line, CloseReason.FORCED_SERVER_CLOSE)


def test_who_is_put_out_may_use_the_connection_on() -> None:
    line = joined()
    (socket,) = line.echo.sockets
    socket.disconnect()
    assert line.transport.taken() == ["41"]
    assert line.says("40")[1] == '42["welcome"]'
