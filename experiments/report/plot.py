#!/usr/bin/env python3
"""Draws test accuracy (or loss) against rounds (or virtual time) from Shoal run files.

One line for each variant of the comparison: the mean over its seeds, with a band from the lowest to the highest.

    experiments/report/plot.py results/quickstart.h5 --out results/quickstart.svg
    experiments/report/plot.py a.h5 b.h5 --x virtual_time --metric loss --out both.png
"""

import argparse
import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import h5py  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

SCHEMA_VERSION = 3
# Okabe and Ito's palette can be told apart with any colour vision; together with the line style, 21 variants can.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444"]
DASHES = ["-", (0, (5, 1.5)), (0, (1.5, 1.2))]
METRICS = {"accuracy": "test accuracy (%)", "loss": "test loss (nats per example)"}
TIME_UNITS = [(1, "s"), (60, "min"), (3600, "h"), (86400, "d")]


class BadFile(Exception):
    """A file that is missing or is no run file; the text is the message for the user."""


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def read_run(path):
    """The run's name and one table of its evaluated rounds: label, seed, status, round, time_us, accuracy, loss."""
    if not os.path.exists(path):
        raise BadFile(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise BadFile(f"{path}: not an HDF5 file or not readable ({str(error).splitlines()[0]})") from None
    with file:
        if text(file.attrs.get("schema", "")) != "shoal-run":
            raise BadFile(f"{path}: an HDF5 file, but not a run file of Shoal (no attribute schema = shoal-run)")
        version = int(file.attrs.get("schema_version", 0))
        if version > SCHEMA_VERSION:
            raise BadFile(f"{path}: written by a later Shoal (schema {version}, this script reads {SCHEMA_VERSION})")
        tables = []
        for cell in sorted(file.get("cells", {}).values(), key=lambda cell: int(cell.name.rsplit("/", 1)[1])):
            rounds = cell["rounds"][()]
            wanted = ["round", "time_us", "accuracy", "loss"]
            table = pd.DataFrame({column: rounds[column] for column in wanted})
            table = table.replace([np.inf, -np.inf], np.nan)
            table = table[table["accuracy"].notna() | table["loss"].notna()]
            named = {key: cell.attrs[key] for key in ("label", "seed", "status")}
            tables.append(table.assign(label=text(named["label"]), seed=int(named["seed"]), status=text(named["status"])))
        tables = [table for table in tables if len(table)]
        if not tables:
            raise BadFile(f"{path}: holds no evaluated round")
        return text(file.attrs.get("name", "") or Path(path).stem), pd.concat(tables, ignore_index=True)


def band(variant, x, metric):
    """Mean, lowest and highest over the seeds of one variant, by x."""
    curves = [seed[[x, metric]].dropna().sort_values(x) for _, seed in variant.groupby(["file", "seed"])]
    curves = [curve.groupby(x)[metric].last() for curve in curves if len(curve)]
    if not curves:
        return None
    if x == "time":
        # Seeds are evaluated at different times: interpolate where all of them have values.
        grid = np.unique(np.concatenate([curve.index for curve in curves]))
        low, high = max(c.index[0] for c in curves), min(c.index[-1] for c in curves)
        grid = grid[(grid >= low) & (grid <= high)] if low <= high else grid
        curves = [pd.Series(np.interp(grid, c.index, c.values), index=grid) for c in curves]
    table = pd.concat(curves, axis=1)
    return table.mean(axis=1), table.min(axis=1), table.max(axis=1)


def draw(runs, x, metric, title):
    table = pd.concat([table.assign(file=number) for number, (_, table) in enumerate(runs)], ignore_index=True)
    x_label = "round"
    if x == "virtual_time":
        seconds = table["time_us"] / 1e6
        unit, unit_name = [u for u in TIME_UNITS if u[0] == 1 or seconds.max() >= 3 * u[0]][-1]
        table["time"] = seconds / unit
        x, x_label = "time", f"virtual time ({unit_name})"
    if metric == "accuracy":
        table["accuracy"] *= 100

    figure, axes = plt.subplots(figsize=(7.2, 4.5), layout="constrained")
    lows, best = [], []
    for number, label in enumerate(table["label"].unique()):
        variant = table[table["label"] == label]
        drawn = band(variant, x, metric)
        if drawn is None:
            continue
        mean, low, high = drawn
        style = {"color": COLOURS[number % 7], "linestyle": DASHES[number // 7 % 3]}
        seeds = variant.drop_duplicates(["file", "seed"])
        diverged = int((seeds["status"] == "diverged").sum())
        last = f"{mean.iloc[-1]:.1f} %" if metric == "accuracy" else f"{mean.iloc[-1]:.3f}"
        note = f"; {diverged} of {len(seeds)} diverged" if diverged else ""
        axes.plot(mean.index, mean, linewidth=1.6, label=f"{label}  ({last}{note})", **style)
        if len(seeds) > 1:
            axes.fill_between(mean.index, low, high, color=style["color"], alpha=0.16, linewidth=0)
        lows.append(low.min())
        best.append(high.max())
    if not lows:
        raise BadFile(f"no values of {metric} in these files")

    most = table.groupby("label").apply(lambda v: v.drop_duplicates(["file", "seed"]).shape[0], include_groups=False).max()
    axes.set_xlabel(x_label)
    axes.set_ylabel(METRICS[metric])
    axes.set_title(title, loc="left", fontsize=12, pad=18 if most > 1 else 8)
    if most > 1:
        note = f"mean of {most} seeds, band from lowest to highest; last value in brackets"
        axes.text(0, 1.02, note, transform=axes.transAxes, fontsize=8.5, color="#666666")
    axes.margins(x=0.01)
    axes.grid(True, axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")
    axes.tick_params(colors="#444444")
    axes.legend(loc="lower right" if metric == "accuracy" else "upper right", frameon=False, fontsize=9.5)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN.h5", help="run files; equal labels of several are pooled")
    parser.add_argument("--out", required=True, help="the picture; its ending, .svg or .png, gives the format")
    parser.add_argument("--x", choices=["round", "virtual_time"], default="round", help="the horizontal axis")
    parser.add_argument("--metric", choices=sorted(METRICS), default="accuracy", help="the vertical axis")
    parser.add_argument("--title", help="default: the name of the first run")
    arguments = parser.parse_args()
    if Path(arguments.out).suffix not in (".svg", ".png"):
        parser.error(f"--out {arguments.out}: the ending must be .svg or .png")

    # The same run gives the same file, byte for byte: no date, no random ids.
    plt.rcParams.update({"svg.hashsalt": "shoal", "font.size": 10.5, "font.family": "DejaVu Sans"})
    try:
        runs = [read_run(path) for path in arguments.runs]
        figure = draw(runs, arguments.x, arguments.metric, arguments.title or runs[0][0])
        Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if arguments.out.endswith(".svg") else {"Software": None}
        figure.savefig(arguments.out, dpi=160, metadata=metadata)
    except BadFile as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    except (KeyError, ValueError) as error:
        print(f"plot: damaged run file ({' '.join(str(error).split())})", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"plot: cannot write {arguments.out} ({error.strerror or error})", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
