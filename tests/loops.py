"""Keeps pytest-tornado's loops from leaving one behind that nobody has asked for."""

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_loop_but_our_own() -> None:
    """Without this, Python 3.11 makes a loop when Tornado's first one asks which was there before; nobody closes it,
    and whichever test runs when it is collected as garbage is blamed."""
    asyncio.set_event_loop(None)
