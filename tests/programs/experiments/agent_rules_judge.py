"""A finer sweep of the judge's errors needs the sessions that an independent program found: means over 1,000 seeds."""

import program
from study_cells import cells, check_mean

JUDGES = {  # Binary RL, Combined, Hybrid
    0.05: (19.0, 17.1, 17.2), 0.1: (20.0, 17.4, 17.8), 0.2: (22.3, 18.2, 19.4), 0.3: (26.2, 18.5, 22.2),
    0.4: (31.8, 19.7, 25.9), 0.46: (36.0, 20.3, 28.0), 0.47: (36.7, 20.5, 28.5), 0.48: (37.4, 20.6, 28.8),
}


def test_judges():
    found = cells("agent_rules_judge")
    for rate, means in JUDGES.items():
        for objective, mean in zip(("binary_rl", "combined", "hybrid"), means):
            check_mean(found, f"false_positive={rate}, {objective}", mean)
        check_mean(found, f"false_positive={rate}, opd_token", 36.8)


program.main(globals())
