"""Rewards for steps besides outcomes make agents learn to operate machines sooner, most of all where outcomes are sparse.

The number of updates and the bounds were chosen from the curves: the test guards the stated result, it does not find it.
"""

import h5py
import program


def test_process_rewards_help():
    program.run(program.SOURCE / "experiments/agents/agent_machines.toml", "--out", "machines.h5", "--ranks", 2)
    found = {}
    with h5py.File("machines.h5") as file:
        for cell in file["cells"].values():
            replicates = cell["tables/replicates"][()]
            assert len(replicates) == 100
            deviation = replicates["failures"].std() / 10
            found[cell.attrs["label"]] = (cell["model/success"][()], deviation)
    for machine in ("terminal", "form", "patch", "calculator"):
        (outcome, error1), (both, error2) = (found[f"{machine}, rewards={r}"] for r in ("outcome", "integrated"))
        assert abs(outcome[0] - both[0]) < 0.02, (machine, outcome[0], both[0])  # the same untrained agent
        gap = both[-1] - outcome[-1]
        assert gap > 3 * (error1**2 + error2**2) ** 0.5, (machine, gap, error1, error2)
        assert both.mean() > outcome.mean() and both[-1] > 0.5, (machine, outcome, both)
    success = {label: model[-1] for label, (model, _) in found.items()}
    gap = {m: success[f"{m}, rewards=integrated"] - success[f"{m}, rewards=outcome"] for m in ("terminal", "calculator")}
    assert gap["calculator"] > 0.5 > 0.1 > gap["terminal"], gap  # sparse, dense
    # The published penalty rewards calls for their own sake: without process rewards the agent forgets how to answer.
    assert found["calculator, rewards=outcome"][0][-1] < 0.05


program.main(globals())
