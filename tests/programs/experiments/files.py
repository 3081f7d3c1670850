"""Experiment files are short and state their result in the comment that they begin with."""

import itertools
import tomllib

import program
from experiment import FILES


def test_short_and_explained():
    files = sorted(FILES.values())
    assert len(files) >= 20, files
    for file in files:
        lines = file.read_text().splitlines()
        assert len(lines) <= 40, f"{file.name} has {len(lines)} lines"
        comment = " ".join(itertools.takewhile(lambda line: line.startswith("#"), lines))
        assert lines[0].startswith("# ") and any(c.isdigit() for c in comment), f"{file.name} promises no result"
        assert tomllib.loads(file.read_text())["name"].replace("-", "_") == file.stem, f"the name in {file.name}"


program.main(globals())
