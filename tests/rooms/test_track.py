"""A room that is followed from afar: whatever comes, in whatever order, is told in one order, once or not at all."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.model import Changed, Entry, Joined, Left, Member, MemberId, Posted, RoomAddress, RoomEvent, Snapshot, Typed
from rooms.track import MOST_EARLY, Held, State, Step, Track
from tests.properties import quick

thorough = settings(quick, max_examples=200)
ROOM = RoomAddress(b"r" * 32)
EPOCH, OTHER_EPOCH = b"e" * 16, b"o" * 16
HERE, ELSEWHERE = "here", "elsewhere"
BARE = Snapshot(EPOCH, 0, (), ())
EMPTY = State(0, EPOCH, 0, "", 0, {}, ())


@dataclass(frozen=True)
class History:
    """What has happened in a room. `states`: before the first step, and after each, with every entry there ever was."""

    steps: tuple[Step, ...]
    states: tuple[State, ...]

    def state(self, seq: int, known: int, kept: int = 1000) -> State:
        """As Redis answers who knows messages up to an id, where so many are kept."""
        state = self.states[seq]
        entries = tuple(entry for entry in state.entries if known < entry.id > state.last - kept)
        return replace(state, entries=entries)

    @property
    def events(self) -> list[RoomEvent]:
        return [step.event for step in self.steps]


def advanced(state: State, kind: str, who: str, where: str) -> tuple[Step, State]:
    """What happens, where that can happen to them; else they say that they write."""
    seq, id_ = state.seq + 1, MemberId(who)
    held, members = state.members.get(id_), dict(state.members)
    after = replace(state, seq=seq)
    match kind, held:
        case "join", _:
            members[id_] = Held(Member(id_, f"user {seq}", f"seat {seq}"), where)
            joined = Joined(ROOM, members[id_].member, BARE, returned=held is not None)
            return Step(seq, joined, node=where), replace(after, members=members)
        case "leave", Held():
            del members[id_]
            return Step(seq, Left(ROOM, id_)), replace(after, members=members)
        case "change", Held(member, node):
            members[id_] = Held(replace(member, user=f"user {seq}"), node)
            return Step(seq, Changed(ROOM, members[id_].member)), replace(after, members=members)
        case "post", _:
            entry = Entry(state.last + 1, id_, f"text {seq}")
            chain = hashlib.sha1(f"{state.chain} {seq}".encode(), usedforsecurity=False).hexdigest()
            step = Step(seq, Posted(ROOM, entry), state.chain, chain)
            return step, replace(after, last=entry.id, chain=chain, entries=(*state.entries, entry))
        case _:
            return Step(seq, Typed(ROOM, id_, f"typing {seq}")), after


def history_of(happenings: list[tuple[str, str, str]]) -> History:
    steps, states = [], [EMPTY]
    for happening in happenings:
        step, state = advanced(states[-1], *happening)
        steps.append(step)
        states.append(state)
    return History(tuple(steps), tuple(states))


kinds = st.sampled_from(["join", "join", "leave", "change", "post", "post", "type"])
happenings = st.lists(
    st.tuples(kinds, st.sampled_from(["ann", "bob", "cid"]), st.sampled_from([HERE, ELSEWHERE])),
    min_size=1,
    max_size=20,
)
histories = happenings.map(history_of)


class Follower:
    """A track from the very beginning, and what it has told."""

    def __init__(self, state: State = EMPTY) -> None:
        self.told: list[RoomEvent] = []
        self.gaps = 0
        self.track = Track(ROOM, HERE, state, self.told.append, self._gap)

    def _gap(self, track: Track) -> None:
        assert track is self.track
        self.gaps += 1

    def taken(self) -> list[RoomEvent]:
        taken = self.told[:]
        self.told.clear()
        return taken

    def is_as(self, state: State) -> None:
        """The track knows just this."""
        track = self.track
        assert (track.seq, track.last, track.chain, track.epoch) == (state.seq, state.last, state.chain, state.epoch)
        assert list(track.roster.items()) == list(state.members.items())
        assert track.mine == {id_ for id_, held in state.members.items() if held.node == HERE}
        first = next(iter(state.members.values()), None)
        assert track.led is (first is not None and first.node == HERE)


def difference(before: State, after: State) -> tuple[set[RoomEvent], list[RoomEvent]]:
    """What must be told of people, in any order but leaves first, and of messages, in theirs."""

    def people() -> Iterator[RoomEvent]:
        yield from (Left(ROOM, id_) for id_ in before.members if id_ not in after.members)
        bare = after.snapshot(bare=True)
        for id_, held in after.members.items():
            was = before.members.get(id_)
            if was is None or was.member.seat != held.member.seat:
                yield Joined(ROOM, held.member, bare, returned=was is not None, missed=True)
            elif was.member.user != held.member.user:
                yield Changed(ROOM, held.member)

    return set(people()), [Posted(ROOM, entry) for entry in after.entries[before.last :]]


@thorough
@given(histories, st.data())
def test_in_whatever_order_and_however_often_it_comes_it_is_told_once_and_in_order(
    history: History, data: st.DataObject
) -> None:
    follower = Follower()
    again = data.draw(st.lists(st.sampled_from(history.steps), max_size=10))
    offered: set[int] = set()
    for step in data.draw(st.permutations([*history.steps, *again])):
        gaps, new = follower.gaps, step.seq not in offered
        follower.track.offer(step)
        offered.add(step.seq)
        complete = next(seq for seq in range(len(history.steps) + 1) if seq + 1 not in offered)
        assert follower.told == history.events[:complete]
        follower.is_as(history.states[complete])
        assert follower.track.waits is (len(offered) > complete)
        if new:
            assert follower.gaps == gaps + follower.track.waits
    assert follower.told == history.events


@thorough
@given(histories, st.data())
def test_what_was_missed_is_told_as_the_difference_and_the_rest_goes_on(history: History, data: st.DataObject) -> None:
    follower, length = Follower(), len(history.steps)
    for step in data.draw(st.permutations(history.steps)):
        if data.draw(st.booleans()):
            follower.track.offer(step)
    known = history.states[follower.track.seq]
    early = {step.seq for step in follower.track._early.values()}
    follower.taken()
    seq = data.draw(st.integers(known.seq, length))
    state = history.state(seq, known.last)
    assert follower.track.adopt(state)
    goes_on = next(number for number in range(seq, length + 1) if number + 1 not in early)
    people, messages = difference(known, history.states[seq])
    told = follower.taken()
    assert set(told[: len(people)]) == people
    leaves = [isinstance(event, Left) for event in told[: len(people)]]
    assert all(first or not then for first, then in pairwise(leaves))
    assert told[len(people) :] == messages + history.events[seq:goes_on]
    follower.is_as(history.states[goes_on])
    for step in history.steps:
        follower.track.offer(step)
    assert follower.told == history.events[goes_on:]
    follower.is_as(history.states[-1])


@thorough
@given(histories, st.data())
def test_a_state_that_lacks_messages_or_is_of_another_room_is_refused_and_nothing_told(
    history: History, data: st.DataObject
) -> None:
    known = data.draw(st.sampled_from(history.states))
    now = history.states[-1]
    follower = Follower(known)
    missed = now.last - known.last
    refused = [replace(history.state(now.seq, known.last), epoch=OTHER_EPOCH), replace(now, last=known.last - 1)]
    if missed:
        refused.append(history.state(now.seq, known.last, kept=data.draw(st.integers(0, missed - 1))))
    for state in refused:
        assert not follower.track.adopt(state)
    assert follower.told == []
    assert (follower.track.seq, follower.track.last, follower.track.roster) == (known.seq, known.last, known.members)
    assert follower.track.adopt(history.state(now.seq, known.last, kept=missed)), "those that are missed are enough"


@thorough
@given(histories, st.data())
def test_a_message_that_does_not_continue_what_was_said_stops_everything(history: History, data: st.DataObject) -> None:
    posts = [step.seq for step in history.steps if isinstance(step.event, Posted)]
    if not posts:
        return
    wrong = data.draw(st.sampled_from(posts))
    steps = [replace(step, before="another") if step.seq == wrong else step for step in history.steps]
    follower = Follower()
    for step in data.draw(st.permutations(steps)):
        follower.track.offer(step)
    assert follower.told == history.events[: wrong - 1]
    assert follower.track.broken
    assert follower.gaps
    follower.is_as(history.states[wrong - 1])
    follower.taken()
    assert follower.track.adopt(history.state(len(steps), history.states[wrong - 1].last))
    assert not follower.track.broken
    assert [event for event in follower.told if isinstance(event, Posted)] == [
        event for event in history.events[wrong - 1 :] if isinstance(event, Posted)
    ]


@thorough
@given(histories, st.data())
def test_who_waits_is_called_when_it_has_been_told(history: History, data: st.DataObject) -> None:
    async def wait() -> None:
        follower, length = Follower(), len(history.steps)
        waiting = {seq: follower.track.told(seq) for seq in data.draw(st.sets(st.integers(0, length + 1)))}
        for step in data.draw(st.permutations(history.steps)):
            follower.track.offer(step)
            assert all(future.done() is (seq <= follower.track.seq) for seq, future in waiting.items())
        follower.track.end()
        assert all(future.done() for future in waiting.values()), "who waits need not"

    asyncio.run(wait())


async def test_who_waits_is_called_when_a_state_holds_it_and_by_what_waited_for_it() -> None:
    history = history_of([("join", "ann", HERE)] * 6)
    follower = Follower()
    follower.track.offer(history.steps[4])
    waiting = [follower.track.told(seq) for seq in (3, 5, 6)]
    assert follower.track.told(5) is waiting[1], "one for all who wait for the same"
    assert follower.track.adopt(history.state(4, 0))
    assert [future.done() for future in waiting] == [True, True, False]


def test_after_its_end_nothing_is_told() -> None:
    history = history_of([("join", "ann", HERE), ("post", "ann", HERE)])
    follower = Follower()
    follower.track.offer(history.steps[1])
    follower.track.end()
    follower.track.offer(history.steps[0])
    assert follower.told == []


def test_so_much_may_wait_and_no_more() -> None:
    follower = Follower()
    for seq in range(2, MOST_EARLY + 2):
        follower.track.offer(Step(seq, Typed(ROOM, MemberId("ann"), "")))
    assert not follower.track.crowded
    follower.track.offer(Step(MOST_EARLY + 2, Typed(ROOM, MemberId("ann"), "")))
    assert follower.track.crowded


def test_an_end_in_the_middle_of_telling_is_heeded() -> None:
    """Whoever is told that the last member here has left lets go of the room at once."""
    history = history_of([("join", "ann", HERE), ("leave", "ann", HERE), ("join", "bob", ELSEWHERE)])
    told: list[RoomEvent] = []

    def deliver(event: RoomEvent) -> None:
        told.append(event)
        if isinstance(event, Left):
            track.end()

    track = Track(ROOM, HERE, EMPTY, deliver, lambda track: None)
    for step in reversed(history.steps):
        track.offer(step)
    assert told == history.events[:2]
