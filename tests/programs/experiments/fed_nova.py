"""Under unequal local work FedNova reaches a lower training loss than FedProx, and FedProx than FedAvg."""

import program
from experiment import run


def test_fed_nova():
    with run("fed_nova", "--ranks", 2, "--set", "rounds=100", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell.attrs for cell in file["cells"].values()}
        loss = {label: attributes["final_loss"] for label, attributes in cells.items()}
        assert loss["fed_nova"] < loss["fed_nova, mu=1"] < loss["fed_prox, mu=1"] < loss["fed_avg"], loss
        accuracy = {label: attributes["final_accuracy"] for label, attributes in cells.items()}
        assert accuracy["fed_nova"] > max(accuracy["fed_avg"], accuracy["fed_prox, mu=1"]), accuracy


program.main(globals())
