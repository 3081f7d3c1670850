"""Masks change neither the model nor who is in the sum, whatever the graph; they cost bytes and virtual time."""

import program
from experiment import run


def test_secure_aggregation():
    with run("secure_aggregation", "--ranks", 2, "--set", "rounds=6", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell for cell in file["cells"].values()}
        masked = [cells[label] for label in ("full graph", "neighbours", "counted")]
        # Clients are lost in every phase: 0 to 2 are those of all experiments, then keys, shares and unmasking.
        lost = {int(outcome) - 1 for outcome in cells["full graph"]["clients"]["outcome"] if outcome > 0}
        assert lost >= {1, 2, 5}, lost
        accuracy = {cell.attrs["final_accuracy"] for cell in masked}
        assert len(accuracy) == 1, accuracy
        assert abs(accuracy.pop() - cells["plain"].attrs["final_accuracy"]) < 0.03
        for other in masked[1:]:
            assert (other["clients"]["client"][:] == masked[0]["clients"]["client"][:]).all()
            assert (other["clients"]["outcome"][:] == masked[0]["clients"]["outcome"][:]).all()
        for column in ("bytes_up", "bytes_down", "time_us"):
            assert (masked[1]["rounds"][column][:] == masked[2]["rounds"][column][:]).all()  # counted as executed
        # One message of keys and sealed shares for each of 49 neighbours instead of 10, and answers likewise.
        up = [cell["rounds"]["bytes_up"].sum() for cell in masked]
        assert up[0] > 1.2 * up[1], up
        # Without phases of their own, the same clients are lost as in "plain"; words are rounded.
        one_shot, plain = cells["one shot"], cells["plain"]
        assert (one_shot["clients"]["outcome"][:] == plain["clients"]["outcome"][:]).all()
        assert abs(one_shot.attrs["final_accuracy"] - plain.attrs["final_accuracy"]) < 0.01


program.main(globals())
