"""The main numbers of every variant, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from shoal.report import tables, text
from shoal.report.page import Report
from shoal.report.variants import Variant

ORDER, TITLE = 10, "Results"


def target_name(variants: Sequence[Variant]) -> str:
    targets = {variant.target for variant in variants} - {0}
    return f"{100 * targets.pop():g} %" if len(targets) == 1 else "target"


def loss_names(variants: Sequence[Variant]) -> str:
    return "final " + " or ".join(dict.fromkeys(variant.loss_name for variant in variants))


def reached(variant: Variant, total: str, unit: float, shown) -> str:
    spread = variant.reached(total, unit)
    return f"{shown(spread.mean)} ({spread.count} of {len(variant.cells)})" if spread.count else "not reached"


def quality(variants: Sequence[Variant]) -> Markup:
    has_accuracy = any(variant.spread("best_accuracy").count for variant in variants)
    has_target = any(variant.target > 0 for variant in variants)
    head = ["", "seeds", *(["final accuracy", "best accuracy"] if has_accuracy else []), loss_names(variants)]
    if has_target:
        head += [f"rounds\nto {target_name(variants)}", f"virtual time\nto {target_name(variants)}"]
    rows = []
    for variant in variants:
        row = [tables.name(variant), tables.cell(str(len(variant.cells)))]
        if has_accuracy:
            row += [tables.cell(text.percent(variant.spread(total))) for total in ("final_accuracy", "best_accuracy")]
        row.append(tables.cell(text.loss(variant.final_loss)))
        if has_target:
            row += [
                tables.cell(reached(variant, "rounds_to_target", 1, lambda mean: f"{mean:.0f}")),
                tables.cell(reached(variant, "time_to_target_us", 1e-6, text.duration)),
            ]
        rows.append([*row, tables.alarming(variant.status, variant.failed)])
    return tables.table([*head, "ended"], rows)


def cost(variants: Sequence[Variant]) -> Markup:
    rows = []
    for variant in variants:
        rejected, abandoned = variant.spread("rejected"), text.Spread.of(cell.abandoned for cell in variant.cells)
        rows.append(
            [
                tables.name(variant),
                tables.cell(text.count(variant.spread("rounds"))),
                tables.cell(text.duration(variant.seconds.mean)),
                tables.cell(text.size(variant.spread("bytes_down").mean)),
                tables.cell(text.size(variant.spread("bytes_up").mean)),
                tables.cell(text.count(variant.spread("dropouts"))),
                tables.alarming(text.count(rejected), rejected.mean > 0),
                tables.alarming(text.count(abandoned), abandoned.mean > 0),
            ]
        )
    return tables.table(
        ["", "rounds", "virtual time", "bytes down", "bytes up", "dropouts", "updates\nrejected", "rounds\nabandoned"],
        rows,
    )


def note(variants: Sequence[Variant]) -> Markup:
    if all(len(variant.cells) == 1 for variant in variants):
        return Markup("")
    measured = " and ".join(
        ["Accuracy"] * any(v.spread("best_accuracy").count for v in variants)
        + [loss_names(variants).removeprefix("final ")]
    )
    words = (
        f"{measured[0].upper()}{measured[1:]}: mean ± sample standard deviation over seeds. All else: means over seeds"
    )
    if any(variant.target > 0 for variant in variants):
        words += "; rounds and time to the target: over the seeds that reached it"
    words += "."
    if any(variant.failed for variant in variants):
        words += " A cell that diverged, accepted nothing or is unfinished counts with what was measured last."
    return tables.soft(words)


def body(report: Report) -> Markup:
    has_clients = any(not variant.metric for variant in report.variants)
    return quality(report.variants) + (cost(report.variants) if has_clients else Markup("")) + note(report.variants)
