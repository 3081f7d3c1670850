"""Numbers and names as text, in the words of the table that `shoal run` prints."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from shoal import text
from shoal.text import duration, size

__all__ = [
    "LARGEST_DRAWN",
    "Spread",
    "clean",
    "count",
    "duration",
    "energy",
    "loss",
    "number",
    "percent",
    "plural",
    "share",
    "shortened",
    "size",
]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters, halves of surrogate pairs, and marks that turn the direction of the text after them.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
LARGEST_DRAWN = 1e100  # a larger number is written, but not drawn: scales of charts would overflow


def clean(words: str) -> str:
    """The text with what no page can show replaced."""
    return UNPRINTABLE.sub(REPLACEMENT, words)


def shortened(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of the finite ones among some values."""

    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, values) -> Spread:
        finite = np.asarray([float(value) for value in values])
        finite = finite[np.isfinite(finite)]
        if len(finite) == 0:
            return cls(math.nan, 0.0, 0)
        with np.errstate(over="ignore", invalid="ignore"):
            deviation = float(finite.std(ddof=1)) if len(finite) > 1 else 0.0
            return cls(float(finite.mean()), deviation, len(finite))

    @property
    def shown_deviation(self) -> float:
        return self.deviation if self.count > 1 else math.nan


def percent(spread: Spread) -> str:
    return text.percent(spread.mean, spread.shown_deviation)


def share(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "-"


def number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def loss(spread: Spread) -> str:
    return text.number(spread.mean, spread.shown_deviation)


def count(spread: Spread) -> str:
    return text.count(spread.mean)


def energy(joules: float) -> str:
    if joules < 1000:
        return f"{joules:.3g} J"
    return f"{joules / 1e6:.4g} MJ" if joules >= 1e6 else f"{joules / 1e3:.3g} kJ"


def plural(count_of_things: int, noun: str) -> str:
    return f"{count_of_things:,} {noun}{'' if count_of_things == 1 else 's'}"
