"""Block sizes: measured into a table, taken from it by a run, and kept when that run is resumed or verified."""

import subprocess
import time
import tomllib
from pathlib import Path

import h5py
import program

EXPERIMENT = """
name = "blocks"
rounds = 40
[partition]
clients = 60
[model]
widths = [16]
[planner]
cohort = 12
[local]
epochs = 2
"""
PARAMETERS = 64 * 16 + 16 + 16 * 10 + 10


def table(name, clients, form):
    Path(name).write_text(f'rows = [{{model = "mlp", parameters = {PARAMETERS}, clients = {clients}, form = "{form}"}}]\n')
    return name


def settled(path):
    with h5py.File(path) as file:
        provenance = file["cells/0/provenance"].attrs
        return provenance["block"], provenance["block form"]


def run(out, *arguments, **how):
    Path("blocks.toml").write_text(EXPERIMENT)
    return program.result_hash(program.run("blocks.toml", "--out", out, *arguments, **how))


def test_the_table_decides_and_is_recorded():
    alone = run("alone.h5", "--blocks", table("one.toml", 1, "in_turn"))
    stacked = run("stacked.h5", "--blocks", table("five.toml", 5, "stacked"))
    assert settled("alone.h5") == ("1", "in_turn") and settled("stacked.h5") == ("5", "stacked")
    # Whether a stacked block has the bits of one client at a time depends on the processor's matrix products.
    assert run("turns.h5", "--blocks", table("turns.toml", 5, "in_turn")) == alone
    assert run("set.h5", "--blocks", "one.toml", "--set", "local.block=5", "--set", "local.form=stacked") == stacked
    assert settled("set.h5") == ("5", "stacked")


def test_ranks_do_not_change_it():
    expected = run("stacked.h5", "--blocks", table("five.toml", 5, "stacked"))
    assert run("ranks.h5", "--blocks", "five.toml", "--ranks", 3, "--ranks-per-cell", 3) == expected
    assert settled("ranks.h5") == ("5", "stacked")


def test_verify_keeps_the_block():
    run("verified.h5", "--blocks", table("five.toml", 5, "stacked"))
    done = program.shoal("verify", "verified.h5")  # by the built-in table it would have another one
    assert done.returncode == 0, done.stdout + done.stderr


def test_resume_keeps_the_block():
    five, one = table("five.toml", 5, "stacked"), table("one.toml", 1, "in_turn")
    longer = ["--set", "rounds=600", "--out", "stopped.h5"]
    expected = run("whole.h5", "--blocks", five, "--set", "rounds=600")
    first = subprocess.Popen([program.SHOAL, "run", "blocks.toml", *longer, "--blocks", five, "--checkpoint-every", "0"],
                             env=program.environment(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(Path("stopped.h5.journal").glob("*.state")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert first.poll() is None, "it was over before it could be killed"
    first.kill()
    first.wait()
    ranks = ["--ranks", 2, "--ranks-per-cell", 2]
    found = program.result_hash(program.run("blocks.toml", *longer, "--blocks", one, "--resume", *ranks))
    assert found == expected, "the changed table changed a resumed run"
    assert settled("stopped.h5") == ("5", "stacked")
    run("other.h5", "--blocks", one)
    assert settled("other.h5") == ("1", "in_turn"), "the tables do not differ"


def test_calibrate_writes_a_table():
    done = program.shoal("calibrate", "--models", "logistic_regression", "--clients", 1, 2, "--batches", 10, "--seconds",
                         0.01, "--out", "measured.toml", "--blocks", table("five.toml", 5, "stacked"))
    assert done.returncode == 0, done.stderr
    assert "clients/s" in done.stdout and "bound" in done.stdout, done.stdout
    rows = tomllib.loads(Path("measured.toml").read_text())["rows"]
    assert [(row["model"], row["parameters"]) for row in rows] == [
        ("logistic_regression", 650), ("logistic_regression", 7850), ("mlp", PARAMETERS)], rows
    run("measured.h5", "--blocks", "measured.toml")
    assert settled("measured.h5") == ("5", "stacked")


def test_wrong_tables_are_user_errors():
    Path("wrong.toml").write_text('rows = [{model = "mlp", parameters = 9, form = "sideways"}]\n')
    for blocks in ("wrong.toml", "missing.toml"):
        done = program.shoal("run", "blocks.toml", "--blocks", blocks)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    done = program.shoal("calibrate", "--models", "mpl")
    assert done.returncode == 2 and "mlp" in done.stderr, done.stderr


program.main(globals())
