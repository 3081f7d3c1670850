"""Maps of the best objective over the judge's false-positive rate and how often users say what they want."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from shoal.report import tables
from shoal.report.page import Report
from shoal.report.studies import Arm, Setting, Studies, paired_difference
from shoal.report.text import clean

ORDER, TITLE = 5, "Which objective is best where"

# The estimated place of OpenClaw-RL's setting (arXiv 2603.10165): 37 % of the failed turns were judged +1 in an
# independent reproduction (github.com/maoumao34-design/OpenClaw-RL); the density of hints is an assumption.
PAPER_FALSE_POSITIVE, PAPER_DIRECTIVE = 0.37, 0.8


@dataclass(frozen=True)
class Winner:
    arm: Arm  # with the lowest metric
    second: Arm | None
    told_apart: bool  # the paired 95 % interval of the two does not contain zero


@dataclass(frozen=True)
class WinnerMap:
    false_positive: list[float]  # ascending; two or more
    directive: list[float]
    winners: dict[tuple[float, float], Winner]  # by directive and false_positive


def winner_of(setting: Setting) -> Winner | None:
    order = sorted((arm for arm in setting.arms if arm.variant.final_loss.count), key=lambda arm: arm.metric)
    if not order:
        return None
    second = order[1] if len(order) > 1 else None
    return Winner(order[0], second, second is not None and paired_difference(order[0], second).told_apart)


def winner_maps(studies: Studies) -> list[WinnerMap]:
    """One for every group of settings that differ in the two rates alone and have a cell for each pair of values."""
    groups: dict[tuple[str, ...], list[Setting]] = {}
    for setting in studies.settings:
        groups.setdefault(setting.arms[0].elsewhere, []).append(setting)
    maps = []
    for group in groups.values():
        columns = sorted({setting.arms[0].false_positive for setting in group})
        rows = sorted({setting.arms[0].directive for setting in group})
        is_grid = len(group) == len(columns) * len(rows)
        if not is_grid or len(columns) < 2 or len(rows) < 2 or max(len(setting.arms) for setting in group) < 2:
            continue
        found = {(setting.arms[0].directive, setting.arms[0].false_positive): winner_of(setting) for setting in group}
        maps.append(WinnerMap(columns, rows, {place: winner for place, winner in found.items() if winner is not None}))
    return maps


def nearest(values: list[float], wanted: float) -> float:
    return min(values, key=lambda value: abs(value - wanted))


def tile(winner: Winner | None, here: bool) -> Markup:
    if winner is None:
        return tables.cell("-")
    arm, second = winner.arm, winner.second
    title = f"{arm.name} {arm.metric:.2f}" + (f", then {second.name} {second.metric:.2f}" if second else "")
    sign = "" if winner.told_apart else "≈ "
    return Markup('<td class="shaded hue{}{}" style="--depth:{}%" title="{}">{}<br><small>{}{}</small></td>').format(
        arm.style % 7,
        " here" if here else "",
        42 if winner.told_apart else 14,
        clean(title),
        clean(arm.name),
        sign,
        f"{arm.metric:.2f}" if arm.metric < 10 else f"{arm.metric:.1f}",
    )


def drawn(found: WinnerMap) -> Markup:
    here = nearest(found.directive, PAPER_DIRECTIVE), nearest(found.false_positive, PAPER_FALSE_POSITIVE)
    rows = [
        [
            tables.cell(f"{directive:g}"),
            *(tile(found.winners.get((directive, rate)), (directive, rate) == here) for rate in found.false_positive),
        ]
        for directive in reversed(found.directive)
    ]
    return tables.table(
        ["hints ↓\nfalse positives →", *(f"{rate:g}" for rate in found.false_positive)], rows, kind="map"
    )


def in_words(found: WinnerMap) -> Markup:
    directive, rate = nearest(found.directive, PAPER_DIRECTIVE), nearest(found.false_positive, PAPER_FALSE_POSITIVE)
    text = (
        f"The setting of OpenClaw-RL is estimated to lie at a false-positive rate of {PAPER_FALSE_POSITIVE:g} and a hint "
        f"density of {PAPER_DIRECTIVE:g}; the framed cell ({rate:g}, {directive:g}) is the nearest here"
    )
    winner = found.winners.get((directive, rate))
    if winner is None:
        return Markup("<p>{} and was not measured.</p>\n").format(text)
    text += f". {winner.arm.name} leads there with {winner.arm.metric:.2f}"
    if winner.second is not None:
        text += f", before {winner.second.name} with {winner.second.metric:.2f}"
        text += "" if winner.told_apart else ": too close to tell apart"
    return Markup("<p>{}.</p>\n").format(clean(text))


def body(report: Report) -> Markup:
    maps = winner_maps(report.studies)
    if not maps:
        return Markup("")
    metric = " or ".join(dict.fromkeys(arm.variant.loss_name for arm in report.studies.arms))
    return Markup("").join(drawn(found) + in_words(found) for found in maps) + tables.soft(
        f"Each cell names the objective with the lowest mean of {metric}, and gives it. Pale, with ≈: the paired 95 % interval of the "
        "difference to the second contains zero. Rows: how often users say what they want; columns: the judge's "
        "false-positive rate."
    )
