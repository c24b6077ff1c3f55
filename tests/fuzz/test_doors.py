"""A short run against the server's doors, and that a server with a fault in it does not get through."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from handlers.client import Client
from handlers.connections import Connections
from handlers.polling import PollingHandler
from tests.fuzz.bounds import memory_watched
from tests.fuzz.doors import House, target
from tests.fuzz.engine import for_inputs

SEED = 5
GROWTH = 100_000
"""Bytes by which hundreds of visits may leave the memory larger: less than a hundredth of what they sent."""


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = House()
    with memory_watched():
        yield house
    house.close()


def test_whatever_comes_to_the_doors_the_server_stays_as_it_is(house: House) -> None:
    doors = target(house)
    run = for_inputs(doors, SEED, doors.short)
    assert not run.findings, "\n".join(map(str, run.findings.values()))


def test_visits_leave_nothing_in_the_memory(house: House) -> None:
    sizes = []
    for _ in range(3):
        assert not for_inputs(target(house), SEED, 120).findings
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    assert sizes[2] - sizes[1] < GROWTH, sizes


def found(house: House, inputs: int = 100) -> set[str]:
    return {what.partition(":")[2].split(":")[0].strip() for what in for_inputs(target(house), SEED, inputs).findings}


def test_a_bug_behind_the_websocket_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(Client, "message", fails)
    assert "complaints" in found(house)


def test_a_bug_behind_the_posts_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(PollingHandler, "_bring", fails)
    assert "complaints" in found(house)


def test_a_session_that_stays_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "_forget", lambda *_: None)
    assert "a session is left" in found(house, 3)
