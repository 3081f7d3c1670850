"""Experiments started from Python give the runs that the command line gives."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import shoal
from conftest import SOURCE, TINY
from shoal.running import Rounds, toml


def test_a_dictionary_is_an_experiment(run, program, tmp_path):
    experiment = tomllib.loads(TINY)
    again = shoal.run(experiment, out=tmp_path / "again.h5", progress=False)
    assert again.hash == run.hash and again.path == tmp_path / "again.h5"


def test_settings_change_the_experiment(run, program, folder, tmp_path):
    changed = shoal.run(
        folder / "tiny.toml",
        out=tmp_path / "changed.h5",
        progress=False,
        rounds=3,
        planner={"cohort": 5},
        local={"rate": np.float64(0.25)},
        **{"planner.dropout": 0},
    )
    settings = changed.settings(0)
    assert (settings["rounds"], settings["planner"], settings["local"]["rate"]) == (
        3,
        {"name": "uniform", "cohort": 5, "dropout": 0},
        0.25,
    )
    one = shoal.run(
        tomllib.loads(TINY.split("[grid]")[0]),
        out=tmp_path / "one.h5",
        progress=False,
        rounds=2,
        strategy={"name": "fed_prox", "mu": 0.5},
    )
    assert one.settings(0)["strategy"] == {"name": "fed_prox", "mu": 0.5} and len(one.cells) == 1


def test_toml_holds_any_text():
    settings = {
        "name": 'quo"te\\ \n\x7f\u00e9',
        "grid": {"planner.dropout": [0, 0.1], "strategy": ["a", {"name": "b", "on": True}]},
        "small": 1e-7,
        "numbers": range(3),
    }
    assert tomllib.loads(toml(settings)) == {**settings, "numbers": [0, 1, 2]}
    with pytest.raises(shoal.ShoalError, match="no setting"):
        toml({"name": object()})


def test_errors_are_those_of_the_program(program, tmp_path):
    with pytest.raises(shoal.ShoalError, match="unknown key 'cohrt'.*cohort"):
        shoal.run({"name": "x", "planner": {"name": "uniform", "cohrt": 5}}, out=tmp_path / "x.h5", progress=False)
    with pytest.raises(shoal.ShoalError, match="^(?!shoal: )"):
        shoal.program.call("run", tmp_path / "nowhere.toml")
    with pytest.raises(shoal.ShoalError, match="loggers"):
        shoal.run({"name": "x"}, loggers=[object()])


def test_progress_counts_all_rounds(run, program, folder, tmp_path, capsys):
    shoal.run(folder / "tiny.toml", out=tmp_path / "bar.h5")
    assert "144/144" in capsys.readouterr().err


def test_the_program_is_found(program, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOAL_PROGRAM", str(tmp_path / "none"))
    with pytest.raises(shoal.ShoalError, match="SHOAL_PROGRAM is"):
        shoal.program.find()
    # In PATH, if no checkout has a build.
    (tmp_path / "shoal").symlink_to(program)
    monkeypatch.delenv("SHOAL_PROGRAM")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shoal.program, "CHECKOUT", tmp_path)
    assert shoal.program.find().resolve() == program.resolve()
    (tmp_path / "shoal").unlink()
    with pytest.raises(shoal.ShoalError, match="not found. Build it"):
        shoal.program.find()


def test_the_environment_starts_the_program(program):
    script = SOURCE / ".venv/bin/shoal"
    if not script.exists():
        pytest.skip("no .venv/bin/shoal: experiments/setup has not run here")
    done = subprocess.run(
        [script, "--version"], env={**os.environ, "SHOAL_PROGRAM": str(program)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == shoal.program.call("--version")


INTERRUPTED = """
import sys, shoal
shoal.run(sys.argv[1], out=sys.argv[2], progress=False, rounds=1000, options=["--checkpoint-every", "0.05"])
"""


def test_an_interrupt_saves_the_run(program, folder, tmp_path):
    """As in a notebook, whose interrupt reaches Python alone."""
    whole = shoal.run(folder / "tiny.toml", out=tmp_path / "whole.h5", progress=False, rounds=1000)
    out = tmp_path / "stopped.h5"
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, folder / "tiny.toml", out], stderr=subprocess.PIPE)
    while process.poll() is None and not any(Path(f"{out}.journal").glob("*.state")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate()[1]
    begun = shoal.read(out)
    assert begun.in_progress and 0 < len(begun.rounds) < len(whole.rounds)
    resumed = shoal.run(folder / "tiny.toml", out=out, progress=False, rounds=1000, resume=True)
    assert resumed.hash == whole.hash


class Kept:
    """A logger that keeps what it is given."""

    def __init__(self):
        self.seen = []

    def update(self, run):
        self.seen.append((run.in_progress, len(run.rounds)))


def test_loggers_follow_the_run(program, folder, tmp_path):
    for rounds in (60, 240, 960):  # a short run may be over before it is read
        kept = Kept()
        shoal.run(
            folder / "tiny.toml",
            out=tmp_path / f"{rounds}.h5",
            progress=False,
            loggers=[kept],
            log_every=0.02,
            rounds=rounds,
        )
        if kept.seen[0][0]:
            break
    assert kept.seen[-1] == (False, 12 * rounds)
    counts = [count for _, count in kept.seen]
    assert counts == sorted(counts) and kept.seen[0][0], "nothing was seen while it ran"


def test_long_names_of_folders_differ():
    names = [shoal.log.safe(f"{'x' * 200}-seed{seed}") for seed in (1, 2)]
    assert names[0] != names[1] and all(len(name) == 120 for name in names)
    assert shoal.log.safe("a b-seed1") == "a_b-seed1"


def test_a_followed_run_may_be_between_journals_and_file(run, monkeypatch):
    answers = [shoal.ShoalError("no such file"), run]

    def read(path):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(shoal.log, "read", read)
    assert shoal.log.follow(run.path, every=0) is run
    answers[:] = [shoal.ShoalError("damaged"), shoal.ShoalError("damaged")]
    with pytest.raises(shoal.ShoalError, match="damaged"):
        shoal.log.follow(run.path, every=0)


def test_rounds_of_all_cells():
    """Lines may be rare, and ranks run cells side by side: the end of a cell counts all of its rounds."""
    rounds = Rounds()
    said = {
        "[1/2] a: b seed 1: round 5/30  accuracy 0.6811  loss 1.5087  133.4 rounds/s": (5, 60),
        "[2/2] a: b seed 2: round 10/30  accuracy 0.7  loss 1.2  all cells 25 %": (15, 60),
        "[1/2] a: b seed 1: finished after 30 rounds, 0.13 s, accuracy 0.9": (40, 60),
        "[2/2] a: b seed 2: target reached after 20 rounds, 0.1 s": (50, 60),
    }
    for line, expected in said.items():
        assert rounds.read(line) and (rounds.done, rounds.total) == expected
    assert rounds.values == {"accuracy": "0.9", "loss": "1.2"}
    assert not rounds.read("run file   results/x.h5") and not rounds.read("")
    alone = Rounds()
    assert alone.read("fed_prox: round 2/4  accuracy 0.1402  loss 2.2212") and (alone.done, alone.total) == (2, 4)
