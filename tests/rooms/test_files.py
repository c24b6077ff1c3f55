"""Chunks of files from tab to tab: who is asked for what, who gets it, and what no one can make the server keep."""

from dataclasses import replace
from typing import Any

import pytest

from protocol import Json
from rooms import files
from rooms.files import CHUNK_BYTES, KEEP_SECONDS, KEPT_BYTES, MOST_ASKED, MOST_IN_FLIGHT, PLAIN_BYTES
from rooms.limits import Flow, Pace
from tests.reference import b64, unb64
from tests.rooms.stage import FLOW, POLICY, Stage, Tab, company, open_stage

FILE = bytes(range(16))
LIMITED = {"error": "rate-limited"}
BAD = {"error": "bad-request"}


def body(owner: Tab, index: int = 0, file: bytes = FILE) -> bytes:
    return unb64(owner.member) + file + index.to_bytes(4, "big")


async def wants(reader: Tab, owner: Tab, index: int = 0, file: bytes = FILE) -> Any:  # noqa: ANN401 - JSON
    return await reader.ask("get_chunk", body(owner, index, file))


def chunk(seed: int = 0) -> bytes:
    return bytes([seed]) * CHUNK_BYTES


def told(owner: Tab, index: int = 0, file: bytes = FILE, **said: Json) -> tuple[str, Any]:
    return "chunk", {"member": owner.member, "file": b64(file), "index": index, **said}


async def answers(stage: Stage, owner: Tab, *said: Json) -> list[Any]:
    """The owner's tab answers the first thing that it was asked; what that was."""
    event, arg, answered = owner.socket.asked.pop(0)
    answered(list(said))
    await stage.settle()
    return [event, arg]


async def test_a_chunk_goes_from_its_owner_to_who_has_asked_and_to_nobody_else() -> None:
    stage = await open_stage()
    ann, bob, eve = await company(stage, 3)
    assert await wants(bob, ann, 7) == {}
    assert bob.socket.taken() == []
    assert await answers(stage, ann, {"chunk": chunk()}) == ["chunk_wanted", {"file": b64(FILE), "index": 7}]
    assert bob.socket.taken() == [told(ann, 7, chunk=chunk())]
    assert ann.socket.taken() == eve.socket.taken() == []


async def test_who_asks_for_the_same_gets_what_was_sent_once() -> None:
    stage = await open_stage()
    ann, bob, eve = await company(stage, 3)
    await wants(bob, ann)
    await wants(eve, ann)
    assert len(ann.socket.asked) == 1
    await answers(stage, ann, {"chunk": chunk()})
    assert bob.socket.taken() == eve.socket.taken() == [told(ann, chunk=chunk())]
    # And shortly after it, too, but not for ever.
    await stage.wait(KEEP_SECONDS / 2)
    await wants(eve, ann)
    assert eve.socket.taken() == [told(ann, chunk=chunk())]
    await stage.wait(KEEP_SECONDS / 2)
    await wants(eve, ann)
    assert eve.socket.taken() == []
    assert len(ann.socket.asked) == 1


async def test_what_is_kept_goes_with_its_owner() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await wants(bob, ann)
    await answers(stage, ann, {"chunk": chunk()})
    await ann.ask("leave-room")
    bob.socket.taken()
    await wants(bob, ann)
    assert bob.socket.taken() == [told(ann, error="unavailable")]


async def test_what_is_kept_is_bounded_and_goes_in_time() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    relay = stage.chat._relay
    for index in range(KEPT_BYTES // CHUNK_BYTES + 20):
        await wants(bob, ann, index % 100, file=index.to_bytes(16, "big"))
        await answers(stage, ann, {"chunk": chunk()})
        assert len(relay._kept) * CHUNK_BYTES <= KEPT_BYTES
    await stage.wait(KEEP_SECONDS)
    assert len(relay._kept) == 0
    assert relay._sources == {}


@pytest.mark.parametrize(
    "said",
    [
        [],
        [{}],
        [{"error": "file-gone"}],
        [{"chunk": "text"}],
        [{"chunk": bytes(CHUNK_BYTES - 1)}],
        [{"chunk": bytes(CHUNK_BYTES + 1)}],
        [{"chunk": bytes(CHUNK_BYTES)}, 1],
        [None],
    ],
)
async def test_whatever_else_an_owner_answers_the_file_is_gone(said: list[Json]) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await wants(bob, ann)
    await answers(stage, ann, *said)
    assert bob.socket.taken() == [told(ann, error="file-gone")]
    assert stage.chat._relay._sources == {}


async def test_who_is_not_here_or_does_not_answer_may_be_asked_again() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    (stranger,) = await company(stage, 1)
    assert await wants(bob, stranger) == {}
    assert bob.socket.taken() == [told(stranger, error="unavailable")]
    await wants(bob, ann)
    await stage.wait(files.ANSWER_SECONDS)
    assert bob.socket.taken() == [told(ann, error="unavailable")]
    await answers(stage, ann, {"chunk": chunk()})  # it comes too late
    assert bob.socket.taken() == []
    await wants(bob, ann)
    await answers(stage, ann, {"chunk": chunk(1)})
    assert bob.socket.taken() == [told(ann, chunk=chunk(1))]


async def test_an_owner_who_has_come_back_is_asked_over_the_new_line() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await wants(bob, ann)
    old = ann.socket
    ann.reconnect()
    await ann.join()
    await wants(bob, ann)
    assert len(old.asked) == len(ann.socket.asked) == 1
    await answers(stage, ann, {"chunk": chunk()})
    assert bob.socket.taken() == [told(ann, chunk=chunk())]
    await stage.wait(files.ANSWER_SECONDS)
    assert bob.socket.taken() == [told(ann, error="unavailable")]


@pytest.mark.parametrize("wrong", [b"", bytes(51), bytes(53)])
async def test_what_is_no_request_for_a_chunk_is_a_bad_one(wrong: bytes) -> None:
    stage = await open_stage()
    _, bob = await company(stage, 2)
    assert await bob.ask("get_chunk", wrong) == BAD


async def test_no_file_is_larger_than_the_operator_allows() -> None:
    stage = await open_stage(policy=replace(POLICY, files=replace(FLOW, largest=2 * PLAIN_BYTES)))
    ann, bob = await company(stage, 2)
    assert await wants(bob, ann, 1) == {}
    assert await wants(bob, ann, 2) == await wants(bob, ann, 2**32 - 1) == BAD
    stage.chat.obey(replace(POLICY, files=replace(FLOW, largest=0)))
    assert await wants(bob, ann, 0) == BAD


async def test_a_client_waits_for_so_many_at_a_time() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    for index in range(MOST_ASKED):
        assert await wants(bob, ann, index) == {}
    assert await wants(bob, ann, MOST_ASKED) == LIMITED
    await answers(stage, ann, {"chunk": chunk()})
    assert await wants(bob, ann, MOST_ASKED) == {}


async def test_an_owner_is_asked_for_so_many_at_a_time_and_then_for_the_rest() -> None:
    stage = await open_stage()
    ann, *readers = await company(stage, 4)
    for at, reader in enumerate(readers):
        for index in range(MOST_ASKED):
            await wants(reader, ann, MOST_ASKED * at + index)
    assert len(ann.socket.asked) == MOST_IN_FLIGHT
    seen = set()
    for _ in range(3 * MOST_ASKED):
        seen.add((await answers(stage, ann, {"chunk": chunk()}))[1]["index"])
        assert len(ann.socket.asked) <= MOST_IN_FLIGHT
    assert seen == set(range(3 * MOST_ASKED))
    assert [len(reader.socket.taken()) for reader in readers] == [MOST_ASKED] * 3


async def test_what_is_asked_for_has_its_turn() -> None:
    """Before it is fetched: nothing waits here meanwhile."""
    second = Flow(largest=10_000_000, each=CHUNK_BYTES, all=CHUNK_BYTES * 100)
    stage = await open_stage(policy=replace(POLICY, files=second))
    ann, bob = await company(stage, 2)
    for index in range(3):
        assert await wants(bob, ann, index) == {}
    assert len(ann.socket.asked) == 1
    await stage.wait(0.4)
    assert len(ann.socket.asked) == 1
    await stage.wait(0.2)
    assert len(ann.socket.asked) == 2
    await stage.wait(1)
    assert len(ann.socket.asked) == 3


async def test_who_would_have_to_wait_too_long_is_told_so() -> None:
    slow = Flow(largest=10_000_000, each=CHUNK_BYTES / 4, all=CHUNK_BYTES)
    stage = await open_stage(policy=replace(POLICY, files=slow))
    ann, bob = await company(stage, 2)
    said = [await wants(bob, ann, index) for index in range(6)]
    assert said == [{}, {}, {}, LIMITED, LIMITED, LIMITED]


async def test_who_has_left_gets_nothing_more() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await wants(bob, ann)
    await bob.ask("leave-room")
    await answers(stage, ann, {"chunk": chunk()})
    assert bob.socket.all("chunk") == []


async def test_nothing_of_it_outlives_the_chat() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await wants(bob, ann, 0)
    await answers(stage, ann, {"chunk": chunk()})
    await wants(bob, ann, 1)
    timers = stage.clock.pending
    await stage.chat.close()
    assert stage.clock.pending <= timers - 2


def test_a_pace_lets_each_go_when_all_before_it_have_but_half_a_second_s_worth() -> None:
    pace = Pace(100, 5.0)
    assert (pace.wait(5.0), pace.full(5.0)) == (0, True)
    pace.take(5.0, 50)
    assert (pace.wait(5.0), pace.full(5.0)) == (0, False)
    pace.take(5.0, 100)
    assert pace.wait(5.0) == 1.0
    assert pace.wait(5.5) == 0.5
    assert pace.full(6.5)
    pace.take(10.0, 100)
    assert pace.wait(10.0) == 0.5
