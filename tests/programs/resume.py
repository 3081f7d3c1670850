"""A run that is killed, stopped or damaged goes on to the same result, on any number of ranks."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py

from program import MPIRUN, SHOAL, SOURCE, environment, main, result_hash, run, shoal

EXPERIMENT = SOURCE / "experiments/quickstart.toml"
# A synchronous strategy, one with client memory, one with server state, and clients in flight over several versions; every
# round is evaluated, so that a run takes long enough to be caught.
SMALL = ["--set", "rounds=250", "--set", "grid.seed=[1]", "--set", "evaluate.every=1", "--set",
         'grid.variants=[{strategy="fed_avg"}, {strategy="scaffold"}, {strategy="fed_adam"}, '
         '{label="asynchronous", strategy="scaffold", planner={name="fed_buff", concurrency=20, buffer=5, dropout=0.1}, '
         'population.speed_sigma=1.0}]']
QUICK = ["--checkpoint-every", "0.2"]
random.seed(20)  # the moments of the kills


def reference():
    if not hasattr(reference, "hash"):
        reference.hash = result_hash(run(EXPERIMENT, *SMALL, "--out", "reference.h5"))
    return reference.hash


def start(ranks, out, *more):
    command = (MPIRUN + [str(ranks)] if ranks > 1 else []) + [SHOAL, "run", str(EXPERIMENT), *SMALL, *QUICK, "--out", out, *more]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


def wait_for_checkpoint(out, process):
    """Until a checkpoint stands beside the journal, or the run is over."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(Path(out + ".journal").glob("*.state")):
            return
        time.sleep(0.01)


def kill_group(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def resume(out, ranks):
    """Goes on with `out`; ranks of a killed mpirun may need a moment to die, until then the run is locked."""
    for _ in range(100):
        done = shoal("run", EXPERIMENT, *SMALL, *QUICK, "--out", out, "--resume", mpirun=ranks)
        if "another process is writing" not in done.stderr:
            return done
        time.sleep(0.2)
    raise AssertionError(done.stderr)


def test_killed_at_random_moments():
    for ranks, later in [(1, 3), (2, 1)]:
        out = f"killed-{ranks}.h5"
        process = start(ranks, out)
        for again in range(2):
            wait_for_checkpoint(out, process)
            time.sleep(random.uniform(0, 0.7))
            kill_group(process)
            if not Path(out + ".journal").exists():
                break  # it was done before it was killed
            if again == 0:
                process = start(later, out, "--resume")
        done = resume(out, later)
        assert done.returncode == 0, done.stderr
        assert result_hash(done.stdout) == reference()
        assert not Path(out + ".journal").exists()


def stop_by(signal_number):
    out = f"stopped-{signal_number}.h5"
    process = start(1, out)
    wait_for_checkpoint(out, process)
    process.send_signal(signal_number)
    process.wait(60)
    assert process.returncode == 75, (process.returncode, process.stderr.read())
    assert Path(out).exists(), "a stopped run leaves a run file as far as it got"
    again = shoal("run", EXPERIMENT, *SMALL, "--out", out)
    assert again.returncode == 2 and "--resume" in again.stderr, again.stderr
    other = shoal("run", EXPERIMENT, *SMALL, "--set", "local.rate=0.2", "--out", out, "--resume")
    assert other.returncode == 2 and "other settings" in other.stderr, other.stderr
    done = resume(out, 2)
    assert result_hash(done.stdout) == reference()


def test_sigusr1_saves_and_stops():
    stop_by(signal.SIGUSR1)


def test_sigterm_saves_and_stops():
    stop_by(signal.SIGTERM)


def test_time_limit():
    done = shoal("run", EXPERIMENT, *SMALL, "--set", "rounds=100000", "--out", "limited.h5", "--time-limit", 4, mpirun=2)
    assert done.returncode == 75, (done.returncode, done.stderr)
    assert "--resume" in done.stdout


def test_damaged_checkpoint_is_noticed():
    out = "damaged.h5"
    process = start(1, out)
    wait_for_checkpoint(out, process)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    newest = max(Path(out + ".journal").glob("*.state"), key=lambda p: p.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    done = resume(out, 1)
    assert done.returncode == 0 and "does not match its hash" in done.stderr, done.stderr
    assert result_hash(done.stdout) == reference()


def test_damaged_checkpoints_and_torn_journal():
    out = "torn.h5"
    process = start(1, out)
    wait_for_checkpoint(out, process)
    kill_group(process)
    for state in Path(out + ".journal").glob("*.state"):
        state.write_bytes(state.read_bytes()[:-7])
    for journal in Path(out + ".journal").glob("cell-??????"):
        with open(journal, "ab") as file:
            file.write(b"half a record")
    done = resume(out, 2)
    assert "does not match its hash" in done.stderr, done.stderr
    assert result_hash(done.stdout) == reference()


def test_one_writer_at_a_time():
    out = "locked.h5"
    process = start(1, out)
    wait_for_checkpoint(out, process)
    second = shoal("run", EXPERIMENT, *SMALL, "--out", out, "--resume")
    assert second.returncode == 2 and "another process is writing" in second.stderr, second.stderr
    kill_group(process)


def test_anew_discards():
    out = "anew.h5"
    process = start(1, out)
    wait_for_checkpoint(out, process)
    kill_group(process)
    assert result_hash(run(EXPERIMENT, *SMALL, "--out", out, "--anew")) == reference()


def test_verify():
    reference()
    done = shoal("verify", "reference.h5", mpirun=2)
    assert done.returncode == 0 and "verified" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("same  ") == 4


def test_verify_notices_another_result():
    reference()
    shutil.copy("reference.h5", "altered.h5")
    with h5py.File("altered.h5", "r+") as file:
        file["cells/1"].attrs["hash"] = "0" * 32
    done = shoal("verify", "altered.h5")
    assert done.returncode == 1 and done.stdout.count("DIFFERENT") == 1 and "not verified" in done.stdout, done.stdout


if __name__ == "__main__":
    main(globals())
