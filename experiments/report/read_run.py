#!/usr/bin/env python3
"""Reads a run of Shoal into pandas and prints the accuracy of every evaluated round by label: mean over seeds.

    experiments/report/read_run.py results/quickstart.h5
"""

import sys

import h5py
import pandas as pd

with h5py.File(sys.argv[1]) as run:
    cells = run["cells"].values()
    rounds = pd.concat(pd.DataFrame(cell["rounds"][()]).assign(label=cell.attrs["label"]) for cell in cells)
accuracy = rounds.dropna(subset="accuracy").pivot_table("accuracy", "round", "label")
print(accuracy.to_string())
