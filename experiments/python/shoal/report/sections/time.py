"""The main measure against virtual time and uploaded bytes."""

from __future__ import annotations

from markupsafe import Markup

from shoal.report import tables
from shoal.report.curves import BYTES, FEWEST_EVALUATIONS, TIME, common_target, curves, evaluations
from shoal.report.page import Report
from shoal.report.sections.rounds import measures
from shoal.report.variants import MOST_LINES

ORDER, TITLE = 45, "Time and bytes"


def body(report: Report) -> Markup:
    measured = measures(report)
    if not measured or evaluations(report.variants, measured[0]) < FEWEST_EVALUATIONS:
        return Markup("")
    main = measured[0]
    target = 100 * common_target(report.variants) if main.unit == "%" else 0
    drawn = [curves(report.variants, main, against, report.counter, target) for against in (TIME, BYTES)]
    if not any(drawn):
        return Markup("")
    if len(report.variants) > MOST_LINES:
        return Markup("").join(drawn)
    return tables.legend((variant.label, variant.style) for variant in report.variants) + tables.charts(drawn)
