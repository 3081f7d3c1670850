"""The whole quickstart: the result that its first comment promises, in under two minutes, with its picture."""

import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import h5py
import pandas as pd
import program

# Means over three seeds. Measured: FedAvg 94.40 %, best (FedAdam) 95.70 %. Other processors give other bits, and a mean
# of three then moves by about a standard deviation of it: 0.1 and 0.3 points.
BEST, FED_AVG = 0.945, 0.940
LABELS = ["fed_avg", "fed_prox", "scaffold", "fed_adam"]


def run():
    if not Path("quickstart.h5").exists():
        begin = time.monotonic()
        experiment = program.SOURCE / "experiments/quickstart.toml"
        Path("printed").write_text(program.run(experiment, "--ranks", 2, "--out", "quickstart.h5"))
        Path("seconds").write_text(str(time.monotonic() - begin))
    with h5py.File("quickstart.h5") as file:
        return pd.DataFrame([dict(file[f"cells/{index}"].attrs) for index in range(len(file["cells"]))])


def test_accuracy():
    cells = run()
    assert len(cells) == 12 and (cells["status"] == "finished").all() and (cells["rounds"] == 200).all()
    final = cells.groupby("label")["final_accuracy"].mean()
    assert sorted(final.index) == sorted(LABELS), final
    assert final.max() >= BEST, final
    assert final["fed_avg"] > FED_AVG, final
    assert (cells.groupby("label")["final_accuracy"].std() < 0.02).all(), "seeds far apart"


def test_dropouts():
    # 200 rounds of 50 with 10 %: mean 1000, deviation 30; five deviations.
    assert run()["dropouts"].between(850, 1150).all()


def test_table():
    cells = run()
    printed = Path("printed").read_text()
    program.result_hash(printed)
    for label in LABELS:
        mean = cells.loc[cells["label"] == label, "final_accuracy"].mean()
        rows = [line for line in printed.splitlines() if line.startswith(f"{label} ") and "±" in line]
        assert len(rows) == 1 and f"{100 * mean:.2f} ± " in rows[0] and rows[0].endswith("finished"), rows


def test_under_two_minutes():
    run()
    assert float(Path("seconds").read_text()) < 120, Path("seconds").read_text()


def test_picture():
    run()
    done = subprocess.run([sys.executable, "-m", "shoal.plot", "quickstart.h5", "--out", "light.svg", "--dark", "dark.svg",
                           "--interval", "range", "--skip", "0.1"], text=True, capture_output=True, timeout=program.LIMIT,
                          env=program.environment(PYTHONPATH=str(program.SOURCE / "experiments/python")))
    assert done.returncode == 0, done.stderr
    for name in ("light", "dark"):
        root = xml.parse(f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
        text = Path(f"{name}.svg").read_text()
        assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > 20
        assert all(label in text for label in LABELS), "a strategy is missing in the picture"


program.main(globals())
