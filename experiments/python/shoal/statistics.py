"""Intervals, tests and power for a handful of repetitions, by scipy. Functions of arrays; `table` applies them to
runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

Method = Literal["t", "bootstrap", "sd", "range"]
Test = Literal["t", "wilcoxon"]

_ROUNDING = 1e-12  # differences of values that are relatively closer are those of their rounding


@dataclass(frozen=True)
class Interval:
    """A mean with its limits; NaN where there are too few values to know."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """The differences a - b: their number, their mean with limits, and the two-sided p value."""

    pairs: int
    difference: Interval
    p: float


def interval(values: ArrayLike, method: Method = "t", confidence: float = 0.95, seed: int = 0) -> Interval:
    """An interval of the mean: Student's t; bias-corrected and accelerated bootstrap (Efron 1987), whose draws `seed`
    decides; or the description of the sample, mean ± standard deviation ("sd") or lowest to highest ("range")."""
    finite = _finite(values)
    if len(finite) == 0:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(finite.mean())
    if method == "range":
        return Interval(mean, float(finite.min()), float(finite.max()))
    if len(finite) == 1:
        return Interval(mean, np.nan, np.nan)
    spread = float(finite.std(ddof=1))
    if method == "sd":
        return Interval(mean, mean - spread, mean + spread)
    if spread == 0:
        return Interval(mean, mean, mean)
    if method == "bootstrap":
        found = scipy.stats.bootstrap(
            (finite,), np.mean, confidence_level=confidence, method="BCa", rng=np.random.default_rng(seed)
        ).confidence_interval
        return Interval(mean, float(found.low), float(found.high))
    half = half_width(spread, len(finite), confidence)
    return Interval(mean, mean - half, mean + half)


def half_width(deviation: ArrayLike, count: ArrayLike, confidence: float = 0.95) -> float:
    """Half the width of Student's t interval of a mean, from the sample's standard deviation; arrays give an array."""
    count = np.asarray(count, dtype=float)
    return scipy.special.stdtrit(count - 1, (1 + confidence) / 2) * np.asarray(deviation) / np.sqrt(count)


def paired(a: ArrayLike, b: ArrayLike, test: Test = "t", confidence: float = 0.95) -> PairedTest:
    """Whether a and b, measured on the same seeds, differ: the paired t test, or Wilcoxon's signed ranks, which asks
    for symmetric differences alone but cannot give a p value below 2^(1 - pairs). The limits are those of the t test.
    Where all differences are the same number, the t test knows no spread: p and limits are NaN."""
    differences = _finite(np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
    if len(differences) < 2:
        return PairedTest(len(differences), interval(differences), np.nan)
    if not differences.any():
        return PairedTest(len(differences), Interval(0.0, 0.0, 0.0), 1.0)
    if test == "wilcoxon":
        p = float(scipy.stats.wilcoxon(differences).pvalue)
    elif differences.std() <= _ROUNDING * np.abs(_finite(np.concatenate([np.ravel(a), np.ravel(b)]))).max(initial=0):
        # Accuracies are counts: a few seeds can differ by the same number of examples, and t would be infinite.
        return PairedTest(len(differences), Interval(float(differences.mean()), np.nan, np.nan), np.nan)
    else:
        p = float(scipy.stats.ttest_1samp(differences, 0.0).pvalue)
    return PairedTest(len(differences), interval(differences, "t", confidence), p)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p values, which keep the probability of any false finding below the level. NaN stays
    NaN."""
    p = np.asarray(p, dtype=float)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN is sorted to the end
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def power(effect: float, pairs: int, level: float = 0.05) -> float:
    """Power of the two-sided paired t test: the probability of finding a mean difference of `effect` standard
    deviations."""
    freedom, shift = pairs - 1, effect * np.sqrt(pairs)
    limit = scipy.stats.t.ppf(1 - level / 2, freedom)
    return float(scipy.stats.nct.sf(limit, freedom, shift) + scipy.stats.nct.cdf(-limit, freedom, shift))


def pairs_needed(effect: float, wanted: float = 0.8, level: float = 0.05, most: int = 1_000_000) -> int:
    """The smallest number of pairs (seeds) with the wanted power; `most` if that is not enough."""
    low, high = 1, 2  # power(low) is too small
    while high < most and power(effect, high, level) < wanted:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(effect, middle, level) < wanted else (low, middle)
    return high


def gini(ascending: np.ndarray, clients: int) -> float:
    """Gini's coefficient of counts among `clients` in all; those not listed count 0. Gini 1912: half the relative mean
    difference."""
    total = float(ascending.sum())
    if total <= 0:
        return np.nan
    ranks = clients - len(ascending) + np.arange(1, len(ascending) + 1)
    return float(2 * (ranks * ascending).sum() / (clients * total) - (clients + 1) / clients)


def _finite(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=float).ravel()
    return values[np.isfinite(values)]
