"""Arithmetic on results: medians, spreads, ratios, and how they are written."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the repeats of one measurement."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The median and the range of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def rounded(value: float) -> str:
    """Three significant digits, thousands as k: 47, 4.2 k, 165 k, 1,290 k."""
    if abs(value) >= 99_950:
        return f"{value / 1000:,.0f} k"
    if abs(value) >= 9_995:
        return f"{value / 1000:.1f} k"
    if abs(value) >= 1000:
        return f"{value / 1000:.2f} k"
    return f"{value:.3g}"


def written(each: Spread) -> str:
    """Median and range, the range in the same unit where it says anything."""
    if each.low == each.high:
        return rounded(each.median)
    return f"{rounded(each.median)} ({rounded(each.low)} to {rounded(each.high)})"


def times(value: float, reference: float) -> str:
    """How many times the one is the other."""
    return f"{value / reference:.2f}" if reference else "–"
