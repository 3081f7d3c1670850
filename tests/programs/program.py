"""The tests of the program share this: starting it, and running a file of tests.

A test is a function `test_...` that raises when something is wrong; `main` runs all of a file. By hand:

    SHOAL=build/release/experiments/shoal SHOAL_SOURCE=. .venv/bin/python tests/programs/one_hash.py

The files in experiments/ are started in the same way, with PYTHONPATH=tests/programs besides.
"""

import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SHOAL = str(Path(os.environ["SHOAL"]).resolve())
SOURCE = Path(os.environ["SHOAL_SOURCE"]).resolve()
LIMIT = 150  # seconds that one run may take: far more than it needs, on a busy machine too
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
PINNED = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]


class Skip(Exception):
    """This file's tests cannot run here; the text says why."""


def environment(**changes):
    """The environment of a run, without the colours and data of the user. None removes a variable."""
    names = {**os.environ, **MPI, **PINNED, "NO_COLOR": None, "SHOAL_DATA": None, **changes}
    return {name: value for name, value in names.items() if value is not None}


def shoal(*arguments, mpirun=0, variables=None):
    """Runs the program, under `mpirun -n` if wanted; returns its exit code, stdout and stderr."""
    command = (MPIRUN + [str(mpirun)] if mpirun else []) + [SHOAL, *map(str, arguments)]
    return subprocess.run(command, env=environment(**(variables or {})), text=True, errors="replace", timeout=LIMIT,
                          stdin=subprocess.DEVNULL, capture_output=True)


def run(*arguments, **how):
    """Runs `shoal run`, which must succeed with nothing on stderr. Returns stdout."""
    done = shoal("run", *arguments, **how)
    assert done.returncode == 0 and done.stderr == "", f"exit code {done.returncode} of {done.args}:\n{done.stderr}"
    return done.stdout


def processes_of(session):
    """Living processes of a session: all that a Popen with start_new_session has started, mpirun's ranks too."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, theirs = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(theirs) == session and state != "Z":
            found.append(int(folder.name))
    return found


def ranks_of(process):
    """Process ids of the program itself among what `process`, the first of its session, has started."""
    return [pid for pid in processes_of(process.pid) if os.path.realpath(f"/proc/{pid}/exe") == SHOAL]


def ranks_by_number(process):
    """The same below mpirun, by rank."""
    found = {}
    for pid in ranks_of(process):
        try:
            rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", Path(f"/proc/{pid}/environ").read_bytes())
        except OSError:
            continue
        if rank:
            found[int(rank[1])] = pid
    return found


def limit_files(pid, size):
    """From now on, files of this process cannot grow beyond `size` bytes. One that has outgrown them already stays."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


def kill_all(process):
    """SIGKILL to everything that `process`, the first of its session, has started; returns when all are gone."""
    end = time.monotonic() + LIMIT
    while (left := processes_of(process.pid)):
        assert time.monotonic() < end, f"processes outlive SIGKILL: {left}"
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.poll()
        time.sleep(0.002)
    process.wait()


HEADER, ROUND, PARAMETER, RESULT = 1, 2, 3, 4  # kinds of a journal's records


def journal_records(data):
    """(kind, payload) of every whole record of a cell's journal, and how many bytes follow them. By the format in
    sim/files/journal.hpp; checksums are left to the program."""
    at, found = 16, []
    assert data[:12] == b"shoaljournal"[: len(data)], data[:12]
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        if at + 16 + length > len(data) or not HEADER <= kind <= RESULT:
            break
        found.append((kind, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return found, max(0, len(data) - at)


def result_hash(stdout):
    """The hash printed at the end of a run."""
    found = re.findall(r"^hash +([0-9a-f]{32})$", stdout, re.MULTILINE)
    assert len(found) == 1, f"not one line with a hash:\n{stdout[-2000:]}"
    return found[0]


def two_at_once(function, items):
    """function(item) of every item, in order; the tests may count on two cores."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))


def main(names):
    """Runs the tests among `names`, each in the same fresh folder, and exits: 0, 1 after a failure, 77 when skipped."""
    failed = 0
    with tempfile.TemporaryDirectory(dir=".") as folder:
        os.chdir(folder)
        try:
            for name, test in [(n, t) for n, t in names.items() if n.startswith("test_")]:
                begin = time.monotonic()
                try:
                    test()
                    print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
                except Skip as reason:
                    print(f"skipped {name}: {reason}")
                    failed = failed or 77
                except Exception:
                    traceback.print_exc(file=sys.stdout)
                    print(f"FAILED  {name}", flush=True)
                    failed = 1
        finally:
            os.chdir("..")
    sys.exit(failed)
