"""The same with a transformer: newcomers need a joint model, and conflicts harm it."""

import program
from experiment import run


def test_agent_federation_transformer():
    few = ["--set", "rounds=25", "--set", "grid.seed=[1]", "--set", 'grid.strategy=["fed_avg", "local_only"]']
    with run("agent_federation_transformer", "--ranks", 2, *few) as file:
        last = {cell.attrs["label"]: cell["rounds"][-1] for cell in file["cells"].values()}
        joint, apart = last["fed_avg, conflicts=0"], last["local_only, conflicts=0"]
        assert joint["accuracy"] > 0.5 > 0.3 > apart["accuracy"] and joint["loss"] < 0.01, (joint, apart)
        assert joint["personal_accuracy"] > apart["personal_accuracy"], (joint, apart)
        assert last["fed_avg, conflicts=0.2"]["accuracy"] < joint["accuracy"] - 0.1, last


program.main(globals())
