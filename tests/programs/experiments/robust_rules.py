"""Sign flippers ruin the mean; the median and Krum after mixing hardly notice them."""

import program
from experiment import run


def test_robust_rules():
    with run("robust_rules", "--ranks", 2, "--set", "rounds=40", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell.attrs["final_accuracy"] for cell in file["cells"].values()}
        honest = {label.split(", sign_flip")[0]: cells[label] for label in cells if "malicious=0" in label}
        attacked = {label.split(", sign_flip")[0]: cells[label] for label in cells if "malicious=20" in label}
        assert len(honest) == len(attacked) == 6, cells
        assert attacked["mean"] < 0.7 < 0.9 < honest["mean"], cells
        for rule in ("median", "mixing, Krum"):
            assert attacked[rule] > 0.9 and honest[rule] > 0.9, cells
        assert attacked["norm bound"] > attacked["mean"] + 0.1, cells


program.main(globals())
