"""A million clients: the loss that every strategy reaches, and the spread of cohorts and dropouts."""

import program
from experiment import run


def test_synthetic_scale():
    with run("synthetic_scale", "--ranks", 2) as file:
        assert len(file["cells"]) == 3
        for cell in file["cells"].values():
            assert 62 < cell.attrs["final_loss"] < 65, cell.attrs["final_loss"]
            assert len(cell["clients"]) == 50_000 and cell["clients"]["client"].max() > 990_000
            # 10 % of 50,000: mean 5000, deviation 67; five deviations.
            assert abs(cell.attrs["dropouts"] - 5000) < 335, cell.attrs["dropouts"]


program.main(globals())
