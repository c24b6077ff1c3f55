"""A link to one Redis server: a connection for commands, which go out as they come and are answered in their order, and
one for what is said on channels. Made anew when it breaks; knows no room and no other server.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ClusterDownError, ReadOnlyError, RedisError, ResponseError, TryAgainError

logger = logging.getLogger(__name__)

SECONDS = 3.0
"""For a connection, and between what is asked and what is answered: a Redis that is slower is as good as away."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Between two attempts to connect, doubled each time."""
BURST = 512
"""Commands that go out in one write."""

Word = bytes | str | int | float
Pair = tuple[AbstractConnection, AbstractConnection]


class Away(Exception):
    """Redis cannot be asked now."""


class Unanswered(Away):
    """It was asked, and then it went away: what it was asked may have happened."""


ELSEWHERE = (AskError, ClusterDownError, TryAgainError)
"""How a server of a cluster says that what it was asked about is not its own now; MOVED is a kind of ASK there."""


class Link:
    """`make`: two connections to where the server is by now, not yet connected; raises Away. `heard`: gets what is said
    on a channel. `sure`: is told of each channel that from now on nothing is missed on, the first time and after each
    break. `moved`: is told of each channel that is not this server's any more, and is not subscribed here from then on.
    `broken`: is told when the link has come to an end, or could not be made, and why. None of them may wait."""

    def __init__(
        self,
        make: Callable[[], Awaitable[Pair]],
        heard: Callable[[bytes, bytes], None],
        sure: Callable[[bytes], None],
        moved: Callable[[bytes], None],
        broken: Callable[[Exception], None],
        *,
        sharded: bool,
    ) -> None:
        self._make = make
        self._heard = heard
        self._sure = sure
        self._moved = moved
        self._broken = broken
        self._prefix = "S" if sharded else ""
        self._channels: set[bytes] = set()
        self._commands: AbstractConnection | None = None
        self._feed: AbstractConnection | None = None
        self._unsent: deque[tuple[tuple[Word, ...], asyncio.Future[Any]]] = deque()
        self._sent: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._orders: deque[tuple[str, bytes]] = deque()
        self._given: deque[tuple[str, bytes]] = deque()
        """Orders that have gone out and are not answered yet."""
        self._broke = False
        self._since = 0.0
        self._away = ""
        """Why, as long as it is."""
        self._news = asyncio.Event()
        self._ordered = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(report)

    def came_back(self, seconds: float) -> bool:
        """Whether the link was broken until so many seconds ago, or is."""
        return self._broke and asyncio.get_running_loop().time() - self._since < seconds

    @property
    def up(self) -> bool:
        """Whether there is anybody to be asked."""
        return self._commands is not None

    def ask(self, *words: Word) -> "asyncio.Future[Any]":
        """The answer of one command; after those that were asked before. Raises Away, also later, and ResponseError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._commands is None:
            future.set_exception(Away())
        else:
            self._unsent.append((words, future))
            self._news.set()
        return future

    def subscribe(self, channel: bytes) -> None:
        """`sure` will be told of it."""
        self._channels.add(channel)
        self._order("SUBSCRIBE", channel)

    def unsubscribe(self, channel: bytes) -> None:
        """It is nobody's concern any more."""
        self._channels.discard(channel)
        self._order("UNSUBSCRIBE", channel)

    async def close(self) -> None:
        """Nothing is heard any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _order(self, what: str, channel: bytes) -> None:
        if self._feed is not None:
            self._orders.append((self._prefix + what, channel))
            self._ordered.set()

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._talk()
            except (Away, RedisError, OSError, TimeoutError) as error:
                self._broke = self._broke or self._commands is not None
                self._end()
                self._complain(error)
                self._broken(error)
            finally:
                self._end()
            if asyncio.get_running_loop().time() - began > 2 * LONGEST_WAIT:
                wait = FIRST_WAIT
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - that not all come back at once
            wait = min(2 * wait, LONGEST_WAIT)

    async def _talk(self) -> None:
        """Until the link breaks; never returns."""
        commands, feed = await self._make()
        try:
            async with asyncio.timeout(SECONDS):
                await commands.connect()  # type: ignore[no-untyped-call]
                await feed.connect()  # type: ignore[no-untyped-call]
            self._commands, self._feed = commands, feed
            self._since = asyncio.get_running_loop().time()
            if self._away:
                self._away = ""
                logger.warning("Redis is there again")
            self._orders.extend((f"{self._prefix}SUBSCRIBE", channel) for channel in self._channels)
            self._ordered.set()
            steps = (self._write(commands), self._read(commands), self._watch(), self._obey(feed), self._listen(feed))
            tasks = [asyncio.ensure_future(step) for step in steps]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                task.result()
        finally:
            for connection in (commands, feed):
                await hang_up(connection)

    def _complain(self, error: Exception) -> None:
        """Once for each reason, and not with each attempt."""
        why = type(error.__cause__ or error).__name__
        if why != self._away:
            self._away = why
            logger.warning("Redis is away: %s", why)

    def _end(self) -> None:
        """Whoever waits is told."""
        self._commands = self._feed = None
        unanswered = [future for _, future in self._sent]
        unsent = [future for _, future in self._unsent]
        self._sent.clear()
        self._unsent.clear()
        self._orders.clear()
        self._given.clear()
        for futures, error in ((unanswered, Unanswered), (unsent, Away)):
            for future in futures:
                if not future.done():
                    future.set_exception(error())

    # -- commands

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._unsent:
                batch: list[tuple[Word, ...]] = []
                now = asyncio.get_running_loop().time()
                while self._unsent and len(batch) < BURST:
                    words, future = self._unsent.popleft()
                    batch.append(words)
                    self._sent.append((now, future))
                async with asyncio.timeout(SECONDS):
                    await connection.send_packed_command(connection.pack_commands(batch), check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            answer = await _reply(connection)
            if not self._sent:
                raise Away  # nobody has asked: a server that says goodbye
            _, future = self._sent.popleft()
            if not future.done():
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            if isinstance(answer, ReadOnlyError):
                raise answer  # it is no master any more

    async def _watch(self) -> None:
        """Where no answer comes, the line is dead, whatever TCP thinks."""
        while True:
            await asyncio.sleep(SECONDS / 4)
            if self._sent and asyncio.get_running_loop().time() - self._sent[0][0] > SECONDS:
                raise Away

    # -- the feed

    async def _obey(self, feed: AbstractConnection) -> None:
        """Subscribes, one slot of a cluster at a time."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            while self._orders:
                orders = [self._orders.popleft() for _ in range(min(BURST, len(self._orders)))]
                self._given.extend(orders)
                async with asyncio.timeout(SECONDS):
                    await feed.send_packed_command(feed.pack_commands(orders), check_health=False)

    async def _listen(self, feed: AbstractConnection) -> None:
        pinged = False
        while True:
            try:
                async with asyncio.timeout(SECONDS):
                    said = await _reply(feed)
            except TimeoutError:
                if pinged:
                    raise
                pinged = True
                await feed.send_packed_command(feed.pack_command("PING"), check_health=False)
                continue
            pinged = False
            self._said(said)

    def _said(self, said: Any) -> None:
        match said:
            case [b"message" | b"smessage", bytes(channel), bytes(data)]:
                self._heard(channel, data)
            case [b"subscribe" | b"ssubscribe", bytes(channel), _]:
                self._given.popleft()
                if channel in self._channels:
                    self._sure(channel)
            case [b"unsubscribe" | b"sunsubscribe", bytes(channel), _]:
                if self._given and self._given[0] == (f"{self._prefix}UNSUBSCRIBE", channel):
                    self._given.popleft()
                else:  # nobody has asked: its slot has gone to another server
                    self._gone(channel)
            case ResponseError() if isinstance(said, ELSEWHERE) and self._given:
                self._gone(self._given.popleft()[1])
            case ResponseError():
                raise said

    def _gone(self, channel: bytes) -> None:
        if channel in self._channels:
            self._channels.discard(channel)
            self._moved(channel)


async def _reply(connection: AbstractConnection) -> Any:
    """What comes next; an error that is an answer is answered."""
    try:
        return await connection.read_response(disconnect_on_error=False)
    except ResponseError as error:
        return error


async def hang_up(connection: AbstractConnection) -> None:
    """Without a goodbye: that of TLS waits for the other side's, and would outlive the loop."""
    writer = connection._writer  # noqa: SLF001 - the library closes politely only
    if writer is not None:
        writer.transport.abort()
    with contextlib.suppress(RedisError, OSError):
        await connection.disconnect(nowait=True)


def report(task: "asyncio.Future[Any]") -> None:
    """For a task that nobody waits for: a bug in it is not to go unnoticed."""
    if not task.cancelled() and (error := task.exception()) is not None:
        what = {"message": "a task of the broker has failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(what)
