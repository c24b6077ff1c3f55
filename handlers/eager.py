"""Coroutines that mostly need not wait: they are run at once, and become tasks only when they do wait.

A task for each message would cost more than the message. Python 3.12 has this built in, 3.11 has not. Until it waits
for the first time such a coroutine has no current task, which `asyncio.timeout` would ask for.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

Waited = asyncio.Future[Any] | None
"""What a coroutine hands its task when it waits; None for a turn of the loop."""


def start(running: Coroutine[Waited, None, None]) -> asyncio.Task[None] | None:
    """Runs it until it first waits; answers None if it is done by then, or the task that does the rest."""
    try:
        waits_for = running.send(None)
    except StopIteration:
        return None
    return asyncio.ensure_future(_rest(running, waits_for))


@coroutine
def _rest(running: Coroutine[Waited, None, None], waits_for: Waited) -> Generator[Waited, None, None]:
    """What is left of a coroutine that waits already, as one that a task can run."""
    try:
        while True:
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - what cancels the task goes to where it waits
                waits_for = running.throw(thrown)
            else:
                waits_for = running.send(None)
    except StopIteration:
        pass
