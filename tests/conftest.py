"""Knows what holds for every test: none is skipped, none is expected to fail, none inherits a loop."""

import asyncio
from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest

from tests.serving import kept_port

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: where files run beside each other, it would be alone in the end."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return refuse_skip(report)


def refuse_skip(report: Report) -> Report:
    """A skipped test reads like a passed one in a summary, and like no test to the one who relies on it."""
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped or expected to fail, which this suite does not allow: {report.longrepr}"
    return report


@pytest.fixture
def port() -> Iterator[int]:
    """For a server that is started again where it was."""
    with kept_port() as number:
        yield number


@pytest.fixture(scope="session", autouse=True)
def no_loop_but_our_own() -> None:
    """Without this, Python 3.11 makes a loop when pytest-tornado's first one asks which was there before; nobody
    closes it, and whichever test runs when it is collected as garbage is blamed."""
    asyncio.set_event_loop(None)
