"""The cells of some runs by label: what every section of a report looks at."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import pandas as pd

from shoal.report.text import Spread, shortened
from shoal.run_file import Run, status_text

MOST_LINES = 8  # that one chart tells apart
LONGEST_LABEL = 160  # characters shown of one
ABANDONED = 1  # a round's verdict


@dataclass
class Cell:
    """One cell of an experiment's grid; `totals` are its attributes in the run file."""

    index: int
    label: str
    seed: int
    status: str
    hash: str
    config: str
    provenance: dict[str, str]
    totals: dict[str, float]
    rounds: pd.DataFrame
    clients: pd.DataFrame
    measures: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    outcomes: dict[str, np.ndarray]  # of a study: its named results; empty for other tasks

    @cached_property
    def settings(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.config)
        except tomllib.TOMLDecodeError:
            return {}

    def setting(self, section: str, key: str, default: Any) -> Any:
        found = self.settings.get(section, {})
        return found.get(key, default) if isinstance(found, dict) else default

    def name_of(self, section: str, default: str) -> str:
        """The part that a section names: `strategy = "x"` or `name = "x"` in [strategy]."""
        found = self.settings.get(section, default)
        return str(found.get("name", default) if isinstance(found, dict) else found)

    @property
    def target(self) -> float:
        target = self.setting("evaluate", "target", 0)
        return float(target) if isinstance(target, int | float) else 0.0

    @property
    def finished(self) -> bool:
        return self.status != "unfinished"

    @cached_property
    def abandoned(self) -> int:
        return int((self.rounds["verdict"] == ABANDONED).sum())

    def last(self, column: str) -> float:
        """The last measured value of a column of rounds."""
        values = self.rounds[column].to_numpy(dtype=float) if column in self.rounds else np.empty(0)
        values = values[~np.isnan(values)]
        return float(values[-1]) if len(values) else math.nan

    def last_measure(self, name: str) -> float:
        values = self.measures.loc[self.measures["name"] == name, "value"]
        return float(values.iloc[-1]) if len(values) else math.nan


@dataclass
class Variant:
    """Cells that differ in the seed only. A cell that diverged, accepted nothing or is unfinished counts
    with what was measured last."""

    label: str
    style: int  # number of its colour, dash and mark, the same on the whole page
    cells: list[Cell] = field(default_factory=list)
    is_drawn: bool = True  # with its style; among many variants, none is known by its line

    @property
    def first(self) -> Cell:
        return self.cells[0]

    @property
    def metric(self) -> str:
        """The name of what a study compares, such as sessions; empty for other tasks."""
        return self.first.provenance.get("metric", "")

    @property
    def loss_name(self) -> str:
        return self.metric or "loss"

    @cached_property
    def final_loss(self) -> Spread:
        if not self.metric:
            return self.spread("final_loss")
        return Spread.of(cell.last_measure(self.metric) for cell in self.cells)

    @property
    def target(self) -> float:
        return self.first.target

    def spread(self, total: str) -> Spread:
        return Spread.of(cell.totals[total] for cell in self.cells)

    def spread_of_last(self, column: str) -> Spread:
        return Spread.of(cell.last(column) for cell in self.cells)

    def reached(self, total: str, unit: float = 1) -> Spread:
        """Over the seeds that reached the target."""
        return Spread.of(unit * cell.totals[total] for cell in self.cells if cell.totals["rounds_to_target"] >= 0)

    @property
    def seconds(self) -> Spread:
        return Spread.of(1e-6 * cell.rounds["time_us"].iloc[-1] if len(cell.rounds) else 0 for cell in self.cells)

    def count(self, status: str) -> int:
        return sum(cell.status == status for cell in self.cells)

    @property
    def status(self) -> str:
        return status_text(self.count)

    @property
    def failed(self) -> bool:
        return self.status != "finished"


TOTALS = (
    "rounds",
    "rounds_to_target",
    "time_to_target_us",
    "bytes_down",
    "bytes_up",
    "dropouts",
    "rejected",
    "final_accuracy",
    "best_accuracy",
    "final_loss",
    "wall_seconds",
)
STUDIES = ("rules", "machines", "talk")  # tasks whose model is the named results of replicates


def variants_of(runs: Sequence[Run]) -> list[Variant]:
    """In the order in which labels appear first. A label that several runs have is told apart by the run's name."""
    names = short_names(runs)
    runs_with = Counter(label for run in runs for label in run.labels)
    variants: dict[str, Variant] = {}
    for run, name in zip(runs, names, strict=True):
        for cell in cells_of(run):
            label = f"{name}: {cell.label}" if runs_with[cell.label] > 1 else cell.label
            variants.setdefault(label, Variant(shortened(label, LONGEST_LABEL), len(variants))).cells.append(cell)
    for variant in variants.values():
        variant.is_drawn = len(variants) <= MOST_LINES
    return list(variants.values())


def short_names(runs: Sequence[Run]) -> list[str]:
    """The files' names without folder and ending, or whole paths if those are equal."""
    stems = [run.path.stem for run in runs]
    return stems if len(set(stems)) == len(stems) else [str(run.path) for run in runs]


def cells_of(run: Run) -> list[Cell]:
    rows = {
        name: dict(list(frame.groupby("cell", sort=False))) if "cell" in frame else {}
        for name, frame in {
            "rounds": run.rounds,
            "clients": run.clients,
            "measures": run.measures,
            **run.tables,
        }.items()
    }
    outcomes = outcomes_of(run)
    cells = []
    for index, stated in zip(run.cells.index, run.cells.to_dict("records"), strict=True):

        def part(name: str, of: pd.DataFrame, index: int = index) -> pd.DataFrame:
            return rows[name].get(index, of.iloc[:0])

        provenance = run.provenance.loc[index].dropna().to_dict() if index in run.provenance.index else {}
        cells.append(
            Cell(
                index=index,
                label=str(stated["label"]),
                seed=int(stated["seed"]),
                status=str(stated["status"]),
                hash=str(stated["hash"]),
                config=run.configs.get(index, ""),
                provenance={str(name): str(value) for name, value in provenance.items()},
                totals={name: float(stated[name]) for name in TOTALS},
                rounds=part("rounds", run.rounds),
                clients=part("clients", run.clients),
                measures=part("measures", run.measures),
                tables={name: part(name, table) for name, table in run.tables.items() if index in rows[name]},
                outcomes=outcomes.get(index, {}),
            )
        )
    return cells


def outcomes_of(run: Run) -> dict[int, dict[str, np.ndarray]]:
    """The named results of studies, which their cells keep as a model."""
    studies = [index for index in run.configs if task_of(run.configs[index]) in STUDIES]
    if not studies or not run.path.exists():
        return {}
    found: dict[int, dict[str, np.ndarray]] = {}
    with h5py.File(run.path, "r") as file:
        for index in studies:
            model = file.get(f"cells/{index}/model", {})
            found[index] = {
                name: np.asarray(values[()], dtype=float).ravel()
                for name, values in model.items()
                if isinstance(values, h5py.Dataset)
            }
    return found


def task_of(config: str) -> str:
    try:
        task = tomllib.loads(config).get("task", "supervised")
    except tomllib.TOMLDecodeError:
        return "supervised"
    return str(task.get("name", "supervised") if isinstance(task, dict) else task)
