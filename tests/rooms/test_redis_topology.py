"""Where Redis is: what URLs say, which server is the master now, who has a slot, and who is refused and why."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from redis.crc import key_slot

from rooms import redis_topology
from rooms.redis_link import Away
from rooms.redis_topology import Script, Topology
from tests.redis_cluster import RedisCluster, redis_cluster
from tests.redis_server import MASTER_NAME, RedisServer, replica_of, sentinel_of, started

SAY = Script("return redis.call(ARGV[1], KEYS[1], ARGV[2])")
PASSWORD = "the/secret:of@all"  # noqa: S105 - of servers that live for a second


@dataclass
class Listener:
    """A topology, and what it has told. `said`: by channel; `surely`: channels, as often as they were told of."""

    topology: Topology
    said: list[tuple[bytes, bytes]]
    surely: list[bytes]

    async def say(self, channel: str, text: str) -> None:
        await self.topology.run(SAY, [channel], self.topology.publish, text)

    async def insist(self, channel: str, text: str) -> None:
        """As long as nobody can be asked."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await self.say(channel, text)
                except Away:
                    await asyncio.sleep(0.02)

    async def listen(self, channel: str) -> None:
        self.topology.subscribe(channel.encode())
        await until(lambda: channel.encode() in self.surely)

    def heard(self, channel: str, text: str) -> bool:
        return (channel.encode(), text.encode()) in self.said


@asynccontextmanager
async def listening(url: str, *channels: str) -> AsyncIterator[Listener]:
    said: list[tuple[bytes, bytes]] = []
    surely: list[bytes] = []
    listener = Listener(Topology(url, lambda *words: said.append(words), surely.append), said, surely)
    try:
        await listener.topology.open()
        for channel in channels:
            await listener.listen(channel)
        yield listener
    finally:
        await listener.topology.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def works(listener: Listener, channel: str, text: str) -> None:
    """What is said is heard."""
    await listener.insist(channel, text)
    await until(lambda: listener.heard(channel, text))


async def refused(listener: Listener, channel: str) -> None:
    """Nobody is there to be asked."""
    with pytest.raises(Away):
        await listener.say(channel, "lost")


async def refusal(url: str) -> str:
    """Why it cannot be opened."""
    topology = Topology(url, lambda channel, data: None, lambda channel: None)
    try:
        with pytest.raises(Away) as caught:
            await topology.open()
    finally:
        await topology.close()
    return str(caught.value)


# One server


async def test_a_unix_socket_is_spoken_to(tmp_path: Path) -> None:
    with started("--unixsocket", str(tmp_path / "redis.sock")):
        async with listening(f"unix://{tmp_path}/redis.sock", "news") as listener:
            await works(listener, "news", "one")


async def test_who_has_the_password_is_let_in_and_others_are_told_why() -> None:
    with started(password=PASSWORD) as server, started(user="ann", password=PASSWORD, tls=True) as secure:
        for url in (server.url, secure.url):
            async with listening(url, "chatsite:{a}:feed") as listener:
                await works(listener, "chatsite:{a}:feed", "one")
            reason = await refusal(re.sub(":[^:@]*@", ":another-secret@", url))
            assert re.match("(WRONGPASS )?invalid username-password pair", reason, re.IGNORECASE), reason
            assert "secret" not in reason
            assert "127.0.0.1" not in reason
            assert re.search("auth", await refusal(re.sub("//.*@", "//", url)), re.IGNORECASE)


async def test_a_password_that_is_taken_from_a_running_node_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with started(password=PASSWORD) as server:
        async with listening(server.url, "news") as listener:
            server.ask("CONFIG", "SET", "requirepass", "changed")
            server.url = server.url.replace(quote(PASSWORD, safe=""), "changed")
            with caplog.at_level(logging.WARNING):
                server.ask("CLIENT", "KILL", "TYPE", "normal")
                await until(lambda: "AuthenticationError" in caplog.text)
            assert PASSWORD not in caplog.text
            assert not listener.topology.up


async def test_a_certificate_of_somebody_else_is_refused(tls_redis: RedisServer) -> None:
    with started(tls=True) as other:
        stranger = other.url.partition("?")[2]
        assert "certificate" in (await refusal(f"{tls_redis.url.partition('?')[0]}?{stranger}")).lower()


async def test_nobody_there_is_told_in_one_line(port: int) -> None:
    reason = await refusal(f"redis://127.0.0.1:{port}")
    assert "connect" in reason.lower()
    assert "\n" not in reason


async def test_a_server_that_is_no_redis_is_refused() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        assert await refusal(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_scripts_are_known_to_a_server_that_starts_anew() -> None:
    with started() as server:
        async with listening(server.url, "news") as listener:
            await works(listener, "news", "one")
            server.ask("SCRIPT", "FLUSH")
            await works(listener, "news", "two")
            server.end()
            await refused(listener, "news")
            server.start()
            await works(listener, "news", "three")
            assert listener.surely == [b"news"] * 2


async def test_before_version_seven_channels_are_of_no_shard(
    cluster: RedisCluster, plain_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(cluster.url) as listener:
        assert listener.topology.publish == "SPUBLISH"
    async with listening(plain_redis.url) as listener:
        assert listener.topology.publish == "PUBLISH", "there is one shard"
    monkeypatch.setattr(redis_topology, "SHARDED_SINCE", 1000)
    async with listening(cluster.url, "one", "two") as listener, listening(cluster.url, "one") as other:
        assert listener.topology.publish == "PUBLISH"
        for channel in ("one", "two"):
            await works(listener, channel, "all")
        await until(lambda: other.heard("one", "all"))


# Masters and replicas


async def test_of_several_hosts_the_master_is_taken_and_a_replica_is_not() -> None:
    with started() as master, replica_of(master) as replica:
        assert "replica" in await refusal(replica.url)
        both = f"redis://127.0.0.1:{replica.port},127.0.0.1:{master.port}/0"
        async with listening(both, "news") as listener:
            await works(listener, "news", "one")
            replica.ask("REPLICAOF", "NO", "ONE")
            master.ask("REPLICAOF", "127.0.0.1", replica.port)  # which is found out by the next command
            await works(listener, "news", "two")
            assert listener.topology.up
            replica.ask("PUBLISH", "news", "at the new one")
            await until(lambda: listener.heard("news", "at the new one"))


async def test_sentinels_know_the_master_also_after_a_failover() -> None:
    with started() as master, replica_of(master) as replica, sentinel_of(master) as sentinel:
        assert "no master" in await refusal(sentinel.url.replace(MASTER_NAME, "other"))
        assert "name of their master" in await refusal(sentinel.url.replace(MASTER_NAME, "0"))
        async with listening(sentinel.url, "news") as listener:
            await works(listener, "news", "one")
            master.end()
            await works(listener, "news", "two")
            assert replica.ask("ROLE")[0] == b"master"
            assert listener.surely == [b"news"] * 2


async def test_sentinels_without_a_password_lead_to_a_master_with_one() -> None:
    with started(password=PASSWORD) as master, sentinel_of(master, replicas=0) as sentinel:
        url = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{sentinel.port}/{MASTER_NAME}"
        async with listening(url, "news") as listener:
            await works(listener, "news", "one")


async def test_a_master_that_sentinels_name_and_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_topology, "SECONDS", 0.2)
    with started() as master, sentinel_of(master, replicas=0) as sentinel:
        master.end()
        assert "connect" in (await refusal(sentinel.url)).lower()


# A cluster


def keys_of(cluster: RedisCluster) -> list[str]:
    """A key, which is a channel, too, of each master."""
    found: dict[int, str] = {}
    for number in range(100):
        found.setdefault(cluster.owner(f"{{{number}}}"), f"{{{number}}}")
    return [found[number] for number in range(len(cluster.masters))]


async def test_scripts_and_channels_go_to_the_shard_that_has_them(cluster: RedisCluster) -> None:
    keys = keys_of(cluster)
    async with listening(cluster.url, *keys) as listener:
        for number, key in enumerate(keys):
            await works(listener, key, "one")
            await listener.topology.run(SAY, [key], "SET", "value")
            assert cluster.masters[number].ask("GET", key) == b"value"
            assert cluster.masters[number].ask("PUBSUB", "SHARDCHANNELS") == [key.encode()]
        listener.topology.unsubscribe(keys[0].encode())
        await until(lambda: cluster.masters[0].ask("PUBSUB", "SHARDCHANNELS") == [])
    cluster.flush()


async def test_a_slot_that_has_moved_is_found_and_its_channel_follows(cluster: RedisCluster) -> None:
    first, *others = keys_of(cluster)
    stays = next(key for key in (f"{{another {number}}}" for number in range(100)) if cluster.owner(key) == 0)
    async with listening(cluster.url, first, stays, *others) as listener:
        try:
            for number in (1, 2, 0):
                cluster.give(key_slot(first.encode()), cluster.masters[number])
                await works(listener, first, f"at {number}")
                assert cluster.masters[number].ask("PUBSUB", "SHARDNUMSUB", first) == [first.encode(), 1]
        finally:
            cluster.give(key_slot(first.encode()), cluster.masters[0])
        for key in (stays, *others):
            await listener.say(key, "still there")
        assert [listener.surely.count(key.encode()) for key in (first, stays, *others)] == [4, 1, 1, 1], "links stay"


async def test_a_channel_follows_also_where_nobody_asks_anything(cluster: RedisCluster) -> None:
    first = keys_of(cluster)[0]
    async with listening(cluster.url, first) as listener:
        try:
            cluster.give(key_slot(first.encode()), cluster.masters[1])
            await until(lambda: listener.surely.count(first.encode()) == 2)
            cluster.masters[1].ask("SPUBLISH", first, "by somebody")
            await until(lambda: listener.heard(first, "by somebody"))
        finally:
            cluster.give(key_slot(first.encode()), cluster.masters[0])


async def test_a_channel_whose_slot_is_back_before_anybody_has_looked_is_heard_again(cluster: RedisCluster) -> None:
    first = keys_of(cluster)[0]
    async with listening(cluster.url, first) as listener:
        for number in (1, 0):
            cluster.give(key_slot(first.encode()), cluster.masters[number])
        await until(lambda: listener.surely.count(first.encode()) == 2)
        cluster.masters[0].ask("SPUBLISH", first, "by somebody")
        await until(lambda: listener.heard(first, "by somebody"))


async def test_a_shard_that_is_away_takes_its_own_rooms_alone_until_its_replica_takes_over() -> None:
    with redis_cluster(replicas=True) as cluster:
        keys = keys_of(cluster)
        async with listening(cluster.url, *keys) as listener:
            cluster.masters[0].end()
            await refused(listener, keys[0])
            assert not listener.topology.up
            for key in keys[1:]:
                await listener.say(key, "all the same")
            await works(listener, keys[0], "back")
            assert cluster.replicas[0].ask("ROLE")[0] == b"master"
            await until(lambda: listener.topology.up)
            assert [listener.surely.count(key.encode()) for key in keys] == [2, 1, 1]
