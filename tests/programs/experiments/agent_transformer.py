"""A transformer learns its users' rules while it keeps its answers right, in a shortened study."""

import math

import program
from experiment import run


def test_agent_transformer():
    few = ["--set", "task.replicates=10"]
    with run("agent_transformer", "--ranks", 2, *few, "--set", 'grid.objective=["binary_rl", "hybrid"]') as file:
        cells = {cell.attrs["label"]: cell for cell in file["cells"].values()}
        model = {label: {name: values[()] for name, values in cell["model"].items()} for label, cell in cells.items()}
        sessions = {label: outcome["sessions"].mean() for label, outcome in model.items()}
        assert sessions["good judge, hybrid"] < sessions["no learning, hybrid"] - 8, sessions
        assert sessions["good judge, hybrid"] < sessions["p_fp 0.37, binary_rl"], sessions
        for outcome in model.values():
            mean, low, high = outcome["hint_gain"]
            assert 0.25 < low < mean < high, "hints are worth nothing to the policy"
            assert outcome["correctness"][8] > 0.95 and math.isclose(outcome["correctness"][0], 1, abs_tol=0.02)
        assert (model["no learning, hybrid"]["kl"] == 0).all() and model["good judge, hybrid"]["kl"][16] > 0.01


program.main(globals())
