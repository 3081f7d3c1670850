"""Starts an experiment and waits for its run."""

import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tqdm.auto import tqdm

from . import program
from .errors import ShoalError
from .run_file import Run, read

if TYPE_CHECKING:
    from .log import Logger

STOPPED = 75  # exit code of a run that was told to save and stop
# "[3/12] fed_avg seed 3: round 20/30  accuracy 0.90 ..." and "[3/12] fed_avg seed 3: finished after 30 rounds, 0.11 s"
_PROGRESS = re.compile(
    r"^(?:\[(?P<cell>\d+)/(?P<cells>\d+)\])?.*?: "
    r"(?:round (?P<round>\d+)/(?P<rounds>\d+)|[a-z ]+ after (?P<last>\d+) rounds)\b(?P<rest>.*)"
)
_VALUE = re.compile(r"(\w+) (-?\d+\.\d+)")


def run(
    experiment: str | os.PathLike[str] | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    ranks: int | None = None,
    threads: int | None = None,
    resume: bool = False,
    anew: bool = False,
    progress: bool = True,
    options: Sequence[str] = (),
    loggers: Sequence["Logger"] = (),
    log_every: float = 10.0,
    **settings: Any,
) -> Run:
    """Runs an experiment file, or an experiment as a dictionary, and reads its run.

        shoal.run("experiments/quickstart.toml", ranks=2, rounds=50, planner={"cohort": 20})
        shoal.run({"name": "two", "strategy": "scaffold", "grid": {"seed": [1, 2]}}, out="two.h5")

    `settings` change the experiment's, as --set does: a mapping with a "name" replaces a section, one without changes
    single settings of it. A dotted name is written **{"planner.cohort": 20}. `options` are further arguments of `shoal
    run`; `loggers` (shoal.log) get new rounds every `log_every` seconds while it runs. An interrupt saves and stops the
    run, and `resume=True` continues it.
    """
    with tempfile.TemporaryDirectory(prefix="shoal-") as folder:
        if isinstance(experiment, Mapping):
            file = Path(folder, f"{Path(str(experiment.get('name', 'experiment'))).name}.toml")
            file.write_text(toml(experiment), encoding="utf-8")
        else:
            file = Path(experiment)
        arguments = ["run", str(file), "--log-every", "0.3", *options]
        arguments += [part for key, value in _single(settings) for part in ("--set", f"{key}={value}")]
        for name, value in (("--out", out), ("--ranks", ranks), ("--threads", threads)):
            arguments += [name, str(value)] if value is not None else []
        arguments += ["--resume"] * resume + ["--anew"] * anew
        where = _start(arguments, progress, Path(out) if out is not None else None, loggers, log_every)
    return read(where)


def toml(settings: Mapping[str, Any]) -> str:
    """An experiment file: a line for each of the top keys, whose sections are inline tables."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in settings.items())


def _single(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and "name" not in value:
            yield from _single(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, os.PathLike):
        return _value(os.fspath(value))
    value = value.item() if hasattr(value, "item") else value  # numpy's numbers
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    raise ShoalError(f"{value!r} is no setting. Give numbers, texts, truth values, lists or dictionaries.")


def _start(
    arguments: list[str], progress: bool, out: Path | None, loggers: Sequence["Logger"], log_every: float
) -> Path:
    """Returns the path of the run file."""
    if loggers and out is None:
        raise ShoalError("loggers need to know where the run is. Give out=.")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with tempfile.TemporaryFile("w+", errors="replace") as errors, _Following(out, loggers, log_every):
        process = subprocess.Popen(
            [program.find(), *arguments],
            env=program.environment({"NO_COLOR": "1"}),
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            _watch(process.stdout, lines, progress)
            process.wait()
        except BaseException:
            process.terminate()  # the program saves and stops
            process.wait()
            raise
        errors.seek(0)
        said = errors.read().strip().replace(arguments[1], Path(arguments[1]).name)
    if process.returncode == STOPPED:
        raise ShoalError("the run was stopped and saved. Use resume=True to continue it.")
    if process.returncode != 0:
        raise ShoalError(said.removeprefix("shoal: ") or f"shoal run ended with exit code {process.returncode}.")
    where = [line.removeprefix("run file").strip() for line in lines if line.startswith("run file ")]
    return Path(where[-1]) if out is None else out


class Rounds:
    """The rounds of all cells together, from the lines that the program prints as it runs."""

    def __init__(self) -> None:
        self.total = 0
        self.values: dict[str, str] = {}  # last printed
        self._by_cell: dict[int, int] = {}

    @property
    def done(self) -> int:
        return sum(self._by_cell.values())

    def read(self, line: str) -> bool:
        """Whether the line is one of progress."""
        found = _PROGRESS.match(line)
        if found is None:
            return False
        reached = int(found["round"] or found["last"])
        self.total = max(int(found["rounds"] or reached) * int(found["cells"] or 1), self.total)
        self._by_cell[int(found["cell"] or 1)] = reached
        self.values |= dict(_VALUE.findall(found["rest"])[:2])
        return True


def _watch(stream: IO[str] | None, lines: list[str], progress: bool) -> None:
    """Keeps what the program prints behind its progress, and shows a bar."""
    rounds = Rounds()
    with tqdm(unit="round", disable=not progress, dynamic_ncols=True) as bar:
        for line in stream or ():
            if not rounds.read(line):
                lines.append(line.rstrip("\n"))
                continue
            bar.total = rounds.total
            bar.update(rounds.done - bar.n)
            bar.set_postfix(rounds.values, refresh=False)
        bar.update(max(0, rounds.total - bar.n))  # of cells that ended before their last round


class _Following:
    """Gives new rounds to loggers in a thread of its own; what they raise is raised at the end."""

    def __init__(self, out: Path | None, loggers: Sequence["Logger"], every: float) -> None:
        self.out, self.loggers, self.every = out, loggers, every
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.failure: Exception | None = None

    def __enter__(self) -> None:
        if self.loggers:
            self.thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self.loggers:
            return
        self.ended.set()
        self.thread.join()
        if kind is None and self.failure is None:
            self.update()
        if kind is None and self.failure is not None:
            raise self.failure

    def follow(self) -> None:
        while self.failure is None and not self.ended.wait(self.every):
            if Path(f"{self.out}.journal").is_dir():
                self.update()

    def update(self) -> None:
        try:
            found = read(str(self.out))
        except ShoalError:
            return  # before the first round, or between journals and file: the next time finds it
        try:
            for logger in self.loggers:
                logger.update(found)
        except Exception as failure:
            self.failure = failure
