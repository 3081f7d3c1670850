"""Numbers and names as text, in the words of the table that `shoal run` prints."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters, halves of surrogate pairs, and marks that turn the direction of the text after them.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
LARGEST_DRAWN = 1e100  # a larger number is written, but not drawn: scales of charts would overflow


def clean(text: str) -> str:
    """The text with what no page can show replaced."""
    return UNPRINTABLE.sub(REPLACEMENT, text)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


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


def percent(spread: Spread) -> str:
    if spread.count == 0:
        return "-"
    if spread.count == 1:
        return f"{100 * spread.mean:.2f} %"
    return f"{100 * spread.mean:.2f} ± {100 * spread.deviation:.2f} %"


def share(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "-"


def number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def loss(spread: Spread) -> str:
    """As many decimals as show two digits of the deviation."""
    if spread.count == 0:
        return "-"
    if spread.count == 1 or spread.deviation == 0 or abs(spread.mean) >= 1e6 or not math.isfinite(spread.deviation):
        return f"{spread.mean:.4g}"
    decimals = min(max(1 - math.floor(math.log10(spread.deviation)), 0), 8)
    return f"{spread.mean:.{decimals}f} ± {spread.deviation:.{decimals}f}"


def count(spread: Spread) -> str:
    """Small means with two digits, so that one event in several seeds does not round to 0."""
    if spread.count == 0:
        return "-"
    return f"{spread.mean:.2g}" if spread.mean < 10 else f"{spread.mean:.0f}"


def duration(seconds: float) -> str:
    if not 0 <= seconds <= 1e11:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.{2 if seconds < 0.995 else 1}f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def scaled(value: float, units: list[str]) -> str:
    if not math.isfinite(value):
        return "-"
    if abs(value) < 1000:
        return f"{value:.0f} {units[0]}"
    for unit in units[1:]:
        value /= 1000
        if abs(value) < 999.95:
            break
    return f"{value:.1f} {unit}"


def size(count_of_bytes: float) -> str:
    return scaled(count_of_bytes, ["B", "kB", "MB", "GB", "TB", "PB", "EB"])


def energy(joules: float) -> str:
    if joules < 1000:
        return f"{joules:.3g} J"
    return f"{joules / 1e6:.4g} MJ" if joules >= 1e6 else f"{joules / 1e3:.3g} kJ"


def plural(count_of_things: int, noun: str) -> str:
    return f"{count_of_things:,} {noun}{'' if count_of_things == 1 else 's'}"
