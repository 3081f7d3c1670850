"""Where the numbers come from: files, programs, machines, times."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from shoal.report.page import Report
from shoal.report.text import clean, duration
from shoal.run_file import Run

ORDER, TITLE = 90, "Provenance"
FIRST = ["date", "command", "machine", "commit"]  # what a reader looks for
MOST_VALUES = 12


def facts(run: Run) -> list[tuple[str, str]]:
    """Different values of cells are side by side."""
    found = {
        str(name): list(dict.fromkeys(str(value) for value in values.dropna()))
        for name, values in run.provenance.items()
    }
    names = sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    wall = pd.to_numeric(run.cells["wall_seconds"], errors="coerce").clip(lower=0).sum()
    first = [
        ("run file", str(run.path)),
        ("hash", run.hash or "none: a cell is unfinished"),
        ("seal", "whole" if run.sealed else "none: the run has not ended" if run.in_progress else "none"),
        ("wall time", f"{duration(wall)}, the sum of all cells"),
    ]
    joined = []
    for name in names:
        values = [value for value in found[name] if value]
        if values:
            more = f" | and {len(values) - MOST_VALUES} more" if len(values) > MOST_VALUES else ""
            joined.append((name, " | ".join(values[:MOST_VALUES]) + more))
    return first + joined


def body(report: Report) -> Markup:
    made = []
    for run in report.runs:
        rows = Markup("").join(
            Markup('<tr><td>{}</td><td class="long">{}</td></tr>\n').format(clean(name), clean(value))
            for name, value in facts(run)
        )
        made.append(Markup('<div class="wide"><table><tbody>\n{}</tbody></table></div>\n').format(rows))
    return Markup("<p></p>\n").join(made)
