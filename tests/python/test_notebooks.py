"""The notebooks run from their first cell to their last, as a reader would run them."""

import json
import os

import pytest
import shoal
from conftest import SOURCE

NOTEBOOKS = sorted((SOURCE / "experiments/notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(program, path, tmp_path, monkeypatch):
    # In the root of a checkout, of which only what is written is another folder.
    (tmp_path / "experiments").symlink_to(SOURCE / "experiments")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOAL_PROGRAM", str(program))
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict = {}
    for number, text in enumerate(code):
        exec(compile(text, f"{path.name}, cell {number}", "exec"), names)
    assert isinstance(names["run"], shoal.Run) and names["run"].sealed
    assert len(code) > 3 and not any(cell.get("outputs") for cell in cells), "committed with outputs"
    assert os.listdir(tmp_path / "results")
