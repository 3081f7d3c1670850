"""Accuracy and loss against rounds."""

from __future__ import annotations

from markupsafe import Markup

from shoal.report import tables
from shoal.report.curves import (
    FEWEST_EVALUATIONS,
    ROUNDS,
    Measure,
    common_target,
    curves,
    evaluated_on,
    evaluations,
    last_values,
    reading_note,
)
from shoal.report.page import Report
from shoal.report.variants import MOST_LINES

ORDER, TITLE = 40, "Curves"


def measures(report: Report) -> list[Measure]:
    """Those that some cell was evaluated by; the first is the main one."""
    on = evaluated_on(report.variants)
    known = [Measure("accuracy", f"{on}accuracy", "%", 100), Measure("loss", f"{on}loss")]
    return [measure for measure in known if evaluations(report.variants, measure)]


def body(report: Report) -> Markup:
    measured = measures(report)
    if not measured:
        return Markup("") if report.studies.settings else Markup("<p>No round was evaluated.</p>\n")
    if evaluations(report.variants, measured[0]) < FEWEST_EVALUATIONS:
        return tables.charts(
            [last_values(report.variants, measure, report.counter) for measure in measured]
        ) + tables.soft(
            "There are too few evaluations for a curve. Marks are means over seeds, lines reach from the "
            "lowest to the highest seed."
        )
    target = 100 * common_target(report.variants)
    drawn = [
        curves(report.variants, measure, ROUNDS, report.counter, target if measure.unit == "%" else 0)
        for measure in measured
    ]
    if len(report.variants) > MOST_LINES:
        return Markup("").join(drawn)
    entries = [(variant.label, variant.style) for variant in report.variants]
    return tables.legend(entries) + tables.charts(drawn) + reading_note(report.variants)
