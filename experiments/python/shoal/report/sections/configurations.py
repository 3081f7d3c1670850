"""The settings of every variant."""

from __future__ import annotations

from markupsafe import Markup

from shoal.report import tables
from shoal.report.page import Report
from shoal.report.text import clean, plural

ORDER, TITLE = 85, "Configurations"
MOST_SHOWN = 12  # more need a click


def body(report: Report) -> Markup:
    made = []
    for variant in report.variants:
        seeds = ", ".join(str(cell.seed) for cell in variant.cells)
        others = (
            tables.soft(f"As run with seed {variant.first.seed}; the seeds are {seeds}.")
            if len(variant.cells) > 1
            else ""
        )
        made.append(tables.folded(variant.label, Markup("{}<pre>{}</pre>").format(others, clean(variant.first.config))))
    together = Markup("").join(made)
    return together if len(made) <= MOST_SHOWN else tables.folded(plural(len(made), "variant"), together)
