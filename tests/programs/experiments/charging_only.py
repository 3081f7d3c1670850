"""Clients that train only when charging take part less evenly, at little cost in accuracy."""

import math

import numpy
import program
from experiment import run


def gini(counts):
    ranks = numpy.arange(1, len(counts) + 1)
    return 2 * (ranks * numpy.sort(counts)).sum() / (len(counts) * counts.sum()) - 1 - 1 / len(counts)


def test_charging_only():
    found = {"always": [], "charging only": []}
    with run("charging_only", "--ranks", 2) as file:
        for cell in file["cells"].values():
            table = cell["clients"][()]
            counts = numpy.bincount(table["client"][table["committed"] == 1], minlength=500)
            found[cell.attrs["label"]].append((gini(counts), (counts == 0).mean(), cell["rounds"]["accuracy"][-1]))
            assert 100 < cell["rounds"]["time_us"][-1] / 3.6e9 < 150  # hours: about five days
    always, charging = (numpy.mean(found[label], axis=0) for label in ("always", "charging only"))
    # 6000 participations of 500 clients with equal chances are nearly Poisson with mean 12: a Gini of 1 / sqrt(12 pi).
    assert abs(always[0] - 1 / math.sqrt(12 * math.pi)) < 0.01, always
    assert 0.40 < charging[0] < 0.48 and always[1] < 0.03 and 0.13 < charging[1] < 0.22, (always, charging)
    assert 0 < always[2] - charging[2] < 0.02, (always, charging)


program.main(globals())
