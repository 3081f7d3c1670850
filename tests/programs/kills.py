"""Whole runs killed at random moments, on one rank and on several, lose no round and continue to the same result.

Every story starts a run of three cells (a synchronous strategy, one with client memory, an asynchronous one), kills all its
processes again and again, each time resuming on another number of ranks, and ends with the result of an undisturbed run.
SHOAL_KILLS sets how many kills (32 by default, about a minute), SHOAL_SEED the random moments. By hand:

    SHOAL_KILLS=200 SHOAL=build/release/experiments/shoal SHOAL_SOURCE=. .venv/bin/python tests/programs/kills.py
"""

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import h5py
import pandas as pd
import program

KILLS = int(os.environ.get("SHOAL_KILLS", "32"))
SEED = os.environ.get("SHOAL_SEED", "1")
KILLS_PER_STORY = 5
LABELS = ["synchronous", "stateful", "asynchronous"]
# Every round is evaluated, and so printed: every round that stdout has shown must be in the journal.
ROUNDS = 100
EXPERIMENT = f"""
name = "kills"
rounds = {ROUNDS}
[partition]
clients = 60
[model]
widths = [16]
[planner]
dropout = 0.1
[local]
epochs = 2
[evaluate]
every = 1
[grid]
variants = [
  {{strategy = "fed_avg", planner.cohort = 20, label = "synchronous"}},
  {{strategy = "scaffold", planner.cohort = 20, label = "stateful"}},
  {{strategy = "scaffold", planner = {{name = "fed_buff", buffer = 5}}, population.speed_sigma = 1.0, label = "asynchronous"}},
]
"""
# Ranks and ranks per cell; one rank is a process without MPI.
WAYS = [(1, 1), (2, 2), (2, 1), (3, 3), (3, 1)]


def arguments(out, way):
    return ["run", "kills.toml", "--out", out, "--checkpoint-every", "0.1", "--ranks-per-cell", str(way[1])]


class Undisturbed:
    """The results of a run without kills: hash, bytes of both tables by cell, and its duration."""

    def __init__(self):
        Path("kills.toml").write_text(EXPERIMENT)
        begin = time.monotonic()
        self.hash = program.result_hash(program.run("kills.toml", "--out", "whole.h5"))
        self.seconds = time.monotonic() - begin
        with h5py.File("whole.h5") as file:
            cells = [file[f"cells/{index}"] for index in range(len(LABELS))]
            assert [cell.attrs["label"] for cell in cells] == LABELS
            self.rounds = [cell["rounds"][()].tobytes() for cell in cells]
            self.clients = [cell["clients"][()].tobytes() for cell in cells]
            self.row, self.participation = (cells[0][name].dtype.itemsize for name in ("rounds", "clients"))


class Left:
    """The journal that a kill left of one cell: rounds, and whether it has a result. Checked against the undisturbed run."""

    def __init__(self, whole, index, out):
        self.journal = Path(f"{out}.journal/cell-{index:06d}")
        self.bytes = self.journal.read_bytes() if self.journal.exists() else b""
        records, _ = program.journal_records(self.bytes)
        rows = [payload for kind, payload in records if kind == program.ROUND]
        rounds = b"".join(payload[: whole.row] for payload in rows)
        clients = b"".join(self.participations(payload[whole.row :], whole.participation) for payload in rows)
        assert whole.rounds[index].startswith(rounds), f"cell {index}: other rows in the journal"
        assert whole.clients[index].startswith(clients), f"cell {index}: other participations in the journal"
        self.rounds = len(rows)
        self.finished = any(kind == program.RESULT for kind, _ in records)

    @staticmethod
    def participations(payload, size):
        """The rows, which follow their number; figures, measures and tables follow, of which these cells have none."""
        count = int.from_bytes(payload[:8], "little")
        assert payload[8 + count * size :] == bytes(24), "figures, measures or tables"
        return payload[8 : 8 + count * size]


def check_run_file(whole, out):
    """Rounds by cell of the HDF5 file, read as the example for pandas does it; each a beginning of the undisturbed run."""
    found = Counter()
    with h5py.File(out) as run:
        for cell in run["cells"].values():
            index = LABELS.index(cell.attrs["label"])
            frame = pd.DataFrame(cell["rounds"][()])
            assert list(frame["round"]) == list(range(1, len(frame) + 1))
            assert whole.rounds[index].startswith(cell["rounds"][()].tobytes()), f"cell {index}: other rows in {out}"
            assert whole.clients[index].startswith(cell["clients"][()].tobytes())
            assert (cell.attrs["status"] == "finished") == (len(frame) * whole.row == len(whole.rounds[index]))
            found[index] = len(frame)
    return found


def check_export(out, expected):
    """The tables that the program itself reads from run file and journals."""
    done = program.shoal("export", out, "--out", f"{out}.export")
    assert done.returncode == 0, done.stderr
    tables = list(Path(f"{out}.export").glob("*/rounds.csv"))
    sizes = sorted(len(table.read_text().splitlines()) - 1 for table in tables)
    assert sizes == sorted(expected), (sizes, expected)
    shutil.rmtree(f"{out}.export")


def printed_rounds(text):
    """The last round of each cell that stdout has shown; half a line does not count."""
    found = Counter()
    for label, number in re.findall(r"^\[./3\] (\w+) seed 1: round (\d+)/.*\n", text, re.MULTILINE):
        found[LABELS.index(label)] = int(number)
    return found


class Story:
    """One run, killed until it has had its share of kills, then brought to its end."""

    def __init__(self, whole, number):
        self.whole, self.out, self.counts = whole, f"story-{number}.h5", Counter()
        self.random = random.Random(f"{SEED} {number}")
        self.log = Path(f"story-{number}.out")
        self.ways = []

    def left(self):
        return [Left(self.whole, index, self.out) for index in range(len(LABELS))]

    def next_way(self):
        other = [way for way in WAYS if not self.ways or way[0] != self.ways[-1][0]]
        self.ways.append(self.random.choice(other))
        return self.ways[-1]

    def start(self, way):
        command = (program.MPIRUN + [str(way[0])] if way[0] > 1 else []) + [program.SHOAL, *arguments(self.out, way)]
        resume = ["--resume"] if len(self.ways) > 1 else []
        with open(self.log, "w") as log:
            return subprocess.Popen(command + resume, env=program.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.PIPE, text=True, start_new_session=True)

    def kill(self):
        """Starts or resumes the run, and kills it at a random moment. False if the run was over before."""
        before = self.left()
        process = self.start(self.next_way())
        if self.random.random() < 0.8:  # otherwise it may be killed while it starts
            self.wait_for_news(process, before)
        moment = self.random.uniform(0, 0.4 * self.whole.seconds)
        time.sleep(moment)
        seen, alive = self.left(), process.poll() is None
        program.kill_all(process)
        if not alive:
            assert process.returncode == 0, process.stderr.read()
            return False
        self.counts["kills"] += 1
        self.check(before, seen, moment)
        return True

    def wait_for_news(self, process, before):
        end = time.monotonic() + program.LIMIT
        while process.poll() is None and time.monotonic() < end:
            for cell in before:
                if cell.journal.exists() and cell.journal.stat().st_size > len(cell.bytes) + 2000:
                    return
            time.sleep(0.005)

    def check(self, before, seen, moment):
        after, printed = self.left(), printed_rounds(self.log.read_text())
        in_file = check_run_file(self.whole, self.out) if Path(self.out).exists() else Counter()
        # Once the whole run file is in place the journals go, one by one.
        running = not all(in_file[index] == ROUNDS for index in range(len(LABELS)))
        news = False
        for index in range(len(LABELS)):
            kept = max(after[index].rounds, in_file[index])
            assert printed[index] <= kept, f"cell {index}: round {printed[index]} was printed, {kept} are kept"
            # A resumed run cuts the rounds after its checkpoint, and runs them again.
            grown = seen[index].rounds > before[index].rounds
            assert not grown or kept >= seen[index].rounds, f"cell {index}: of {seen[index].rounds} rounds {kept} are kept"
            assert after[index].finished or not seen[index].finished or not running
            assert not (before[index].finished and printed[index]), f"cell {index} was finished, and ran again"
            news = news or grown or printed[index] > 0
        if running and any(cell.bytes for cell in after):
            begun = {i for i, cell in enumerate(after) if program.journal_records(cell.bytes)[0]}
            if begun:
                check_export(self.out, [max(after[i].rounds, in_file[i]) for i in sorted(begun | set(in_file))])
        self.counts["while running"] += running
        self.counts["with new rounds"] += running and news
        self.counts["with finished cells"] += running and any(cell.finished for cell in after)
        self.counts["with a run file"] += Path(self.out).exists()
        print(f"        {self.out} on {self.ways[-1][0]} ranks, after {moment:.3f} s: "
              f"rounds {[cell.rounds for cell in after]}{'' if running else ', was over'}", flush=True)

    def end(self):
        """Resumes the run to its end: the same result, without repeating finished cells."""
        finished = [cell.finished for cell in self.left()]
        was_over = not Path(f"{self.out}.journal").exists()
        way = self.next_way()
        done = program.shoal(*arguments(self.out, way), "--resume", mpirun=way[0] if way[0] > 1 else 0)
        assert done.returncode == 0, done.stderr
        assert program.result_hash(done.stdout) == self.whole.hash, f"another result after {self.ways}"
        for index, label in enumerate(LABELS):
            ran = f"] {label} seed 1: finished after {ROUNDS} rounds" in done.stdout
            assert ran != (finished[index] or was_over), f"{label}: finished before {finished}, ran {ran}"
        self.counts["skipped cells"] += sum(finished)
        assert not Path(f"{self.out}.journal").exists() and not list(Path(".").glob(f"{self.out}.partial*"))
        found = check_run_file(self.whole, self.out)
        assert all(found[index] == ROUNDS for index in range(len(LABELS))), found
        Path(self.out).unlink()

    def tell(self):
        for _ in range(KILLS_PER_STORY):
            if not self.kill():
                break
        self.end()
        return self.counts


def test_killed_at_random_moments():
    print(f"        seed {SEED}, {KILLS} kills of a run that is not over")
    whole, total, number = Undisturbed(), Counter(), 0
    while total["while running"] < KILLS:
        assert number < 3 * KILLS, f"too many kills came too late: {dict(total)}"
        for counts in program.two_at_once(lambda n: Story(whole, n).tell(), [number, number + 1]):
            total += counts
        number += 2
    print(f"        {number} runs: {dict(total)}", flush=True)
    # Otherwise the kills would prove little.
    assert total["with new rounds"] >= 0.6 * KILLS, "too many kills hit runs that had done nothing yet"
    assert total["with finished cells"] >= 0.1 * KILLS and total["skipped cells"] > 0, "no cells to skip"
    assert total["with a run file"] >= 0.3 * KILLS, "hardly a run file to read"


program.main(globals())
