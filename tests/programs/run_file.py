"""A run file opens in pandas with five lines, and holds exactly what was run: settings, model, accuracy."""

import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import program

EXPERIMENT = """
name = "run-file"
rounds = 20
[partition]
name = "dirichlet"
clients = 40
[model]
name = "mlp"
widths = [24, 16]
[planner]
cohort = 10
dropout = 0.2
[local]
rate = 0.2
[evaluate]
every = 6
[grid]
strategy = ["fed_avg", {name = "fed_prox", mu = 0.1}]
seed = [1, 7]
"""
ROUNDS = {
    "round": "count", "version": "updates", "time_us": "microseconds", "started": "clients", "committed": "clients",
    "dropouts": "clients", "rejected": "clients", "examples": "examples", "bytes_down": "bytes", "bytes_up": "bytes",
    "train_loss": "mean", "accuracy": "fraction", "loss": "mean", "verdict": "commit",
    "personal_accuracy": "accuracy", "personal_accuracy_p10": "percentile", "personal_loss": "mean", "task": "number",
}  # fmt: skip
CLIENTS = {
    "round": "count", "participation": "id", "client": "id", "version": "updates", "start_us": "microseconds",
    "finish_us": "microseconds", "outcome": "completes", "committed": "0 or 1", "accepted": "0 or 1",
    "weight": "factor", "loss": "mean", "steps": "steps", "bytes_down": "bytes", "bytes_up": "bytes",
    "fraction": "share", "joules": "proxy", "tier": "kind", "examples": "examples",
    "rejected_examples": "examples", "task": "number", "group": "number", "variant": "number",
}  # fmt: skip
# The strategy and the seed of each cell, however the grid spells them.
CELLS = [("fed_avg", 1), ("fed_avg", 7), ({"name": "fed_prox", "mu": 0.1}, 1), ({"name": "fed_prox", "mu": 0.1}, 7)]
SHAPES = {"dense1.weight": (24, 64), "dense1.bias": (24,), "dense2.weight": (16, 24), "dense2.bias": (16,),
          "dense3.weight": (10, 16), "dense3.bias": (10,)}  # fmt: skip
PARAMETERS = sum(int(np.prod(shape)) for shape in SHAPES.values())


def run():
    if not Path("run.h5").exists():
        Path("run.toml").write_text(EXPERIMENT)
        Path("printed").write_text(program.run("run.toml", "--out", "run.h5", "--ranks", 2))
    return h5py.File("run.h5")


def test_five_lines():
    run().close()
    with h5py.File("run.h5") as file:
        rounds = pd.DataFrame(file["cells/0/rounds"][()])
        clients = pd.DataFrame(file["cells/0/clients"][()])
        best = rounds["accuracy"].max()
        dropouts = clients.groupby("round")["outcome"].apply(lambda outcome: (outcome != 0).sum())
    assert len(rounds) == 20 and len(clients) == 200 and 0.3 < best < 1
    assert (dropouts.to_numpy() == rounds["dropouts"].to_numpy()).all()


def test_tables():
    with run() as file:
        assert (file.attrs["schema"], file.attrs["schema_version"], file.attrs["name"]) == ("shoal-run", 3, "run-file")
        assert list(file["cells"]) == ["0", "1", "2", "3"]
        for cell in file["cells"].values():
            for name, expected in (("rounds", ROUNDS), ("clients", CLIENTS)):
                table = cell[name]
                assert table.dtype.names == tuple(expected), (name, table.dtype.names)
                units = dict(unit.split(": ", 1) for unit in table.attrs["units"].split("; "))
                assert list(units) == list(expected)
                for column, word in expected.items():
                    assert word in units[column], (name, column, units[column])
                assert table.attrs["axes"].startswith("row: one ")
            check_sums(cell)


def check_sums(cell):
    """Numbers that follow from both tables must be equal."""
    rounds, clients = pd.DataFrame(cell["rounds"][()]), pd.DataFrame(cell["clients"][()])
    assert (rounds["round"] == range(1, 21)).all() and (rounds["started"] == 10).all()
    assert (rounds["committed"] + rounds["dropouts"] == rounds["started"]).all()
    assert (clients.groupby("round")["committed"].sum().to_numpy() == rounds["committed"]).all()
    for column in ("bytes_up", "bytes_down"):
        assert (clients.groupby("round")[column].sum().to_numpy() == rounds[column]).all()
        assert cell.attrs[column] == rounds[column].sum()
    completed = clients[clients["outcome"] == 0]
    assert (completed["bytes_up"] == 4 * PARAMETERS).all() and (completed["bytes_down"] == 4 * PARAMETERS).all()
    assert completed["client"].between(0, 39).all() and clients["participation"].is_unique
    assert (clients["finish_us"] >= clients["start_us"]).all() and rounds["time_us"].is_monotonic_increasing
    evaluated = rounds.loc[rounds["accuracy"].notna(), "round"]
    assert list(evaluated) == [6, 12, 18, 20], list(evaluated)
    assert cell.attrs["final_accuracy"] == rounds["accuracy"].iloc[-1]
    assert cell.attrs["best_accuracy"] == rounds["accuracy"].max()
    assert cell.attrs["final_loss"] == rounds["loss"].iloc[-1]
    assert cell.attrs["dropouts"] == rounds["dropouts"].sum() > 0
    assert (cell.attrs["rounds"], cell.attrs["status"]) == (20, "finished")


def test_settings():
    base = tomllib.loads(EXPERIMENT)
    del base["grid"]
    with run() as file:
        for index, (strategy, seed) in enumerate(CELLS):
            cell = file[f"cells/{index}"]
            found = tomllib.loads(cell["config"][()].decode())
            assert found == {**base, "strategy": strategy, "seed": seed}, found
            assert cell.attrs["seed"] == seed
            assert cell.attrs["label"].startswith("fed_avg" if index < 2 else "fed_prox"), cell.attrs["label"]


def test_the_settings_of_a_cell_give_that_cell():
    with run() as file:
        Path("cell.toml").write_text(file["cells/3/config"][()].decode())
        wanted = file["cells/3"].attrs["hash"]
    program.run("cell.toml", "--out", "cell.h5", "--anew")
    with h5py.File("cell.h5") as file:
        assert file["cells/0"].attrs["hash"] == wanted


def test_provenance():
    with run() as file:
        for cell in file["cells"].values():
            facts = dict(cell["provenance"].attrs)
            for name in ("program", "commit", "compiler", "libtorch", "mpi", "processor", "device", "data", "machine"):
                assert facts.get(name), f"no {name} in {facts}"
            assert (facts["ranks"], facts["threads"], facts["reproducible"]) == ("2", "1", "yes")
            assert len(facts["data"]) == 64, facts["data"]
            started = datetime.datetime.strptime(facts["date"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=datetime.UTC)
            assert abs((datetime.datetime.now(datetime.UTC) - started).total_seconds()) < 86400, facts["date"]
            assert re.match(r"shoal run \S+\.toml ", facts["command"]), facts["command"]


def test_model_layout():
    with run() as file:
        for cell in file["cells"].values():
            model = cell["model"]
            assert {name: model[name].shape for name in model} == SHAPES
            assert all(model[name].dtype == np.float32 and np.isfinite(model[name][()]).all() for name in model)
            order = sorted(model, key=lambda name: model[name].attrs["position"])
            assert order == list(SHAPES), order


def test_accuracy_again():
    # Forward pass in numpy, from the stored model and the shipped test file; no code is shared.
    table = np.loadtxt(program.SOURCE / "datasets/optdigits/optdigits.tes", delimiter=",")
    x, labels = table[:, :64] / 16, table[:, 64].astype(int)
    assert len(x) == 1797
    with run() as file:
        for cell in file["cells"].values():
            values = x
            for layer in (1, 2, 3):
                weight, bias = (cell[f"model/dense{layer}.{part}"][()].astype(float) for part in ("weight", "bias"))
                values = values @ weight.T + bias
                if layer < 3:
                    values = np.maximum(values, 0)
            correct = int((values.argmax(axis=1) == labels).sum())
            assert cell.attrs["final_accuracy"] == correct / 1797, (cell.attrs["final_accuracy"] * 1797, correct)
            shifted = values - values.max(axis=1, keepdims=True)
            loss = (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(1797), labels]).mean()
            # The program computes in float32.
            assert abs(cell.attrs["final_loss"] - loss) < 1e-5, (cell.attrs["final_loss"], loss)


def test_hashes():
    with run() as file:
        hashes = [file[f"cells/{index}"].attrs["hash"] for index in range(4)]
        assert len(set(hashes)) == 4 and all(len(text) == 32 for text in hashes)
        assert file.attrs["hash"] == program.result_hash(Path("printed").read_text())
        run_hash = file.attrs["hash"]
    # The package knows the definition of the hash and the file, none of the program's code.
    command = [sys.executable, "-m", "shoal.hashes", "run.h5"]
    lines = subprocess.run(command, env=program.environment(PYTHONPATH=str(program.SOURCE / "experiments/python")),
                           capture_output=True, text=True, check=True).stdout.split("\n")
    assert lines[:4] == [f"cell {index}  {text}  as stated" for index, text in enumerate(hashes)], lines
    assert lines[4] == f"run  {run_hash}  as stated"
    assert not Path("run.h5.journal").exists() and not list(Path(".").glob("run.h5.partial*"))


program.main(globals())
