"""Knows two people in a room of a server that has been broken into, and what has become visible to each of them;
knows no attack."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import expect

from bench.limits import UNLIMITED
from tests.client import room_of
from tests.e2e.hostile.server import SALT, HostileServer, Line, Twist, hostile_server
from tests.e2e.hostile.voice import Voice
from tests.e2e.pages import Guest, Visits
from tests.reference import Room

ROOM = "room-of-attacks"

FORK = (
    "alarm: The server shows people different histories of this room. "
    "Do not trust what is missing here, and tell the others by another way."
)

NEW_NOTICES = """() => Array.from(
    document.querySelectorAll("#notices li.notice:not([data-old])"),
    (notice) => `${notice.dataset.kind}: ${notice.textContent}`)"""
FORGET_NOTICES = "() => document.querySelectorAll('#notices li').forEach((notice) => (notice.dataset.old = ''))"


@dataclass
class Seen:
    """What one person was shown while an attack went on. `notices` as "kind: sentence"."""

    texts: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> list[str]:
        """All but the quiet notices."""
        return [notice for notice in self.notices if not notice.startswith("quiet")]


@dataclass
class Scene:
    """`alice` and `bob` are honest; somebody who knows the room's name may work for the server."""

    server: HostileServer
    room: Room
    alice: Guest
    bob: Guest
    members: dict[str, str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def guests(self) -> tuple[Guest, Guest]:
        return self.alice, self.bob

    def member(self, guest: Guest) -> str:
        return self.members[guest.name]

    def line(self, guest: Guest) -> Line:
        """The line that the server has to this page now."""
        return self.server.line(self.member(guest))

    def voice(self, name: str = "") -> Voice:
        """Somebody new with the room's key."""
        return Voice(self.room, name or f"Voice-{next(self._numbers)}")

    def post(self, member: str, message: str) -> int:
        return self.server.post(self.room, member, message)

    def speak(self, voice: Voice, text: str) -> int:
        """An honest message of this voice, before everybody. Answers its id."""
        return self.post(voice.member, voice.says(text).ciphertext)

    def spread(self, event: str, **argument: str | int) -> None:
        self.server.spread(self.room, event, dict(argument))

    def enter(self, voice: Voice, **changes: str | int) -> None:
        """The server says that this voice is here now, with a user ciphertext of its own."""
        self.spread("new_user", member=voice.member, user=voice.user(**changes))

    def skip(self, number: int) -> None:
        """The log goes on with a later id, as if so many messages had been there."""
        kept = self.server.kept(self.room)
        kept.last += number
        kept.log.clear()
        kept.log_times.clear()

    @asynccontextmanager
    async def away(self, guest: Guest, **lies: Twist) -> AsyncIterator[None]:
        """This guest's line breaks, and is back at the end, where these lies are told."""
        member = self.member(guest)
        self.server.line(member).cut()
        await guest.reaches("offline")
        yield
        with self.server.lying(member, **lies):
            await self.back(guest)

    async def back(self, guest: Guest) -> None:
        """This guest asks for the connection again, and gets it."""
        await guest.page.locator("#reconnect").dispatch_event("click")
        await guest.reaches("resynced", "connected")

    async def marker(self) -> str:
        """An honest message that reaches both: what came before it has been dealt with."""
        text = f"marker {next(self._numbers)}"
        await self.alice.say(text)
        await self.bob.hears(text)
        return text

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[tuple[Seen, Seen]]:
        """What Alice and Bob are shown within, told at its end. The pages must still work then."""
        before = await self.marker()
        for guest in self.guests:
            await guest.page.evaluate(FORGET_NOTICES)
        seen = Seen(), Seen()
        yield seen
        after = await self.marker()
        for guest, shown in zip(self.guests, seen, strict=True):
            texts = await guest.texts()
            shown.texts = texts[texts.index(before) + 1 : texts.index(after)]
            shown.notices = await guest.page.evaluate(NEW_NOTICES)


@asynccontextmanager
async def hostile_scene(visits: Visits, *, clock: bool = False) -> AsyncIterator[Scene]:
    """`clock`: Bobby's page has one that can be put forward."""
    # As many events as a test likes.
    async with hostile_server(**UNLIMITED) as server:
        # Nothing here is about motion, on which a browser without a graphics card spends a fifth of its time.
        pages = [await visits.page(reduced_motion="reduce") for _ in range(2)]
        if clock:
            await pages[1].clock.install()
        alice, bob = [
            await Guest.enter(page, server.url, ROOM, name)
            for page, name in zip(pages, ("Alice", "Bobby"), strict=True)
        ]
        members = {guest.name: await _member(guest) for guest in (alice, bob)}
        try:
            yield Scene(server, room_of(ROOM, SALT), alice, bob, members)
        finally:
            await visits.close()  # before the server goes, which the pages would miss


async def _member(guest: Guest) -> str:
    own = guest.people.filter(has=guest.page.locator(".note", has_text="you"))
    await expect(own).to_have_count(1)
    return str(await own.get_attribute("data-member"))
