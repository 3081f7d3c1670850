"""Every cell by itself."""

from __future__ import annotations

import math

from markupsafe import Markup

from shoal.report import tables, text
from shoal.report.page import Report
from shoal.report.sections.results import loss_names, target_name
from shoal.report.variants import FAILURES, Cell, Variant

ORDER, TITLE = 80, "Cells"


def value(number: float, scale: float = 1, unit: str = "") -> Markup:
    if not math.isfinite(number):
        return tables.cell("-")
    return tables.cell(f"{scale * number:.2f}{unit}" if unit else f"{number:.4g}")


def row(variant: Variant, cell: Cell, has_accuracy: bool, has_target: bool, has_clients: bool) -> list[Markup]:
    totals = cell.totals
    made = [
        Markup('<td class="name">{}</td>').format(f"{cell.index}"),
        tables.name(variant),
        tables.cell(str(cell.seed)),
    ]
    if has_accuracy:
        made += [value(totals["final_accuracy"], 100, " %"), value(totals["best_accuracy"], 100, " %")]
    made.append(value(cell.last_measure(variant.metric) if variant.metric else totals["final_loss"]))
    if has_target:
        reached = totals["rounds_to_target"] >= 0
        made += [
            tables.cell(f"{totals['rounds_to_target']:.0f}" if reached else "-"),
            tables.cell(text.duration(1e-6 * totals["time_to_target_us"]) if reached else "-"),
        ]
    if has_clients:
        made += [
            tables.cell(f"{totals['rounds']:.0f}"),
            tables.cell(text.size(totals["bytes_down"])),
            tables.cell(text.size(totals["bytes_up"])),
            tables.cell(f"{totals['dropouts']:.0f}"),
            tables.alarming(f"{totals['rejected']:.0f}", totals["rejected"] > 0),
            tables.alarming(str(cell.abandoned), cell.abandoned > 0),
        ]
    made.append(tables.alarming(cell.status, cell.status in FAILURES))
    made.append(tables.cell(text.duration(totals["wall_seconds"]) if cell.finished else "-"))
    return [*made, tables.cell(cell.hash or "-", "hash text")]


def body(report: Report) -> Markup:
    variants = report.variants
    has_accuracy = any(variant.spread("best_accuracy").count for variant in variants)
    has_target = any(variant.target > 0 for variant in variants)
    has_clients = any(not variant.metric for variant in variants)
    head = ["cell", "", "seed", *(["final accuracy", "best accuracy"] if has_accuracy else []), loss_names(variants)]
    if has_target:
        head += [f"rounds\nto {target_name(variants)}", f"virtual time\nto {target_name(variants)}"]
    if has_clients:
        head += ["rounds", "down", "up", "dropouts", "updates\nrejected", "rounds\nabandoned"]
    rows = [row(variant, cell, has_accuracy, has_target, has_clients) for variant in variants for cell in variant.cells]
    return tables.folded("Every cell by itself", tables.table([*head, "ended", "wall time", "hash"], rows, texts=2))
