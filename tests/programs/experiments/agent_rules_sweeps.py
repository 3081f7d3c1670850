"""Sweeps of Hybrid RL's constants need the sessions that an independent program found: means over 1,000 seeds."""

import math

import program
from study_cells import cells, check_mean

# Over the support k and the gap C: sessions of top-k distillation (and of its user with the rule Floor) and of Hybrid RL.
SUPPORTS = {2: (47.3, 55.3, 16.7), 4: (45.2, 51.3, 16.5), 8: (39.6, 36.4, 16.5), 10: (35.5, 29.7, 16.1)}
GAPS = {0.25: (46.3, 17.4), 0.5: (45.3, 16.9), 2: (45.3, 16.6), 4: (45.1, 16.5), 0: (45.1, 16.5)}


def test_sweeps():
    found = cells("agent_rules_sweeps")
    for k, (distilled, floor, hybrid) in SUPPORTS.items():
        check_mean(found, f"opd_top_k, k={k}", distilled)
        check_mean(found, f"hybrid, k={k}", hybrid)
        model, _ = found[f"opd_top_k, k={k}"]
        # One user's sessions lie between 3 and 72, so their deviation is below 35.
        assert abs(model["sessions"][1] - floor) < 3 * math.sqrt(2) * 35 / math.sqrt(1000), (k, model["sessions"][1])
    for gap, (distilled, hybrid) in GAPS.items():
        check_mean(found, f"opd_top_k, gap={gap}", distilled)
        check_mean(found, f"hybrid, gap={gap}", hybrid)


program.main(globals())
