"""Plays a schedule, which is a string of bytes: what the lines do, what people do, how time passes; brings it to rest
in the end and asks the judge."""

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, cast

from tests.schedules import judge
from tests.schedules.dialer import MODES
from tests.schedules.guest import Guest
from tests.schedules.network import Exchange, Line
from tests.schedules.site import EMPTY_ROOM_TTL, GRACE, PING_INTERVAL, PING_TIMEOUT, TIMING, Site

LONGEST = 500
"""Frames over one line within one moment; more are a conversation that never ends."""


class World:
    """All that there is. The first bytes of a schedule say how many guests there are and how they connect."""

    def __init__(self, schedule: bytes) -> None:
        self._schedule = schedule
        self.now = 1000.0
        random = Random(schedule)  # noqa: S311 - keys of nobody
        self.diary: list[str] = []
        self._log_size = (40, 4, 1, 0)[schedule[0] >> 2 & 3]
        self.guests = [
            Guest(number, random, MODES[(schedule[1] >> 2 * number) % 3], lambda: self.now, self._log_size, self.diary)
            for number in range(2 + schedule[0] % 3)
        ]
        self.sites = [Site(self.now, self._log_size)]
        self._steps: tuple[Callable[[int], Any], ...] = (
            *(self._carry_all,) * 3,
            *(self._carry,) * 8,
            *(self._say,) * 5,
            *(self._wake,) * 3,
            *(self._wait_a_little,) * 2,
            *(self._cut,) * 4,
            *(self._lose_the_answer,) * 2,
            self._wait,
            self._slow_down,
            self._repeat,
            self._hold,
            self._leave,
            self._restart,
        )

    @property
    def site(self) -> Site:
        """The server that runs now."""
        return self.sites[-1]

    async def play(self) -> None:
        await self.site.chat.start()
        for at in range(2, len(self._schedule) - 1, 2):
            action, number = self._schedule[at], self._schedule[at + 1]
            step = self._steps[action % len(self._steps)]
            self.diary.append(f"{self.now:.2f} - {step.__name__} {number}")
            result = step(number)
            if result is not None:
                await result
            await self.settle()
            self._tick()
            judge.as_it_goes(self.site)
        self.diary.append("all lines are mended")
        await self._come_to_rest()
        judge.at_rest(self.guests, self.sites)
        await self._go_home()
        judge.afterwards(self.sites)

    async def settle(self) -> None:
        """Everything has happened that can without anybody's help."""
        ready = cast(Any, asyncio.get_running_loop())._ready
        self.site.clock.advance(0)
        while ready:
            await asyncio.sleep(0)
            self.site.clock.advance(0)

    async def pass_time(self, seconds: float) -> None:
        """Whatever is due on the way happens at its own time, with all that follows from it."""
        end = self.now + seconds
        while self.now < end:
            due = min((at for at, _, call in self.site.clock._calls if not call.cancelled), default=end)
            step = min(due, end) - self.now
            self.now += step
            self.site.clock.advance(step)
            await self.settle()
        self._tick()

    # the steps of a schedule

    async def _carry_all(self, _: int) -> None:
        for _turn in range(LONGEST):
            carried = False
            for line in list(self._lines()):
                for direction in (0, -1):
                    if ways := line.traffic():
                        ways[direction]()
                        await self.settle()
                        carried = True
            if not carried:
                return
        raise AssertionError("a conversation without an end")

    async def _carry(self, number: int) -> None:
        """One or a few frames, anywhere."""
        for _ in range(1 + number // 64):
            traffic = self._traffic()
            if traffic:
                traffic[number % len(traffic)]()
                await self.settle()

    def _say(self, number: int) -> None:
        guest = self._guest(number)
        for _ in range(0 if guest.gone else 1 + number // 64):
            guest.type()

    async def _lose_the_answer(self, number: int) -> None:
        """What somebody says gets there, what comes of it does not get back."""
        guest = self._guest(number // 4)
        self._say(number // 4)
        dialer = guest.dialer
        if dialer is None:
            return
        for line in dialer.open_lines():
            while not line.cut and (
                (isinstance(line, Line) and line.up) or (isinstance(line, Exchange) and not line.arrived)
            ):
                line.traffic()[0]()
                await self.settle()
        for line in dialer.open_lines():
            line.break_off()
            if number & 1:
                line.tell_server()
            line.tell_caller()
        if number & 2:
            guest.wake(self.site)

    def _wake(self, number: int) -> None:
        guest = self._guest(number)
        if number >= 192:
            guest.gone = False
        guest.wake(self.site)

    async def _wait_a_little(self, number: int) -> None:
        await self.pass_time((number % 8) / 8)

    async def _wait(self, number: int) -> None:
        await self.pass_time((GRACE - 0.1, GRACE, GRACE + 0.1, PING_INTERVAL, PING_TIMEOUT, 10)[number % 6])

    def _cut(self, number: int) -> None:
        """A line breaks, and one end hears of it, or both, or none."""
        lines = [line for line in self._lines() if not line.cut]
        if not lines:
            return
        line = lines[number // 4 % len(lines)]
        if isinstance(line, Exchange) and line.method == "POST" and not line.arrived and number & 1:
            line.arrive(len(line.body) // 2)
        line.break_off()
        if number & 1:
            line.tell_server()
        if number & 2:
            line.tell_caller()

    def _slow_down(self, number: int) -> None:
        """A guest takes nothing from now on, or everything again."""
        dialer = self._guest(number // 4).dialer
        for line in dialer.open_lines() if dialer is not None else ():
            line.slow = number % 4 > 0

    def _repeat(self, number: int) -> None:
        """The network brings a POST twice. (A second GET would take what the first is to bring.)"""
        on_their_way = [
            (guest, dialer, exchange)
            for guest in self.guests
            for dialer in guest.lines
            for exchange in dialer.exchanges
            if exchange.method == "POST" and not exchange.arrived and not exchange.cut
        ]
        if on_their_way:
            guest, dialer, exchange = on_their_way[number % len(on_their_way)]
            guest.repeated = True
            dialer.exchanges.append(exchange.again())

    def _hold(self, number: int) -> None:
        """Whoever joins waits from now on, or no longer."""
        self.site.way_in.held = bool(number & 1)
        if not self.site.way_in.held:
            self._let_in()

    def _leave(self, number: int) -> None:
        self._guest(number // 4).leave(number)

    async def _restart(self, number: int) -> None:
        """The server is told to stop, or dies; what was on its way is lost with it. Mostly it goes on."""
        if number < 160:
            return
        old = self.site
        if number & 1:
            self._let_in()
            await self.settle()
            await old.close()
            await self.settle()
            judge.closed(old)
        for line in list(self._lines()):
            line.break_off()
            line.server_knows = True
            if number & 2:
                line.tell_caller()
        self.sites.append(Site(self.now, self._log_size))
        await self.site.chat.start()

    # how it ends

    async def _come_to_rest(self) -> None:
        """All lines are good again, everybody comes back, and so much time passes that every doubt is settled."""
        for _ in range(40):
            self._mend()
            await self._carry_all(0)
            if all(guest.content for guest in self.guests) and not self._half_open():
                break
            await self.pass_time(1)
        for _ in range(int(GRACE + PING_INTERVAL + PING_TIMEOUT) + 1):
            await self._carry_all(0)
            await self.pass_time(1)
        await self._carry_all(0)

    def _mend(self) -> None:
        self.site.way_in.held = False
        self._let_in()
        for line in list(self._lines()):
            line.slow = False
            if line.cut:
                line.tell_caller()
        for guest in self.guests:
            guest.wake(self.site)

    def _half_open(self) -> bool:
        return any(line.cut and not line.server_knows for line in self._lines())

    async def _go_home(self) -> None:
        for line in list(self._lines()):
            line.break_off()
            line.tell_server()
        await self.pass_time(GRACE + TIMING.connect_timeout + PING_INTERVAL + PING_TIMEOUT)
        await self.pass_time(30)  # farewells are kept so long
        await self.pass_time(EMPTY_ROOM_TTL)

    # who and what there is

    def _guest(self, number: int) -> Guest:
        return self.guests[number % len(self.guests)]

    def _lines(self) -> Iterator[Line | Exchange]:
        """That somebody still has to do with."""
        for guest in self.guests:
            guest.lines = [dialer for dialer in guest.lines if not dialer.over or any(dialer.open_lines())]
            for dialer in guest.lines:
                yield from dialer.open_lines()

    def _traffic(self) -> list[Callable[[], None]]:
        return [way for line in self._lines() for way in line.traffic()]

    def _let_in(self) -> None:
        while self.site.way_in.waiting:
            self.site.way_in.let_go()

    def _tick(self) -> None:
        for guest in self.guests:
            guest.tick()
