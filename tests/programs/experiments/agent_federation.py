"""Users who contradict each other are served better alone; newcomers are served only by a joint model."""

import program
from experiment import run


def test_agent_federation():
    with run("agent_federation", "--ranks", 2, "--set", "rounds=100", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell for cell in file["cells"].values()}
        assert len(cells) == 12, list(cells)
        own = {label: cell["rounds"]["personal_accuracy"][-1] for label, cell in cells.items()}
        # After a third of the rounds. If users contradict each other, no single model serves all of them.
        for joint in ("FedAvg", "SCAFFOLD"):
            assert own["alone, 10 steps, conflicts=0.2"] > own[f"{joint}, 10 steps, conflicts=0.2"] + 0.08, own
            assert own[f"{joint}, 10 steps, conflicts=0"] > 0.9 and own["alone, 10 steps, conflicts=0"] > 0.9, own
        for cell in cells.values():
            rounds, clients = cell["rounds"][()], cell["clients"][()]
            assert rounds["examples"].sum() == clients["examples"].sum() > 0 and not clients["rejected_examples"].any()
            # Clients that dropped out used no reply; all others used some, at most two sessions of ten turns.
            assert ((clients["examples"] > 0) == (clients["committed"] == 1)).all() and clients["examples"].max() <= 20
        # Newcomers, and right answers.
        joint, alone = cells["FedAvg, 10 steps, conflicts=0"]["rounds"], cells["alone, 10 steps, conflicts=0"]["rounds"]
        assert joint["accuracy"][-1] > 0.9 and alone["accuracy"][-1] < 0.3, (joint["accuracy"], alone["accuracy"])
        assert joint["personal_loss"][-1] < alone["personal_loss"][-1] < 0.15


program.main(globals())
