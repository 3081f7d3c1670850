"""What a study counted: the yield of its sessions, queues and waiting, and all else."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup

from shoal.report import tables
from shoal.report.page import Report
from shoal.report.studies import Studies
from shoal.report.text import clean

ORDER, TITLE = 24, "What was counted"

MOST_VALUES = 4  # a table lists up to this many values of an outcome one by one
LEAST_HINT_GAIN = 0.25  # sim/agents/language/hint_gain.hpp
TITLES = {"sessions": "sessions, by user", "censored": "never content", "hint_gain": "hint gain, 95 %"}
YIELD = ["sessions", "censored", "judged", "voted", "hinted", "taken", "dropped", "produced", "consumed"]
YIELD_LATER = ["resident", "updates_per_session", "first_success"]
WAITING = [
    "requests",
    "refused",
    "pauses",
    "stall_seconds",
    "serving_latency",
    "queue_longest",
    "idle_serving",
    "idle_judge",
    "idle_trainer",
    "updates",
    "hours",
]


def number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def values(outcome: np.ndarray) -> Markup:
    if len(outcome) > MOST_VALUES:
        return tables.cell(f"{number(outcome.mean())} ({number(outcome.min())} to {number(outcome.max())})")
    return tables.cell(" / ".join(map(number, outcome)) or "-")


def table(studies: Studies, wanted: list[str], title: str, note: str) -> Markup:
    """One row per label; columns that no label fills are left out."""
    columns = [name for name in wanted if any(len(arm.outcome(name)) for arm in studies.arms)]
    if not columns:
        return Markup("")
    head = [TITLES.get(name, name.replace("_", " ")).replace(" ", "\n") for name in columns]
    rows = [
        [tables.named(arm.variant.label, arm.style), *(values(arm.outcome(name)) for name in columns)]
        for arm in studies.arms
    ]
    return Markup("<h3>{}</h3>\n").format(title) + tables.table(["", *head], rows) + tables.soft(note)


def single(studies: Studies) -> list[str]:
    """Outcomes of one number."""
    names = dict.fromkeys(name for arm in studies.arms for name in arm.outcomes)
    return [name for name in names if any(len(arm.outcome(name)) == 1 for arm in studies.arms)]


def closed_gate(studies: Studies) -> Markup:
    """If hints are worth nothing to a policy, the use that objectives make of them says nothing about hints."""
    for arm in studies.arms:
        gain = arm.outcome("hint_gain")
        if len(gain) == 3 and not gain[1] > LEAST_HINT_GAIN:
            return Markup(
                "<p><strong>No claim about hints can be made from {}</strong>: to its untrained policy a hint is worth "
                "{} nats per reply (95 % interval {} to {}), and the interval must lie above {}.</p>\n"
            ).format(clean(arm.variant.label), *(f"{value:.2f}" for value in gain), LEAST_HINT_GAIN)
    return Markup("")


def chance_note(studies: Studies) -> Markup:
    if studies.chance is None:
        return Markup("")
    variant = studies.chance.variant
    return Markup("<p>Without learning (label {}) the mean of {} is {}: the chance level of the measure.</p>\n").format(
        clean(variant.label), clean(variant.loss_name), f"{variant.final_loss.mean:.4g}"
    )


def body(report: Report) -> Markup:
    studies = report.studies
    if not studies.settings:
        return Markup("")
    counted = {name for arm in studies.arms for name in arm.outcomes}
    of_yield = [*YIELD, *(name for name in single(studies) if name.startswith("dropped_")), *YIELD_LATER, "hint_gain"]
    others = [name for name in single(studies) if name not in {*of_yield, *WAITING}]
    note = "Means over replicates."
    if "judged" in counted:
        note += (
            " Judged = taken + dropped, per session: voted had a vote that was no tie, hinted a hint; taken went into a "
            "batch; dropped lacked the signal that the objective learns from."
        )
    if "produced" in counted:
        note += " Produced = consumed + dropped + resident."
    if "first_success" in counted:
        note += " First success: updates until half of the episodes succeed."
    return (
        closed_gate(studies)
        + chance_note(studies)
        + table(studies, of_yield, "Yield", note)
        + table(
            studies,
            WAITING,
            "Queues and waiting",
            "Means over replicates: times in virtual seconds unless hours are stated, idle times as shares of the "
            "total.",
        )
        + table(studies, others, "What else was counted", "Means over replicates.")
    )
