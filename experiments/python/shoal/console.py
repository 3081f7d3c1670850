"""The table that `shoal run` prints at its end, from a run file."""

import json
import math
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from . import output, table, text
from .errors import ShoalError
from .run_file import Run, reached_text, read, status_of

FORMATS = {"csv": table.csv, "latex": table.latex, "markdown": table.markdown}


def lines(run: Run) -> list[list[str]]:
    """Head and rows; columns for which no variant has a value are left out."""
    rows = run.summary()
    has = {name: bool(rows[name].notna().any()) for name in ("best_accuracy", "personal_accuracy", "personal_loss")}
    metrics = list(dict.fromkeys(run.metric_name(label) for label in run.labels))
    has_target = any(math.isfinite(run.target(label)) for label in run.labels)
    has_clients, has_abandoned = "loss" in metrics, bool((rows["abandoned"] > 0).any())

    def cells(label: str, row: pd.Series) -> list[tuple[bool, str, str]]:
        def shown(form, name: str) -> str:
            return form(row[name], row[f"{name}_sd"] if row["seeds"] > 1 else math.nan)

        reached = row["reached"] > 0
        return [
            (True, "", text.plain(label)),
            (True, "seeds", f"{row['seeds']:.0f}"),
            (has["best_accuracy"], "final accuracy", shown(text.percent, "final_accuracy")),
            (has["best_accuracy"], "best accuracy", shown(text.percent, "best_accuracy")),
            (True, " or ".join(metrics), shown(text.number, "metric_value")),
            (has["personal_accuracy"], "personal accuracy", shown(text.percent, "personal_accuracy")),
            (has["personal_accuracy"], "10th percentile", shown(text.percent, "personal_accuracy_p10")),
            (
                has["personal_loss"] and not has["personal_accuracy"],
                "personal loss",
                shown(text.number, "personal_loss"),
            ),
            (has_target, "rounds to target", reached_text(row)),
            (has_target, "virtual time", text.duration(row["time_to_target_us"] / 1e6) if reached else text.NONE),
            (has_clients, "upload", text.size(row["bytes_up"])),
            (has_clients, "dropouts", text.count(row["dropouts"])),
            (True, "rejected", text.count(row["rejected"])),
            (has_abandoned, "abandoned", text.count(row["abandoned"])),
            (True, "status", status_of(row)),
        ]

    described = [[cell for cell in cells(str(label), row) if cell[0]] for label, row in rows.iterrows()]
    return [[name for _, name, _ in described[0]], *([value for _, _, value in row] for row in described)]


def rendered(table_lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table_lines, strict=True)]
    made = [
        "   ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in table_lines
    ]
    rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
    return "\n".join([made[0], rule, *made[1:]]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="shoal table", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="RUN.h5", help="run file, also of a run in progress")
    parser.add_argument("--format", choices=["text", *FORMATS], default="text", help="default: text")
    parser.add_argument("--out", type=Path, help="file to write instead of printing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(arguments)
    try:
        if options.out is not None:
            output.check(options.out, [options.file], "table")
        run = read(options.file)
        made = lines(run)
        shown = rendered(made) if options.format == "text" else FORMATS[options.format](table.summary(run))
        if options.out is not None:
            output.replace(options.out, shown)
    except (ShoalError, OSError) as error:
        return output.refuse("table", str(error), options.json)
    except output.ODD as error:
        return output.refuse("table", output.odd([options.file], "table", error), options.json)
    if options.json:
        file = None if options.out is None else str(options.out)
        print(json.dumps({"command": "table", "file": file, "head": made[0], "rows": made[1:]}))
    elif options.out is None:
        print(shown, end="")
    else:
        print(options.out)
    return 0
