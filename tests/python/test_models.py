"""Weights go from a run file to PyTorch and back to a file that the program starts from."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import shoal
from conftest import SOURCE

try:
    import torch
except ImportError as reason:
    torch, missing = None, f"PyTorch cannot be imported here ({reason})"
else:
    missing = ""
needs_torch = pytest.mark.skipif(torch is None, reason=missing)


def test_weights_are_those_of_the_file(run, run_path, tmp_path):
    label = run.labels[2]
    found = shoal.models.weights(run_path, label=label, seed=3)
    (index,) = run.cells.index[(run.cells["label"] == label) & (run.cells["seed"] == 3)]
    with h5py.File(run_path) as file:
        model = file[f"cells/{index}/model"]
        assert list(found) == ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"]
        assert all((found[name] == model[name][()]).all() for name in found)
    with pytest.raises(shoal.ShoalError, match="4 of 12 cells fit"):
        shoal.models.weights(run_path, seed=None, label=label)


def test_export_and_save_agree(run_path, tmp_path):
    """The program's safetensors are read here; those written here have the same bytes but for the texts beside them."""
    lines = shoal.program.call("export", run_path, "--out", tmp_path / "export", "--cell", "5").splitlines()
    (exported,) = [line for line in lines if line.endswith(".safetensors")]
    ours, theirs = shoal.models.weights(run_path, cell=5), shoal.models.weights(exported)
    assert list(ours) == list(theirs) and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    shoal.models.save(ours, tmp_path / "again.safetensors", shoal.models.metadata(exported))
    assert shoal.models.metadata(tmp_path / "again.safetensors") == shoal.models.metadata(exported)
    values = sum(value.nbytes for value in ours.values())
    assert (tmp_path / "again.safetensors").read_bytes()[-values:] == Path(exported).read_bytes()[-values:]
    both = {"a": np.float32([1, 2, 3]), "b": np.array(4.0), "c": np.zeros((0, 2), np.float32)}
    shoal.models.save(both, tmp_path / "both.safetensors")
    again = shoal.models.weights(tmp_path / "both.safetensors")
    assert list(again) == ["b", "a", "c"] and all((again[name] == both[name]).all() for name in both)
    assert again["b"].shape == () and again["c"].shape == (0, 2)
    with pytest.raises(shoal.ShoalError, match="int64"):
        shoal.models.save({"n": np.arange(3)}, tmp_path / "n.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(shoal.ShoalError, match="no safetensors file"):
        shoal.models.weights(tmp_path / "cut.safetensors")


def test_a_policy_starts_from_saved_weights(program, tmp_path):
    """Weights of `shoal pretrain` that went through numpy give the same run, and others another."""
    options = ("--steps", "2", "--width", "8", "--layers", "1", "--heads", "2")
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    shoal.program.call("pretrain", *options, "--out", first)
    state = shoal.models.weights(first)
    shoal.models.save(state, second, shoal.models.metadata(first))
    run = {
        "name": "policy",
        "rounds": 1,
        "planner": {"name": "uniform", "cohort": 2},
        "local": {"steps": 1, "rate": 0.1},
        "task": {"name": "agents", "users": 4, "sessions": 1, "test_users": 4},
    }
    policy = {"name": "transformer", "width": 8, "layers": 1, "heads": 2}
    hashes = []
    for number, file in enumerate((first, second)):
        made = shoal.run(
            {**run, "policy": {**policy, "weights": str(file)}}, out=tmp_path / f"{number}.h5", progress=False
        )
        hashes.append(made.hash)
    assert hashes[0] == hashes[1]
    name = next(iter(state))
    shoal.models.save({**state, name: state[name] + 0.5}, second, shoal.models.metadata(first))
    changed = shoal.run({**run, "policy": {**policy, "weights": str(second)}}, out=tmp_path / "2.h5", progress=False)
    assert changed.hash != hashes[0]


@needs_torch
def test_a_module_has_the_accuracy_of_the_run(run, run_path):
    table = np.loadtxt(SOURCE / "datasets/optdigits/optdigits.tes", delimiter=",")
    examples, labels = torch.tensor(table[:, :64] / 16, dtype=torch.float32), table[:, 64].astype(int)
    for cell in (0, 11):
        module = shoal.models.module(run_path, cell=cell)
        correct = (module(examples).argmax(dim=1).numpy() == labels).mean()
        # A score may be rounded to the other side once.
        assert correct == pytest.approx(run.cells.at[cell, "final_accuracy"], abs=1.5 / 1797)


@needs_torch
def test_a_module_of_other_names(run_path):
    own = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    shoal.models.load_into(own, run_path, cell=0)
    assert torch.equal(own[2].weight, shoal.models.state_dict(run_path, cell=0)["dense2.weight"])
    with pytest.raises(shoal.ShoalError, match="shapes"):
        shoal.models.load_into(torch.nn.Linear(3, 3), run_path, cell=0)


@needs_torch
def test_the_program_starts_from_a_script(run, run_path, folder, tmp_path):
    """A run that starts from the model of another has its accuracy before the first step."""
    import tomllib

    from conftest import TINY

    shoal.models.save_script(shoal.models.module(run_path, cell=0), tmp_path / "start.pt")
    experiment = {
        **tomllib.loads(TINY.split("[grid]")[0]),
        "model": {"name": "torch_script", "file": str(tmp_path / "start.pt")},
    }
    made = shoal.run(
        experiment,
        out=tmp_path / "from.h5",
        progress=False,
        rounds=1,
        seed=1,
        evaluate={"every": 1},
        local={"rate": 1e-9},
    )
    assert made.cells.at[0, "final_accuracy"] == pytest.approx(run.cells.at[0, "final_accuracy"], abs=2.5 / 1797)
