"""Stragglers do little harm if their partial work is kept, and much if it is dropped."""

import program
from experiment import run


def test_fedprox_stragglers():
    with run("fedprox_stragglers", "--ranks", 2, "--set", "rounds=20", "--set", "grid.seed=[1]") as file:
        loss = {cell.attrs["label"]: cell.attrs["final_loss"] for cell in file["cells"].values()}
        prox, average = "fed_prox, mu=1, stragglers, share=", "fed_avg, stragglers, share="
        kept = [loss[prox + share] for share in ("0", "0.5", "0.9")]
        assert max(kept) - min(kept) < 0.1, kept  # partial work: stragglers hardly matter
        assert all(loss[average + share] > 1.1 * max(kept) for share in ("0", "0.5", "0.9")), loss
        # So early a tenth of the work has not come far, with or without the pull.
        assert loss[prox + "0.9, work=dropped"] > 2 * max(kept), loss
        assert loss[average + "0.9, work=dropped"] > 2 * max(kept), loss


program.main(globals())
