"""`shoal new` writes experiments that run, `shoal diff` finds where two runs differ, shells complete the command line."""

import json
import shutil
import subprocess
from pathlib import Path

import h5py
import program

EXPERIMENT = """
name = "diff"
rounds = 6
[partition]
clients = 20
[model]
widths = [8]
[planner]
cohort = 5
[grid]
strategy = ["fed_avg", "fed_prox"]
"""


def run(name, *sets):
    """A run file; one that is there already is not made again."""
    if Path(name).exists():
        return name
    Path("diff.toml").write_text(EXPERIMENT)
    program.run("diff.toml", "--out", name, *[word for text in sets for word in ("--set", text)])
    return name


def diff(a, b, code):
    done = program.shoal("diff", a, b, "--json")
    assert done.returncode == code and done.stderr == "", done
    text = program.shoal("diff", a, b)
    assert text.returncode == code and text.stderr == "", text
    return json.loads(done.stdout), text.stdout


def first_in_file(a, b):
    """The first round in which the participations differ, read with h5py."""
    with h5py.File(a) as left, h5py.File(b) as right:
        x, y = left["cells/0/clients"][()], right["cells/0/clients"][()]
        row = next(i for i in range(len(x)) if x[i].tobytes() != y[i].tobytes())
        return int(x["round"][row])


def test_equal_runs():
    found, text = diff(run("a.h5"), run("b.h5"), 0)
    assert found["same"] and all(cell["first_difference"] is None for cell in found["cells"])
    assert len(found["cells"]) == 2 and not found["cells"][0]["settings"] and "every result is the same" in text


def test_other_settings():
    found, text = diff(run("a.h5"), run("rate.h5", "local.rate=0.2", "rounds=5"), 1)
    cell = found["cells"][0]
    assert cell["settings"] == {"local.rate": [None, "0.2"], "rounds": ["6", "5"]}, cell
    assert cell["results"]["rounds"] == [6.0, 5.0] and "hash" in cell["results"]
    first = cell["first_difference"]
    assert first["round"] == 1 and first["values"][0] != first["values"][1], first
    assert "local.rate" in text and "in round 1" in text and "the results differ" in text


def test_first_difference_is_the_first():
    """One more drop-out rate does not matter until a client drops out; a changed row is found where it was changed."""
    a, b = run("a.h5"), run("dropout.h5", "planner.dropout=0.06")
    found, _ = diff(a, b, 1)
    assert found["cells"][0]["first_difference"]["round"] == first_in_file(a, b)
    shutil.copy(a, "changed.h5")
    with h5py.File("changed.h5", "r+") as file:
        rows = file["cells/1/rounds"][()]
        rows["loss"][-1] = 42
        file["cells/1/rounds"][...] = rows
        file["cells/1"].attrs["hash"] = "0" * 32
    found, text = diff(a, "changed.h5", 1)
    assert found["cells"][0]["first_difference"] is None
    first = found["cells"][1]["first_difference"]
    assert (first["table"], first["column"], first["row"], first["round"], first["values"][1]) == ("rounds", "loss", 5, 6, 42)
    assert "rounds, loss, row 5, in round 6" in text


def test_other_cells():
    found, text = diff(run("a.h5"), run("c.h5", "grid.strategy=['fed_avg', 'scaffold']"), 1)
    assert (found["only_in_first"], found["only_in_second"]) == (["fed_prox seed 1"], ["scaffold seed 1"]), found
    assert "only in a.h5: fed_prox seed 1" in text and found["cells"][0]["first_difference"] is None


def test_new_experiments_run():
    tasks = [part["name"] for part in json.loads(program.shoal("list", "--json").stdout)["parts"] if part["kind"] == "task"]
    assert "supervised" in tasks and len(tasks) > 3

    def check(task):
        for more in ([], ["--all"]):
            name = f"new-{task}{len(more)}.toml"
            done = program.shoal("new", name, "--task", task, *more)
            assert done.returncode == 0 and done.stderr == "", done
            text = Path(name).read_text()
            assert f'name = "new-{task}{len(more)}"' in text and text.startswith("# ") and max(map(len, text.splitlines())) <= 120
        few = ["--set", "rounds=1"] if "rounds = " in text.split("[")[0] else ["--set", "task.replicates=2"]
        program.run(name, "--out", f"{task}.h5", "--set", "grid.seed=[1]", *few)

    program.two_at_once(check, tasks)


def completed(*words, shell="bash"):
    script = program.shoal("completion", "bash").stdout
    call = f"COMP_WORDS=(shoal {' '.join(repr(word) for word in words)}); COMP_CWORD={len(words)}; _shoal; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", script + call], capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


def test_bash_completes():
    assert completed("ver") == ["verify"] and {"run", "plan", "explain"} <= set(completed(""))
    assert {"--ranks", "--ranks-per-cell"} == set(completed("run", "--ran")) and "--json" in completed("diff", "--")
    assert completed("explain", "fed_prox") == ["fed_prox"]
    Path("one.toml").write_text("")
    Path("one.h5").write_text("")
    assert completed("run", "one") == ["one.toml"] and completed("diff", "one") == ["one.h5"]


def test_zsh_reads_its_script():
    if not shutil.which("zsh"):
        print("        zsh is not installed: its script is not read")
        return
    script = program.shoal("completion", "zsh").stdout
    subprocess.run(["zsh", "-n"], input=script, text=True, check=True)


program.main(globals())
