"""The example that reads a run into pandas prints the accuracies of the run file."""

import os
import subprocess
import sys

import h5py
import numpy as np

SHOAL, SOURCE = os.environ["SHOAL"], os.environ["SHOAL_SOURCE"]

subprocess.run(
    [SHOAL, "run", f"{SOURCE}/experiments/quickstart.toml", "--out", "run.h5", "--set", "rounds=10",
     "--set", "grid.seed=[1, 2]"],
    check=True, stdout=subprocess.DEVNULL)
example = f"{SOURCE}/experiments/report/read_run.py"
done = subprocess.run([sys.executable, example, "run.h5"], check=True, capture_output=True, text=True)
assert not done.stderr, done.stderr

with h5py.File("run.h5") as run:
    labels = sorted({cell.attrs["label"] for cell in run["cells"].values()})
    expected = {
        round: [np.mean([cell["rounds"]["accuracy"][round - 1] for cell in run["cells"].values()
                         if cell.attrs["label"] == label]) for label in labels]
        for round in (5, 10)}

lines = [line.split() for line in done.stdout.splitlines()]
assert lines[0] == ["label", *labels], lines[0]
printed = {int(line[0]): [float(value) for value in line[1:]] for line in lines[2:]}
assert printed.keys() == expected.keys(), printed
for round, values in expected.items():
    assert np.allclose(printed[round], values, atol=1e-6), (round, printed[round], values)

with open(example) as text:
    code = [line for line in text.read().split('"""')[2].splitlines() if line and not line.startswith(("import", "#"))]
assert len(code) == 5, f"the README promises five lines, there are {len(code)}"
