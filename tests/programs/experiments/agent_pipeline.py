"""Bounds on staleness and ways to hand over weights cost what the file states; every turn is accounted for."""

import math

import program
from experiment import run


def test_agent_pipeline():
    with run("agent_pipeline", "--ranks", 2, "--set", "task.replicates=20") as file:
        found = {}
        for cell in file["cells"].values():
            mode, eta = (part.split("=")[1] for part in cell.attrs["label"].split(", "))
            found[mode, int(eta)] = {name: values[()] for name, values in cell["model"].items()}
    assert len(found) == 12
    for (mode, eta), outcome in found.items():
        assert outcome["staleness"][eta] > 0 == outcome["staleness"][eta + 1 :].sum(), (mode, eta)
        drops = sum(values[0] for name, values in outcome.items() if name.startswith("dropped_"))
        total = outcome["consumed"][0] + drops + outcome["resident"][0]
        assert math.isclose(outcome["produced"][0], total, rel_tol=1e-5), (mode, eta)
        assert (outcome["refused"][0] > 0) == (mode == "pause503"), (mode, eta)
        assert (outcome["stall_seconds"][0] > 0) == (mode != "swap"), (mode, eta)
    # Stated: 0.86 and 0.95 h, 1.4 and 8.5 s, 14 to 15 and 20 to 22 sessions, two turns in seven without a verdict.
    swap, barrier, strict = found["swap", 2], found["barrier", 1], found["swap", 0]
    assert swap["hours"][0] < 0.97 * barrier["hours"][0]
    assert swap["serving_latency"][0] < 0.2 * barrier["serving_latency"][0]
    assert abs(swap["sessions"].mean() - barrier["sessions"].mean()) < 3 < strict["sessions"].mean() - swap["sessions"].mean()
    assert abs(swap["dropped_no_signal"][0] - 2 / 7 * swap["produced"][0]) < 0.02 * swap["produced"][0]
    assert strict["dropped_stale"][0] > 0.3 * strict["produced"][0] and swap["dropped_stale"][0] < 0.15 * swap["produced"][0]


program.main(globals())
