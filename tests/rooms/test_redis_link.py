"""A link to one Redis: answers in order, channels that are listened to again after every break, servers that are
silent, refuse, or go in the middle of a word, and nothing that is left after its end."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, ResponseError

from rooms import redis_link
from rooms.redis_link import Away, Unanswered
from tests.proxy import Line
from tests.redis_server import RedisServer, replica_of, started
from tests.rooms.links import Listener, answering, line_to, linked, until

SHORT = 0.3


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience for these tests."""
    monkeypatch.setattr(redis_link, "SECONDS", SHORT)


# Answers


async def test_thousands_of_questions_at_once_are_each_given_their_own_answer(plain_redis: RedisServer) -> None:
    async with linked(plain_redis.url) as listener:
        asked = []
        for number in range(5000):
            match number % 4:
                case 0:
                    asked.append(listener.link.ask("ECHO", f"{number}"))
                case 1:
                    asked.append(listener.link.ask("NO-SUCH-COMMAND", number))
                case 2:
                    asked.append(listener.link.ask("EVAL", "return {ARGV[1], {err = 'E ' .. ARGV[1]}}", 0, number))
                case _:
                    asked.append(listener.link.ask("ECHO", "x" * number))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for number, answer in enumerate(answers):
            match number % 4:
                case 0:
                    assert answer == str(number).encode()
                case 1:
                    assert isinstance(answer, ResponseError)
                    assert str(number) in str(answer)
                case 2:
                    assert isinstance(answer, list)
                    assert (answer[0], str(answer[1])) == (str(number).encode(), f"E {number}")
                case _:
                    assert answer == b"x" * number
        assert not listener.broken


async def test_who_does_not_wait_any_longer_shifts_nobodys_answer(plain_redis: RedisServer) -> None:
    async with linked(plain_redis.url) as listener:
        asked = [listener.link.ask("ECHO", number) for number in range(100)]
        for each in asked[::2]:
            each.cancel()
        assert await asyncio.gather(*asked[1::2]) == [str(number).encode() for number in range(1, 100, 2)]


# A server that is silent


@pytest.mark.usefixtures("short")
async def test_a_silent_server_is_away_and_comes_back(plain_redis: RedisServer) -> None:
    async with line_to(plain_redis) as (line, url), linked(url) as listener:
        listener.link.subscribe(b"news")
        await until(lambda: listener.surely == [b"news"])
        line.stall()
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(listener.link.ask("PING") for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unanswered] * 3
        assert SHORT <= asyncio.get_running_loop().time() - began < 3 * SHORT
        with pytest.raises(Away) as caught:
            await listener.link.ask("PING")
        assert not isinstance(caught.value, Unanswered), "nobody was asked"
        assert listener.link.came_back(60)
        line.flow()
        await listener.comes_up()
        await until(lambda: listener.surely == [b"news"] * 2)
        assert await listener.link.ask("PUBLISH", "news", "again") == 1
        await until(lambda: listener.heard == [(b"news", b"again")])
        assert listener.link.came_back(60)
        assert not listener.link.came_back(0)


@pytest.mark.usefixtures("short")
async def test_a_feed_that_is_silent_is_found_out_without_any_question(plain_redis: RedisServer) -> None:
    async with line_to(plain_redis) as (line, url), linked(url) as listener:
        listener.link.subscribe(b"news")
        await until(lambda: listener.surely == [b"news"])
        line.stall(b"SUBSCRIBE")
        await until(lambda: listener.broken)
        line.flow()
        await until(lambda: listener.surely == [b"news"] * 2)


@pytest.mark.usefixtures("short")
async def test_a_feed_where_nothing_is_said_stays(plain_redis: RedisServer) -> None:
    async with line_to(plain_redis) as (line, url), linked(url) as listener:
        for channel in ((), (b"news",)):
            for each in channel:
                listener.link.subscribe(each)
            line.up[1].clear()
            await until(lambda: line.up[1].count(b"PING") == 3)
        assert not listener.broken


@pytest.mark.usefixtures("short")
async def test_a_server_that_never_greets_is_tried_again(plain_redis: RedisServer) -> None:
    async with line_to(plain_redis) as (line, url):
        line.stall()
        listener = Listener(url)
        await until(lambda: len(listener.broken) == 2)
        assert not listener.link.came_back(60), "it has never been there"
        line.flow()
        await listener.comes_up()
        await listener.link.close()


# A server that goes, and what is listened to


async def test_channels_are_listened_to_again_after_every_break(plain_redis: RedisServer) -> None:
    async with line_to(plain_redis) as (line, url), linked(url) as listener:
        for channel in (b"one", b"two", b"three"):
            listener.link.subscribe(channel)
        listener.link.unsubscribe(b"two")
        for _ in range(3):
            await until(lambda: b"three" in listener.surely)
            assert await listener.link.ask("PUBSUB", "NUMSUB", "one", "two") == [b"one", 1, b"two", 0]
            assert sorted(listener.surely) == [b"one", b"three"]
            listener.surely.clear()
            await line.cut()
            await until(lambda: not listener.link.up)
            await line.mend()


async def test_a_channel_that_is_left_and_wanted_again_at_once_is_heard(plain_redis: RedisServer) -> None:
    async with linked(plain_redis.url) as listener:
        for _ in range(50):
            listener.link.subscribe(b"news")
            listener.link.unsubscribe(b"news")
        listener.link.subscribe(b"news")
        await until(lambda: len(listener.surely) > 0)
        await until(lambda: not listener.link._given)
        assert await listener.link.ask("PUBLISH", "news", "one") == 1
        await until(lambda: listener.heard == [(b"news", b"one")])
        assert not listener.moved


async def test_a_server_that_goes_in_the_middle_of_an_answer_has_not_answered() -> None:
    def answer(words: list[bytes]) -> bytes | None:
        return b"$3\r\nyes\r\n" if words[1] == b"first" else None

    async with answering(answer) as url, linked(url) as listener:
        answers = await asyncio.gather(
            *(listener.link.ask("GET", key) for key in ("first", "half", "never")), return_exceptions=True
        )
        assert answers[0] == b"yes"
        assert [type(each) for each in answers[1:]] == [Unanswered] * 2
        await until(lambda: listener.broken)
        await listener.comes_up()
        assert await listener.link.ask("GET", "first") == b"yes"


async def test_more_than_was_asked_for_ends_the_link() -> None:
    async with answering(lambda words: b"+one\r\n+two\r\n") as url, linked(url) as listener:
        assert await listener.link.ask("GET", "key") == b"one"
        await until(lambda: listener.broken)


async def test_what_is_no_answer_ends_the_link() -> None:
    async with answering(lambda words: b"HTTP/1.1 400\r\n\r\n") as url, linked(url) as listener:
        with pytest.raises(Unanswered):
            await listener.link.ask("GET", "key")


# What servers say when they cannot


async def test_a_server_that_is_still_loading_is_away() -> None:
    loading = [True] * 3

    def answer() -> bytes:
        return b"-LOADING Redis is loading the dataset in memory\r\n" if loading and loading.pop() else b"+PONG\r\n"

    async with answering(lambda words: answer()) as url, linked(url) as listener:
        for _ in range(3):
            with pytest.raises(Unanswered):
                await listener.link.ask("PING")
            await until(lambda: listener.broken)
            await listener.comes_up()
        assert await listener.link.ask("PING") == b"PONG"
        assert [type(error) for error in listener.broken] == [BusyLoadingError] * 3


async def test_a_master_that_has_become_a_replica_is_left() -> None:
    with started() as server, started() as other:
        async with linked(server.url) as listener:
            assert await listener.link.ask("SET", "key", "value") == b"OK"
            server.ask("REPLICAOF", "127.0.0.1", other.port)
            answers = await asyncio.gather(
                *(listener.link.ask(*words) for words in (("SET", "key", "more"), ("GET", "key"))),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [ReadOnlyError, Unanswered]
            await until(lambda: listener.broken)
            assert isinstance(listener.broken[0], ReadOnlyError)


async def test_a_script_at_a_replica_ends_the_link_too() -> None:
    with started() as server, replica_of(server) as replica:
        async with linked(replica.url) as listener:
            with pytest.raises(ReadOnlyError):
                await listener.link.ask("EVAL", "return redis.call('SET', KEYS[1], '1')", 1, "key")
            await until(lambda: listener.broken)


async def test_a_full_server_refuses_one_question_and_answers_the_others() -> None:
    with started("--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        async with linked(server.url) as listener:
            answers = await asyncio.gather(
                *(listener.link.ask(*words) for words in (("SET", "key", "x"), ("PING",))), return_exceptions=True
            )
            assert isinstance(answers[0], OutOfMemoryError)
            assert answers[1] == b"PONG"
            assert not listener.broken


async def test_who_may_not_listen_is_not_sure() -> None:
    with started(user="ann", password="secret") as server:  # noqa: S106 - of a server that lives for a second
        async with linked(server.url) as listener:
            listener.link.subscribe(b"another:channel")
            await until(lambda: listener.broken)
            assert listener.surely == []


# The end


@contextmanager
def nothing_left() -> Iterator[None]:
    """No task; what is not closed would be complained of when it is collected, and complaints are errors here."""
    before = asyncio.all_tasks()
    yield
    gc.collect()
    assert asyncio.all_tasks() == before


STATES = ["new", "turn", "connecting", "greeting", "refused", "up", "asking", "stalled", "broken", "waiting"]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("state", STATES)
async def test_nothing_is_left_of_a_link_in_whatever_state_it_ends(
    plain_redis: RedisServer, tls_redis: RedisServer, state: str, scheme: str
) -> None:
    server = plain_redis if scheme == "redis" else tls_redis
    async with Line(server.port) as line:
        listener_url = server.url.replace(f":{server.port}", f":{line.port}")
        with nothing_left():
            if state in {"connecting", "greeting"}:
                line.drop(*(("up", "down") if state == "connecting" else ("down",)))
            elif state in {"refused", "waiting"}:
                await line.cut()
            listener = Listener(listener_url)
            listener.link.subscribe(b"news")
            await _reach(state, listener, line)
            asked = [listener.link.ask("PING") for _ in range(3)] if state in {"asking", "stalled"} else []
            if state == "stalled":
                await asyncio.sleep(0)
            await listener.link.close()
            await listener.link.close()
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, Away) for answer in answers)
            with pytest.raises(Away):
                await listener.link.ask("PING")
            await line.cut()
        await line.mend()


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_of_a_link_outlives_the_loop_although_the_server_says_no_goodbye(tls: bool) -> None:
    with started(tls=tls) as server, ExitStack() as stack:

        async def live() -> None:
            async with linked(server.url) as listener:
                assert await listener.link.ask("PING") == b"PONG"
                stack.enter_context(server.frozen())

        asyncio.run(live())
        gc.collect()


async def _reach(state: str, listener: Listener, line: Line) -> None:
    match state:
        case "turn":
            await asyncio.sleep(0)
        case "connecting" | "greeting":
            await until(lambda: line.up and line.up[0])
        case "refused" | "waiting":
            await until(lambda: len(listener.broken) == (1 if state == "refused" else 3))
        case "up" | "asking" | "stalled" | "broken":
            await until(lambda: listener.surely)
            if state == "stalled":
                line.stall()
            elif state == "broken":
                await line.cut()
                await until(lambda: listener.broken)
