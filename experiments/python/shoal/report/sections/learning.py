"""Outcomes of a study with one value per session, update or age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from shoal.report import tables
from shoal.report.curves import panels
from shoal.report.figures import Chart, Line, line_figure, rounded
from shoal.report.page import Report
from shoal.report.studies import Arm, Setting
from shoal.report.variants import MOST_LINES

ORDER, TITLE = 26, "While agents learn"

CHANCE_STYLE = 34  # grey and dotted
OPEN_FIGURES = 8  # figures of one kind that are shown; the others need a click
MOST_LARGE = 3  # settings; more give small charts
MOST_NAMES = 24  # in the legend


@dataclass(frozen=True)
class Progress:
    outcome: str
    title: str
    x_name: str
    y_name: str
    x_step: float = 1  # units of an index of the outcome
    percent: bool = True
    share: bool = False  # values are shares of the outcome's sum
    task: str = ""  # empty: any


PROGRESSES = [
    Progress("survival", "Users not yet content three times in a row", "sessions", "users (%)"),
    Progress("rule_rate", "First replies that follow the user's rule", "updates", "probability (%)"),
    Progress("correctness", "Replies that solve the task", "updates", "share (%)"),
    Progress("success", "Episodes that succeed", "updates (% of all)", "episodes (%)", x_step=10, task="machines"),
    Progress("kl", "Divergence from the untrained policy", "updates", "KL per token (nats)", percent=False),
    Progress("entropy", "Entropy of the policy", "updates", "nats per token", percent=False),
    Progress("length", "Length of replies", "updates", "tokens", percent=False),
    Progress(
        "staleness",
        "Age of what was learned from",
        "updates from serving to learning (last: or more)",
        "share (%)",
        share=True,
    ),
]


def line_of(arm: Arm, what: Progress, name: str, style: int) -> Line | None:
    values = arm.outcome(what.outcome)
    if not len(values) or what.task not in ("", arm.task):
        return None
    if what.share:
        values = values / values.sum() if values.sum() > 0 else np.zeros_like(values)
    line = Line(name, style, what.x_step * np.arange(len(values)), values * (100 if what.percent else 1)).drawable()
    return line if len(line.x) else None


def chart_of(setting: Setting, report: Report, what: Progress, is_panel: bool) -> Chart | None:
    lines = [line_of(arm, what, arm.name, arm.style) for arm in setting.arms]
    if not any(lines):
        return None
    chance = report.studies.chance
    if chance is not None and chance.task == setting.arms[0].task and any(arm.learns for arm in setting.arms):
        lines.append(line_of(chance, what, "no learning", CHANCE_STYLE))
    found = [line for line in lines if line is not None]
    extremes = [0.0, *(float(line.y.min()) for line in found)], [0.0, *(float(line.y.max()) for line in found)]
    title, note = (setting.title or what.title, "") if is_panel else (what.title, setting.title)
    return Chart(
        title,
        what.x_name,
        what.y_name,
        found,
        note=note,
        panel=is_panel,
        y_range=(0.0, 100.0) if what.percent and not what.share else rounded(min(extremes[0]), max(extremes[1])),
    )


def has_many_arms(report: Report) -> bool:
    """Too many for one chart."""
    return any(len(setting.arms) > MOST_LINES for setting in report.studies.settings)


def drawn(report: Report, what: Progress) -> Markup:
    is_panel = len(report.studies.settings) > MOST_LARGE
    charts = [chart_of(setting, report, what, is_panel) for setting in report.studies.settings]
    if not is_panel and has_many_arms(report):
        return Markup("").join(panels(chart, report.counter) for chart in charts if chart is not None)
    found = [line_figure(chart, report.counter) for chart in charts if chart is not None]
    if not is_panel or not found:
        return Markup("").join(found)
    head = Markup("<h3>{}</h3>\n").format(what.title) + tables.soft(
        f"{what.y_name[0].upper()}{what.y_name[1:]} by {what.x_name}."
    )
    rest = found[OPEN_FIGURES:]
    more = tables.folded(f"{len(rest)} more settings", tables.charts(rest, "panels")) if rest else Markup("")
    return head + tables.charts(found[:OPEN_FIGURES], "panels") + more


def body(report: Report) -> Markup:
    studies = report.studies
    figures = [drawn(report, what) for what in PROGRESSES]
    if not any(figures):
        return Markup("")
    names = [(name, style) for style, name in enumerate(studies.names)][:MOST_NAMES]
    if studies.chance is not None:
        names.append(("no learning", CHANCE_STYLE))
    is_grid = len(studies.settings) <= MOST_LARGE and not has_many_arms(report)
    head = tables.legend(names) if is_grid or len(studies.settings) > MOST_LARGE else Markup("")
    return (
        head
        + (tables.charts(figures) if is_grid else Markup("").join(figures))
        + tables.soft(
            "Means over replicates. Against updates, a replicate that ended early counts with its last value."
        )
    )
