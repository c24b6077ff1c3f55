"""Coroutines that mostly need not wait: they are run at once, and become tasks only when they do wait.

A task for each message would cost more than the message. Python 3.12 has this built in, 3.11 has not. Until it waits
for the first time such a coroutine has no current task, which `asyncio.timeout` would ask for.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any

Waited = asyncio.Future[Any] | None
"""What a coroutine hands its task when it waits; None for a turn of the loop."""


def start(running: Coroutine[Waited, None, None]) -> asyncio.Task[None] | None:
    """Runs it until it first waits; answers None if it is done by then, or the task that does the rest."""
    try:
        waits_for = running.send(None)
    except StopIteration:
        return None
    return asyncio.ensure_future(_finish(_Begun(running, waits_for)))


async def _finish(begun: "_Begun") -> None:
    await begun


class _Begun(Generator[Waited, None, None]):
    """A coroutine that waits already, to be awaited: says once more what it waits for, then goes on as it is told."""

    def __init__(self, running: Coroutine[Waited, None, None], waits_for: Waited) -> None:
        self._running = running
        self._first: list[Waited] = [waits_for]

    def __await__(self) -> Generator[Waited, None, None]:
        return self

    def send(self, value: None) -> Waited:
        return self._first.pop() if self._first else self._running.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Waited:
        return self._running.throw(typ if isinstance(typ, BaseException) else typ())
