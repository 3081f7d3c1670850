"""Reads a run in progress: the program combines file and journals, and prints them as JSON (sim/record/README.md)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import program
from .errors import ShoalError
from .run_file import Run, joined, labelled, with_last_values


def read_journals(path: Path) -> Run:
    """A run whose journals are there, with all rounds that have ended so far."""
    found = json.loads(program.call("export", path, "--json"))
    parts: dict[str, list[pd.DataFrame]] = {"rounds": [], "clients": [], "measures": []}
    cells, configs, provenance, units = [], {}, {}, {}
    for cell in found["cells"]:
        keys = {"cell": cell["index"], "label": cell["label"], "seed": cell["seed"]}
        for name, columns in cell["tables"].items():
            frame = pd.DataFrame({column: _values(column, values) for column, values in columns.items()})
            parts.setdefault(name, []).append(labelled(frame, keys))
        configs[cell["index"]] = cell["config"]
        provenance[cell["index"]] = cell["provenance"]
        units |= {name.removeprefix("tables/"): of_columns for name, of_columns in cell["units"].items()}
        others = ("index", "label", "seed", "abandoned", "config", "provenance", "units", "tables")
        totals = {name: value for name, value in cell.items() if name not in others}
        cells.append(keys | totals | {"hash": cell["hash"] or ""})
    if not cells:
        raise ShoalError(f"{path}: has no cell yet. Start the run first.")
    together = {name: joined(frames) for name, frames in parts.items()}
    table = pd.DataFrame(cells)
    reals = ["final_accuracy", "best_accuracy", "final_loss", "wall_seconds"]
    table[reals] = table[reals].astype(float)
    return Run(
        path=path,
        name=found["name"] or path.stem,
        program=found["program"],
        schema=found["schema_version"],
        hash=found["hash"] or "",
        sealed=False,
        in_progress=True,
        cells=with_last_values(table, together["rounds"], together["measures"], provenance),
        rounds=together["rounds"],
        clients=together["clients"],
        measures=together["measures"],
        tables={name.removeprefix("tables/"): rows for name, rows in together.items() if name.startswith("tables/")},
        provenance=pd.DataFrame.from_dict(provenance, orient="index").rename_axis("cell"),
        configs=configs,
        units=units,
    )


def _values(column: str, values: list[Any]) -> np.ndarray:
    """Texts, integers, or reals, of which null is NaN and infinite ones are texts."""
    if column == "name":
        return np.array(values, dtype=object)
    if all(type(value) is int for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else float(value) for value in values])
