"""What all tests of the Python package share: the program, and one run per session."""

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
SOURCE = Path(os.environ.get("SHOAL_SOURCE", Path(__file__).resolve().parents[2]))
PACKAGE = str(SOURCE / "experiments/python")  # of this checkout, whatever else is installed
sys.path.insert(0, PACKAGE)
os.environ["PYTHONPATH"] = PACKAGE  # of programs that tests start

import pytest  # noqa: E402
import shoal  # noqa: E402

TINY = """
name = "tiny"
rounds = 12
data = "optdigits"
partition = {name = "dirichlet", clients = 40, alpha = 0.3}
model = {name = "mlp", widths = [16]}
planner = {name = "uniform", cohort = 8, dropout = 0.2}
local = {epochs = 1, batch = 10, rate = 0.3}
evaluate = {every = 3, target = 0.5}
[grid]
strategy = ["fed_avg", {name = "fed_prox", mu = 0.5}, "scaffold"]
seed = [1, 2, 3, 4]
"""


@pytest.fixture(scope="session")
def program() -> Path:
    try:
        return shoal.program.find()
    except shoal.ShoalError as reason:
        if "SHOAL_PROGRAM" in os.environ:
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def run_path(program: Path, folder: Path) -> Path:
    """Three strategies with four seeds, in less than a second."""
    (folder / "tiny.toml").write_text(TINY)
    shoal.program.call("run", folder / "tiny.toml", "--out", folder / "tiny.h5")
    return folder / "tiny.h5"


@pytest.fixture(scope="session")
def run(run_path: Path) -> shoal.Run:
    return shoal.read(run_path)
