"""Paired comparison of the arms of a study: replicate i meets the same world under every setting."""

from __future__ import annotations

import math

from markupsafe import Markup

from shoal.report import tables
from shoal.report.figures import swatch
from shoal.report.page import Report
from shoal.report.studies import Arm, PairedDifference, Setting, paired_difference
from shoal.report.text import clean

ORDER, TITLE = 22, "Paired comparisons"
OPEN_SETTINGS, OPEN_ARMS = 2, 6  # tables of more settings or arms need a click


def verdict(difference: PairedDifference) -> str:
    if difference.pairs >= difference.needed:
        return "enough pairs"
    if difference.told_apart:
        return "told apart, but with less power than asked for"
    return "too few pairs to tell them apart"


def row(first: Arm, second: Arm, found: PairedDifference) -> list[Markup]:
    names = Markup('<td class="name">{}{} − {}{}</td>').format(
        swatch(first.style), clean(first.name), swatch(second.style), clean(second.name)
    )
    interval = (
        f"{found.mean - found.half_width:.3g} to {found.mean + found.half_width:.3g}"
        if math.isfinite(found.half_width)
        else "-"
    )
    needed, words = (
        ("-", "equal in every pair") if math.isinf(found.needed) else (f"{found.needed:.0f}", verdict(found))
    )
    return [
        names,
        *map(tables.cell, (f"{found.mean:.3g}", f"{found.deviation:.3g}", interval, str(found.pairs), needed)),
        tables.cell(words, "text"),
    ]


def pairs_of(setting: Setting) -> Markup:
    rows = []
    for i, first in enumerate(setting.arms):
        for second in setting.arms[:i]:
            found = paired_difference(first, second)
            if found.pairs >= 2:
                rows.append(row(first, second, found))
    return tables.table(
        ["", "mean\ndifference", "standard\ndeviation", "95 % interval", "pairs", "pairs\nneeded", ""], rows
    )


def body(report: Report) -> Markup:
    made: list[Markup] = []
    for setting in report.studies.settings:
        rows = pairs_of(setting)
        if rows:
            is_open = len(made) < OPEN_SETTINGS and len(setting.arms) <= OPEN_ARMS
            made.append(tables.folded(setting.title or "All replicates", rows, is_open))
    if not made:
        return Markup("")
    metric = " or ".join(dict.fromkeys(arm.variant.loss_name for arm in report.studies.arms))
    return tables.soft(
        f"Replicate i meets the same world under every setting, so differences are taken pair by pair, of {metric} (less is "
        "better). Pairs needed: for a two-sided test at 95 % to find a difference as large as the one found with probability "
        "90 %. Intervals are not widened for the number of comparisons."
    ) + Markup("").join(made)
