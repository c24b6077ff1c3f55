"""One room as a node follows it from afar: what happens there comes with numbers, maybe twice, maybe too early, and is
told in order, each once. Knows no Redis and asks nobody; whoever owns it hears of gaps.

Messages are a chain: each names what the one before it was. A room that has forgotten some and goes on from an earlier
one is thus found out, however its numbers look.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rooms.model import (
    Changed,
    Entry,
    Joined,
    Left,
    Member,
    MemberId,
    Posted,
    RoomAddress,
    RoomEvent,
    Snapshot,
)

MOST_EARLY = 4096
"""Events that may wait for those before them; with more of them the room is looked at as a whole."""


@dataclass(frozen=True, slots=True)
class Held:
    """A member, and the node that it is on."""

    member: Member
    node: str


@dataclass(frozen=True, slots=True)
class State:
    """A room at one moment: `seq` is the number of the last event that is in it, `chain` what the last message made of
    the chain. Entries are those after what was asked for."""

    seq: int
    epoch: bytes
    last: int
    chain: str
    timer: int
    members: Mapping[MemberId, Held]
    entries: tuple[Entry, ...]

    def snapshot(self, *, bare: bool = False) -> Snapshot:
        """As clients are told; bare, for events that nobody here has caused."""
        members = () if bare else tuple(held.member for held in self.members.values())
        return Snapshot(self.epoch, self.last, members, () if bare else self.entries, self.timer)


@dataclass(frozen=True, slots=True)
class Step:
    """An event with its place: `before` and `after` are what the chain was and is, of a message; `node` is who has the
    member, of one that joined."""

    seq: int
    event: RoomEvent
    before: str = ""
    after: str = ""
    node: str = ""


class Track:
    """`deliver` gets the events. `gap` is told when something is missing. `mine`: members on this node."""

    def __init__(
        self,
        address: RoomAddress,
        node: str,
        state: State,
        deliver: Callable[[RoomEvent], None],
        gap: Callable[["Track"], None],
    ) -> None:
        self.address = address
        self.seq = state.seq
        self.epoch = state.epoch
        self.last = state.last
        self.chain = state.chain
        self.roster = dict(state.members)
        self.mine: set[MemberId] = set()
        self.broken = False
        """Whether what has come does not continue what was known."""
        self._node = node
        self._deliver = deliver
        self._gap = gap
        self._early: dict[int, Step] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}

    @property
    def led(self) -> bool:
        """Whether the member who has been there for longest is on this node: every room has one such node."""
        first = next(iter(self.roster.values()), None)
        return first is not None and first.node == self._node

    def offer(self, step: Step) -> None:
        """One event, known already or not; told with all that were waiting for it."""
        if step.seq <= self.seq or step.seq in self._early:
            return
        self._early[step.seq] = step
        self._go_on()

    def _go_on(self) -> None:
        """Tells what has only waited for what came before it."""
        while not self.broken and (next_step := self._early.get(self.seq + 1)) is not None:
            if isinstance(next_step.event, Posted) and next_step.before != self.chain:
                self.broken = True
                break
            del self._early[next_step.seq]
            self.seq = next_step.seq
            self._happened(next_step)
            self._reached(self.seq)
        if self._early:
            self._gap(self)

    def told(self, seq: int) -> "asyncio.Future[None]":
        """Done when everything up to this number has been told."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seq <= self.seq:
            future.set_result(None)
            return future
        return self._waiting.setdefault(seq, future)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that it is better to look at the whole."""
        return len(self._early) > MOST_EARLY

    @property
    def waits(self) -> bool:
        """Whether something has come too early."""
        return bool(self._early)

    def adopt(self, state: State) -> bool:
        """Tells the difference to a state of the same epoch whose entries are those after `last`. False, and nothing is
        told, where messages are missing from it."""
        missed = [entry for entry in state.entries if entry.id > self.last]
        if state.epoch != self.epoch or state.last < self.last or len(missed) != state.last - self.last:
            return False
        self.seq = state.seq
        self.broken = False
        self._early = {seq: step for seq, step in self._early.items() if seq > state.seq}
        bare = state.snapshot(bare=True)
        for gone in self.roster.keys() - state.members.keys():
            self._happened(Step(0, Left(self.address, gone)))
        for held in state.members.values():
            before = self.roster.get(held.member.id)
            if before is None or before.member.seat != held.member.seat:
                joined = Joined(self.address, held.member, bare, returned=before is not None, missed=True)
                self._happened(Step(0, joined, node=held.node))
            elif before.member.user != held.member.user:
                self._happened(Step(0, Changed(self.address, held.member)))
        for entry in missed:
            self._happened(Step(0, Posted(self.address, entry)))
        self.roster = dict(state.members)  # in their order
        self.chain = state.chain
        for seq in [seq for seq in self._waiting if seq <= self.seq]:
            self._reached(seq)
        self._go_on()
        return True

    def end(self) -> None:
        """Nothing is told any more; who waits need not."""
        self._early.clear()
        self.broken = True
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def _happened(self, step: Step) -> None:
        match step.event:
            case Joined(_, member):
                self.roster[member.id] = Held(member, step.node)
                if step.node == self._node:
                    self.mine.add(member.id)
                else:
                    self.mine.discard(member.id)
            case Left(_, member):
                self.roster.pop(member, None)
                self.mine.discard(member)
            case Changed(_, member) if member.id in self.roster:
                self.roster[member.id] = Held(member, self.roster[member.id].node)
            case Posted(_, entry):
                self.last = entry.id
                self.chain = step.after or self.chain
        self._deliver(step.event)

    def _reached(self, seq: int) -> None:
        future = self._waiting.pop(seq, None)
        if future is not None and not future.done():
            future.set_result(None)
