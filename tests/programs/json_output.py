"""--json: one object on stdout that `shoal schema COMMAND` describes, and nothing else; errors too."""

import json
import math
import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import program

try:
    import jsonschema
except ImportError:
    jsonschema = None

EXPERIMENT = """
name = "json"
rounds = 4
[partition]
clients = 20
[model]
widths = [8]
[planner]
cohort = 5
[evaluate]
every = 2
[grid]
strategy = ["fed_avg", "scaffold"]
"""


def schema_of(command):
    done = program.shoal("schema", command)
    assert done.returncode == 0 and done.stderr == "", done
    return json.loads(done.stdout)


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def answer(command, *arguments, code=0, **how):
    """The object that the command prints, checked against its schema."""
    done = program.shoal(command, *arguments, "--json", **how)
    assert done.returncode == code, done
    assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1, done.stdout[:2000]
    value = json.loads(done.stdout, parse_constant=refuse)
    assert value["command"] == command
    if jsonschema:
        jsonschema.Draft202012Validator(schema_of(command)).validate(value)
    return value, done.stderr


def experiment():
    Path("json.toml").write_text(EXPERIMENT)
    return "json.toml"


def test_run_and_verify():
    run, progress = answer("run", experiment(), "--out", "json.h5", "--log-every", "0")
    assert "round 2/4" in progress and run["file"] == "json.h5" and run["status"] == "finished"
    with h5py.File("json.h5") as file:
        assert run["hash"] == file.attrs["hash"]
        for cell in run["cells"]:
            stated = file[f"cells/{cell['index']}"].attrs
            for name in ("label", "seed", "status", "hash", "final_accuracy", "rounds", "bytes_up", "rounds_to_target"):
                assert cell[name] == stated[name], name
    means = {label["label"]: label["final_accuracy"] for label in run["labels"]}
    assert means["scaffold"]["mean"] == run["cells"][1]["final_accuracy"] and means["scaffold"]["count"] == 1, means
    verified, _ = answer("verify", "json.h5")
    assert verified["verified"] and [cell["same"] for cell in verified["cells"]] == [True, True]
    assert [(cell["label"], cell["seed"]) for cell in verified["cells"]] == [("fed_avg", 1), ("scaffold", 1)]
    ranks, _ = answer("run", experiment(), "--out", "ranks.h5", "--ranks", "2")
    assert ranks["hash"] == run["hash"]


def test_tables_of_a_run():
    program.run(experiment(), "--out", "tables.h5")
    tables, errors = answer("export", "tables.h5")
    assert errors == "" and not Path("tables-export").exists() and tables["finished"]
    with h5py.File("tables.h5") as file:
        assert tables["hash"] == file.attrs["hash"] and tables["name"] == "json"
        for cell in tables["cells"]:
            group = file[f"cells/{cell['index']}"]
            assert cell["config"] == group["config"][()].decode()
            assert cell["provenance"] == dict(group["provenance"].attrs)
            for name in ("rounds", "clients", "measures"):
                rows, ours = group[name][()], cell["tables"][name]
                assert list(ours) == list(rows.dtype.names), name
                for column in rows.dtype.names:
                    expected = rows[column]
                    if expected.dtype.kind == "S":
                        assert ours[column] == [text.decode() for text in expected], column
                    elif expected.dtype.kind == "f":
                        values = np.array([math.nan if value is None else float(value) for value in ours[column]])
                        assert np.array_equal(values, expected, equal_nan=True), column
                    else:
                        assert ours[column] == expected.tolist(), column
    one, _ = answer("export", "tables.h5", "--cell", "1", "--table", "rounds")
    assert [list(cell["tables"]) for cell in one["cells"]] == [["rounds"]] and one["cells"][0]["label"] == "scaffold"
    files, _ = answer("export", "tables.h5", "--out", "files")
    assert sorted(files["files"]) == sorted(str(path) for path in Path("files").rglob("*") if path.is_file())


def test_a_run_in_progress():
    endless = subprocess.Popen(
        [program.SHOAL, "run", experiment(), "--out", "going.h5", "--set", "rounds=1000000000", "--set", "name=going"],
        env=program.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + program.LIMIT
        rounds = []
        while len(rounds) < 3:
            assert time.monotonic() < end
            done = program.shoal("export", "going.h5", "--json", "--table", "rounds")
            run = json.loads(done.stdout)
            if done.returncode == 0:  # it has begun
                rounds = run["cells"][0]["tables"]["rounds"]["round"]
        assert rounds == list(range(1, len(rounds) + 1))
        assert run["name"] == "going" and not run["finished"] and run["hash"] is None
        assert run["cells"][0]["status"] == "unfinished" and run["cells"][0]["hash"] is None
        assert run["cells"][0]["provenance"]["program"] and "rounds = 1000000000" in run["cells"][0]["config"]
    finally:
        endless.send_signal(signal.SIGKILL)
        endless.wait()


def test_the_other_commands():
    plan, _ = answer("plan", experiment(), "--ranks", "2")
    assert plan["ranks"] == 2 and [kind["label"] for kind in plan["kinds"]] == ["fed_avg", "scaffold"]
    assert plan["kinds"][0]["rounds"]["started"] == 20 and plan["kinds"][0]["clients"]["clients"] == 20
    parts, _ = answer("list")
    assert {"kind": "strategy", "section": "strategy", "name": "fed_avg"}.items() <= next(
        part for part in parts["parts"] if part["name"] == "fed_avg").items()
    mu, _ = answer("explain", "strategy.mu")
    assert any(setting == {"key": "mu", "type": "number, at least 0", "default": "0.01",
                           "meaning": "strength of the pull to the server model"}
               for entry in mu["entries"] for setting in entry["settings"]), mu
    new, _ = answer("new")
    assert new["file"] is None and "[grid]" in new["experiment"]
    assert "_shoal()" in answer("completion", "bash")[0]["script"]
    Path("behaviour.json").write_text('{"4": {"active": [0], "inactive": [9], "finish_time": 20}}')
    trace, _ = answer("trace", "fedscale", "behaviour.json", "trace.h5")
    assert trace == {"command": "trace", "file": "trace.h5", "devices": 1, "intervals": 1}
    calibrated, _ = answer("calibrate", "--models", "logistic_regression", "--clients", "1", "--batches", "10",
                           "--seconds", "0.001")
    assert {one["model"] for one in calibrated["cases"]} == {"logistic_regression"}
    trained, _ = answer("pretrain", "--steps", "1", "--width", "8", "--layers", "1", "--heads", "1")
    assert trained["parameters"] > 0 and math.isfinite(trained["loss"])


def test_every_command_has_a_schema():
    commands = re.findall(r"^  ([a-z_-]+) ", program.shoal("--help").stdout.split("Subcommands:")[1], re.MULTILINE)
    assert len(commands) > 12, commands
    for name in commands:
        assert "--json" in program.shoal(name, "--help").stdout, name
        if name != "schema":  # which prints JSON Schema itself
            assert schema_of(name)["anyOf"][0]["properties"]["command"] == {"const": name}


def test_errors():
    for arguments in (["run", "nowhere.toml"], ["run", experiment(), "--set", "roundz=1"], ["verify", "nowhere.h5"],
                      ["run", experiment(), "--ranks", "2", "--set", "local.rate=-1"], ["plan", "nowhere.toml"],
                      ["export", "nowhere.h5"], ["export", "json.toml"], ["explain", "fedprox"], ["run", "--rank"],
                      ["diff", "nowhere.h5", "nowhere.h5"], ["new", "--task", "supervized"]):
        value, error = answer(*arguments, code=2)
        assert value["exit_code"] == 2 and error == f"shoal: {value['error']}\n", (value, error)


program.main(globals())
