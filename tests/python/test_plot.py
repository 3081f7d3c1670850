"""Pictures show the numbers of the run: read back from matplotlib's artists and compared with other computations."""

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import shoal
from conftest import SOURCE
from matplotlib.colors import to_rgb
from shoal import plot
from shoal.plot import style


def several(run: shoal.Run, times: int, name: str = "$x_{1}$") -> shoal.Run:
    """The run's first variants under `times` other labels."""

    def again(frame):
        return pd.concat(
            [frame.assign(cell=frame["cell"] + 100 * i, label=f"{i} {name}") for i in range(times)],
            ignore_index=True,
        )

    cells = again(run.cells[run.cells["label"] == run.labels[0]].reset_index()).set_index("cell")
    return dataclasses.replace(run, cells=cells, rounds=again(run.rounds[run.rounds["label"] == run.labels[0]]))


def evaluated(run: shoal.Run, label: str, number: int) -> np.ndarray:
    rows = run.rounds[(run.rounds["label"] == label) & (run.rounds["round"] == number)]
    return rows["accuracy"].to_numpy()


def test_lines_are_means_with_t_limits(run):
    axes = plot.curves(run).axes[0]
    assert len(axes.lines) == 3 and axes.get_xlabel() == "round" and axes.get_ylabel() == "test accuracy (%)"
    for label, line, band in zip(run.labels, axes.lines, plot.bands(run), strict=True):
        assert line.get_label().startswith(label) and list(line.get_xdata()) == [3, 6, 9, 12] and band.seeds == 4
        for i, number in enumerate((3, 6, 9, 12)):
            values = evaluated(run, label, number)
            assert line.get_ydata()[i] == pytest.approx(100 * values.mean())
            limits = scipy.stats.t.interval(0.95, 3, values.mean(), scipy.stats.sem(values))
            assert (band.low[i], band.high[i]) == pytest.approx(limits)
    by_range = plot.bands(run, interval="range")[0]
    assert by_range.low[-1] == evaluated(run, run.labels[0], 12).min()
    assert f"({100 * by_range.last:.1f} %)" in axes.lines[0].get_label()


def test_each_seed_keeps_its_own_last_value(run):
    """Along virtual time, a seed that ends earlier counts with its last value until the last one ends."""
    rounds = run.rounds[run.rounds["cell"].isin([0, 1])].copy()
    slow = rounds["cell"] == 1
    rounds.loc[slow, "time_us"] *= 3
    pair = dataclasses.replace(run, rounds=rounds)
    band = plot.bands(pair, x="time")[0]
    first, second = (rounds[rounds["cell"] == cell].dropna(subset="accuracy") for cell in (0, 1))
    assert band.x[-1] == second["time_us"].iloc[-1] > first["time_us"].iloc[-1]
    expected = (first["accuracy"].iloc[-1] + second["accuracy"].iloc[-1]) / 2
    assert band.mean[-1] == pytest.approx(expected) == band.last
    assert band.x[0] == max(first["time_us"].iloc[0], second["time_us"].iloc[0])


def test_many_variants_have_a_picture_each(run):
    figure = plot.curves(several(run, 10))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 10 and titles[3].startswith("3 $x_{1}$")
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len(plot.curves(several(run, 8)).axes) == 1


def test_few_evaluations_give_dots(run):
    rounds = run.rounds.assign(accuracy=run.rounds["accuracy"].where(run.rounds["round"] > 6))
    axes = plot.curves(dataclasses.replace(run, rounds=rounds)).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == run.labels
    means = [line.get_xdata()[0] for line in axes.lines if line.get_markersize() == 7]
    assert means == pytest.approx([100 * evaluated(run, label, 12).mean() for label in run.labels])


def test_lorenz_and_gini(run):
    for of, column in (("participations", None), ("examples", "examples")):
        x, y, gini = plot.shares(run, run.labels[0], of)
        rows = run.clients[run.clients["cell"] == 0]
        amounts = np.zeros(40)
        for client, own in rows.groupby("client"):
            amounts[client] = len(own) if column is None else own[column].sum()
        # Gini's coefficient as the mean absolute difference of all pairs.
        assert gini == pytest.approx(np.abs(amounts[:, None] - amounts[None, :]).mean() / 2 / amounts.mean())
        assert (x[0], y[0], x[-1], y[-1]) == pytest.approx((0, 0, 1, 1)) and len(x) == 41
        assert (np.diff(y, 2) > -1e-12).all(), "convex"
    axes = plot.lorenz(run).axes[0]
    diagonal, *lines = axes.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 100] and len(lines) == 3
    # The lines coincide: they are told apart by dashes and by marks at other places.
    assert len({str(line.get_linestyle()) + line.get_marker() for line in lines}) == 3
    assert not set(lines[0].get_markevery()) & set(lines[1].get_markevery())


def test_heat_map_has_its_numbers(run):
    frame = plot.over_settings(run, "seed", "strategy.name")
    assert list(frame.columns) == ["fed_avg", "fed_prox", "scaffold"] and list(frame.index) == [1, 2, 3, 4]
    axes = plot.heat_map(run, "seed", "strategy.name").axes[0]
    texts = {text.get_position(): text for text in axes.texts if text.get_position()[1] in range(4)}
    assert len(texts) == 12
    for (column, row), text in texts.items():
        value = 100 * frame.iloc[row, column]
        assert text.get_text() == f"{value:.1f}"
        assert (text.get_bbox_patch() is not None) == (value == 100 * frame.iloc[:, column].max())
    with pytest.raises(shoal.ShoalError, match="no setting 'strategy.mu'"):
        plot.over_settings(run, "seed", "strategy.mu")
    with pytest.raises(shoal.ShoalError, match="cells have no value 'accuracy'. Choose"):
        plot.over_settings(run, "seed", "strategy.name", "accuracy")


def test_a_heat_map_leaves_out_cells_below_the_target(run):
    cells = run.cells.assign(rounds_to_target=[-1, 6, 9, -1, *run.cells["rounds_to_target"].iloc[4:]])
    frame = plot.over_settings(dataclasses.replace(run, cells=cells), "planner.cohort", "strategy", "rounds_to_target")
    assert frame.loc[8, "fed_avg"] == 7.5


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out(theme):
    """WCAG 2.1: contrast of at least 3 for lines and 4.5 for text."""
    ground = luminance(style.GROUND[theme])
    for colours, least in ((style.COLOURS[theme], 3), ([style.INK[theme], style.SOFT[theme]], 4.5)):
        for colour in colours:
            low, high = sorted((ground, luminance(colour)))
            assert (high + 0.05) / (low + 0.05) >= least, colour


def test_the_command_draws_the_same_bytes(run_path, tmp_path):
    for name in ("a", "b"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "shoal.plot",
                run_path,
                "--out",
                f"{name}.svg",
                "--dark",
                f"{name}-dark.svg",
                "--x",
                "time",
                "--skip",
                "0.1",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (
        (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes() != (tmp_path / "a-dark.svg").read_bytes()
    )
    assert xml.parse(tmp_path / "a.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    done = subprocess.run(
        [sys.executable, "-m", "shoal.plot", "none.h5", "--out", "a.svg"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("plot: none.h5: no such file")
    with pytest.raises(shoal.ShoalError, match="ending"):
        plot.save(None, tmp_path / "a.gif")


def test_labels_are_no_formulas(run, tmp_path):
    """A label that would be a wrong formula is drawn as it is, wherever it stands."""
    hostile = several(run, 2, "$\\frac{$ <b>\n\x07")
    for number, figure in enumerate((plot.curves(hostile), plot.dots(hostile))):
        assert figure._repr_png_().startswith(b"\x89PNG")
        figure.savefig(tmp_path / f"{number}.svg")
        assert xml.parse(tmp_path / f"{number}.svg").getroot().tag.endswith("svg")


def test_labels_with_an_underscore_have_legend_entries(run):
    def renamed(frame):
        return frame.assign(label="_" + frame["label"])

    hidden = dataclasses.replace(
        run, cells=renamed(run.cells), rounds=renamed(run.rounds), clients=renamed(run.clients)
    )
    for figure in (plot.curves(hidden), plot.lorenz(hidden)):
        names = [text.get_text().split("  ")[0].strip() for text in figure.axes[0].get_legend().get_texts()]
        assert set(hidden.labels) <= set(names)


@pytest.mark.parametrize(("theme", "name"), [("light", "quickstart.svg"), ("dark", "quickstart-dark.svg")])
def test_the_front_page_shows_four_lines(theme, name):
    """Their colours, dashes and marks differ, on the ground of its theme."""
    text = (SOURCE / "experiments" / name).read_text()
    assert f"fill: {style.GROUND[theme]}" in text
    lines = re.findall(r'<path d="[^"]{400,}" clip-path="[^"]*" style="([^"]*stroke-width: (?:2\.6|1\.7)[^"]*)"', text)
    assert [re.search(r"stroke: (#\w+)", line)[1] for line in lines] == style.COLOURS[theme][:4]
    assert len({re.sub(r"stroke: #\w+|stroke-width: [\d.]+", "", line) for line in lines}) == 4
