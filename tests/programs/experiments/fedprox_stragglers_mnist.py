"""FedProx on MNIST, shortened: stragglers do little harm if their partial work is kept, and much if it is dropped."""

import h5py
import program
from experiment import run_on_mnist


def test_stragglers():
    run_on_mnist("fedprox_stragglers_mnist", "stragglers.h5", "--ranks", 2, "--set", "rounds=30", "--set", "grid.seed=[1]")
    with h5py.File("stragglers.h5") as file:
        best = {cell.attrs["label"]: cell.attrs["best_accuracy"] for cell in file["cells"].values()}
    for strategy in ("fed_avg", "fed_prox, mu=1"):
        kept = [best[f"{strategy}, stragglers, share={share}"] for share in ("0", "0.5", "0.9")]
        assert max(kept) - min(kept) < 0.05, (strategy, kept)  # partial work: stragglers hardly matter
        assert best[f"{strategy}, stragglers, share=0.9, work=dropped"] < min(kept) - 0.1, (strategy, best)


program.main(globals())
