"""A run that was stopped or damaged resumes to the same result, on any number of ranks; kills.py kills it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py

from program import MPIRUN, SHOAL, SOURCE, environment, kill_all, main, ranks_of, result_hash, run, shoal

EXPERIMENT = SOURCE / "experiments/quickstart.toml"
# A synchronous strategy, one with client memory, one with server state, and clients in flight over several versions; every
# round is evaluated, so that a run takes long enough to be caught.
SMALL = ["--set", "rounds=80", "--set", "grid.seed=[1]", "--set", "evaluate.every=1", "--set",
         'grid.variants=[{strategy="fed_avg"}, {strategy="scaffold"}, {strategy="fed_adam"}, '
         '{label="asynchronous", strategy="scaffold", planner={name="fed_buff", concurrency=20, buffer=5, dropout=0.1}, '
         'population.speed_sigma=1.0}]']
QUICK = ["--checkpoint-every", "0.2"]


def reference():
    if not hasattr(reference, "hash"):
        reference.hash = result_hash(run(EXPERIMENT, *SMALL, "--out", "reference.h5"))
    return reference.hash


def start(ranks, out, *more):
    command = (MPIRUN + [str(ranks)] if ranks > 1 else []) + [SHOAL, "run", str(EXPERIMENT), *SMALL, "--out", out, *more]
    return subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_rounds(out, process, size=50_000):
    """Until some journal has grown to `size` bytes: about ten rounds."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(path.stat().st_size > size for path in Path(out + ".journal").glob("cell-??????")):
            return
        time.sleep(0.01)
    raise AssertionError(f"no rounds: {process.poll()}")


def wait_for_checkpoint(out, process):
    """Until there is a checkpoint beside the journal, or the run is over."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(Path(out + ".journal").glob("*.state")):
            return
        time.sleep(0.01)


# A study whose steps take long enough to be caught; its file names no strategy, no rounds and no cohort.
STUDY = """
name = "study"
task = {name = "rules", replicates = 20_000}
objective = "hybrid"
"""


def kills_and_resumes(name, toml):
    """Runs the experiment whole, and again with a kill and a resume on other ranks: both have one hash."""
    Path(f"{name}.toml").write_text(toml)
    whole = result_hash(run(f"{name}.toml", "--out", f"whole-{name}.h5", "--ranks", 2))
    process = subprocess.Popen([SHOAL, "run", f"{name}.toml", "--out", f"{name}.h5", *QUICK], env=environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for_checkpoint(f"{name}.h5", process)
    process.kill()
    process.communicate()
    assert Path(f"{name}.h5.journal").exists(), "the run was over before it was killed"
    done = shoal("run", f"{name}.toml", "--out", f"{name}.h5", "--resume", mpirun=3)
    assert done.returncode == 0 and result_hash(done.stdout) == whole, done.stderr


def test_a_study_resumes_on_other_ranks():
    kills_and_resumes("study", STUDY)
    with h5py.File("study.h5") as file:
        cell = file["cells/0"]
        assert len(cell["tables/replicates"]) == 20_000
        assert cell["measures"][-1]["name"] == b"sessions"
        assert abs(cell["measures"][-1]["value"] - cell["tables/replicates"][()]["sessions"].mean()) < 1e-3


# Nodes without a server; what they learn is in the memory of the clients.
GOSSIP = """
name = "gossip"
rounds = 300
task = {name = "quadratic", clients = 40, dimension = 2_000}
local = {steps = 5}
topology = "ring"
"""


def test_gossip_resumes_on_other_ranks():
    kills_and_resumes("gossip", GOSSIP)
    plan = shoal("plan", "gossip.toml")
    assert plan.returncode == 0 and "spectral gap" in plan.stdout, plan.stderr
    page = shoal("report", "gossip.h5", "--out", "gossip.html")
    assert page.returncode == 0 and Path("gossip.html").stat().st_size > 0, page.stderr


def resume(out, ranks, *more):
    return shoal("run", EXPERIMENT, *SMALL, *QUICK, "--out", out, "--resume", *more, mpirun=ranks if ranks > 1 else 0)


def resumes(out, ranks):
    done = resume(out, ranks)
    assert done.returncode == 0, done.stderr
    assert result_hash(done.stdout) == reference()
    assert not Path(out + ".journal").exists()


def leave_checkpoint(out, stop):
    """Starts a run and ends it by `stop` while there is a checkpoint beside its journal: between two cells there is none."""
    for _ in range(20):
        process = start(1, out, *QUICK, "--anew")
        wait_for_checkpoint(out, process)
        stop(process)
        process.communicate(timeout=60)
        if states := list(Path(out + ".journal").glob("*.state")):
            return states
    raise AssertionError("twenty runs left no checkpoint")


def stopped_by(signal_number, out, ranks, target, *more, saves=True):
    """Starts a run that saves on no period, and stops it by a signal to `target`, a function of the process."""
    process = start(ranks, out, *more, "--checkpoint-every", "1000")
    wait_for_rounds(out, process)
    assert not list(Path(out + ".journal").glob("*.state"))
    for pid in target(process):
        os.kill(pid, signal_number)
    _, err = process.communicate(timeout=60)
    assert not saves or list(Path(out + ".journal").glob("*.state")), f"nothing was saved: {err}"
    return process.returncode, err


def stop_by(signal_number):
    out = f"stopped-{signal_number}.h5"
    code, err = stopped_by(signal_number, out, 1, ranks_of)
    assert code == 75, (code, err)
    assert Path(out).exists(), "a stopped run leaves a run file as far as it got"
    again = shoal("run", EXPERIMENT, *SMALL, "--out", out)
    assert again.returncode == 2 and "--resume" in again.stderr, again.stderr
    other = shoal("run", EXPERIMENT, *SMALL, "--set", "local.rate=0.2", "--out", out, "--resume")
    assert other.returncode == 2 and "other settings" in other.stderr, other.stderr
    other = shoal("run", EXPERIMENT, *SMALL, "--out", out, "--resume", variables={"MKL_CBWR": "COMPATIBLE"})
    assert other.returncode == 2 and "MKL_CBWR=COMPATIBLE" in other.stderr, other.stderr
    resumes(out, 2)


def stop_ranks_by(signal_number):
    # Every rank has a cell of its own, and gets the signal as a scheduler sends it.
    out = f"stopped-ranks-{signal_number}.h5"
    code, err = stopped_by(signal_number, out, 2, ranks_of, "--ranks-per-cell", "1")
    assert code == 75, (code, err)
    assert Path(out).exists()
    resumes(out, 1)
    # Two ranks share a cell, and only one of them gets the signal.
    out = f"stopped-one-{signal_number}.h5"
    code, err = stopped_by(signal_number, out, 2, lambda process: ranks_of(process)[1:], "--ranks-per-cell", "2")
    assert code == 75, (code, err)
    resumes(out, 3)


def test_sigusr1_saves_and_stops():
    stop_by(signal.SIGUSR1)


def test_sigterm_saves_and_stops():
    stop_by(signal.SIGTERM)


def test_sigusr1_under_mpirun():
    stop_ranks_by(signal.SIGUSR1)


def test_sigterm_under_mpirun():
    stop_ranks_by(signal.SIGTERM)


def test_signals_to_mpirun_itself():
    # mpirun passes SIGUSR1 on. After SIGTERM it ends its ranks with a code of its own, and so soon that they may not save: then
    # only the journals are left.
    code, err = stopped_by(signal.SIGUSR1, "mpirun-usr1.h5", 2, lambda process: [process.pid])
    assert code == 75, (code, err)
    resumes("mpirun-usr1.h5", 3)
    code, err = stopped_by(signal.SIGTERM, "mpirun-term.h5", 2, lambda process: [process.pid], saves=False)
    assert code != 0, err
    resumes("mpirun-term.h5", 1)


def test_time_limit():
    for ranks, later in ((1, 2), (2, 1)):
        out = f"limited-{ranks}.h5"
        # The program stops a second early, to have time to save.
        done = shoal("run", EXPERIMENT, *SMALL, "--out", out, "--time-limit", 1.4, mpirun=ranks if ranks > 1 else 0)
        assert done.returncode == 75, (done.returncode, done.stderr)
        assert f"--out {out} --resume" in done.stdout
        resumes(out, later)


def test_damaged_checkpoint_is_noticed():
    out = "damaged.h5"
    states = leave_checkpoint(out, lambda process: process.send_signal(signal.SIGTERM))
    newest = max(states, key=lambda p: p.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    done = resume(out, 1)
    assert done.returncode == 0 and "does not match its hash" in done.stderr, done.stderr
    assert result_hash(done.stdout) == reference()


def test_damaged_checkpoints_and_torn_journal():
    out = "torn.h5"
    for state in leave_checkpoint(out, kill_all):
        state.write_bytes(state.read_bytes()[:-7])
    for journal in Path(out + ".journal").glob("cell-??????"):
        with open(journal, "ab") as file:
            file.write(b"half a record")
    done = resume(out, 2)
    assert "does not match its hash" in done.stderr, done.stderr
    assert result_hash(done.stdout) == reference()


def test_one_writer_at_a_time():
    out = "locked.h5"
    process = start(1, out, *QUICK)
    wait_for_checkpoint(out, process)
    second = shoal("run", EXPERIMENT, *SMALL, "--out", out, "--resume")
    assert second.returncode == 2 and "another process is writing" in second.stderr, second.stderr
    kill_all(process)


def test_anew_discards():
    out = "anew.h5"
    process = start(1, out, *QUICK)
    wait_for_checkpoint(out, process)
    kill_all(process)
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
