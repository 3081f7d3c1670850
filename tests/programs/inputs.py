"""A run is held to the files that it read: after one byte has changed, it neither resumes nor verifies."""

import hashlib
import json
import shutil
from pathlib import Path

import h5py
from program import SOURCE, main, run, shoal

# Every kind of file that settings can name; each changes the bits of the result.
EXPERIMENT = """
name = "inputs"
rounds = 100000
[data]
folder = "digits"
[population]
devices = {name = "table", file = "devices.csv"}
availability = {name = "trace", file = "trace.h5"}
[partition]
clients = 20
[model]
widths = [8]
[planner]
cohort = 5
"""
WEIGHTS = """
name = "weights"
rounds = 2
task = {name = "agents", users = 8}
policy = {name = "transformer", weights = "talk.safetensors"}
planner = {cohort = 2}
"""


def change(path, at=-3):
    content = bytearray(Path(path).read_bytes())
    content[at] ^= 1
    Path(path).write_bytes(content)


def prepare():
    if Path("inputs.toml").exists():
        return
    shutil.copytree(SOURCE / "datasets/optdigits", "digits")
    Path("devices.csv").write_text("gflops,share\n1,3\n2,5\n")
    trace = {str(i): {"active": [0], "inactive": [900 + i], "finish_time": 1000} for i in range(20)}
    Path("trace.json").write_text(json.dumps(trace))
    assert shoal("trace", "fedscale", "trace.json", "trace.h5").returncode == 0
    Path("inputs.toml").write_text(EXPERIMENT)
    done = shoal("run", "inputs.toml", "--out", "stopped.h5", "--time-limit", 4)
    assert done.returncode == 75 and Path("stopped.h5.journal/cell-000000").exists(), done.stderr
    run("inputs.toml", "--set", "rounds=2", "--out", "whole.h5")


def resume():
    return shoal("run", "inputs.toml", "--out", "stopped.h5", "--resume", "--time-limit", 1.3)


def refuses(name, replace):
    """`replace()` changes the file `name`; resume, verify and a second --resume of a finished run name it."""
    prepare()
    before = Path(name).read_bytes()
    try:
        replace()
        refused(name)
    finally:
        Path(name).write_bytes(before)


def refused(name):
    for done in (resume(), shoal("verify", "whole.h5"),
                 shoal("run", "inputs.toml", "--set", "rounds=2", "--out", "whole.h5", "--resume")):
        assert done.returncode == 2 and f"'{name}'" in done.stderr and "other data" in done.stderr, done.stderr
        assert "File '" + name in done.stderr.splitlines()[-1], done.stderr


def test_one_byte_of_the_training_data():
    def other_count():  # "0,1,6" becomes "0,0,6": still a digit
        content = Path("digits/optdigits.tra").read_bytes()
        assert content.startswith(b"0,1,6")
        Path("digits/optdigits.tra").write_bytes(b"0,0,6" + content[5:])

    refuses("digits/optdigits.tra", other_count)


def test_a_device_table():
    refuses("devices.csv", lambda: Path("devices.csv").write_text("gflops,share\n1,3\n2,4\n"))


def test_a_trace():
    def shorter():
        trace = json.loads(Path("trace.json").read_text())
        trace["7"]["inactive"] = [901]
        Path("other.json").write_text(json.dumps(trace))
        assert shoal("trace", "fedscale", "other.json", "other.h5").returncode == 0
        shutil.move("other.h5", "trace.h5")

    refuses("trace.h5", shorter)


def test_what_is_not_as_published_is_said():
    prepare()
    shutil.copytree("digits", "changed")
    change("changed/optdigits.tes", -2)
    found, expected = (hashlib.sha256(Path(folder, "optdigits.tes").read_bytes()).hexdigest() for folder in ("changed", "digits"))
    done = shoal("run", "inputs.toml", "--set", "rounds=1", "--set", "data.folder=changed", "--out", "changed.h5", "--ranks", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (f"shoal: warning: file 'changed/optdigits.tes' is not as published: its contents have the SHA-256 "
                           f"{found} (expected {expected})\n"), done.stderr  # fmt: skip


def test_unchanged_files_resume():
    prepare()
    shutil.copy("devices.csv", "copy.csv")  # other files do not matter, nor times of files
    shutil.move("copy.csv", "devices.csv")
    done = resume()
    assert done.returncode == 75, done.stderr
    assert shoal("verify", "whole.h5", mpirun=2).returncode == 0


def test_the_run_file_lists_them():
    prepare()
    with h5py.File("whole.h5") as file:
        facts = file["cells/0/provenance"].attrs
        lines = facts["input files"].splitlines()
        assert [line.split("  ", 1)[1] for line in lines] == ["digits/optdigits.tra", "digits/optdigits.tes", "devices.csv",
                                                              "trace.h5"], lines
        assert len(facts["inputs"]) == 32


def test_weights():
    Path("weights.toml").write_text(WEIGHTS)
    shutil.copy(SOURCE / "datasets/language/talk.safetensors", "talk.safetensors")
    run("weights.toml", "--out", "weights.h5")
    change("talk.safetensors")
    done = shoal("verify", "weights.h5")
    assert done.returncode == 2 and "'talk.safetensors' has the hash" in done.stderr, done.stderr


main(globals())
