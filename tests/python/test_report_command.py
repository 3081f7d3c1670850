"""`shoal report` and `shoal table` from outside: they start the package, or say what is missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_report import Page

import shoal


def start(program: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        text=True,
        capture_output=True,
        env={**os.environ, "SHOAL_PYTHON": sys.executable, **environment},
    )


def test_report_has_the_numbers_of_the_run(program: Path, run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = start(program, "report", run_path, "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    run, seen = shoal.read(run_path), Page(out.read_text())
    assert run.hash in seen.text and "3 variants, 4 seeds each" in seen.text
    for label, cells in run.cells.groupby("label"):
        accuracy = 100 * cells["final_accuracy"]
        assert label in seen.cells and f"{accuracy.mean():.2f} ± {accuracy.std():.2f} %" in seen.cells
    first = out.read_bytes()
    start(program, "report", run_path, "--out", out)
    assert out.read_bytes() == first


def test_table_prints_what_run_printed(program: Path, folder: Path, run_path: Path) -> None:
    again = shoal.program.call("run", folder / "tiny.toml", "--out", folder / "again.h5")
    printed = start(program, "table", run_path).stdout
    assert len(printed.splitlines()) == 5 and printed in again
    latex = start(program, "table", run_path, "--format", "latex").stdout
    assert r"\toprule" in latex and r"fed\_avg" in latex


def test_answers_in_json(program: Path, run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = start(program, "report", run_path, "--out", out, "--json")
    assert json.loads(done.stdout) == {"command": "report", "page": str(out)}
    answer = json.loads(start(program, "table", run_path, "--json").stdout)
    assert answer["head"][:2] == ["", "seeds"] and [row[:2] for row in answer["rows"]][0] == ["fed_avg", "4"]
    assert answer["file"] is None
    for command in (["report", tmp_path / "no.h5", "--out", out], ["table", tmp_path / "no.h5"]):
        done = start(program, *command, "--json")
        answer = json.loads(done.stdout)
        assert done.returncode == answer["exit_code"] == 2 and f"shoal: {answer['error']}\n" == done.stderr


def test_shows_a_run_that_was_killed(program: Path, folder: Path, run_path: Path, tmp_path: Path) -> None:
    """It never ends by itself: killed once two rounds are evaluated, it can be reported from its journals alone."""
    endless = subprocess.Popen(
        [
            program,
            "run",
            folder / "tiny.toml",
            "--out",
            tmp_path / "a.h5",
            "--set",
            "rounds=1000000000",
            "--set",
            "grid.seed=[1]",
            "--set",
            "grid.strategy=['fed_avg']",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert endless.stdout is not None
    for _ in range(2):
        assert "round" in endless.stdout.readline()
    endless.kill()
    endless.wait()
    done = start(program, "report", tmp_path / "a.h5", "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    seen = Page((tmp_path / "page.html").read_text())
    assert "1 unfinished" in seen.cells and "the run has not ended" in seen.text
    assert "1 unfinished" in start(program, "table", tmp_path / "a.h5").stdout


def test_bad_input_is_one_line(program: Path, run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    for arguments in (
        ["report", tmp_path / "nowhere.h5", "--out", tmp_path / "x.html"],
        ["report", tmp_path / "text.h5", "--out", tmp_path / "x.html"],
        ["report", run_path, "--out", "/nowhere/x.html"],
        ["report", run_path, "--out", run_path],
        ["table", tmp_path / "nowhere.h5"],
        ["table", tmp_path / "text.h5"],
    ):
        done = start(program, *arguments)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
        assert done.stderr.startswith("shoal: ") and not (tmp_path / "x.html").exists()


def test_python_is_looked_for(program: Path, run_path: Path, tmp_path: Path) -> None:
    done = start(program, "table", run_path, SHOAL_PYTHON="/nowhere/python")
    assert done.returncode == 2 and "cannot start '/nowhere/python'" in done.stderr and "SHOAL_PYTHON" in done.stderr
    # Modules in the working folder are not the package's.
    (tmp_path / "shoal.py").write_text("raise SystemExit('a module of the working folder')")
    done = subprocess.run(
        [program, "table", run_path],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env={**os.environ, "SHOAL_PYTHON": sys.executable},
    )
    assert done.returncode == 0 and "fed_avg" in done.stdout


def test_missing_packages_are_named(program: Path, run_path: Path, tmp_path: Path) -> None:
    bare = Path(sys.base_prefix) / "bin/python3"
    if (
        not bare.exists()
        or subprocess.run(
            [bare, "-c", "import h5py, jinja2, pandas, scipy, matplotlib"], capture_output=True
        ).returncode
        == 0
    ):
        pytest.skip("there is no Python without the packages")
    done = start(program, "report", run_path, "--out", tmp_path / "x.html", SHOAL_PYTHON=str(bare))
    assert (
        done.returncode == 2
        and "has no package" in done.stderr
        and "pip install" in done.stderr
        and done.stderr.count("\n") == 1
    )


def test_an_installed_program_finds_python(program: Path, run_path: Path, tmp_path: Path) -> None:
    """Away from any checkout, the package is the installed one."""
    copy = shutil.copy(program, tmp_path / "shoal")
    done = start(copy, "table", run_path, PYTHONPATH="/nowhere")
    assert done.returncode in (0, 2)
    assert "fed_avg" in done.stdout if done.returncode == 0 else "has no package shoal" in done.stderr


def test_table_replaces_tables_only(program: Path, run_path: Path, tmp_path: Path) -> None:
    kept = run_path.read_bytes()
    done = start(program, "table", run_path, "--out", run_path)
    assert done.returncode == 2 and "is one of the run files" in done.stderr and run_path.read_bytes() == kept
    other = tmp_path / "experiment.toml"
    other.write_text("rounds = 3\n")
    done = start(program, "table", run_path, "--out", other)
    assert done.returncode == 2 and "is no table" in done.stderr and other.read_text() == "rounds = 3\n"
    for mine in ("| mine |\n", "seeds of doubt\n", "label,mine\n", "\\begin{document}\n"):
        other.write_text(mine)
        done = start(program, "table", run_path, "--out", other)
        assert done.returncode == 2 and "is no table" in done.stderr and other.read_text() == mine
    for format in ("text", "csv", "latex", "markdown"):
        out = tmp_path / format
        for _ in range(2):
            assert start(program, "table", run_path, "--format", format, "--out", out).returncode == 0, format
