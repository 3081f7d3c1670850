"""Objectives order as stated, and distillation uses no votes of the judge."""

import program
from experiment import run


def test_agent_federation_objectives():
    with run("agent_federation_objectives", "--ranks", 2, "--set", "rounds=75", "--set", "grid.seed=[1]") as file:
        rounds = {cell.attrs["label"]: cell["rounds"][-1] for cell in file["cells"].values()}
        own = {label: row["personal_accuracy"] for label, row in rounds.items()}
        for judge in ("false_positive=0", "false_positive=0.37"):
            for objective in ("binary_rl", "combined", "hybrid"):
                assert own[f"{judge}, {objective}"] > own[f"{judge}, opd_token"] + 0.05, own
        assert own["false_positive=0, opd_token"] == own["false_positive=0.37, opd_token"], "it hears votes"
        assert rounds["false_positive=0.37, accepted_replies"]["personal_loss"] > 0.9 > 0.3 > max(
            row["personal_loss"] for label, row in rounds.items() if "accepted" not in label
        )


program.main(globals())
