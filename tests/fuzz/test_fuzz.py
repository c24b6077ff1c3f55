"""A short run of the fuzzer under a fixed seed, and that it finds what is there to be found."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import ProtocolError
from protocol.websocket import Receiver
from rooms.broker import MemoryBroker
from tests.fuzz import envelopes, frames, members
from tests.fuzz.bounds import Mistake, bounded, memory_watched
from tests.fuzz.decoders import DECODERS, Target, text_of
from tests.fuzz.engine import Run, for_inputs
from tests.fuzz.mutation import TOKENS, Input, as_text

SEED = 3
FRAMES = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=8), max_size=12).map(b"".join)
INPUTS = st.lists(FRAMES | FRAMES.map(as_text), min_size=1, max_size=4).map(tuple)


@pytest.fixture(autouse=True)
def _memory() -> Iterator[None]:
    with memory_watched():
        yield


@pytest.mark.parametrize(
    "target", [*DECODERS, frames.target(), *envelopes.targets(), members.target()], ids=lambda target: str(target.name)
)
def test_a_decoder_refuses_or_is_right(target: Target) -> None:
    run = for_inputs(target, SEED, target.short)
    assert not run.findings, "\n".join(map(str, run.findings.values()))
    # Neither all good nor all bad: otherwise one half of the decoder was not reached.
    assert not target.refusals or 0.02 < run.refused / run.inputs < 0.98


@pytest.mark.parametrize(
    "target", [*DECODERS, frames.target(), *envelopes.targets()], ids=lambda target: str(target.name)
)
@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(given_input=INPUTS)
def test_nor_do_bytes_that_come_from_no_packet(target: Target, given_input: Input) -> None:
    assert Run(target, SEED)._fails(given_input) is None


def kinds(target: Target, inputs: int = 500) -> list[str]:
    """What a run finds, without the words."""
    return sorted({what.partition(":")[0] for what in for_inputs(target, SEED, inputs).findings})


def target(read: object) -> Target:
    assert callable(read)
    return Target("broken", (("[1,2]", "x"), ("4",)), read, (ProtocolError,))


def test_what_was_not_announced_is_found_and_made_small() -> None:
    def read(frames: Input) -> None:
        if any("[[" in text_of(frame) for frame in frames):
            raise KeyError("[[")
        raise ProtocolError

    run = for_inputs(target(read), SEED, 2000)
    assert [finding.given for finding in run.findings.values()] == [("[[",)]
    assert run.refused > 1000


def test_a_loop_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.bounds.SECONDS", 0.02)
    monkeypatch.setattr("tests.fuzz.bounds.SECONDS_PER_MEGABYTE", 1)

    def read(frames: Input) -> None:
        for _ in itertools.count():
            if len(frames) < 4:
                return

    assert kinds(target(read), 50) == ["Hang"]


def test_memory_beyond_measure_is_found() -> None:
    assert kinds(target(lambda frames: bytes(1_000_000 if len(frames) == 3 else 0))) == ["Greed"]


def test_a_wrong_answer_is_found() -> None:
    def read(frames: Input) -> None:
        if "x" not in map(text_of, frames):
            raise Mistake("no x")

    assert kinds(target(read)) == ["Mistake"]


def test_memory_that_is_given_back_counts_too() -> None:
    with pytest.raises(Exception, match="bytes for a byte"):
        bounded(lambda: len(bytes(5_000_000)), 0, 1)


def test_a_bug_behind_what_is_sealed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(MemoryBroker, "signal", fails)
    assert kinds(members.target(), 20) == ["Mistake"]


def test_a_limit_that_is_not_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_check", lambda *_: None)
    assert "Mistake" in kinds(frames.target())


def test_what_depends_on_how_the_line_cuts_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_forget", lambda receiver: setattr(receiver, "_data", b""))
    assert "Mistake" in kinds(frames.target())
