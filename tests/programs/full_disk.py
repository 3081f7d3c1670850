"""A disk that fills up during a run, whatever file is being written: a clear error, no record is damaged, and the run resumes.

A limit on the size of files takes the place of a full disk: to the program the next write fails in the same way.
"""

import resource
import subprocess
import time
from pathlib import Path

import h5py
import program

# With a model of 38,410 parameters, checkpoints and the run file take at least 154 kB; the journal takes a fifth of that.
EXPERIMENT = """
name = "full"
rounds = 40
[partition]
clients = 60
[model]
widths = [512]
[planner]
cohort = 5
[local]
batch = 0
[evaluate]
every = 40
"""
SELDOM, OFTEN = ["--checkpoint-every", "1000"], ["--checkpoint-every", "0.01"]


def whole():
    if not Path("whole.h5").exists():
        Path("full.toml").write_text(EXPERIMENT)
        program.run("full.toml", "--out", "whole.h5")
    with h5py.File("whole.h5") as file:
        return file.attrs["hash"], file["cells/0/rounds"][()].tobytes()


def start(out, *more, ranks=1, size=resource.RLIM_INFINITY):
    command = (program.MPIRUN + [str(ranks)] if ranks > 1 else []) + [program.SHOAL, "run", "full.toml", "--out", out]
    return subprocess.Popen([*command, *more], env=program.environment(), stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def ends_with_error(process, where, prefix=""):
    _, err = process.communicate(timeout=program.LIMIT)
    said = [line for line in err.splitlines() if line.startswith("shoal: ")]
    assert process.returncode == 1 and len(said) == 1, (process.returncode, err)
    assert said[0].startswith(f"shoal: {prefix}cannot write ") and where in said[0], said
    assert "File too large" in said[0], said
    print(f"        {said[0]}")


def resumes(out, ranks, least):
    """All records are whole and the beginning of the undisturbed run; with room on the disk the run ends like that one."""
    expected, rows = whole()
    records, torn = program.journal_records(Path(f"{out}.journal/cell-000000").read_bytes())
    assert torn == 0, f"{torn} bytes of a torn record"
    rounds = b"".join(payload[: len(rows) // 40] for kind, payload in records if kind == program.ROUND)
    assert len(rounds) >= least * len(rows) // 40 and rows.startswith(rounds), len(rounds)
    assert not list(Path(".").glob(f"{out}*/*.partial-*")) and not list(Path(".").glob(f"{out}.partial-*"))
    assert program.shoal("export", out, "--out", f"{out}.export").returncode == 0
    stdout = program.run("full.toml", "--out", out, "--resume", mpirun=ranks)
    assert program.result_hash(stdout) == expected


def test_full_under_the_journal():
    whole()
    ends_with_error(start("journal.h5", *SELDOM, size=10_000), "cell-000000'")
    resumes("journal.h5", 2, least=5)


def test_full_under_a_checkpoint():
    whole()
    ends_with_error(start("checkpoint.h5", *OFTEN, size=100_000), ".state.partial-")
    resumes("checkpoint.h5", 3, least=1)


def test_full_under_the_run_file():
    whole()
    size = Path("whole.h5").stat().st_size
    ends_with_error(start("run.h5", *SELDOM, size=size - 1), "run.h5.partial-")
    resumes("run.h5", 2, least=40)


def test_full_under_mpirun():
    # MPI's own shared memory is files too, so the limit is set once these exist, and only for the rank that writes the journal:
    # the others may end at any moment after it.
    whole()
    process = start("mpirun.h5", "--set", "rounds=100000", *SELDOM, ranks=2)
    journal, end = Path("mpirun.h5.journal/cell-000000"), time.monotonic() + program.LIMIT
    while not (journal.exists() and journal.stat().st_size > 10_000):
        assert process.poll() is None and time.monotonic() < end, process.poll()
        time.sleep(0.02)
    rank_0 = program.ranks_by_number(process)[0]
    limit = journal.stat().st_size + 5_000
    program.limit_files(rank_0, limit)
    limit = max(limit, journal.stat().st_size)  # the rank may have outrun this test
    ends_with_error(process, "cell-000000'", "rank 0 of 2: ")
    records, torn = program.journal_records(journal.read_bytes())
    assert torn == 0 and len(records) > 10 and journal.stat().st_size <= limit
    # With room on the disk it resumes; its end would be hours away.
    again = program.shoal("run", "full.toml", "--set", "rounds=100000", "--out", "mpirun.h5", "--resume", "--time-limit",
                          "2.5", mpirun=2)
    assert again.returncode == 75, again.stderr
    more, torn = program.journal_records(journal.read_bytes())
    # The first record names the date at which the cell was begun, here anew: there was no checkpoint yet.
    assert torn == 0 and more[1:9] == records[1:9], len(more)


program.main(globals())
