"""Coroutines that are run at once, and go on as tasks where they wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from handlers import eager
from tests.handlers.conftest import until


def test_what_need_not_wait_is_done_at_once_without_a_loop() -> None:
    done: list[int] = []

    async def inner() -> int:
        return 7

    async def outer() -> None:
        done.append(await inner())

    assert eager.start(outer()) is None
    assert done == [7]


def test_what_it_raises_before_it_waits_is_raised_at_once() -> None:
    async def wrong() -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        eager.start(wrong())


async def _finished(running: Coroutine[Any, Any, None]) -> None:
    task = eager.start(running)
    assert task is not None
    await task


def test_what_waits_goes_on_as_a_task_with_what_it_waited_for() -> None:
    said: list[object] = []

    async def waiting(answer: "asyncio.Future[str]") -> None:
        said.append("begun")
        said.append(await answer)
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        said.append(asyncio.current_task() is not None)

    async def scene() -> None:
        answer = asyncio.get_running_loop().create_future()
        task = eager.start(waiting(answer))
        assert said == ["begun"]
        assert task is not None
        await asyncio.sleep(0)
        answer.set_result("answer")
        await task

    asyncio.run(scene())
    assert said == ["begun", "answer", True]


def test_what_was_waited_for_may_be_there_before_the_task_begins() -> None:
    async def scene() -> None:
        answer = asyncio.get_running_loop().create_future()
        heard: list[int] = []

        async def waiting() -> None:
            heard.append(await answer)

        task = eager.start(waiting())
        answer.set_result(1)
        assert task is not None
        await task
        assert heard == [1]

    asyncio.run(scene())


def test_a_failure_and_a_cancellation_reach_the_place_where_it_waits() -> None:
    caught: list[str] = []

    async def waiting(answer: "asyncio.Future[None]") -> None:
        try:
            await answer
        except LookupError:
            caught.append("failure")
        try:
            await asyncio.Event().wait()  # for ever
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    async def scene() -> None:
        answer = asyncio.get_running_loop().create_future()
        task = eager.start(waiting(answer))
        assert task is not None
        answer.set_exception(LookupError())
        await until(lambda: bool(caught))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert caught == ["failure", "cancelled"]


def test_a_failure_after_waiting_is_the_tasks() -> None:
    async def waiting() -> None:
        await asyncio.sleep(0)
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        asyncio.run(_finished(waiting()))
