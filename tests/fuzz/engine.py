"""Runs targets: so many inputs of a seed, or as many as there is time for; finds, shrinks and says what it found."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.fuzz.bounds import Greed, Hang, bounded, size_of
from tests.fuzz.decoders import Target
from tests.fuzz.mutation import Input, Mutator, smallest


@dataclass(frozen=True)
class Finding:
    """An input that must not do what it does."""

    target: str
    seed: int
    given: Input
    what: str

    def __str__(self) -> str:
        shown = repr(self.given)
        return f"{self.target}, seed {self.seed}: {self.what}\n  {shown[:2000]}{' ...' * (len(shown) > 2000)}"


class Run:
    """One target under one seed. `inputs` and `refused` count; the first finding of each kind is kept."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.seed = seed
        self.inputs = self.refused = 0
        self.findings: dict[str, Finding] = {}
        self._mutator = Mutator(Random(seed), target.corpus)  # noqa: S311 - to be repeated

    def step(self) -> None:
        """One more input."""
        given = self._mutator.next()
        self.inputs += 1
        what = self._fails(given)
        if what is not None and what not in self.findings:
            refused = self.refused
            attempts = 20 if what.startswith(Hang.__name__) else 500
            least = smallest(given, lambda smaller: self._fails(smaller) == what, attempts)
            self.refused = refused
            self.findings[what] = Finding(self.target.name, self.seed, least, what)

    def _fails(self, given: Input) -> str | None:
        """The kind of failure; None for what is as it should be."""
        try:
            try:
                self._read(given)
            except Greed:
                self._read(given)  # what is made once and kept is nobody's greed
        except self.target.refusals:
            self.refused += 1
        except Exception as error:  # noqa: BLE001 - every other is what is looked for
            return f"{type(error).__name__}: {str(error)[:80]}"
        return None

    def _read(self, given: Input) -> None:
        target = self.target
        bounded(lambda: target.read(given), size_of(given), target.bytes_per_byte, target.memory)


def for_seconds(target: Target, seed: int, seconds: float) -> Run:
    """As many inputs as there is time for."""
    run = Run(target, seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run.step()
    return run


def for_inputs(target: Target, seed: int, inputs: int) -> Run:
    run = Run(target, seed)
    for _ in range(inputs):
        run.step()
    return run


def findings(runs: list[Run]) -> Iterator[Finding]:
    for run in runs:
        yield from run.findings.values()
