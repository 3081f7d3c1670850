"""Ditto's personal models beat the one model of FedAvg, most of all for the worst-served clients."""

import program
from experiment import run


def test_ditto_personal():
    with run("ditto_personal", "--ranks", 2) as file:
        labels = {cell.attrs["label"] for cell in file["cells"].values()}

        def last(label, column):
            ends = [c["rounds"][column][-1] for c in file["cells"].values() if c.attrs["label"] == label]
            return sum(ends) / len(ends)

        accuracy = {label: last(label, "personal_accuracy") for label in labels}
        worst = {label: last(label, "personal_accuracy_p10") for label in labels}
        # Stated: about 97, 94 and 86 %, worst served tenth 90 and 81 %; the order is the claim.
        assert accuracy["ditto, lambda=1"] > accuracy["fed_avg"] + 0.01 > accuracy["ditto, lambda=0"] + 0.06, accuracy
        assert worst["ditto, lambda=1"] > worst["fed_avg"] + 0.05, worst


program.main(globals())
