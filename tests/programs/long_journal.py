"""A long journal costs neither memory nor the time limit, and rows of participations can be left out."""

import os
import re
import subprocess
import time
from pathlib import Path

import h5py
from program import SHOAL, environment, main, result_hash, run, shoal

# Short rounds with many participations each: 300 of them make a journal of about 100 MB.
EXPERIMENT = """
name = "long"
rounds = 300
task = {name = "quadratic", clients = 2000, dimension = 2}
planner = {name = "uniform", cohort = 2000, dropout = 0.999}
local = {steps = 1}
"""


def prepare():
    if not Path("long.toml").exists():
        Path("long.toml").write_text(EXPERIMENT)


def peak(*arguments):
    """The most memory in MB that a run had resident, and its stdout."""
    with subprocess.Popen([SHOAL, "run", "long.toml", *arguments], env=environment(), stdout=subprocess.PIPE, text=True) as process:
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, printed
    return usage.ru_maxrss / 1024, printed


def test_memory_does_not_grow_with_the_journal():
    prepare()
    steady, _ = peak("--set", "rounds=3", "--out", "short.h5")
    most, printed = peak("--out", "long.h5")
    with h5py.File("long.h5") as file:
        rows = file["cells/0/clients"]
        journal = rows.size * rows.dtype.itemsize / 2**20
    print(f"        {steady:.0f} MB with a short journal, {most:.0f} MB with one of {journal:.0f} MB")
    assert journal > 80, journal
    assert most < steady + 0.4 * journal and most < 2 * steady, (steady, most, journal)
    again = shoal("verify", "long.h5")
    assert again.returncode == 0, again.stdout
    assert shoal("check", "long.h5").stdout.startswith(f"whole      {result_hash(printed)}")


def test_assembly_counts_in_the_time_limit():
    prepare()
    for limit in (4, 6, 8):
        begin = time.monotonic()
        done = shoal("run", "long.toml", "--set", "rounds=100000000", "--out", f"limit-{limit}.h5", "--time-limit", limit)
        passed = time.monotonic() - begin
        size = Path(f"limit-{limit}.h5.journal/cell-000000").stat().st_size / 2**20
        print(f"        limit {limit} s: {passed:.1f} s, journal of {size:.0f} MB")
        assert done.returncode == 75 and passed < limit, (limit, passed)


def test_shares_of_the_rows():
    prepare()
    hashes = set()
    for share, least, most in ((1, 10_000, 10_000), (0.5, 4750, 5250), (0, 0, 0)):
        out = f"share-{share}.h5"
        changes = ["--set", "rounds=5", "--set", f"record.participations={share}", "--out", out]
        hashes.add(result_hash(run("long.toml", *changes)))
        with h5py.File(out) as file:
            cell = file["cells/0"]
            assert least <= len(cell["clients"]) <= most, len(cell["clients"])
            totals = dict(cell.attrs), cell["rounds"][()]["dropouts"].sum()
        assert totals[0]["dropouts"] == totals[1] > 9_900  # counts are those of all participations
        assert result_hash(run("long.toml", *changes[:4], "--out", f"ranks-{out}", "--ranks", 2)) in hashes
        assert shoal("check", out).returncode == 0
    assert len(hashes) == 3
    done = shoal("run", "long.toml", "--set", "record.participations=2")
    assert done.returncode == 2 and re.search(r"'participations' must be between 0 and 1", done.stderr), done.stderr


main(globals())
