"""FedAvg ends at the biased point of client drift and SCAFFOLD at the optimum, both computed by hand."""

import math

import program
from experiment import run


def test_quadratic_drift():
    curvatures, optima, rate, steps = (1, 4), (0, 1), 0.1, 5
    pull = [1 - (1 - rate * h) ** steps for h in curvatures]
    biased = sum(c * b for c, b in zip(pull, optima)) / sum(pull)
    with run("quadratic_drift", "--ranks", 2) as file:
        for index, expected in enumerate((biased, 0.8)):
            cell = file[f"cells/{index}"]
            # In float64 the fixed point is met to 1e-15; the exact sum rounds updates, far below this bound.
            assert abs(cell["model/x"][0] - expected) < 1e-9, (cell.attrs["label"], cell["model/x"][0], expected)
            loss = sum(h * (expected - b) ** 2 / 4 for h, b in zip(curvatures, optima))  # mean of two halves
            assert math.isclose(cell.attrs["final_loss"], loss, abs_tol=1e-6), (cell.attrs["final_loss"], loss)


program.main(globals())
