"""Tables of runs: intervals, paired tests between variants, and LaTeX, CSV and Markdown of any frame.

shoal.table.summary(run)                         what `shoal run` prints
shoal.table.intervals(run, "best_accuracy")      mean and 95 % limits by variant
shoal.table.comparison(run, baseline="fed_avg")  differences on the same seeds, with Holm's p values
print(shoal.table.latex(shoal.table.summary(run)))
"""

from collections.abc import Sequence
from itertools import combinations
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from . import statistics, text
from .errors import ShoalError
from .run_file import TO_TARGET, Run, reached_text, status_of
from .statistics import Method, Test

__all__ = [
    "by_repetition",
    "comparison",
    "comparison_text",
    "csv",
    "intervals",
    "latex",
    "markdown",
    "seeds_needed",
    "summary",
]


def by_repetition(run: Run, value: str | None = None) -> pd.DataFrame:
    """A row per seed and a column per variant: a column of `run.cells`, or the last value that each cell has of a
    column of `run.rounds` or of a measure (None: `run.main_value`). Of a study, a row per seed and replicate."""
    value = value or run.main_value
    repeated = run.cells[run.cells.duplicated(["label", "seed"])]
    if len(repeated):
        raise ShoalError(
            f"{run.path}: two cells have the label '{repeated['label'].iloc[0]}' and one seed. Label them."
        )
    replicates = run.tables.get("replicates", pd.DataFrame())
    if value in replicates.columns:
        frame = replicates.pivot(index=["seed", "replicate"], columns="label", values=value).astype(float)
        return frame.reindex(columns=run.labels)
    if value in run.cells.columns:
        cells = run.cells.reset_index()[["cell", "label", "seed", value]]
        cells = cells.assign(**{value: pd.to_numeric(cells[value], errors="coerce")})
        if value in TO_TARGET:
            cells[value] = cells[value].where(cells[value] >= 0)
    else:
        cells = run.series(value).drop_duplicates("cell", keep="last")
    frame = cells.pivot(index="seed", columns="label", values=value).astype(float)
    return frame.reindex(columns=run.labels)


def intervals(run: Run, value: str | None = None, method: Method = "t", confidence: float = 0.95) -> pd.DataFrame:
    """By variant: repetitions, mean, sd, low, high."""
    rows = {}
    for label, values in by_repetition(run, value).items():
        found = statistics.interval(values, method, confidence)
        rows[label] = {
            "repetitions": int(np.isfinite(values).sum()),
            "mean": found.mean,
            "sd": values[np.isfinite(values)].std(ddof=1),
            "low": found.low,
            "high": found.high,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")


def comparison(
    run: Run, value: str | None = None, baseline: str | None = None, test: Test = "t", confidence: float = 0.95
) -> pd.DataFrame:
    """Paired differences a - b on the same seeds (of a study, the same replicates): of every variant against
    `baseline`, or of all pairs. `p_holm` accounts for all rows of the table; the limits of the differences do not."""
    values = by_repetition(run, value)
    _check_variants(run, [] if baseline is None else [baseline])
    pairs = (
        list(combinations(values.columns, 2))
        if baseline is None
        else [(label, baseline) for label in values.columns if label != baseline]
    )
    rows = []
    for a, b in pairs:
        found = statistics.paired(values[a], values[b], test, confidence)
        rows.append(
            {
                "a": a,
                "b": b,
                "pairs": found.pairs,
                "difference": found.difference.mean,
                "low": found.difference.low,
                "high": found.difference.high,
                "p": found.p,
            }
        )
    frame = pd.DataFrame(rows, columns=["a", "b", "pairs", "difference", "low", "high", "p"])
    return frame.assign(p_holm=statistics.holm(frame["p"].to_numpy()))


def seeds_needed(
    run: Run, a: str, b: str, difference: float, value: str | None = None, power: float = 0.8, level: float = 0.05
) -> int:
    """How many seeds (of a study, replicates) show a true difference of this size with this probability, if differences
    between a and b spread over seeds as they did in the run. A guess: the spread of few seeds is uncertain itself."""
    _check_variants(run, [a, b])
    values = by_repetition(run, value)
    spread = (values[a] - values[b]).std(ddof=1)
    if not spread > 0:
        raise ShoalError(f"the differences of '{a}' and '{b}' have no spread to plan with. Run them with more seeds.")
    return statistics.pairs_needed(difference / spread, power, level)


def summary(run: Run) -> pd.DataFrame:
    """As texts, a row per variant: mean ± standard deviation over seeds, with the columns that the run has values
    for."""
    rows = run.summary()
    metric = {run.metric_name(label) for label in run.labels}
    loss = metric.pop() if len(metric) == 1 else "metric"
    has_target = any(np.isfinite(run.target(label)) for label in run.labels)

    def shown(form, name: str) -> list[str]:
        return [
            form(mean, spread if seeds > 1 else np.nan)
            for mean, spread, seeds in zip(rows[name], rows[f"{name}_sd"], rows["seeds"], strict=True)
        ]

    columns: dict[str, list[str]] = {"seeds": [f"{seeds}" for seeds in rows["seeds"]]}
    for name, title in (
        ("final_accuracy", "final accuracy"),
        ("best_accuracy", "best accuracy"),
        ("personal_accuracy", "personal accuracy"),
        ("personal_accuracy_p10", "10th percentile"),
    ):
        if rows[name].notna().any():
            columns[title] = shown(text.percent, name)
    if rows["metric_value"].notna().any():
        columns[loss.replace("_", " ")] = shown(text.number, "metric_value")
    if has_target:
        columns["rounds to target"] = [reached_text(row) for _, row in rows.iterrows()]
        columns["time to target"] = [text.duration(time / 1e6) for time in rows["time_to_target_us"]]
    if (rows["time_us"] > 0).any():
        columns["total virtual time"] = [text.duration(time / 1e6) for time in rows["time_us"]]
    if (rows["bytes_up"] > 0).any():
        columns["upload"] = [text.size(sent) for sent in rows["bytes_up"]]
    for name in ("dropouts", "rejected", "abandoned"):
        if (rows[name] > 0).any():
            columns[name] = [text.count(mean) for mean in rows[name]]
    columns["status"] = [status_of(row) for _, row in rows.iterrows()]
    return pd.DataFrame(columns, index=rows.index)


def comparison_text(frame: pd.DataFrame, scale: float = 1) -> pd.DataFrame:
    """A comparison as texts; a scale of 100 shows points of a percentage."""
    limits = [
        f"[{scale * low:+.3g}, {scale * high:+.3g}]" if np.isfinite(low) else text.NONE
        for low, high in zip(frame["low"], frame["high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "a": frame["a"],
            "b": frame["b"],
            "pairs": frame["pairs"],
            "difference": [
                f"{scale * value:+.3g}" if np.isfinite(value) else text.NONE for value in frame["difference"]
            ],
            "limits": limits,
            "p": frame["p"].map(text.p_value),
            "p (Holm)": frame["p_holm"].map(text.p_value),
        }
    )


def latex(
    frame: pd.DataFrame, path: str | PathLike[str] | None = None, caption: str | None = None, label: str | None = None
) -> str:
    """A tabular with the rules of booktabs (\\usepackage{booktabs}); inside a table if it has a caption. Every text is
    escaped."""
    frame = _with_index(frame)
    numbers = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in frame.dtypes)
    content = frame.to_latex(
        index=False,
        escape=True,
        na_rep=text.NONE,
        caption=_escaped(caption),
        label=label,
        column_format=numbers,
        float_format="%.4g",
        position="htb" if caption else None,
    )
    for letter, command in {
        "±": r"$\pm$",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
    }.items():  # LaTeX's first font has others there
        content = content.replace(letter, command)
    return _written(content, path)


def markdown(frame: pd.DataFrame, path: str | PathLike[str] | None = None) -> str:
    """A table of GitHub's Markdown."""
    frame = _with_index(frame)

    def line(cells: list[str]) -> str:
        escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells)
        return "| " + " | ".join(escaped) + " |"

    rule = ["---:" if pd.api.types.is_numeric_dtype(kind) else "---" for kind in frame.dtypes]
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    lines = [line([str(name) for name in frame.columns]), "| " + " | ".join(rule) + " |", *map(line, rows)]
    return _written("\n".join(lines) + "\n", path)


def csv(frame: pd.DataFrame, path: str | PathLike[str] | None = None) -> str:
    """Reals in the shortest form that reads back to the same bits; empty where there is none."""
    return _written(_with_index(frame).to_csv(index=False), path)


def _check_variants(run: Run, labels: Sequence[str]) -> None:
    for label in labels:
        if label not in run.labels:
            raise ShoalError(f"{run.path}: has no variant '{label}'. Choose one of: {', '.join(run.labels)}.")


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The index as a first column if it says something; texts without control characters."""
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    frame = frame.rename(columns=lambda name: text.plain(str(name)))
    return frame.apply(lambda column: column if pd.api.types.is_numeric_dtype(column.dtype) else column.map(text.plain))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if np.isfinite(value) else text.NONE
    return str(value)


def _escaped(caption: str | None) -> str | None:
    if caption is None:
        return None
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(
        special.get(letter, "\\" + letter if letter in "&%$#_{}" else letter) for letter in text.plain(caption)
    )


def _written(content: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        Path(path).write_text(content, encoding="utf-8", newline="")
    return content


if __name__ == "__main__":
    from .console import main

    raise SystemExit(main())
