"""Servers for tests of the outbox: they take as many messages as are sent."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.limits import UNLIMITED
from tests.serving import Served, serve

Serving = Callable[..., Served]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """serving(port=0, state=None, **settings): a server of the test's own, which ends well and complains of nothing."""
    with ExitStack() as stack:
        begun: list[Served] = []

        def begin(*, port: int = 0, state: Path | None = None, **settings: float) -> Served:
            most = {**UNLIMITED, **settings}
            begun.append(stack.enter_context(serve(ip="127.0.0.1", port=port, state=state, **most)))
            return begun[-1]

        yield begin
        assert [served.stop() for served in begun] == [0] * len(begun)
        assert [served.stderr for served in begun] == [""] * len(begun)


@pytest.fixture
def server(serving: Serving) -> Served:
    return serving(log_size=1_000)
