"""Knows how a test gets two honest people on a hostile server; knows no attack."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.hostile.scene import Scene, hostile_scene
from tests.e2e.pages import Visits


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, runner: asyncio.Runner, module_visits: Visits) -> Iterator[Scene]:
    """One pair of pages for a module: an attack leaves them able to go on, or the test brings them back. A module that
    must not wait for Bobby's page says CLOCK = True."""
    manager = hostile_scene(module_visits, clock=getattr(request.module, "CLOCK", False))
    yield runner.run(manager.__aenter__())
    runner.run(manager.__aexit__(None, None, None))
