"""Who took part, and what became of the work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from shoal.report import tables, text
from shoal.report.figures import Chart, Line, line_figure, rounded
from shoal.report.page import Report
from shoal.report.usage import Usage, usage_of
from shoal.report.variants import MOST_LINES, Variant

ORDER, TITLE = 50, "Participation"

SHORTEST_DAY = 6 * 3600  # virtual seconds that a chart over the hours of the day needs
MOST_STALENESS = 200
HEAD = [
    "",
    "attempts",
    "counted",
    "device time\nwasted",
    "bytes\nwasted",
    "energy\n(proxy)",
    "clients\nat work",
    "most\nat work",
    "busy",
    "busiest\nrank",
    "mean\nstaleness",
    "largest\nstaleness",
    "Gini",
]


def part(some: float, whole: float) -> str:
    return text.share(some / whole if whole > 0 else math.nan)


def row(variant: Variant, use: Usage) -> list[Markup]:
    cells = len(variant.cells)
    return [
        tables.name(variant),
        *map(
            tables.cell,
            (
                f"{use.participations / cells:.0f}",
                part(use.accepted, use.participations),
                part(use.wasted_seconds, use.device_seconds),
                part(use.wasted_bytes, use.bytes),
                text.energy(use.joules / cells),
                f"{use.concurrency:.3g}",
                str(use.most_at_work),
                text.share(use.busy),
                f"{use.busiest_rank:.3f}" if math.isfinite(use.busiest_rank) else "-",
                f"{use.mean_staleness:.3g}" if math.isfinite(use.mean_staleness) else "-",
                str(use.largest_staleness) if use.accepted else "-",
                f"{use.gini:.3f}" if math.isfinite(use.gini) else "-",
            ),
        ),
    ]


def tier_table(variants: Sequence[Variant], uses: Sequence[Usage]) -> Markup:
    """Each tier's share of the contributions, and the share of its attempts that counted."""
    rows = [
        [
            tables.name(variant),
            *map(
                tables.cell,
                (str(tier), part(attempts, use.participations), part(accepted, use.accepted), part(accepted, attempts)),
            ),
        ]
        for variant, use in zip(variants, uses, strict=True)
        if len(use.tiers) > 1
        for tier, (attempts, accepted) in sorted(use.tiers.items())
    ]
    return tables.table(["", "tier", "of the attempts", "of the contributions", "attempts that counted"], rows)


def staleness(variant: Variant, use: Usage) -> Line | None:
    shown = use.staleness[: MOST_STALENESS + 1]
    if use.largest_staleness < 1:
        return None
    return Line(variant.label, variant.style, np.arange(len(shown), dtype=float), 100 * shown / use.accepted)


def contributions(variant: Variant, use: Usage) -> Line | None:
    if not use.lorenz:
        return None
    return Line(variant.label, variant.style, np.arange(101.0), 100 * np.mean(use.lorenz, axis=0))


def by_hour(variant: Variant, use: Usage) -> Line | None:
    if use.virtual_seconds < SHORTEST_DAY or not use.accepted:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        at_work = use.worked / use.passed
    return Line(variant.label, variant.style, np.arange(24.0), at_work)


CHARTS = [
    (
        staleness,
        Chart("Staleness of contributions", "server updates between download and use", "contributions (%)", []),
    ),
    (
        contributions,
        Chart(
            "Who contributed",
            "clients, from the one that contributed least (%)",
            "their contributions (%)",
            [],
            note="dotted: equality",
            y_range=(0, 100),
            diagonal=True,
        ),
    ),
    (by_hour, Chart("Clients at work over the virtual day", "hour of the day", "clients at work", [])),
]


def charts(report: Report, uses: Sequence[Usage]) -> Markup:
    figures = []
    for line_of, chart in CHARTS:
        lines = [line_of(variant, use) for variant, use in zip(report.variants, uses, strict=True)]
        found = [line for line in lines if line is not None and line.y[np.isfinite(line.y)].any()]
        if not found:
            continue
        if chart.y_range is None:
            chart = replace(chart, y_range=rounded(0, max(float(np.nanmax(line.y)) for line in found)))
        if len(report.variants) <= MOST_LINES:
            figures.append(line_figure(replace(chart, lines=found), report.counter))
        else:
            panels = [
                line_figure(
                    replace(chart, title=line.name, lines=[line], panel=True, note=""),
                    report.counter,
                )
                for line in found
            ]
            figures.append(tables.folded(f"{chart.title}, by {chart.x_name}", tables.charts(panels, "panels")))
    return tables.charts(figures) if len(report.variants) <= MOST_LINES else Markup("").join(figures)


def body(report: Report) -> Markup:
    variants = report.variants
    if not any(len(cell.clients) for variant in variants for cell in variant.cells):
        return Markup("")
    uses = [usage_of(variant) for variant in variants]
    explanation = (
        "Attempts and energy: means over seeds. Wasted: of attempts that dropped out, were late, stopped or rejected. "
        "Energy: power x time of [population]. Clients at work: device time over virtual time; busy: that as a share "
        "of the most clients at one instant. Busiest rank: its work over the mean rank's, as placed. Gini of "
        "contributions over all clients: 0 if all contributed equally, near 1 if one client made all."
    )
    return (
        tables.table(HEAD, (row(variant, use) for variant, use in zip(variants, uses, strict=True)))
        + tables.soft(explanation)
        + tier_table(variants, uses)
        + charts(report, uses)
    )
