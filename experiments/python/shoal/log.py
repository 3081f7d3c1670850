"""Runs in TensorBoard, Weights & Biases and MLflow: afterwards, or while they run.

    shoal.log.TensorBoard("logs").update(shoal.read("results/quickstart.h5"))
    shoal.run("experiments/quickstart.toml", out="q.h5", loggers=[shoal.log.TensorBoard("logs")])
    shoal.log.follow("results/other.h5", shoal.log.MLflow("sqlite:///mlflow.db"))    of a run that was started elsewhere

Each cell of the grid is a run there, named LABEL-seedSEED. The step is the round; values are the columns of rounds that
were measured, and the measures. Loggers are extras: pip install 'experiments/python[tensorboard]', [wandb], [mlflow].
"""

import hashlib
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ShoalError
from .run_file import FAILURES, Run, read

_REALS = ("accuracy", "loss", "train_loss", "personal_accuracy", "personal_accuracy_p10", "personal_loss")
_COUNTS = ("committed", "dropouts", "rejected", "bytes_down", "bytes_up")
_RESULTS = (
    "final_accuracy",
    "best_accuracy",
    "rounds",
    "rounds_to_target",
    "time_to_target_us",
    "bytes_down",
    "bytes_up",
    "dropouts",
    "rejected",
)


class Logger(ABC):
    """Writes what is new of a run; a round is written once, however often `update` is called."""

    def __init__(self) -> None:
        self._written: dict[int, int] = {}  # by cell: the last round
        self._open: dict[int, Any] = {}
        self._closed: set[int] = set()

    def update(self, run: Run) -> None:
        """Writes the rounds since the last call, and closes the cells that have finished."""
        for cell in run.cells.index:
            row = run.cells.loc[cell]
            name = f"{row['label']}-seed{row['seed']}"
            if cell in self._closed:
                continue
            steps = [
                (step, time_us, values)
                for step, time_us, values in scalars(run, cell)
                if step > self._written.get(cell, 0)
            ]
            ended = row["status"] != "unfinished"
            if cell not in self._open and (steps or ended):
                self._open[cell] = self.begin(run, cell, name)
            for step, time_us, values in steps:
                self.write(self._open[cell], step, time_us, values)
                self._written[cell] = step
            if ended:
                results = {key: float(row[key]) for key in _RESULTS if math.isfinite(row[key]) and row[key] >= 0}
                self.end(self._open.pop(cell), results, str(row["status"]))
                self._closed.add(cell)

    @abstractmethod
    def begin(self, run: Run, cell: int, name: str) -> Any:
        """Opens a cell; what it returns is given to `write` and `end`."""

    @abstractmethod
    def write(self, opened: Any, step: int, time_us: int, values: dict[str, float]) -> None: ...

    @abstractmethod
    def end(self, opened: Any, results: dict[str, float], status: str) -> None: ...


def scalars(run: Run, cell: int) -> Iterator[tuple[int, int, dict[str, float]]]:
    """By round of a cell: its number, its virtual time, and what was measured."""
    rounds = run.rounds[run.rounds["cell"] == cell]
    measured: dict[int, dict[str, float]] = {}
    own = run.measures[run.measures["cell"] == cell]
    for number, name, value in zip(own["round"], own["name"], own["value"], strict=True):
        measured.setdefault(int(number), {})[str(name)] = float(value)
    for row in rounds.to_dict("records"):
        values = {name: float(row[name]) for name in (*_REALS, *_COUNTS)} | measured.get(row["round"], {})
        yield (
            int(row["round"]),
            int(row["time_us"]),
            {name: value for name, value in values.items() if math.isfinite(value)},
        )


def follow(path: str | os.PathLike[str], *loggers: Logger, every: float = 10.0) -> Run:
    """Writes a run that another process makes, until all of its cells have ended. Returns it."""
    failed = False
    while True:
        there = Path(path).exists() or Path(f"{path}.journal").is_dir()
        try:
            found = read(path) if there else None
            failed = False
        except ShoalError:  # once: the journals may have become the file in between
            if failed:
                raise
            found, failed = None, True
        if found is not None:
            for logger in loggers:
                logger.update(found)
            if not found.in_progress and (found.cells["status"] != "unfinished").all():
                return found
        time.sleep(every)


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


class TensorBoard(Logger):
    """Event files in FOLDER/LABEL-seedSEED."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = Path(folder)
        needed("tensorboard")

    def begin(self, run: Run, cell: int, name: str) -> Any:
        writer = import_module("tensorboard.summary").Writer(str(self.folder / safe(name)))
        return writer

    def write(self, opened: Any, step: int, time_us: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            opened.add_scalar(name, value, step)
        opened.add_scalar("virtual_seconds", time_us / 1e6, step)

    def end(self, opened: Any, results: dict[str, float], status: str) -> None:
        opened.close()


class WandB(Logger):
    """A run of Weights & Biases for each cell, grouped by label; `mode="offline"` writes to `folder` alone."""

    def __init__(
        self, project: str, folder: str | os.PathLike[str] | None = None, mode: str = "online", **further: Any
    ) -> None:
        super().__init__()
        self.wandb = needed("wandb")
        self.arguments = {"project": project, "dir": None if folder is None else str(folder), "mode": mode, **further}

    def begin(self, run: Run, cell: int, name: str) -> Any:
        return self.wandb.init(
            name=name,
            group=str(run.cells.at[cell, "label"]),
            config=flat(run.settings(cell)),
            reinit="create_new",
            **self.arguments,
        )

    def write(self, opened: Any, step: int, time_us: int, values: dict[str, float]) -> None:
        opened.log({**values, "virtual_seconds": time_us / 1e6}, step=step)

    def end(self, opened: Any, results: dict[str, float], status: str) -> None:
        opened.summary.update({**results, "status": status})
        opened.finish()


class MLflow(Logger):
    """A run of MLflow for each cell, in the experiment of the run's name; `uri` is the tracking server, data base or
    folder."""

    def __init__(self, uri: str | None = None, experiment: str | None = None) -> None:
        super().__init__()
        self.mlflow = needed("mlflow")
        self.client = self.mlflow.MlflowClient(tracking_uri=uri)
        self.experiment = experiment

    def begin(self, run: Run, cell: int, name: str) -> str:
        title = self.experiment or run.name
        found = self.client.get_experiment_by_name(title)
        number = found.experiment_id if found else self.client.create_experiment(title)
        opened = self.client.create_run(
            number, run_name=name, tags={"label": str(run.cells.at[cell, "label"])}
        ).info.run_id
        parameters = [self.mlflow.entities.Param(key, str(value)) for key, value in flat(run.settings(cell)).items()]
        self.client.log_batch(opened, params=parameters)
        return opened

    def write(self, opened: str, step: int, time_us: int, values: dict[str, float]) -> None:
        now = int(time.time() * 1000)
        values = {**values, "virtual_seconds": time_us / 1e6}
        self.client.log_batch(
            opened, metrics=[self.mlflow.entities.Metric(name, value, now, step) for name, value in values.items()]
        )

    def end(self, opened: str, results: dict[str, float], status: str) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(
            opened,
            metrics=[self.mlflow.entities.Metric(f"result.{name}", value, now, 0) for name, value in results.items()],
        )
        self.client.set_tag(opened, "status", status)
        self.client.set_terminated(opened, "FAILED" if status in FAILURES else "FINISHED")


def safe(name: str) -> str:
    """A name of a folder: letters, digits and a few marks. A long one is cut, and told from others by a hash."""
    text = "".join(letter if letter.isalnum() or letter in "-_.=" else "_" for letter in name)
    if len(text) <= 120:
        return text
    return f"{text[:103]}-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def needed(package: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError:
        raise ShoalError(
            f"the package {package} is not installed. Use: pip install 'experiments/python[{package}]'."
        ) from None
