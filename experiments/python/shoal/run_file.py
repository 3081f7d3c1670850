"""Reads a run, finished or in progress, into pandas frames."""

import hashlib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from .errors import ShoalError

SCHEMAS = (2, 3)
KEYS = ("cell", "label", "seed")  # the first columns of every table of rows
FAILURES = ("diverged", "nothing accepted", "unfinished")  # statuses of cells without a whole result
TO_TARGET = ("rounds_to_target", "time_to_target_us")  # below 0 where a cell did not reach the target
_SEAL, _SEAL_SIZE = b"shoal content is", 48  # sim/files/seal.hpp

# What a cell states of its result; `abandoned` is counted from its rounds.
_COUNTS = ("rounds", "rounds_to_target", "time_to_target_us", "bytes_down", "bytes_up", "dropouts", "rejected")
_REALS = ("final_accuracy", "best_accuracy", "final_loss", "wall_seconds")
_PERSONAL = ("personal_accuracy", "personal_accuracy_p10", "personal_loss")


@dataclass(frozen=True)
class Run:
    """One run as frames. Every frame of rows begins with the columns cell, label and seed; cells with one label are
    repetitions of one variant. Times are virtual microseconds (columns `..._us`); NaN is a value that was not measured.
    """

    path: Path
    name: str
    program: str  # the version of Shoal that wrote it
    schema: int
    hash: str  # empty while a cell has not finished
    sealed: bool  # False: something other than Shoal wrote or changed the file, or the run is in progress
    in_progress: bool  # rows come from the journals
    cells: pd.DataFrame  # by cell: label, seed, status, the totals of its result, metric
    rounds: pd.DataFrame
    clients: pd.DataFrame  # a row per participation
    measures: pd.DataFrame  # round, name, value
    tables: dict[str, pd.DataFrame]  # further tables that parts of the experiment report
    provenance: pd.DataFrame  # by cell: program, commit, libraries, processor, ranks ...; empty for a run in progress
    configs: dict[int, str]  # by cell: its settings as TOML, which `shoal run` accepts
    units: dict[str, dict[str, str]] = field(default_factory=dict)  # by table and column

    @property
    def labels(self) -> list[str]:
        """The variants, in the experiment's order."""
        return list(dict.fromkeys(self.cells["label"]))

    def settings(self, cell: int) -> dict[str, Any]:
        """What a cell ran, as nested dictionaries."""
        return tomllib.loads(self.configs[cell])

    def target(self, label: str) -> float:
        """The accuracy whose first round is reported; NaN if the experiment sets none."""
        first = int(self.cells.index[self.cells["label"] == label][0])
        evaluate = self.settings(first).get("evaluate", {})
        return float(evaluate.get("target", 0) or np.nan) if isinstance(evaluate, Mapping) else np.nan

    def metric_name(self, label: str) -> str:
        """The number by which variants are compared where they have no accuracy: "loss", or a study's measure."""
        return str(self.cells["metric"][self.cells["label"] == label].iloc[0])

    @property
    def main_value(self) -> str:
        """What variants are compared by: "accuracy" where it was measured, "loss", or the measure of a study."""
        if self.rounds["accuracy"].notna().any():
            return "accuracy"
        metric = list(dict.fromkeys(self.cells["metric"]))
        return metric[0] if len(metric) == 1 else "loss"

    @property
    def versions(self) -> pd.DataFrame:
        """The server's models: the round and time at which each came to be, and how many participations began with
        it."""
        keys = [*KEYS, "version"]
        first = self.rounds.drop_duplicates(["cell", "version"])[[*keys, "round", "time_us"]]
        start = first.drop_duplicates("cell").assign(version=0, round=0, time_us=0)
        table = pd.concat([start, first[first["version"] > 0]]).sort_values(["cell", "version"], kind="stable")
        downloads = self.clients.groupby(["cell", "version"]).size().rename("downloads").reset_index()
        table = table.merge(downloads, how="left", on=["cell", "version"])
        return table.assign(downloads=table["downloads"].fillna(0).astype("int64"))

    def measure(self, name: str) -> pd.DataFrame:
        """One of the named numbers by cell and round, in a column of its own name."""
        rows = self.measures[self.measures["name"] == name]
        if rows.empty:
            known = ", ".join(sorted(set(self.measures["name"]))) or "none"
            raise ShoalError(f"{self.path}: has no measure '{name}'. Choose one of: {known}.")
        return rows.drop(columns="name").rename(columns={"value": name}).reset_index(drop=True)

    def series(self, value: str) -> pd.DataFrame:
        """A column of `rounds`, or a measure, where it was measured: cell, label, seed, round, time_us, bytes, value.

        `bytes` is what all clients have sent and received until then."""
        rounds = self.rounds
        sent = (rounds["bytes_up"] + rounds["bytes_down"]).groupby(rounds["cell"]).cumsum()
        table = rounds[[*KEYS, "round", "time_us"]].assign(bytes=sent)
        if value in rounds.columns:
            table[value] = rounds[value]
        else:
            table = table.merge(self.measure(value)[["cell", "round", value]], on=["cell", "round"])
        return table[np.isfinite(table[value].astype(float))].reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """A row per variant: means over its seeds and, as NAME_sd, their standard deviations.

        Values that were not measured are left out: `rounds_to_target` is the mean over the `reached` cells that reached
        the target, and NaN if none did."""
        cells = self.cells.copy()
        for name in TO_TARGET:
            cells[name] = cells[name].where(cells[name] >= 0).astype(float)
        values = [name for name in (*_REALS, "metric_value", *_PERSONAL, *_COUNTS, "abandoned", "time_us")]
        cells[values] = cells[values].astype(float).replace([np.inf, -np.inf], np.nan)
        groups = cells.groupby("label", sort=False)
        mean, spread = groups[values].mean(), groups[values].std(ddof=1)
        table = pd.DataFrame({"seeds": groups.size(), "reached": groups["rounds_to_target"].count()})
        for name in values:
            table[name], table[f"{name}_sd"] = mean[name], spread[name]
        for status in ("finished", "target reached", *FAILURES):
            is_status = cells["status"] == status
            table[status.replace(" ", "_")] = is_status.groupby(cells["label"], sort=False).sum()
        return table

    def __repr__(self) -> str:
        state = ", in progress" if self.in_progress else "" if self.sealed else ", without a seal"
        return (
            f"<Run '{self.name}': {len(self.cells)} cells of {len(self.labels)} variants, {len(self.rounds)} rounds, "
            f"{len(self.clients)} participations{state}>"
        )


def status_text(count: Callable[[str], int]) -> str:
    """How the cells of a variant ended, from the number of those with a status: "finished", or how many did not."""
    return ", ".join(f"{count(status)} {status}" for status in FAILURES if count(status)) or "finished"


def status_of(row: pd.Series) -> str:
    """As `status_text`, from a row of `Run.summary()`."""
    return status_text(lambda status: int(row[status.replace(" ", "_")]))


def reached_text(row: pd.Series) -> str:
    """The rounds to the target and how many cells reached it, from a row of `Run.summary()`."""
    if not row["reached"]:
        return "not reached"
    return f"{row['rounds_to_target']:.0f} ({row['reached']:.0f} of {row['seeds']:.0f})"


def read(path: str | os.PathLike[str]) -> Run:
    """The run of a run file; of one that is in progress or was interrupted too, which takes the program `shoal`."""
    path = Path(path)
    if path.suffix == ".journal":
        path = path.with_suffix("")
    if Path(f"{path}.journal").is_dir():
        from .exported import read_journals

        return read_journals(path)
    if not path.exists():
        raise ShoalError(f"{path}: no such file. Give the run file that 'shoal run' wrote.")
    return read_file(path)


def read_file(path: Path) -> Run:
    """The run file alone, without journals."""
    try:
        sealed = _seal(path)
        file = h5py.File(path, "r")
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise ShoalError(f"{path}: not an HDF5 file, or not readable ({reason}). Give a run file.") from None
    with file:
        if _text(file.attrs.get("schema", "")) != "shoal-run":
            raise ShoalError(f"{path}: an HDF5 file, but not a run file of Shoal. Give a run file.")
        schema = int(file.attrs.get("schema_version", 0))
        if schema not in SCHEMAS:
            known = " and ".join(map(str, SCHEMAS))
            raise ShoalError(
                f"{path}: has schema {schema}, and this package reads {known}. Install the package of that version."
            )
        try:
            return _run(path, file, schema, sealed)
        except (KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise ShoalError(f"{path}: a damaged run file ({reason}). Run the experiment again.") from None


def _run(path: Path, file: h5py.File, schema: int, sealed: bool) -> Run:
    cells: list[dict[str, Any]] = []
    configs: dict[int, str] = {}
    provenance: dict[int, dict[str, str]] = {}
    units: dict[str, dict[str, str]] = {}
    parts: dict[str, list[pd.DataFrame]] = {"rounds": [], "clients": [], "measures": []}
    for index in sorted(int(name) for name in file["cells"]):
        group = file[f"cells/{index}"]
        stated = {name.replace("dropped", "dropouts"): value for name, value in group.attrs.items()}
        keys = {"cell": index, "label": _text(stated["label"]), "seed": int(stated["seed"])}
        configs[index] = _text(group["config"][()])
        provenance[index] = {name: _text(value) for name, value in group["provenance"].attrs.items()}
        tables = {name: group[name] for name in ("rounds", "clients", "measures") if name in group}
        tables |= {f"tables/{name}": table for name, table in group.get("tables", {}).items()}
        frames = {name: _frame(table, keys, schema) for name, table in tables.items()}
        for name, frame in frames.items():
            parts.setdefault(name, []).append(frame)
            units.setdefault(name.removeprefix("tables/"), _units(tables[name]))
        cells.append(
            keys
            | {"status": _text(stated["status"]), "hash": _text(stated["hash"])}
            | {name: float(stated[name]) for name in _REALS}
            | {name: int(stated[name]) for name in _COUNTS}
        )
    if not cells:
        raise ShoalError(f"{path}: has no cell yet. Start the run first.")
    together = {name: joined(frames) for name, frames in parts.items()}
    return Run(
        path=path,
        name=_text(file.attrs["name"]) or path.stem,
        program=_text(file.attrs["program"]),
        schema=schema,
        hash=_text(file.attrs["hash"]),
        sealed=sealed,
        in_progress=False,
        cells=with_last_values(pd.DataFrame(cells), together["rounds"], together["measures"], provenance),
        rounds=together["rounds"],
        clients=together["clients"],
        measures=together["measures"],
        tables={name.removeprefix("tables/"): frame for name, frame in together.items() if name.startswith("tables/")},
        provenance=pd.DataFrame.from_dict(provenance, orient="index").rename_axis("cell"),
        configs=configs,
        units=units,
    )


def with_last_values(
    cells: pd.DataFrame, rounds: pd.DataFrame, measures: pd.DataFrame, provenance: Mapping[int, Mapping[str, str]]
) -> pd.DataFrame:
    """Adds what follows from the rows: each cell's own last values, abandoned rounds, and the number it is compared
    by."""
    cells = cells.set_index("cell")
    rounds_of = rounds.groupby("cell")
    for name in _PERSONAL:
        cells[name] = rounds_of[name].last() if len(rounds) else np.nan  # `last` skips NaN
    cells["abandoned"] = (rounds["verdict"] == 1).groupby(rounds["cell"]).sum()
    cells["time_us"] = rounds_of["time_us"].last()
    cells[["abandoned", "time_us"]] = cells[["abandoned", "time_us"]].fillna(0).astype("int64")
    cells["metric"] = [provenance.get(index, {}).get("metric", "") or "loss" for index in cells.index]
    last = (
        measures.dropna(subset="value")
        .drop_duplicates(["cell", "name"], keep="last")
        .set_index(["cell", "name"])["value"]
    )
    cells["metric_value"] = [
        cells.at[index, "final_loss"] if name == "loss" else float(last.get((index, name), np.nan))
        for index, name in cells["metric"].items()
    ]
    return cells


def joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all cells; columns that only some cells have are NaN in the others."""
    frames = list(frames)
    rows = [frame for frame in frames if len(frame)]
    if rows:
        return pd.concat(rows, ignore_index=True)
    return frames[0] if frames else pd.DataFrame(columns=[*KEYS, "round", "name", "value"])


def labelled(frame: pd.DataFrame, keys: Mapping[str, Any]) -> pd.DataFrame:
    """Adds the first columns; a column of the table that has one of their names gets an underscore."""
    frame = frame.rename(columns={name: f"{name}_" for name in keys})
    for position, (name, value) in enumerate(keys.items()):
        frame.insert(position, name, value)
    return frame


def _frame(table: h5py.Dataset, keys: Mapping[str, Any], schema: int) -> pd.DataFrame:
    rows = table[()]
    columns = {name: _texts(rows[name]) if rows[name].dtype.kind == "S" else rows[name] for name in rows.dtype.names}
    frame = pd.DataFrame(columns)
    if schema == 2:  # earlier names, and one task, group and variant
        frame = frame.rename(columns={"dropped": "dropouts"}).assign(task=0)
        if "client" in frame:
            frame = frame.assign(rejected_examples=frame.get("rejected_examples", 0), group=0, variant=0)
    return labelled(frame, keys)


def _units(table: h5py.Dataset) -> dict[str, str]:
    return dict(entry.split(": ", 1) for entry in _text(table.attrs.get("units", "")).split("; ") if ": " in entry)


def _texts(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode(errors="replace") for value in values.tolist()], dtype=object)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _seal(path: Path) -> bool:
    """Whether the file ends with a seal. One that does not match its content is damage that HDF5 may crash on."""
    content = path.stat().st_size - _SEAL_SIZE
    if content < 0:
        return False
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        file.seek(content)
        seal = file.read()
        if not seal.startswith(_SEAL):
            return False
        file.seek(0)
        left = content
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
    if seal[len(_SEAL) :].decode(errors="replace") != digest.hexdigest():
        raise ShoalError(
            f"{path}: is damaged (its content does not match its seal). Restore it or run the experiment again."
        )
    return True
