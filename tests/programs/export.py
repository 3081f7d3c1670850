"""`shoal export` from outside: its files say the same as the run file."""

import csv
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import tomllib

import h5py
import numpy as np
import pandas as pd

SHOAL, SOURCE = os.environ["SHOAL"], os.environ["SHOAL_SOURCE"]
LABEL = "rate <b>& 'low'"

EXPERIMENT = f"""
name = "a < b"
rounds = 6
[data]
name = "optdigits"
[partition]
clients = 50
[model]
widths = [16]
[planner]
cohort = 10
dropout = 0.2
[evaluate]
every = 2
target = 0.5
[grid]
variants = [{{strategy = "fed_avg"}}, {{strategy = "fed_prox", local.rate = 0.01, label = "{LABEL}"}}]
seed = [1, 2]
"""


def shoal(*arguments, code=0):
    done = subprocess.run([SHOAL, *arguments], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def read_safetensors(path):
    """By the published format; and by PyTorch's own reader where it is installed."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    types = {"F32": "<f4", "F64": "<f8"}
    values = data[8 + length :]
    tensors = {
        name: np.frombuffer(values[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()}
    try:
        from safetensors.torch import load_file
    except ImportError:
        return tensors, metadata
    loaded = load_file(path)
    assert loaded.keys() == tensors.keys()
    assert all(np.array_equal(loaded[name].numpy(), tensors[name]) for name in tensors)
    return tensors, metadata


def datasets(group):
    found = {}
    group.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def same_table(path, table):
    # Exactly, to the bit: with Python's own parser, and with that of pandas.
    with open(path, newline="") as lines:
        rows = list(csv.reader(lines, strict=True))
    assert rows[0] == list(table.dtype.names), rows[0]
    assert len(rows) == len(table) + 1
    frame = pd.read_csv(path, float_precision="round_trip")
    for column, name in enumerate(rows[0]):
        expected = table[name]
        if expected.dtype.kind == "f":
            ours = np.array([float(row[column]) if row[column] else math.nan for row in rows[1:]])
        else:
            ours = np.array([int(row[column]) for row in rows[1:]])
        assert np.array_equal(ours, expected, equal_nan=expected.dtype.kind == "f"), name
        assert frame[name].dtype == expected.dtype, (name, frame[name].dtype)
        assert np.array_equal(frame[name], expected, equal_nan=expected.dtype.kind == "f"), name
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


def check_timeline(timeline, cell):
    """Chrome's trace event format: every round and participation once, and no two at a time on one track."""
    clients = cell["clients"][()]
    slices = [event for event in timeline["traceEvents"] if event["ph"] == "X"]
    rounds = [event for event in slices if event["pid"] == 0]
    assert [event["ts"] + event["dur"] for event in rounds] == list(cell["rounds"]["time_us"])
    attempts = {event["args"]["participation"]: event for event in slices if event["pid"] == 1}
    assert len(rounds) + len(attempts) == len(slices) and set(attempts) == set(clients["participation"])
    for row in clients:
        event = attempts[row["participation"]]
        assert (event["ts"], event["ts"] + event["dur"]) == (row["start_us"], row["finish_us"])
        assert event["name"] == f"client {row['client']}"
        assert (event["args"]["ended"] == "counted") == bool(row["accepted"]), (event, row)
    free = {}
    for event in sorted(attempts.values(), key=lambda event: event["ts"]):
        assert free.get(event["tid"], 0) <= event["ts"], event
        free[event["tid"]] = event["ts"] + event["dur"]
    assert len(free) <= 10  # a cohort


for leftover in ("export", "one", "unfinished.h5.journal", "run-export"):
    shutil.rmtree(leftover, ignore_errors=True)
pathlib.Path("experiment.toml").write_text(EXPERIMENT)
shoal("run", "experiment.toml", "--out", "run.h5")

# --- export ---------------------------------------------------------------------------------------------------------
printed = shoal("export", "run.h5", "--out", "export").stdout.splitlines()
written = sorted(str(path) for path in pathlib.Path("export").rglob("*") if path.is_file())
assert sorted(printed) == written and len(written) == 2 + 4 * 5, written
summary = pd.read_csv("export/summary.csv", float_precision="round_trip")
assert list(summary["label"]) == ["fed_avg", LABEL] and list(summary["cells"]) == [2, 2]
cells_csv = pd.read_csv("export/cells.csv", float_precision="round_trip")
names = {f"{label}-seed{seed}" for label in ("fed_avg", "rate_b_low_") for seed in (1, 2)}
assert set(cells_csv["folder"]) == names, list(cells_csv["folder"])
for _, row in summary.iterrows():  # by pandas, whose deviation is that of a sample too
    for name in ("final_accuracy", "final_loss", "dropouts", "bytes_up"):
        values = cells_csv[cells_csv["label"] == row["label"]][name]
        assert math.isclose(row[name], values.mean(), rel_tol=1e-12), name
        assert math.isclose(row[name + "_sd"], values.std(), rel_tol=1e-9, abs_tol=1e-12), name
with h5py.File("run.h5") as run:
    for _, row in cells_csv.iterrows():
        cell, stem = run["cells"][str(row["cell"])], f"export/{row['folder']}"
        assert row["label"] == text(cell.attrs["label"]) and row["hash"] == text(cell.attrs["hash"])
        assert row["final_accuracy"] == cell.attrs["final_accuracy"] and row["dropouts"] == cell.attrs["dropouts"]
        tensors, metadata = read_safetensors(pathlib.Path(stem + "/model.safetensors"))
        model = datasets(cell["model"])
        assert tensors.keys() == model.keys() and len(model) == 4
        for name, value in model.items():
            assert tensors[name].shape == value.shape and tensors[name].tobytes() == value.tobytes(), name
        assert metadata["label"] == row["label"] and metadata["hash"] == row["hash"] and metadata["format"] == "pt"
        same_table(pathlib.Path(stem + "/rounds.csv"), cell["rounds"][()])
        same_table(pathlib.Path(stem + "/clients.csv"), cell["clients"][()])
        config = pathlib.Path(stem + "/config.toml").read_text()
        assert config == text(cell["config"][()]) and tomllib.loads(config)["rounds"] == 6
        assert cell["rounds"]["dropouts"].sum() == row["dropouts"] > 0
        check_timeline(json.loads(pathlib.Path(stem + "/timeline.json").read_text()), cell)

shoal("export", "run.h5", "--cell", "2")
assert len(list(pathlib.Path("run-export/rate_b_low_-seed1").iterdir())) == 5
assert len(list(pathlib.Path("run-export").iterdir())) == 3
assert "there is no cell 9" in shoal("export", "run.h5", "--cell", "9", code=2).stderr
assert "run file 'nowhere.h5'" in shoal("export", "nowhere.h5", code=2).stderr

# --- a run that was killed ------------------------------------------------------------------------------------------
# It never ends by itself: killed once two rounds are evaluated, it can be exported from its journals alone.
endless = subprocess.Popen(
    [SHOAL, "run", "experiment.toml", "--out", "unfinished.h5", "--set", "rounds=1000000000", "--set", "grid.seed=[1]", "--log-every", "0"],
    stdout=subprocess.PIPE, text=True)
for _ in range(2):
    assert "round" in endless.stdout.readline()
endless.kill()
endless.wait()
done = shoal("export", "unfinished.h5")
assert "cell 0 is unfinished" in done.stderr and "safetensors" not in done.stdout
partial = pd.read_csv("unfinished-export/cells.csv")
assert list(partial["status"]) == ["unfinished"] and partial["rounds"][0] >= 4 and partial["final_accuracy"][0] > 0
