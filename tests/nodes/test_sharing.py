"""What two nodes of a site have in common beside their rooms: files, limits, the site's salt, what is counted; and how
a node says that it cannot be one."""

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.client import Client, Object, talking
from tests.redis_server import redis_server
from tests.reference import Room, unb64
from tests.serving import NotServed, Served, kept_port, serve

FILE = bytes(range(16))
SEALED = 65_552
POLLING = "/socket.io/?EIO=4&transport=polling"
PATIENCE = 10.0


@contextmanager
def nodes(count: int = 2, **settings: Any) -> Iterator[list[Served]]:  # noqa: ANN401 - as tests.serving takes them
    """They end well, and have nothing to complain about."""
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        served = [stack.enter_context(serve(broker=url, **settings)) for _ in range(count)]
        yield served
        for node in served:
            assert node.stop() == 0
    assert [node.stderr for node in served] == [""] * count


def a_room() -> Room:
    return Room.from_secret(os.urandom(32))


def asked(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own
        return cast(bytes, answer.read())


class Owner(Client):
    """Has a file, whose chunks say which they are."""

    async def connect(self) -> None:
        self.asked: list[int] = []
        self.line.on("chunk_wanted", self._give)
        await super().connect()

    def _give(self, wanted: Object) -> dict[str, bytes]:
        assert unb64(str(wanted["file"])) == FILE
        self.asked.append(cast(int, wanted["index"]))
        return {"chunk": self.asked[-1].to_bytes(4, "big") * (SEALED // 4)}

    def body(self, index: int) -> bytes:
        return self.signer.public_key + FILE + index.to_bytes(4, "big")


def test_a_file_goes_from_node_to_node() -> None:
    async def scene(one: Served, two: Served) -> None:
        room = a_room()
        async with Owner(one.url) as owner, talking(two.url, room, "Reader", "Other") as (reader, other):
            await owner.join(room, "Owner")
            await reader.hears("new_user", 2)
            for index in range(8):
                for each in (reader, other):
                    assert await each.request("get_chunk", owner.body(index)) == {}
                    said = cast("dict[str, Any]", await each.hears("chunk", index + 1))
                    assert (said["index"], said["member"]) == (index, owner.member)
                    assert said["chunk"] == index.to_bytes(4, "big") * (SEALED // 4)
            assert owner.asked == list(range(8)), "what was fetched once is kept for those who read at the same pace"
            await owner.leave()
            await reader.hears("user_left")
            assert await reader.request("get_chunk", owner.body(0)) == {}
            said = cast("dict[str, Any]", await reader.hears("chunk", 9))
            assert said["error"] == "unavailable"

    with nodes() as (one, two):
        asyncio.run(scene(one, two))


def test_an_address_has_one_rate_on_all_nodes_together() -> None:
    rate, burst, seconds, slack = 20, 20, 6.0, 2.0

    async def talk(url: str) -> int:
        taken = 0
        async with Client(url) as client:
            await client.join(a_room(), "Talker")
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                taken += "id" in await client.say("again")
                await asyncio.sleep(0.005)
        return taken

    async def scene(urls: list[str]) -> int:
        return sum(await asyncio.gather(*map(talk, urls)))

    settings: dict[str, Any] = {"events_per_connection": (1e6, 1e6), "refusals_per_connection": (1e6, 1e6)}
    with nodes(events_per_address=(rate, burst), **settings) as served:
        taken = asyncio.run(scene([node.url for node in served]))
    # Each node grants its burst before it has heard of the other; if they never heard, it would be twice the rate.
    assert (
        2 * burst + rate * seconds * 0.5 < taken < 2 * burst + rate * (seconds + slack) < 2 * (burst + rate * seconds)
    )


def test_an_address_has_so_many_connections_on_all_nodes_together() -> None:
    most = 10

    async def opened(url: str) -> int:
        async with aiohttp.ClientSession() as http, http.get(url + POLLING) as answer:
            return answer.status

    async def scene(one: str, two: str) -> None:
        assert [await opened(one) for _ in range(6)] == [200] * 6
        statuses = [await opened(two) for _ in range(3)]
        assert statuses == [200] * 3
        async with asyncio.timeout(PATIENCE):
            while (status := await opened(two)) != 429:
                statuses.append(status)
                assert len(statuses) < most, "none of those on the other node were counted"
                await asyncio.sleep(0.5)
            while await opened(one) != 429:  # noqa: ASYNC110
                await asyncio.sleep(0.5)

    with nodes(connections_per_address=most, drain_time=0) as (one, two):
        asyncio.run(scene(one.url, two.url))


def test_the_first_node_makes_the_site_and_another_site_is_refused(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "stranger")]
    for folder in folders:
        folder.mkdir()
    stranger = folders[2] / "site-salt"
    stranger.write_text("ab" * 16 + "\n")
    with redis_server() as url, serve(broker=url, state=folders[0]), serve(broker=url, state=folders[1]):
        assert (folders[0] / "site-salt").read_text() == (folders[1] / "site-salt").read_text() != stranger.read_text()
        said = r"site-salt: of another site than the one in Redis; expected its salt, or none\n"
        with pytest.raises(NotServed, match=said) as refused, serve(broker=url, state=folders[2]):
            pass
    assert refused.value.status == 2
    # A new Redis takes what a node has.
    with redis_server() as url, serve(broker=url, state=folders[2]) as served:
        assert b'"q6urq6urq6urq6urq6urqw"' in asked(f"{served.url}/site.json")


def test_rooms_and_members_are_counted_once_on_all_nodes_together() -> None:
    def shown(port: int) -> dict[str, float]:
        families = text_string_to_metric_families(asked(f"http://127.0.0.1:{port}/metrics").decode())
        return {sample.name: sample.value for family in families for sample in family.samples}

    async def scene(urls: list[str], ports: list[int]) -> None:
        room = a_room()
        async with (
            talking(urls[0], room, "Anna", "Berta"),
            talking(urls[1], room, "Carl"),
            talking(urls[1], a_room(), "Doris"),
        ):
            both = [await asyncio.to_thread(shown, port) for port in ports]
            assert sum(each["chatsite_rooms"] for each in both) == 2
            assert sum(each["chatsite_members"] for each in both) == 4
            assert [each["chatsite_broker_up"] for each in both] == [1, 1]

    with redis_server() as url, ExitStack() as stack:
        ports = [stack.enter_context(kept_port()) for _ in range(2)]
        served = [stack.enter_context(serve(broker=url, metrics_port=port)) for port in ports]
        asyncio.run(scene([node.url for node in served], ports))


def test_a_redis_that_is_not_there_stops_the_start_and_its_password_is_not_shown() -> None:
    with kept_port() as port:
        url = f"redis://:secret-word@127.0.0.1:{port}/0"
        said = r"^exit status 75: chatsite: broker: Redis cannot be asked"
        with pytest.raises(NotServed, match=said) as refused, serve(broker=url):
            pass
    assert "secret-word" not in refused.value.stderr
    assert len(refused.value.stderr.splitlines()) == 1
    for wrong in ("redis//:secret-word@host", "http://secret-word"):
        said = r"CHATSITE_BROKER: broker = \.\.\.: expected memory, or"
        with pytest.raises(NotServed, match=said) as refused, serve(broker=wrong):
            pass
        assert "secret-word" not in refused.value.stderr
