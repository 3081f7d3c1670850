"""Combined and Hybrid RL lead on the whole map, and Combined wherever the judge errs often."""

import math

import program
from study_cells import cells, deviation


def test_map():
    found = cells("agent_rules_map")
    mean = lambda rate, hints, objective: found[f"false_positive={rate}, directive={hints}, {objective}"][1].mean()
    for hints in (0.1, 0.2, 0.4, 0.8, 1):
        for rate in (0, 0.1, 0.2, 0.37, 0.5, 0.7):
            lead = min(mean(rate, hints, "combined"), mean(rate, hints, "hybrid"))
            assert lead < mean(rate, hints, "binary_rl") and lead < mean(rate, hints, "opd_token"), (rate, hints)
        for rate in (0.37, 0.5, 0.7):
            gaps = (found[f"false_positive={rate}, directive={hints}, combined"][1]
                    - found[f"false_positive={rate}, directive={hints}, hybrid"][1])
            assert gaps.mean() + 1.96 * deviation(gaps) / math.sqrt(len(gaps)) < 0, (rate, hints, gaps.mean())


program.main(globals())
