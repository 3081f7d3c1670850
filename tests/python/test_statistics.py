"""Statistics agree with other programs on stored cases; their source is beside each."""

import numpy as np
import pytest
from shoal import statistics

# Student's sleep data (1908), R's `sleep`: t.test(extra ~ group, paired = TRUE) prints t = -4.0621, p = 0.002833 and
# the limits -2.4598858 and -0.7001142.
SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
# Hollander and Wolfe (1973), depression scores, in R's ?wilcox.test: V = 40, two-sided p = 0.0390625.
DEPRESSION = (
    [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
    [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29],
)


def test_paired_t():
    found = statistics.paired(*SLEEP)
    assert found.pairs == 10 and found.difference.mean == pytest.approx(-1.58)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert (found.difference.low, found.difference.high) == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)


def test_signed_ranks():
    assert statistics.paired(*DEPRESSION, test="wilcoxon").p == pytest.approx(0.0390625, rel=1e-12)


def test_t_interval():
    # statsmodels 0.14.6, DescrStatsW(values).tconfint_mean(alpha)
    values = [0.9121, 0.9193, 0.9143, 0.9250, 0.9188]
    found = statistics.interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (0.9179, 0.9116985129211422, 0.9241014870788579), rel=1e-12
    )
    found = statistics.interval(values, confidence=0.99)
    assert (found.low, found.high) == pytest.approx((0.9076162617041988, 0.9281837382958013), rel=1e-12)


def test_bootstrap():
    # Efron and Tibshirani (1993), table 2.1, survival of treated mice: the bootstrap's standard error of the mean is
    # that of the plug-in estimate, sqrt(sum (x - mean)^2) / n = 23.36 there, and a BCa interval leans to the long tail.
    mice = np.array([94, 197, 16, 38, 99, 141, 23])
    plug_in = np.sqrt(((mice - mice.mean()) ** 2).sum()) / len(mice)
    assert plug_in == pytest.approx(23.36, abs=0.01)
    found = statistics.interval(mice, "bootstrap", confidence=0.6826895)
    assert (found.high - found.low) / 2 == pytest.approx(plug_in, rel=0.08)  # one standard error to each side
    wide = statistics.interval(mice, "bootstrap")
    assert wide.high - wide.mean > wide.mean - wide.low, "leans to the long tail"
    assert wide == statistics.interval(mice, "bootstrap"), "the same draws"
    assert wide != statistics.interval(mice, "bootstrap", seed=1)


def test_holm():
    # statsmodels 0.14.6, multipletests(p, method="holm")
    assert list(statistics.holm([0.01, 0.04, 0.03, 0.005, 0.2, 0.9])) == pytest.approx(
        [0.05, 0.12, 0.12, 0.03, 0.4, 0.9]
    )
    # Values that are not known do not count.
    known = statistics.holm([0.01, np.nan, 0.04])
    assert list(known[[0, 2]]) == pytest.approx([0.02, 0.04]) and np.isnan(known[1])


def test_power():
    # statsmodels 0.14.6, TTestPower().power(effect, nobs, alpha) and solve_power
    for effect, pairs, level, expected in (
        (0.5, 34, 0.05, 0.8077775012792737),
        (0.2, 10, 0.05, 0.08765715402846737),
        (1.5, 3, 0.05, 0.3163818615591505),
        (1.0, 5, 0.01, 0.12838794077932006),
        (0.0, 8, 0.05, 0.05),
    ):
        assert statistics.power(effect, pairs, level) == pytest.approx(expected, rel=1e-9)
    for effect, wanted, level, expected in (
        (0.5, 0.8, 0.05, 33.367),
        (1.0, 0.9, 0.05, 12.585),
        (2.0, 0.8, 0.01, 6.306),
    ):
        assert statistics.pairs_needed(effect, wanted, level) == int(np.ceil(expected))
    assert statistics.pairs_needed(0.0) == 1_000_000


def test_too_little_to_know():
    alone = statistics.interval([0.5])
    assert alone.mean == 0.5 and np.isnan([alone.low, alone.high]).all()
    assert np.isnan(statistics.interval([np.nan]).mean)
    assert np.isnan(statistics.paired([1], [2]).p)
    assert statistics.paired([1, 2], [1, 2]).p == 1
    # Three seeds that differ by one test example of 1,797 each: no spread, so nothing that t could say.
    a = np.array([1643, 1650, 1661]) / 1797
    found = statistics.paired(a, a - 1 / 1797)
    assert np.isnan(found.p) and found.difference.mean == pytest.approx(1 / 1797)
    # Nor if a fourth seed was not measured.
    assert np.isnan(statistics.paired(np.append(a, np.nan), np.append(a - 1 / 1797, 0.9)).p)
    assert statistics.interval([1, 2, 6], "range") == statistics.Interval(3, 1, 6)
    assert statistics.interval([1, 3], "sd") == statistics.Interval(2, 2 - np.sqrt(2), 2 + np.sqrt(2))
