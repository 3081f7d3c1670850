"""Ditto's personal models beat the one model of FedAvg, most of all for the worst-served clients."""

import numpy as np
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
        for cell in file["cells"].values():  # the table of clients holds what the means are of
            rounds, each = cell["rounds"][()], cell["tables/personal"][()]
            evaluated = rounds[~np.isnan(rounds["personal_accuracy"])]
            assert set(each["round"]) == set(evaluated["round"]) and len(each) == len(evaluated) * len(set(each["client"]))
            for row in evaluated:
                own = each[each["round"] == row["round"]]
                assert np.isclose(own["accuracy"].mean(), row["personal_accuracy"], rtol=1e-12)
                assert np.isclose(own["loss"].mean(), row["personal_loss"], rtol=1e-12)
                assert np.sort(own["accuracy"])[(len(own) + 9) // 10 - 1] == row["personal_accuracy_p10"]
        assert worst["ditto, lambda=1"] > worst["fed_avg"] + 0.05, worst


program.main(globals())
