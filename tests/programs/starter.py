"""The process that a user starts passes signals and output on, watches its ranks, and says how a run ended.

What one function decides is tested without processes: tests/experiments/program/{launch,rank_watch,relay,agreement}.cpp.
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import h5py
import program

# Rounds of a millisecond, for as long as a test wants; evaluated so rarely that nothing is printed.
ENDLESS = """
name = "endless"
rounds = {rounds}
task = {{name = "quadratic", clients = 30}}
planner = {{cohort = 5}}
evaluate = {{every = 100_000_000}}
grid = {{seed = [1, 2, 3]}}
"""
ONE_CELL = ["--set", "grid.seed=[1]"]
SOON = 20  # seconds in which everything has to end, on a busy machine too


def experiment(rounds=100_000_000):
    Path("endless.toml").write_text(ENDLESS.format(rounds=rounds))
    return "endless.toml"


class Running:
    """A run that has written rounds, of its own or mpirun's ranks."""

    def __init__(self, out, *arguments, prefix=(), cells=1, terminal=None, **variables):
        self.out, self.journal = out, Path(f"{out}.journal")
        self.earlier = {path: path.stat().st_size for path in self.journal.glob("cell-??????")}
        self.command = [*prefix, program.SHOAL, "run", experiment(), "--out", out, *map(str, arguments)]
        if terminal is None:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        else:  # that of the session, so that Ctrl-C becomes a signal
            take = lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            streams = {"stdin": terminal, "stdout": terminal, "preexec_fn": take}
        self.process = subprocess.Popen(self.command, env=program.environment(**variables), text=True,
                                        stderr=subprocess.PIPE, start_new_session=True, **streams)
        end = time.monotonic() + program.LIMIT
        while not self.has_rounds(cells):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "no rounds"
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        program.kill_all(self.process)

    def has_rounds(self, cells):
        grown = {path: path.stat().st_size - self.earlier.get(path, 0) for path in self.journal.glob("cell-??????")}
        return sum(bytes > 20_000 for bytes in grown.values()) >= cells

    def ranks(self):
        return program.ranks_by_number(self.process)

    def send(self, number):
        os.kill(self.process.pid, number)

    def ends(self):
        """Exit code and stderr, once all processes have ended, which must be soon."""
        out, err = self.process.communicate(timeout=SOON)
        end = time.monotonic() + SOON
        while (left := program.processes_of(self.process.pid)):
            assert time.monotonic() < end, f"processes outlive the program: {left}"
            time.sleep(0.02)
        self.printed = out
        return self.process.returncode, err

    def saves(self):
        code, err = self.ends()
        assert code == 75, (code, err)
        assert list(self.journal.glob("*.state")), "nothing was saved"
        assert "stopped and saved" in (self.printed or "stopped and saved"), self.printed
        return err


def test_signals_to_a_process_without_ranks():
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        with Running(f"alone-{number}.h5") as running:
            running.send(number)
            assert running.saves() == ""


def test_signals_to_the_starter():
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGINT: on a terminal, below
        with Running(f"ranks-{number}.h5", *ONE_CELL, "--ranks", 2) as running:
            running.send(number)
            assert running.saves() == ""
    # What was saved can be continued.
    with Running(f"ranks-{number}.h5", *ONE_CELL, "--ranks", 3, "--resume") as running:
        running.send(number)
        running.saves()


def test_ctrl_c_on_a_terminal():
    for ranks in ([], ["--ranks", 2]):
        ours, theirs = pty.openpty()
        out = f"terminal-{len(ranks)}.h5"
        with Running(out, *ONE_CELL, *ranks, terminal=theirs) as running:
            os.write(ours, b"\x03")
            assert running.saves() == ""
        os.close(ours)
        os.close(theirs)


def test_nohup_is_respected():
    with Running("nohup.h5", prefix=["nohup"]) as running:
        running.send(signal.SIGHUP)
        time.sleep(0.5)
        assert running.process.poll() is None, "nohup had no effect"
        running.send(signal.SIGTERM)
        running.saves()


def test_a_second_signal_ends_at_once():
    # One rank stands still, so that the round does not end.
    with Running("twice.h5", *ONE_CELL, "--ranks", 2) as running:
        os.kill(running.ranks()[1], signal.SIGSTOP)
        time.sleep(0.2)
        running.send(signal.SIGTERM)
        time.sleep(1)
        assert running.process.poll() is None
        running.send(signal.SIGTERM)
        code, err = running.ends()
        assert code == -signal.SIGTERM and err == "", (code, err)


def test_a_dead_rank_is_named():
    with Running("dead.h5", *ONE_CELL, "--ranks", 3) as running:
        pid = running.ranks()[1]
        os.kill(pid, signal.SIGKILL)
        code, err = running.ends()
        assert code == 1 and err.count("\n") == 1, (code, err)
        assert err.startswith(f"shoal: rank 1 of 3 (process {pid}) was ended by signal 9 (Killed)"), err
        assert "--out dead.h5 " in err and err.endswith(" --ranks 3 --resume\n"), err


def test_a_silent_rank_is_named():
    with Running("silent.h5", *ONE_CELL, "--ranks", 2, SHOAL_SILENCE="1.5") as running:
        pid = running.ranks()[1]
        os.kill(pid, signal.SIGSTOP)
        line = running.process.stderr.readline()
        assert line.startswith(f"shoal: rank 1 of 2 (process {pid}) has not answered for 1.5 s"), line
        os.kill(pid, signal.SIGCONT)
        assert "answers again" in running.process.stderr.readline()
        running.send(signal.SIGTERM)
        assert running.saves() == ""


def test_ranks_save_when_their_starter_is_killed():
    with Running("orphans.h5", *ONE_CELL, "--ranks", 2) as running:
        running.send(signal.SIGKILL)
        code, _ = running.ends()
        assert code == -signal.SIGKILL and list(running.journal.glob("*.state")), "nothing was saved"


def test_a_stop_reaches_all_groups():
    mpirun = [*program.MPIRUN, "3"]
    for told in (0, 2):
        with Running(f"groups-{told}.h5", "--ranks-per-cell", 1, prefix=mpirun, cells=3) as running:
            os.kill(running.ranks()[told], signal.SIGUSR1 if told == 0 else signal.SIGTERM)
            running.saves()
            assert len(list(running.journal.glob("*.state"))) == 3, "not all cells were saved"


def test_a_reader_who_leaves_does_not_end_the_run():
    for ranks in ([], ["--ranks", "2"]):
        out = f"reader-{len(ranks)}.h5"
        command = [program.SHOAL, "run", experiment(300), "--set", "evaluate.every=1", "--out", out, *ranks]
        process = subprocess.Popen(command, env=program.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)  # fmt: skip
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(SOON) == 0 and err == "", (process.returncode, err)
        with h5py.File(out) as file:
            assert [cell.attrs["status"] for cell in file["cells"].values()] == ["finished"] * 3


def test_output_to_a_full_disk_is_an_error():
    file = experiment(3)
    for arguments in (["list"], ["run", file, "--out", "full-1.h5"], ["run", file, "--out", "full-2.h5", "--ranks", "2"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program.SHOAL, *arguments], env=program.environment(), stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=program.LIMIT)  # fmt: skip
        assert done.returncode == 1 and "writ" in done.stderr and done.stderr.count("\n") == 1, (arguments, done)
    for ranks in (1, 2):
        with h5py.File(f"full-{ranks}.h5") as written:
            assert written.attrs["hash"], "the run itself was not finished"
    # A stderr that cannot be written is no reason to crash.
    with open("/dev/full", "w") as full:
        done = subprocess.run([program.SHOAL, "run", "none.toml"], stderr=full, timeout=program.LIMIT)
    assert done.returncode == 2, done


def refuses(words, *arguments, mpirun=0, **variables):
    done = program.shoal("run", experiment(3), "--out", "refused.h5", *arguments, mpirun=mpirun, variables=variables)
    lines = [line for line in done.stderr.splitlines() if line.startswith("shoal: ")]
    assert done.returncode == 2 and len(lines) == 1, done
    assert words in lines[0], lines
    assert not Path("refused.h5").exists()


def test_the_environment_does_not_overrule_an_option():
    refuses("env -u PMIX_RANK shoal run FILE --ranks 2", "--ranks", 2, PMIX_RANK="0")
    refuses("--ranks 3: the launcher started 2 ranks", "--ranks", 3, mpirun=2)
    refuses("4 tasks without PMI", SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="0")
    refuses("this machine has", "--ranks", 100_000)
    # The number of an allocation decides nothing.
    program.run(experiment(3), "--out", "allocation.h5", "--ranks", 2, variables={"SLURM_NTASKS": "8"})
    with h5py.File("allocation.h5") as file:
        assert file["cells/0/provenance"].attrs["ranks"] == "2"


def idx(path, shape, values):
    kind = len(shape)
    path.write_bytes(struct.pack(f">HBB{kind}I", 0, 8, kind, *shape) + bytes(values))


def digits(folder, shift):
    """Images of 2 x 2 pixels under the names of MNIST; the labels are shifted."""
    folder.mkdir(parents=True)
    for half, count in (("train", 40), ("t10k", 10)):
        idx(folder / f"{half}-images-idx3-ubyte", [count, 2, 2], [i % 251 for i in range(4 * count)])
        idx(folder / f"{half}-labels-idx1-ubyte", [count], [(i + shift) % 10 for i in range(count)])


DIGITS = """
name = "digits"
rounds = 2
data = "mnist"
partition = {name = "iid", clients = 4}
model = "logistic_regression"
planner = {cohort = 2}
"""


def test_ranks_that_do_not_run_the_same():
    Path("digits.toml").write_text(DIGITS)
    for name, shift in (("right", 0), ("wrong", 1)):
        digits(Path(name) / "mnist", shift)
    usual = ["SHOAL_DATA=right"]
    differences = {"data is": ["SHOAL_DATA=wrong"], "environment is MKL_CBWR=COMPATIBLE": [*usual, "MKL_CBWR=COMPATIBLE"],
                   "settings is": usual}  # fmt: skip
    for words, other in differences.items():
        command = [program.SHOAL, "run", "digits.toml", "--out", "digits.h5"]
        changed = ["--set", "local.rate=0.2"] if words == "settings is" else []
        full = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "1", "env", *usual, *command,
                ":", "-n", "1", "env", *other, *command, *changed]  # fmt: skip
        done = subprocess.run(full, env=program.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=program.LIMIT)  # fmt: skip
        lines = [line for line in done.stderr.splitlines() if line.startswith("shoal: ")]
        assert done.returncode == 2 and len(lines) == 1, (done.returncode, done.stderr)
        assert lines[0].startswith(f"shoal: rank 1 on {os.uname().nodename} and rank 0 on ") and words in lines[0], lines
    assert not Path("digits.h5").exists()


program.main(globals())
