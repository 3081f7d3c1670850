"""More neighbours bring nodes closer to each other, and the complete graph learns a better mean model than the ring."""

import program
from experiment import run


def last(cell, name):
    rows = cell["measures"][:]
    return [float(row["value"]) for row in rows if row["name"] in (name, name.encode())][-1]


def test_d_psgd_ring():
    with run("d_psgd_ring", "--ranks", 2, "--set", "rounds=100", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell for cell in file["cells"].values()}
        distance = {label: last(cell, "consensus_distance") for label, cell in cells.items()}
        # The complete graph has one model for all after each exchange; after training they differ again.
        assert distance["complete, d_psgd, exchange=after"] < 1e-6, distance
        for way in ("d_psgd", "d_psgd, exchange=after"):
            assert distance[f"ring, reach=2, {way}"] < distance[f"ring, {way}"], distance
            accuracy = {place: cells[f"{place}, {way}"].attrs["final_accuracy"] for place in ("ring", "complete")}
            assert accuracy["complete"] > accuracy["ring"], accuracy


program.main(globals())
