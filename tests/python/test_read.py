"""Frames of a run are what h5py reads from its file, and a run in progress is the beginning of the finished one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import shoal
from conftest import SOURCE, TINY


def test_rows_are_those_of_the_file(run, run_path):
    with h5py.File(run_path) as file:
        assert (run.name, run.hash, run.schema) == ("tiny", file.attrs["hash"], 3)
        assert run.sealed and not run.in_progress and list(run.cells.index) == list(range(12))
        for index, cell in ((int(name), cell) for name, cell in file["cells"].items()):
            assert run.cells.at[index, "label"] == cell.attrs["label"]
            assert run.cells.at[index, "final_accuracy"] == cell.attrs["final_accuracy"]
            assert run.provenance.at[index, "data"] == cell["provenance"].attrs["data"]
            for name, frame in (("rounds", run.rounds), ("clients", run.clients)):
                mine = frame[frame["cell"] == index]
                assert len(mine) == len(cell[name]) > 0
                assert (mine["label"] == cell.attrs["label"]).all() and (mine["seed"] == cell.attrs["seed"]).all()
                for column in cell[name].dtype.names:
                    np.testing.assert_array_equal(mine[column], cell[name][column])
    assert run.labels == list(dict.fromkeys(run.cells["label"])) and len(run.labels) == 3
    assert run.settings(4)["planner"]["cohort"] == 8 and run.target(run.labels[0]) == 0.5
    assert run.units["rounds"]["time_us"] == "virtual microseconds"


def test_summary_of_seeds(run):
    rows = run.summary()
    assert list(rows.index) == run.labels and (rows["seeds"] == 4).all() and (rows["finished"] == 4).all()
    for label in run.labels:
        mine = run.cells[run.cells["label"] == label]
        assert rows.at[label, "final_accuracy"] == pytest.approx(sum(mine["final_accuracy"]) / 4, rel=1e-14)
        reached = [value for value in mine["rounds_to_target"] if value >= 0]
        assert rows.at[label, "reached"] == len(reached)
        assert rows.at[label, "rounds_to_target"] == pytest.approx(np.mean(reached) if reached else np.nan, nan_ok=True)
        assert rows.at[label, "time_us"] == pytest.approx(
            np.mean([run.rounds[run.rounds["cell"] == cell]["time_us"].iloc[-1] for cell in mine.index])
        )


def test_versions_and_series(run):
    versions = run.versions
    assert versions["downloads"].sum() == len(run.clients)
    first = versions[versions["cell"] == 0]
    assert list(first["version"]) == sorted(set(first["version"])) and first["round"].iloc[0] == 0
    accuracy = run.series("accuracy")
    assert list(accuracy[accuracy["cell"] == 0]["round"]) == [3, 6, 9, 12]
    last = accuracy[accuracy["cell"] == 0].iloc[-1]
    assert last["bytes"] == run.cells.at[0, "bytes_up"] + run.cells.at[0, "bytes_down"]
    with pytest.raises(shoal.ShoalError, match="no measure 'entropy'"):
        run.series("entropy")


def test_hashes_from_the_file_alone(run, run_path, tmp_path):
    assert shoal.hashes.computed(run_path) == shoal.hashes.stated(run_path)
    assert shoal.hashes.computed(run_path).run == run.hash
    changed = tmp_path / "changed.h5"
    changed.write_bytes(run_path.read_bytes())
    with h5py.File(changed, "r+") as file:
        rows = file["cells/5/clients"][()]
        rows["steps"][3] += 1
        file["cells/5/clients"][...] = rows
    here, there = shoal.hashes.computed(changed), shoal.hashes.stated(changed)
    assert [index for index in here.cells if here.cells[index] != there.cells[index]] == [5] and here.run != there.run
    assert not shoal.read(changed).sealed, "changed by another program"


def test_damage_is_an_error(run_path, tmp_path):
    data = bytearray(run_path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.h5").write_bytes(data)
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["schema"] = "other"
    for name, message in (
        ("flipped", "damaged"),
        ("text", "not an HDF5 file"),
        ("other", "not a run file"),
        ("none", "no such file"),
    ):
        with pytest.raises(shoal.ShoalError, match=message):
            shoal.read(tmp_path / f"{name}.h5")
    for name in ("text.h5", "other.h5", "none.h5", "none.safetensors"):
        with pytest.raises(shoal.ShoalError, match=rf"{name}: .*Give a"):
            shoal.models.weights(tmp_path / name)


def test_the_older_schema():
    run = shoal.read(SOURCE / "tests/fixtures/runs/schema_2.h5")
    assert run.schema == 2 and run.cells["dropouts"].sum() == 3 == run.rounds["dropouts"].sum()
    assert (run.clients["variant"] == 0).all() and run.measures.empty and not run.tables
    with pytest.raises(shoal.ShoalError, match="schema 2"):
        shoal.hashes.computed(SOURCE / "tests/fixtures/runs/schema_2.h5")


def test_a_run_in_progress(run, program, folder):
    out = Path(folder, "killed.h5")
    for _ in range(20):  # the run may be over before it is killed
        process = subprocess.Popen(
            [program, "run", folder / "tiny.toml", "--out", out, "--anew", "--checkpoint-every", "0.02"],
            env=shoal.program.environment(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not any(Path(f"{out}.journal").glob("*.state")):
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if Path(f"{out}.journal").exists():
            break
    begun = shoal.read(out)
    assert begun.in_progress and not begun.sealed and 0 < len(begun.rounds) < len(run.rounds)
    assert "unfinished" in set(begun.cells["status"])
    for cell, rows in begun.rounds.groupby("cell"):
        whole = run.rounds[run.rounds["cell"] == cell].iloc[: len(rows)]
        pd.testing.assert_frame_equal(rows.reset_index(drop=True), whole.reset_index(drop=True), check_exact=True)
    assert begun.settings(0) == run.settings(0)
    assert begun.units["rounds"]["time_us"] == "virtual microseconds"
    assert (begun.name, begun.provenance.at[0, "data"]) == (run.name, run.provenance.at[0, "data"])


def test_labels_that_look_like_numbers(program, folder):
    """A label of digits is a text, from the file and from journals."""
    (folder / "digits.toml").write_text(
        TINY.split("[grid]")[0] + '[grid]\nvariants = [{rounds = 2, label = "01"}, {rounds = 3, label = "1e3"}]\n'
    )
    shoal.program.call("run", folder / "digits.toml", "--out", folder / "digits.h5")
    assert shoal.read(folder / "digits.h5").labels == ["01", "1e3"]
    Path(folder, "digits.h5.journal").mkdir()
    # An empty folder of journals is no run in progress for the program; either way the labels stay texts.
    try:
        assert shoal.read(folder / "digits.h5").labels == ["01", "1e3"]
    except shoal.ShoalError as reason:
        assert "digits.h5" in str(reason)
