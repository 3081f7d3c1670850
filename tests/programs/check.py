"""`shoal check` and `shoal verify` notice what a run file states against its rows, and `--out` spares what is not a run's."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
from program import SHOAL, SOURCE, environment, kill_all, main, result_hash, run, shoal

EXPERIMENT = """
name = "check"
rounds = 4
[partition]
clients = 20
[model]
widths = [8]
[planner]
cohort = 5
[evaluate]
every = 2
[grid]
seed = [1, 2]
"""


def prepare():
    if not Path("run.h5").exists():
        Path("check.toml").write_text(EXPERIMENT)
        run("check.toml", "--out", "run.h5")


def altered(alter):
    """A copy of the run file, changed by `alter(file)`."""
    prepare()
    shutil.copy("run.h5", "altered.h5")
    with h5py.File("altered.h5", "r+") as file:
        alter(file)
    return "altered.h5"


def set_field(table, column, value):
    rows = table[()]
    rows[column] = value
    table[()] = rows


def forge(file):
    """Accuracies of 0.999 and a model of 42, consistently but for the hashes."""
    for cell in file["cells"].values():
        set_field(cell["rounds"], "accuracy", 0.999)
        cell.attrs["final_accuracy"] = cell.attrs["best_accuracy"] = 0.999
        cell["model"].visititems(lambda _, item: item.write_direct(np.full(item.shape, 42, item.dtype))
                                 if isinstance(item, h5py.Dataset) else None)  # fmt: skip


def test_an_untouched_file_is_whole():
    prepare()
    with h5py.File("run.h5") as file:
        stated = file.attrs["hash"]
    done = shoal("check", "run.h5", "run.h5")
    assert done.returncode == 0 and done.stdout == f"whole      {stated}  run.h5\n" * 2, done.stdout


def test_changes_are_noticed():
    def number(file):
        set_field(file["cells/1/rounds"], "bytes_up", 7)

    def weight(file):
        model = file["cells/0/model/dense1/bias"] if "dense1" in file["cells/0/model"] else file["cells/0/model/dense1.bias"]
        model[0] += 1

    def total(file):
        file["cells/0"].attrs["best_accuracy"] = 0.999

    def status(file):
        file["cells/0"].attrs["status"] = "diverged"

    def run_hash(file):
        file.attrs["hash"] = "0" * 32

    for alter, told in ((forge, "its rows and model have"), (number, "cell 1, fed_avg seed 2"), (weight, "rows and model"),
                        (total, "best_accuracy = 0.999"), (status, 'status "diverged"'), (run_hash, "cells' hashes")):
        done = shoal("check", altered(alter), "run.h5")
        assert done.returncode == 1 and "DIFFERENT" in done.stdout and told in done.stdout, (alter, done.stdout, done.stderr)
        assert "without a seal" in done.stdout and "whole      " in done.stdout, done.stdout


def test_verify_reads_the_rows():
    done = shoal("verify", altered(forge))
    assert done.returncode == 1 and done.stdout.count("DIFFERENT") == 2 and "not verified" in done.stdout, done.stdout


def test_a_consistent_forgery_passes_check_alone():
    """A hash is no signature."""
    prepare()
    path = altered(forge)
    done = subprocess.run([sys.executable, "-m", "shoal.hashes", path], capture_output=True, text=True, check=False,
                          env=environment(PYTHONPATH=str(SOURCE / "experiments/python")))
    assert done.returncode == 1, done.stderr  # they are not those that the file states
    hashes = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("cell")]
    whole = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("run")]
    with h5py.File(path, "r+") as file:
        for index, value in enumerate(hashes):
            file[f"cells/{index}"].attrs["hash"] = value
        file.attrs["hash"] = whole[0]
    assert shoal("check", path).returncode == 0
    done = shoal("verify", path)
    assert done.returncode == 1 and "not verified" in done.stdout, done.stdout


def test_older_files_cannot_be_checked():
    old = SOURCE / "tests/fixtures/runs/schema_2.h5"
    for command in ("check", "verify"):
        done = shoal(command, old)
        assert done.returncode == 2 and "schema version 2" in done.stderr and "computed from its rows" in done.stderr


def test_verify_writes_nothing():
    prepare()
    Path("sealed").mkdir()
    shutil.copy("run.h5", "sealed/run.h5")
    before = os.stat("sealed").st_mtime_ns
    done = shoal("verify", "sealed/run.h5", mpirun=2)
    assert done.returncode == 0 and "verified" in done.stdout, done.stderr
    assert os.stat("sealed").st_mtime_ns == before and os.listdir("sealed") == ["run.h5"]


def test_export_warns_without_a_seal():
    done = shoal("export", altered(forge), "--out", "export")
    assert done.returncode == 0 and "no valid seal" in done.stderr, done.stderr
    assert shoal("export", "run.h5", "--out", "export").stderr == ""


def test_locked_is_not_truncated():
    prepare()
    with open("run.h5", "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for command in (["check", "run.h5"], ["export", "run.h5"], ["run", "check.toml", "--out", "run.h5"]):
            done = shoal(*command)
            assert done.returncode == 2 and "is locked" in done.stderr and "cut short" not in done.stderr, done.stderr


def test_running_is_not_interrupted():
    prepare()
    process = subprocess.Popen([SHOAL, "run", "check.toml", "--set", "rounds=1000000", "--out", "long.h5"],
                               env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    while not (Path("long.h5.journal/cell-000000").exists() and os.path.getsize("long.h5.journal/cell-000000") > 5000):
        assert process.poll() is None
        time.sleep(0.01)
    for more in ([], ["--anew"], ["--resume"]):
        done = shoal("run", "check.toml", "--out", "long.h5", *more)
        assert done.returncode == 2 and "another process is writing" in done.stderr, done.stderr
    kill_all(process)
    done = shoal("run", "check.toml", "--out", "long.h5")
    assert done.returncode == 2 and "interrupted run" in done.stderr, done.stderr


def test_only_own_run_files_are_replaced():
    prepare()
    with h5py.File("foreign.h5", "w") as file:
        file["x"] = [1, 2, 3]
    done = shoal("run", "check.toml", "--out", "foreign.h5")
    assert done.returncode == 2 and "not a run file of Shoal" in done.stderr, done.stderr
    done = shoal("run", "check.toml", "--out", "foreign.h5", "--anew")
    assert done.returncode == 2 and list(h5py.File("foreign.h5")) == ["x"]
    # Our own: the same settings again, other settings only with --anew.
    shutil.copy("run.h5", "own.h5")
    first = result_hash(run("check.toml", "--out", "own.h5"))
    other = shoal("run", "check.toml", "--set", "local.rate=0.3", "--out", "own.h5")
    assert other.returncode == 2 and "other settings" in other.stderr and "--anew" in other.stderr, other.stderr
    fewer = shoal("run", "check.toml", "--set", "grid.seed=[1]", "--out", "own.h5")
    assert fewer.returncode == 2 and "other settings" in fewer.stderr, fewer.stderr
    assert result_hash(run("check.toml", "--set", "local.rate=0.3", "--out", "own.h5", "--anew")) != first


def test_commands_spare_their_inputs():
    prepare()
    Path("trace.json").write_text('{"1": {"active": [0], "inactive": [5], "finish_time": 10}}')
    shutil.copy("run.h5", "mine.h5")
    shutil.copy(SOURCE / "datasets/language/talk.safetensors", "talk.safetensors")
    Path("blocks.toml").write_text("rows = []\n")
    for arguments, told in (
        (["trace", "fedscale", "trace.json", "trace.json"], "is read by this command"),
        (["trace", "fedscale", "trace.json", "mine.h5"], "is not a trace file"),
        (["trace", "fedscale", "trace.json", "check.toml"], "is no HDF5 file"),
        (["trace", "fedscale", "trace.json", "/dev/null"], "is no regular file"),
        (["pretrain", "--measure", "talk.safetensors", "--out", "talk.safetensors"], "is read by this command"),
        (["pretrain", "--out", "check.toml"], "check.toml"),
        (["pretrain", "--out", "/dev/null"], "is no regular file"),
        (["calibrate", "--blocks", "blocks.toml", "--out", "blocks.toml"], "is read by this command"),
        (["calibrate", "--out", "check.toml"], "is no table of blocks"),
        (["calibrate", "--out", "/dev/null"], "is no regular file"),
        (["run", "check.toml", "--out", "check.toml"], "is no run file"),
        (["run", "check.toml", "--blocks", "blocks.toml", "--out", "blocks.toml"], "is no run file"),
        (["report", "run.h5", "--out", "/dev/null"], "is no regular file"),
    ):  # fmt: skip
        done = shoal(*arguments)
        assert done.returncode == 2 and told in done.stderr, (arguments, done.stderr)
    assert Path("trace.json").read_text().startswith("{") and Path("check.toml").read_text() == EXPERIMENT


def test_foreign_files_beside_the_journals():
    prepare()
    Path("out.h5.journal").mkdir()
    Path("out.h5.journal/notes.txt").write_text("mine")
    run("check.toml", "--out", "out.h5")
    run("check.toml", "--out", "out.h5", "--anew")
    assert os.listdir("out.h5.journal") == ["notes.txt"]
    Path("elsewhere").mkdir()
    Path("elsewhere/cell-000000").write_text("mine")
    Path("link.h5.journal").symlink_to("elsewhere")
    done = shoal("run", "check.toml", "--out", "link.h5", "--anew")
    assert done.returncode == 2 and "no folder of its own" in done.stderr, done.stderr
    assert Path("elsewhere/cell-000000").read_text() == "mine"


def test_names_without_control_characters():
    prepare()
    for name in ('"a\\u0000b"', '"a\\u001b[2Jb"', '"line\\nbreak"'):
        done = shoal("run", "check.toml", "--set", f"name={name}", "--out", "named.h5")
        assert done.returncode == 2 and "control character" in done.stderr and "\x1b" not in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


main(globals())
