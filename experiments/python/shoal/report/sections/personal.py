"""Models that clients keep for themselves: their accuracy on each client's own examples."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from shoal.report import tables, text
from shoal.report.curves import FEWEST_EVALUATIONS, ROUNDS, Measure, curves, evaluations, last_values
from shoal.report.figures import Chart, Line, line_figure
from shoal.report.page import Report
from shoal.report.text import Spread
from shoal.report.variants import MOST_LINES, Cell, Variant

ORDER, TITLE = 30, "Personal models"

MEAN = Measure("personal_accuracy", "personal accuracy", "%", 100)
WORST = Measure("personal_accuracy_p10", "worst-tenth accuracy", "%", 100)
LOSS = Measure("personal_loss", "personal loss")


def accuracies(cell: Cell) -> np.ndarray:
    """The accuracy of every client at the last evaluation, ascending; empty where the run file has no table of clients'
    models."""
    table = cell.tables.get("personal")
    if table is None or not len(table) or not {"round", "accuracy"} <= set(table):
        return np.empty(0)
    values = table.loc[table["round"] == table["round"].max(), "accuracy"].to_numpy(dtype=float)
    return np.sort(values[np.isfinite(values)])


def summary(variants: list[Variant]) -> Markup:
    has_clients = any(len(accuracies(cell)) for variant in variants for cell in variant.cells)
    head = [
        "",
        "seeds",
        "global model,\nfinal accuracy",
        "personal models,\nmean over clients",
        "worst-served\ntenth",
        *(["standard deviation\nover clients", "worst client"] if has_clients else []),
        "personal loss",
    ]
    rows = []
    for variant in variants:
        row = [
            tables.name(variant),
            tables.cell(str(len(variant.cells))),
            tables.cell(text.percent(variant.spread("final_accuracy"))),
        ]
        row += [tables.cell(text.percent(variant.spread_of_last(measure.column))) for measure in (MEAN, WORST)]
        if has_clients:
            of_cells = [values for values in map(accuracies, variant.cells) if len(values)]
            row += [
                tables.cell(
                    text.percent(Spread.of(values.std(ddof=1) if len(values) > 1 else 0 for values in of_cells))
                ),
                tables.cell(text.percent(Spread.of(values[0] for values in of_cells))),
            ]
        rows.append([*row, tables.cell(text.loss(variant.spread_of_last(LOSS.column)))])
    return tables.table(head, rows)


def spread_over_clients(report: Report) -> Markup:
    """Clients from the worst to the best served: the lower left shows whom a strategy leaves behind."""
    places, lines = np.linspace(0, 100, 101), []
    for variant in report.variants:
        of_cells = [values for values in map(accuracies, variant.cells) if len(values) > 1]
        if of_cells:
            quantiles = np.mean([np.quantile(values, places / 100) for values in of_cells], axis=0)
            lines.append(Line(variant.label, variant.style, places, 100 * quantiles))
    if not lines or len(lines) > MOST_LINES:
        return Markup("")
    return line_figure(
        Chart("Clients from the worst served to the best", "clients (%)", "accuracy on own examples (%)", lines),
        report.counter,
    )


def body(report: Report) -> Markup:
    measured = [measure for measure in (MEAN, WORST, LOSS) if evaluations(report.variants, measure)]
    if not measured:
        return Markup("")
    if evaluations(report.variants, measured[0]) < FEWEST_EVALUATIONS:
        drawn = [last_values(report.variants, measure, report.counter) for measure in measured[:2]]
    else:
        drawn = [curves(report.variants, measure, ROUNDS, report.counter) for measure in measured[:2]]
    entries = [(variant.label, variant.style) for variant in report.variants]
    head = Markup("") if len(entries) > MOST_LINES else tables.legend(entries)
    figures = (
        tables.charts([*drawn, spread_over_clients(report)]) if len(entries) <= MOST_LINES else Markup("").join(drawn)
    )
    return (
        summary(report.variants)
        + tables.soft(
            "Each client's own model on its own held-out examples, at the last evaluation; the mean is over clients, then "
            "over seeds. The worst-served tenth: the accuracy that nine in ten clients reach."
        )
        + head
        + figures
    )
