"""Tables of a run: the numbers, and texts that LaTeX and Markdown take whatever a label holds."""

import dataclasses
import io
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import shoal
from shoal import statistics, table

HOSTILE = pd.DataFrame(
    {"label": ["a_b & 50 % #1", "x^2 ~ {y} \\z $", "<b>|c|</b>", "two\nlines\x07"], "value": [1.5, np.nan, 2, 3]}
)


def test_by_repetition(run):
    values = table.by_repetition(run)
    assert list(values.columns) == run.labels and list(values.index) == [1, 2, 3, 4]
    for cell in run.cells.itertuples():
        assert values.at[cell.seed, cell.label] == cell.final_accuracy
    # The last value that a cell has of a column of rounds.
    assert table.by_repetition(run, "accuracy").equals(values)
    reached = table.by_repetition(run, "rounds_to_target")
    assert not (reached < 0).any().any()


def test_comparison_is_paired_by_repetition(run):
    values = table.by_repetition(run)
    frame = table.comparison(run, baseline=run.labels[0])
    assert list(frame["a"]) == run.labels[1:] and set(frame["b"]) == {run.labels[0]} and (frame["pairs"] == 4).all()
    for row in frame.itertuples():
        expected = statistics.paired(values[row.a], values[row.b])
        assert row.p == expected.p and row.difference == pytest.approx((values[row.a] - values[row.b]).mean())
    assert list(frame["p_holm"]) == list(statistics.holm(frame["p"].to_numpy()))
    assert len(table.comparison(run)) == 3
    with pytest.raises(shoal.ShoalError, match="has no variant 'sgd'. Choose one of"):
        table.comparison(run, baseline="sgd")
    assert table.seeds_needed(run, run.labels[0], run.labels[2], 0.01) > 1
    with pytest.raises(shoal.ShoalError, match="has no variant 'sgd'. Choose one of"):
        table.seeds_needed(run, run.labels[0], "sgd", 0.01)


def test_replicates_of_a_study_are_paired(program, tmp_path):
    grid = {"objective": ["binary_rl", "opd_token"], "seed": [1, 2]}
    study = {"name": "study", "task": {"name": "rules", "replicates": 12}, "grid": grid}
    run = shoal.run(study, out=tmp_path / "study.h5", progress=False)
    assert run.main_value == "sessions"
    values = table.by_repetition(run)
    assert values.shape == (24, 2) and list(values.columns) == run.labels
    # The study's measure is the mean of its replicates.
    for cell in run.cells.itertuples():
        assert values.loc[cell.seed][cell.label].mean() == pytest.approx(cell.metric_value, rel=1e-6)
    (row,) = table.comparison(run).itertuples()
    difference = values[run.labels[0]] - values[run.labels[1]]
    assert row.pairs == 24 and row.p == pytest.approx(scipy.stats.ttest_1samp(difference, 0).pvalue)


def test_summary_is_the_programs(run, program, run_path, tmp_path):
    """The same texts as in the table that `shoal run` prints."""
    printed = shoal.program.call("run", run_path.with_suffix(".toml"), "--out", tmp_path / "again.h5", "--anew")
    frame = table.summary(run)
    for label, row in frame.iterrows():
        line = next(line for line in printed.splitlines() if line.startswith(f"{label} ") and "±" in line)
        for name in (
            "final accuracy",
            "best accuracy",
            "loss",
            "rounds to target",
            "time to target",
            "upload",
            "status",
        ):
            assert row[name] in line, (name, row[name], line)


def test_csv_reads_back(run):
    frame = table.intervals(run)
    again = pd.read_csv(io.StringIO(table.csv(frame)), index_col="label", dtype=str)
    for label, row in frame.iterrows():
        assert [float(value) for value in again.loc[label]] == list(row)


def test_infinite_values_are_left_out(run):
    """As in the mean: a diverged cell has no deviation to add."""
    values = table.by_repetition(run, "final_accuracy")[run.labels[0]]
    cells = run.cells.assign(final_accuracy=run.cells["final_accuracy"].where(run.cells.index > 0, np.inf))
    row = table.intervals(dataclasses.replace(run, cells=cells), "final_accuracy").loc[run.labels[0]]
    assert row["repetitions"] == 3 and row["sd"] == pytest.approx(np.std(values.iloc[1:], ddof=1))


def test_markdown():
    lines = table.markdown(HOSTILE).splitlines()
    assert lines[0] == "| label | value |" and lines[1] == "| --- | ---: |" and len(lines) == 6
    assert (
        lines[4] == "| &lt;b>\\|c\\|&lt;/b> | 2 |" and lines[3].endswith("| - |") and lines[5] == "| two lines  | 3 |"
    )


def test_latex_escapes():
    text = table.latex(HOSTILE, caption="50 % of a_b", label="tab:x")
    assert r"a\_b \& 50 \% \#1 & 1.5 \\" in text and "$<$b$>$$|$c$|$" in text and r"\caption{50 \% of a\_b}" in text
    assert "\x07" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here (pdflatex is not found)")
def test_latex_compiles(run, tmp_path):
    tables = [
        table.latex(HOSTILE),
        table.latex(table.summary(run), caption="All & more"),
        table.latex(table.comparison_text(table.comparison(run), 100)),
    ]
    content = "\n\n".join(tables)
    (tmp_path / "page.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + content + "\n\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
