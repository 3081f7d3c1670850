"""Reads a run in progress: the program combines file and journals, and its export is read here."""

import json
import tempfile
from pathlib import Path

import pandas as pd

from . import program
from .run_file import Run, joined, labelled, read_file, with_last_values

# Reals have the shortest form that reads back to the same bits, which later versions of pandas do without being told.
_EXACT = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
_KNOWN = ("rounds", "clients", "measures")


def read_journals(path: Path) -> Run:
    """A run whose journals are there, with all rounds that have ended so far."""
    with tempfile.TemporaryDirectory(prefix="shoal-") as folder:
        written = [Path(line) for line in program.call("export", path, "--out", folder).splitlines() if line]
        cells = _csv(Path(folder, "cells.csv"))
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in _KNOWN}
        configs = {}
        for row in cells.itertuples():
            keys = {"cell": row.cell, "label": row.label, "seed": row.seed}
            for file in (file for file in written if file.name.startswith(f"{row.files}.")):
                table, _, ending = file.name.removeprefix(f"{row.files}.").rpartition(".")
                if ending == "csv":
                    parts.setdefault(table, []).append(labelled(_csv(file), keys))
                elif ending == "toml":
                    configs[int(row.cell)] = file.read_text()
    # The export has neither name nor provenance; the last file that a checkpoint wrote has both, if there is one.
    last = read_file(path) if path.exists() else None
    provenance = {} if last is None else json.loads(last.provenance.to_json(orient="index"))
    together = {name: joined(frames) for name, frames in parts.items()}
    cells = cells.drop(columns=["files", "abandoned"])
    return Run(
        path=path,
        name=last.name if last else path.stem,
        program=last.program if last else "",
        schema=last.schema if last else 3,
        hash="",
        sealed=False,
        in_progress=True,
        cells=with_last_values(
            cells,
            together["rounds"],
            together["measures"],
            {int(index): values for index, values in provenance.items()},
        ),
        rounds=together["rounds"],
        clients=together["clients"],
        measures=together["measures"],
        tables={name: frame for name, frame in together.items() if name not in _KNOWN},
        provenance=last.provenance if last else pd.DataFrame(index=cells["cell"]),
        configs=configs,
        units=last.units if last else {},
    )


def _csv(path: Path) -> pd.DataFrame:
    texts = dict.fromkeys(("label", "status", "hash", "name"), str)
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=texts, **_EXACT)
    return frame.fillna({name: "" for name in texts if name in frame.columns})
