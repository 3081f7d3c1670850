"""A run whose standard streams are closed writes the same file: no file of its own takes their place."""

import os
import subprocess
from pathlib import Path

import h5py
import program

EXPERIMENT = """
name = "closed"
rounds = 3
task = {name = "quadratic", clients = 20}
planner = {cohort = 5}
"""


def hash_of(path):
    with h5py.File(path) as file:
        return file.attrs["hash"]


def test_any_stream_may_be_closed():
    Path("closed.toml").write_text(EXPERIMENT)
    program.run("closed.toml", "--out", "open.h5")
    for closed in ([0], [1], [0, 1], [0, 1, 2]):
        out = "closed_{}.h5".format("".join(map(str, closed)))
        command = [os.environ["SHOAL"], "run", "closed.toml", "--out", out]
        done = subprocess.run(command, preexec_fn=lambda: [os.close(stream) for stream in closed], timeout=120)
        assert done.returncode == 0, f"{closed}: exit code {done.returncode}"
        assert hash_of(out) == hash_of("open.h5"), closed


program.main(globals())
