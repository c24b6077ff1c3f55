"""Two nodes behind a proxy that deals requests out by turns: the page takes the WebSocket first, and needs no more."""

from collections.abc import Iterator

import pytest

from tests.client import talking
from tests.e2e.pages import Guest, Visits
from tests.proxies import Proxy
from tests.turns import by_turns


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with by_turns(tmp_path_factory.mktemp("nginx")) as proxy:
        yield proxy


async def test_people_come_in_and_talk(visits: Visits, proxy: Proxy) -> None:
    async with talking(proxy.url, "room-turns", "Steve") as (steve,):
        alice = await Guest.enter(await visits.page(), proxy.url, "room-turns", "Alice")
        bobby = await Guest.enter(await visits.page(), proxy.url, "room-turns", "Bobby")
        await alice.say("Hello Bobby")
        await bobby.say("Hello Alice")
        await steve.hears("get_message", 2)
        await steve.say("Hello you two")
        said = ["Hello Bobby", "Hello Alice", "Hello you two"]
        assert steve.texts == said
        for guest in (alice, bobby):
            await guest.see_texts(*said)
            await guest.see_people("Alice", "Bobby", "Steve")
        await visits.close()  # before the nodes go, which the pages would miss
