"""Writes run files without the program, by their documented layout: any content, and more of it than a test could run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

INTEGERS = (
    "round",
    "version",
    "time_us",
    "started",
    "committed",
    "dropouts",
    "rejected",
    "examples",
    "bytes_down",
    "bytes_up",
)
ROUND = (
    [(name, "<i8") for name in INTEGERS]
    + [(name, "<f8") for name in ("train_loss", "accuracy", "loss")]
    + [("verdict", "<i8")]
    + [(f"personal_{name}", "<f8") for name in ("accuracy", "accuracy_p10", "loss")]
    + [("task", "<i8")]
)
CLIENT = (
    [
        (name, "<i8")
        for name in (
            "round",
            "participation",
            "client",
            "version",
            "start_us",
            "finish_us",
            "outcome",
            "committed",
            "accepted",
        )
    ]
    + [("weight", "<f8"), ("loss", "<f8")]
    + [(name, "<i8") for name in ("steps", "bytes_down", "bytes_up")]
    + [("fraction", "<f8"), ("joules", "<f8")]
    + [(name, "<i8") for name in ("tier", "examples", "rejected_examples", "task", "group", "variant")]
)
MEASURE = [("round", "<i8"), ("name", "S32"), ("value", "<f8")]
REALS = ("final_accuracy", "best_accuracy", "final_loss", "wall_seconds")


@dataclass
class CellFile:
    label: str = "a"
    seed: int = 1
    status: str = "finished"
    config: str = ""
    rounds: np.ndarray = field(default_factory=lambda: table(ROUND, 0))
    clients: np.ndarray = field(default_factory=lambda: table(CLIENT, 0))
    measures: np.ndarray = field(default_factory=lambda: table(MEASURE, 0))
    tables: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[str, float] = field(default_factory=dict)


def table(columns: Sequence[tuple[str, str]], rows: int, **values: Any) -> np.ndarray:
    """Integers are 0 and reals NaN unless given."""
    made = np.zeros(rows, dtype=list(columns))
    for name, kind in columns:
        if kind == "<f8":
            made[name] = np.nan
    for name, value in values.items():
        made[name] = value
    return made


def evaluated(accuracies: Sequence[float], every: int = 10, target: float = 0.9, **more: Any) -> CellFile:
    """A cell evaluated at rounds `every`, 2 `every`, ...; a round takes a virtual second and uploads 1 kB."""
    count = len(accuracies)
    numbers = every * np.arange(1, count + 1)
    accuracy = np.array(accuracies, dtype=float)
    rounds = table(
        ROUND,
        count,
        round=numbers,
        version=numbers,
        time_us=1_000_000 * numbers,
        bytes_down=2_000 * every,
        bytes_up=1_000 * every,
        accuracy=accuracy,
        loss=1 - accuracy,
    )
    reached = np.flatnonzero(accuracy >= target)
    totals = {
        "final_accuracy": accuracy[-1],
        "best_accuracy": np.nanmax(accuracy),
        "final_loss": 1 - accuracy[-1],
        "rounds": int(numbers[-1]),
        "bytes_down": 2_000 * every * count,
        "bytes_up": 1_000 * every * count,
    }
    if len(reached):
        totals |= {
            "rounds_to_target": int(numbers[reached[0]]),
            "time_to_target_us": int(1_000_000 * numbers[reached[0]]),
        }
    return CellFile(**{"rounds": rounds, "config": f"[evaluate]\ntarget = {target}\n", "totals": totals} | more)


def write_run(
    path: Path, cells: Sequence[CellFile], name: str = "digits", run_hash: str = "cafe", sealed: bool = True
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"schema": "shoal-run", "schema_version": 3, "name": name, "program": "0.1.0", "hash": run_hash}
        )
        file.create_group("cells")
        for index, cell in enumerate(cells):
            group = file.create_group(f"cells/{index}")
            group.attrs.update({"label": cell.label, "seed": cell.seed, "status": cell.status, "hash": f"h{index}"})
            for total in REALS:
                group.attrs[total] = float(cell.totals.get(total, np.nan))
            for total in ("rounds", "bytes_down", "bytes_up", "dropouts", "rejected"):
                group.attrs[total] = int(cell.totals.get(total, 0))
            for total in ("rounds_to_target", "time_to_target_us"):
                group.attrs[total] = int(cell.totals.get(total, -1))
            group["config"] = cell.config
            for table_name in ("rounds", "clients", "measures"):
                group[table_name] = getattr(cell, table_name)
            group.create_group("tables")
            for table_name, rows in cell.tables.items():
                group[f"tables/{table_name}"] = rows
            group.create_group("model")
            for position, (parameter, values) in enumerate(cell.model.items()):
                group[f"model/{parameter}"] = values
                group[f"model/{parameter}"].attrs["position"] = position
            group.create_group("provenance").attrs.update(dict(cell.provenance))
    if sealed:
        content = path.read_bytes()
        path.write_bytes(content + b"shoal content is" + hashlib.blake2b(content, digest_size=16).hexdigest().encode())
    return path
