"""A recording becomes a trace file, and a run whose clients follow it has one hash on any number of ranks."""

import json
from pathlib import Path

import h5py
import program

EXPERIMENT = """
name = "traced"
rounds = 30
task = {name = "quadratic", clients = 200, dimension = 50}
local = {steps = 5, rate = 0.05}
planner = {name = "uniform", cohort = 12, dropout = 0.1}
[population]
gflops = 1e-7
speed_sigma = 1
dropouts = [0.02, 0.05, 0.02]
availability = {name = "trace", file = "trace.h5"}
"""
# Seconds. Work of 5 steps of 200 operations takes 10 s at the median.
RECORDED = {
    "1": {"active": [0, 300], "inactive": [200, 500], "finish_time": 600},
    "2": {"active": [450], "inactive": [600], "finish_time": 600},
    "3": {"active": [], "inactive": [], "finish_time": 600},
}


def prepare():
    Path("behaviour.json").write_text(json.dumps(RECORDED))
    Path("traced.toml").write_text(EXPERIMENT)
    done = program.shoal("trace", "fedscale", "behaviour.json", "trace.h5")
    assert done.returncode == 0 and done.stdout == "trace.h5: 3 devices, 3 intervals of availability\n", done


def there(device, seconds):
    """By a linear scan of the recording, a microsecond early and late."""
    at = seconds % 600
    own = RECORDED[device]
    return any(begin <= at + 1e-6 and at - 1e-6 <= end for begin, end in zip(own["active"], own["inactive"]))


def test_one_hash_and_no_client_outside_the_recording():
    prepare()
    hashes = {program.result_hash(program.run("traced.toml", "--ranks", ranks, "--out", f"{ranks}.h5"))
              for ranks in (1, 2, 3)}  # fmt: skip
    assert len(hashes) == 1, hashes
    with h5py.File("1.h5") as file:
        table = file["cells/0/clients"][()]
    possible = {}
    for row in table:
        start, finish = row["start_us"] / 1e6, row["finish_us"] / 1e6
        fitting = {device for device in RECORDED if there(device, start) and (not row["committed"] or there(device, finish))}
        possible[row["client"]] = possible.get(row["client"], set(RECORDED)) & fitting
    # Each client has followed one recorded device throughout, and none the device that was never available.
    assert all(possible.values()) and not any("3" in devices for devices in possible.values()), possible
    assert len(table) > 200 and {"1"} in possible.values() and {"2"} in possible.values()


program.main(globals())
