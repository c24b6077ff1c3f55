"""Talkers in rooms on several nodes, and what must hold of all of them in the end, whatever happens; knows no fault."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp
import pytest

from tests.nodes.site import Site
from tests.nodes.talker import Bell, Said, Talker
from tests.reference import Room, unb64

TALKERS, ROOMS = 6, 2
PATIENCE = 20.0
FEW = 6
"""Messages that a Redis which is killed has said it has, and may not have told every node: one of each talker."""


@dataclass(frozen=True)
class Row:
    """A fault and what came of it. `recovered`: seconds until everybody's messages reached everybody again."""

    fault: str
    clients: int
    messages: int
    seconds: float
    lost: int
    doubled: int
    in_order: bool
    recovered: float

    def __str__(self) -> str:
        order = "one order" if self.in_order else "NO ORDER"
        return (
            f"{self.fault}: {self.clients} clients, {self.messages} messages, {self.messages / self.seconds:.0f} a "
            f"second; {self.lost} lost, {self.doubled} doubled, {order}; recovered in {self.recovered:.1f} s"
        )


class Scene:
    """`forgiven`: how many messages may be lost, where Redis itself loses what it had."""

    def __init__(self, site: Site, talkers: list[Talker], bell: Bell) -> None:
        self.site = site
        self.talkers = talkers
        self.forgiven = 0
        self._bell = bell
        self._began = time.monotonic()

    @property
    def staying(self) -> list[Talker]:
        return [talker for talker in self.talkers if talker.staying]

    @property
    def rooms(self) -> list[list[Talker]]:
        """Who has been in each, those who have left as well."""
        found: dict[bytes, list[Talker]] = {}
        for talker in self.talkers:
            found.setdefault(talker.room.address, []).append(talker)
        return list(found.values())

    def on(self, number: int) -> list[Talker]:
        """Who is connected to this node."""
        return [talker for talker in self.talkers if talker.inside and talker.url == self.site.nodes[number].url]

    def mates(self, talker: Talker) -> list[Talker]:
        """Who is in its room now, itself included."""
        return [other for other in self.staying if other.room is talker.room]

    async def another(self, like: Talker) -> Talker:
        """Somebody who was never there before comes into a room, and says nothing."""
        name = f"Talker-{len(self.talkers)}"
        comer = Talker(name, like.room, like.site, like.door, like.url, self._bell)
        comer.start(silent=True)
        self.talkers.append(comer)
        await self.until(lambda: comer.inside)
        return comer

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        assert await self._bell.until(condition, seconds), self.told()

    async def recovers(self, since: float | None = None, among: list[Talker] | None = None) -> float:
        """Waits until everybody (or `among` these, each) has had a message acked and seen by all from now on; how many
        seconds after `since` that was."""
        mark, whom = time.monotonic(), among or self.staying
        await self.until(lambda: all(self._reaches(talker, mark, whom) for talker in whom))
        return time.monotonic() - (since or mark)

    async def settles(self) -> None:
        """Nobody says anything more, and everything has arrived."""
        await asyncio.gather(*(talker.rest(PATIENCE) for talker in self.staying))
        await self._bell.until(self.settled, PATIENCE)

    def settled(self) -> bool:
        """Whether everything has arrived, and all agree about who is there."""
        return self._agreed() and len(self._lost()) <= self.forgiven

    def judge(self, fault: str, recovered: float, *, epochs: int = 1) -> Row:
        """What must hold of every scene. `epochs`: how many histories a room may have had."""
        messages = sum(len(talker.said) for talker in self.talkers)
        doubled = sum(_doubled(talker) for talker in self.staying)
        in_order = all(_one_order(room) for room in self.rooms)
        seconds = time.monotonic() - self._began
        row = Row(fault, len(self.talkers), messages, seconds, len(self._lost()), doubled, in_order, recovered)
        assert self._agreed(), self.told()
        assert row.lost <= self.forgiven, self.told()
        assert row.doubled == 0, self.told()
        assert row.in_order, self.told()
        assert all(len(talker.epochs) <= epochs for talker in self.staying), self.told()
        assert [talker.complaints for talker in self.talkers] == [[]] * len(self.talkers), self.told()
        return row

    def nobody_noticed(self, *leavers: Talker) -> None:
        """Of comings and goings those who were connected all the time know nothing but that these have left, once."""
        steady = [talker for talker in self.staying if talker.lives == 1]
        for talker in steady:
            gone = [other.member for other in leavers if other.room is talker.room]
            assert sorted(talker.comings) == sorted(("user_left", member) for member in gone), self.told()

    def told(self) -> str:
        """Where everybody stands, for whoever reads a failure."""
        names = {talker.member: talker.name for talker in self.talkers}

        def line(talker: Talker) -> str:
            roster = sorted(names.get(member, "?") for member in talker.roster)
            comings = [f"{event} {names.get(member, '?')}" for event, member in talker.comings]
            return (
                f"{talker.name} {'staying' if talker.staying else 'gone'} inside={talker.inside} at {talker.url} "
                f"lives={talker.lives} said={len(talker.said)} seen={len(talker.seen)} epochs={len(talker.epochs)} "
                f"roster={roster} comings={comings} refused={dict(talker.refused)} complaints={talker.complaints} "
                f"doubled={_doubled(talker)}"
            )

        rooms = "\n".join("\n".join(map(line, room)) for room in self.rooms)
        lost = sorted(self._lost())
        return f"{rooms}\nlost: {len(lost)}, such as {lost[:10]}"

    def _reaches(self, talker: Talker, mark: float, whom: list[Talker]) -> bool:
        """Whether a message of it, acked since then, has been seen by all of these who are in its room."""
        mates = [mate for mate in whom if mate.room is talker.room]
        for said in reversed(talker.said[-5:]):
            if said.acked is not None and said.acked > mark and all(said.digest in mate.first_seen for mate in mates):
                return True
        return False

    def _agreed(self) -> bool:
        """Whether everybody is there, and takes exactly those for here who are."""
        return all(
            talker.inside and talker.roster == {mate.member for mate in self.mates(talker)} for talker in self.staying
        )

    def _lost(self) -> set[str]:
        """Messages that the server said it has, and one who stayed has never seen; and holes in what they have seen."""
        lost = set()
        for room in self.rooms:
            acked = [(talker.name, number, said) for talker in room for number, said in _acked(talker)]
            for reader in room:
                if reader.staying:
                    missing = (
                        (name, number)
                        for name, number, said in acked
                        if said.digest not in reader.first_seen and cast(float, said.acked) > reader.since
                    )
                    lost |= {f"{name} {number}" for name, number in missing}
                    lost |= {f"hole of {reader.name} before {number}" for number in _holes(reader)}
        return lost


def _acked(talker: Talker) -> Iterator[tuple[int, Said]]:
    return ((number, said) for number, said in enumerate(talker.said) if said.acked is not None)


def _holes(talker: Talker) -> list[int]:
    pairs = zip(talker.seen, talker.seen[1:], strict=False)
    return [after.id for before, after in pairs if before.epoch == after.epoch and after.id > before.id + 1]


def _doubled(talker: Talker) -> int:
    """How often it has seen what it had seen in the same history."""
    return (
        2 * len(talker.seen)
        - len({(each.epoch, each.id) for each in talker.seen})
        - len({(each.epoch, each.digest) for each in talker.seen})
    )


def _one_order(room: list[Talker]) -> bool:
    """Whether all have seen, within each history, the same under the same number, and numbers that grow; nobody goes
    back to a history that is over; and what one has said comes in the order of saying."""
    known: dict[tuple[str, int], str] = {}
    places = {said.digest: (talker.name, at) for talker in room for at, said in enumerate(talker.said)}
    for talker in room:
        last: dict[tuple[str, str], int] = {}
        for each in talker.seen:
            if known.setdefault((each.epoch, each.id), each.digest) != each.digest:
                return False
            author, place = places[each.digest]
            if last.get((each.epoch, author), -1) >= place:
                return False
            last[each.epoch, author] = place
        for before, after in zip(talker.seen, talker.seen[1:], strict=False):
            if before.epoch == after.epoch and after.id <= before.id:
                return False
        changes = sum(a.epoch != b.epoch for a, b in zip(talker.seen, talker.seen[1:], strict=False))
        if talker.seen and changes != len(talker.epochs) - 1:
            return False
    return True


@asynccontextmanager
async def gathering(site: Site, rooms: list[Room] | None = None, talkers: int = TALKERS) -> AsyncIterator[Scene]:
    """Talkers in turn in each of the rooms and on each of the nodes, who all have heard each other."""
    async with aiohttp.ClientSession() as http, http.get(f"{site.nodes[0].url}/site.json") as answer:
        salt = unb64((await answer.json())["salt"])
    rooms = rooms or [Room.from_secret(os.urandom(32)) for _ in range(ROOMS)]
    bell, chance = Bell(), random.Random(7)  # noqa: S311 - the same again
    made = [
        Talker(
            f"Talker-{number}",
            rooms[number % len(rooms)],
            salt,
            lambda: site.door(chance),
            site.nodes[number // len(rooms) % len(site.nodes)].url,
            bell,
        )
        for number in range(talkers)
    ]
    scene = Scene(site, made, bell)
    try:
        for talker in made:
            talker.start()
        await scene.until(scene._agreed)
        await scene.recovers()
        for talker in made:
            talker.comings.clear()
        yield scene
    finally:
        await asyncio.gather(*(talker.close() for talker in scene.talkers))


def record(capsys: pytest.CaptureFixture[str], row: Row) -> None:
    """What was measured is worth keeping."""
    with capsys.disabled():
        print(f"\n{row}", end="")  # noqa: T201
