"""Trained policies follow the rules as often as those of an independent program.

RATES holds its figures: after 8 and 16 updates, 400 seeds, standard error up to 0.005.
"""

import math

import program
from study_cells import OBJECTIVES, cells

RATES = {  # by the judge's false-positive rate, which distillation does not depend on
    0: [(0.58, 0.76), (0.71, 0.83), (0.44, 0.60), (0.62, 0.78), (0.59, 0.78)],
    0.2: [(0.50, 0.66), (0.71, 0.83), (0.44, 0.60), (0.60, 0.76), (0.53, 0.70)],
    0.37: [(0.43, 0.55), (0.71, 0.83), (0.44, 0.60), (0.59, 0.74), (0.47, 0.60)],
    0.5: [(0.38, 0.45), (0.71, 0.83), (0.44, 0.60), (0.58, 0.71), (0.43, 0.53)],
    0.7: [(0.32, 0.36), (0.71, 0.83), (0.44, 0.60), (0.55, 0.68), (0.37, 0.43)],
}


def test_rates():
    found = cells("agent_rules_rates")
    for judge, row in RATES.items():
        for objective, rates in zip(OBJECTIVES, row):
            model, _ = found[f"false_positive={judge}, {objective}"]
            for updates, rate in zip((8, 16), rates):
                # The figures have two decimals: half a hundredth more than three standard errors of a difference.
                assert abs(model["rule_rate"][updates] - rate) < 0.005 + 3 * math.sqrt(2) * 0.005, (
                    judge, objective, updates, model["rule_rate"][updates], rate)


program.main(globals())
