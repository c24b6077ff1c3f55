"""What must be true of any schedule, in the end; it knows what was typed, what was posted, what lines did and when."""

from collections.abc import Sequence
from itertools import pairwise

from tests.schedules.guest import Guest
from tests.schedules.site import GRACE, TIMING, Site


def as_it_goes(site: Site) -> None:
    """At any moment."""
    for connection in site.connections._open.values():
        queued = [len(frame) for batch in connection.session._outbox[:-1] for frame in batch]
        beside = sum(queued) - max(queued, default=0)
        assert beside <= TIMING.outbox_bytes, "too much is kept for somebody who does not take it"


def at_rest(guests: Sequence[Guest], sites: Sequence[Site]) -> None:
    """Everybody is back and nothing is under way."""
    site = sites[-1]
    logs = {epoch: log for each in sites for epoch, log in each.logs.items()}
    here = {guest.member for guest in guests if not guest.gone}
    assert site.members == here, "a ghost, or somebody who is not let in"
    for guest in guests:
        _saw_the_truth(guest, logs)
        _was_heard(guest, logs)
        if not guest.gone:
            assert guest.users == here, "believes in other people than there are"
            assert not guest.outbox, "still has something to say"
            if guest.epoch in site.logs:
                assert guest.last == len(logs[guest.epoch]), "has not heard everything"
    for each in sites:
        _presence(each)


def afterwards(sites: Sequence[Site]) -> None:
    """Everybody has gone, and time has passed."""
    site = sites[-1]
    closed(site)
    assert not site.members, "a ghost"
    assert not site.hub._rooms
    assert site.clock.pending == 0, "something is still waited for"
    _presence(site)


def closed(site: Site) -> None:
    """No connection is left."""
    assert not site.connections._open, "a session is left"
    assert not site.connections._farewells
    assert not site.chat._lobby._guests, "a guest is left"


def _saw_the_truth(guest: Guest, logs: dict[str, list[tuple[str, str]]]) -> None:
    """In one order and without a hole that was not announced."""
    for epoch, history in guest.histories.items():
        log = logs[epoch]
        for number, message in history.items():
            assert log[number - 1][1] == message, "another message than the others see"
        assert not set(history) & guest.missed[epoch], "seen, and yet said to be gone"
        known = set(history) | guest.missed[epoch]
        assert known == set(range(1, len(known) + 1)), "a hole in what was seen"


def _was_heard(guest: Guest, logs: dict[str, list[tuple[str, str]]]) -> None:
    """What was typed is there, once, in its order; a second time only where the first was lost with the server."""
    seen_sent: set[str] = set()
    for epoch, log in logs.items():
        said = [message for member, message in log if member == guest.member]
        assert len(said) == len(set(said)), "said twice"
        places = [guest.authored.index(message) for message in said]
        assert all(one < other for one, other in pairwise(places)), "said in another order than it was typed"
        assert not seen_sent & set(said), "said again although it was seen"
        seen_sent |= set(guest.histories.get(epoch, {}).values()) & set(said)
    said_at_all = {message for log in logs.values() for _, message in log}
    typed = set(guest.authored) - guest.given_up - set(guest.outbox)
    assert typed <= said_at_all, "typed, taken for sent, and never said"


def _presence(site: Site) -> None:
    """Who was there when, as the lines and the grace time have it: an account of its own, held against the room's."""
    seats: dict[str, str] = {}
    lost_at: dict[str, float] = {}
    going: set[str] = set()
    for event in site.presence:
        holder = next((member for member, seat in seats.items() if seat == event.seat), None)
        for member, at in lost_at.items():
            assert event.at <= at + GRACE, f"{member} has outlived the grace time"
        match event.what:
            case "joined":
                assert event.who not in seats, "new although it was there"
                seats[event.who] = event.seat
            case "returned":
                assert event.who in seats, "returned although it was gone"
                seats[event.who] = event.seat
                lost_at.pop(event.who, None)
                going.discard(event.who)
            case "gone":
                assert event.who in seats, "gone twice"
                if event.who not in going:
                    assert event.who in lost_at, "gone although its line was good"
                    assert event.at == lost_at[event.who] + GRACE, "gone before its time"
                del seats[event.who]
                lost_at.pop(event.who, None)
                going.discard(event.who)
            case "lost" if holder is not None and holder not in going:
                lost_at[holder] = event.at
            case "left" | "leaving" if holder is not None:
                going.add(holder)
                lost_at.pop(holder, None)
    assert not going, "wanted to go and is still there"
    now = site.clock.time()
    assert all(now <= at + GRACE for at in lost_at.values()), "has outlived the grace time"
