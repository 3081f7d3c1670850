"""A rank that dies or fails ends the whole program within seconds, with its number and reason; all records stay whole.

Failures come from outside: a signal, or a limit on the size of files put on a running rank, which to its next write is
the same as a full disk.
"""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import program

# More than an hour of rounds, each written to the journal: 20 participations and a row, about 2 kB. Evaluated so rarely
# that nothing is printed.
ENDLESS = """
name = "endless"
rounds = 100000000
[task]
name = "quadratic"
[planner]
cohort = 20
[evaluate]
every = 100000000
[grid]
seed = [1, 2, 3]
"""
SOON = 15  # seconds in which everything has to end, on a busy machine too
RANKS = 3


class Running:
    """The program while it runs on several ranks, as the user sees it."""

    def __init__(self, out, *arguments, starts_itself=False):
        Path("endless.toml").write_text(ENDLESS)
        self.journals = Path(f"{out}.journal")
        command = [program.SHOAL, "run", "endless.toml", "--out", out, *map(str, arguments)]
        command = [*command, "--ranks", str(RANKS)] if starts_itself else [*program.MPIRUN, str(RANKS), *command]
        self.process = subprocess.Popen(command, env=program.environment(), stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()

    def wait_for_rounds(self, cells, size=50_000):
        """Until the journals of these cells have grown to `size` bytes."""
        end = time.monotonic() + program.LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            if all((self.journals / f"cell-{c:06d}").exists() and self.length(c) > size for c in cells):
                self.pids = program.ranks_by_number(self.process)
                assert sorted(self.pids) == list(range(RANKS)), self.pids
                return
            time.sleep(0.05)
        raise AssertionError(f"no rounds: {self.process.poll()}")

    def length(self, cell):
        return (self.journals / f"cell-{cell:06d}").stat().st_size

    def ends(self):
        """Exit code, stdout and stderr, once everything has ended; that must be soon."""
        begin = time.monotonic()
        try:
            out, err = self.process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {SOON} s") from None
        while (left := [pid for pid in self.pids.values() if Path(f"/proc/{pid}/exe").exists()]):
            if time.monotonic() - begin > SOON:
                break
            time.sleep(0.05)
        assert not left, f"ranks outlive the program: {left}"
        print(f"        ended after {time.monotonic() - begin:.1f} s")
        return self.process.returncode, out, err


def test_a_killed_rank_ends_all():
    for victim in (0, RANKS - 1):
        with Running(f"killed-{victim}.h5", "--ranks-per-cell", RANKS) as running:
            running.wait_for_rounds([0])
            os.kill(running.pids[victim], signal.SIGKILL)
            code, _, _ = running.ends()
            assert code != 0, "a killed rank went unnoticed"
            assert not Path(f"killed-{victim}.h5").exists(), "a run file of a run that did not end"


def test_a_failing_rank_names_itself_and_ends_all():
    # Every rank has a cell of its own, and its journal.
    for victim in range(RANKS):
        with Running(f"failed-{victim}.h5", "--ranks-per-cell", 1, starts_itself=victim == 1) as running:
            running.wait_for_rounds(range(RANKS))
            program.limit_files(running.pids[victim], running.length(victim))
            code, _, err = running.ends()
            lines = [line for line in err.splitlines() if line.startswith("shoal: ")]
            assert code == 1, f"exit code {code}\n{err}"
            assert len(lines) == 1, err
            assert lines[0].startswith(f"shoal: rank {victim} of {RANKS}: cannot write "), lines
            assert f"cell-{victim:06d}" in lines[0] and "File too large" in lines[0], lines


def test_a_full_disk_leaves_whole_records():
    for trial in range(3):
        with Running(f"full-{trial}.h5", "--ranks-per-cell", RANKS) as running:
            running.wait_for_rounds([0], size=random.randrange(20_000, 200_000))
            # Somewhere within a record that is yet to come, unless the rank outruns this test.
            limit = running.length(0) + random.randrange(10_000, 60_000)
            program.limit_files(running.pids[0], limit)
            limit = max(limit, running.length(0))
            code, _, err = running.ends()
            assert code == 1 and "rank 0 of 3" in err and "File too large" in err, (code, err)
            found, torn = program.journal_records((running.journals / "cell-000000").read_bytes())
            assert torn == 0, f"{torn} bytes of a torn record after {len(found)} whole ones"
            assert len(found) > 5 and found[0][0] == program.HEADER, len(found)
            assert {kind for kind, _ in found[1:]} == {program.ROUND}, "something else than rounds after the header"
            said = int(re.search(r"\((\d+) bytes of whole records stay\)", err)[1])
            assert said == running.length(0) <= limit, (said, running.length(0), limit)


program.main(globals())
