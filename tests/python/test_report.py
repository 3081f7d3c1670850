"""Does the page show the numbers of the runs, in sections for what they hold, and can no content break it?"""

import html.parser
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shoal
from run_files import CLIENT, MEASURE, ROUND, CellFile, evaluated, table, write_run
from shoal import output
from shoal.report import page
from shoal.report.curves import ROUNDS, TIME, Measure, line_of
from shoal.report.variants import variants_of

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]")
ACCURACY = Measure("accuracy", "test accuracy", "%", 100)


class Page(html.parser.HTMLParser):
    """Checks that elements nest and that nothing is loaded; keeps text, table cells and tags."""

    VOID = {"meta", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text, self.cell = "", None
        self.cells: list[str] = []
        self.tags: list[str] = []
        self.classes: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag not in ("link", "img", "iframe", "b", "embed", "object"), tag
        for name, value in attrs:
            assert not name.startswith("on") and name != "src", (tag, name)
            assert "href" not in name or (value or "").startswith("#"), (tag, name, value)
            assert name.startswith("xmlns") or name == "aria-label" or "http" not in (value or ""), (tag, name, value)
            assert not CONTROL.search(value or ""), (tag, name, value)
            if name == "class":
                self.classes += (value or "").split()
            if name == "id":
                assert value not in self.ids, f"two elements are called {value}"
                self.ids.add(str(value))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cell = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        if tag in ("td", "th"):
            self.cells.append(" ".join((self.cell or "").split()))
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            assert "url(" not in data and "@import" not in data
        if self.cell is not None:
            self.cell += data
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def page_of(folder: Path, cells: list[CellFile], **how: object) -> Page:
    return Page(page([shoal.read(write_run(folder / "a.h5", cells, **how))]))


def test_shows_numbers_computed_by_hand(tmp_path: Path) -> None:
    # 0.92, 0.94, 0.96: mean 0.94, sample deviation 0.02. Two of three reach 90 % at round 20, one at round 10.
    seen = page_of(
        tmp_path,
        [
            evaluated([0.5, 0.92], seed=1),
            evaluated([0.95, 0.94], seed=2),
            evaluated([0.7, 0.96], seed=3),
            evaluated([0.5], label="b"),
        ],
    )
    for wanted in (
        "94.00 ± 2.00 %",  # final
        "94.33 ± 2.08 %",  # best: 0.92, 0.95, 0.96
        "0.060 ± 0.020",  # loss: 0.08, 0.06, 0.04
        "17 (3 of 3)",
        "17 s (3 of 3)",  # (20 + 10 + 20) / 3
        "50.00 %",  # one seed: no deviation
        "not reached",
        "40.0 kB",
        "20.0 kB",
        "rounds to 90 %",
    ):
        assert wanted in seen.cells, wanted
    for wanted in ("digits", "cafe", "target = 0.9", "2 variants, 4 cells"):
        assert wanted in seen.text, wanted
    assert not re.search(r"\b(nan|inf|Infinity|None)\b", seen.text)


def test_names_failures(tmp_path: Path) -> None:
    hurt = evaluated([0.5], seed=2, status="diverged")
    hurt.rounds = np.concatenate([hurt.rounds, table(ROUND, 2, round=[11, 12], verdict=[1, 2])])
    hurt.totals = {**hurt.totals, "rejected": 2}
    seen = page_of(tmp_path, [evaluated([0.5, 0.6]), hurt, evaluated([0.7], seed=3, status="unfinished")])
    assert "1 diverged, 1 unfinished" in seen.cells
    assert seen.cells.count("0.67") == 1 and seen.cells.count("0.33") == 1  # rejected, abandoned
    assert "alarm" in seen.classes and "A cell that diverged, accepted nothing or is unfinished" in seen.text


def test_each_seed_ends_with_its_own_last_value(tmp_path: Path) -> None:
    # One seed ends after 20 virtual seconds with 60 %, the other after 40 with 90 %: the mean of the last values is 75 %.
    run = shoal.read(
        write_run(tmp_path / "a.h5", [evaluated([0.5, 0.6], seed=1), evaluated([0.5, 0.6, 0.8, 0.9], seed=2)])
    )
    for against in (ROUNDS, TIME):
        line = line_of(variants_of([run])[0], ACCURACY, against)
        assert line is not None and line.low is not None and line.high is not None
        assert line.x[-1] == 40 and line.y[-1] == pytest.approx(75) and line.faint_from == 20
        assert (line.low[-1], line.high[-1]) == (pytest.approx(60), pytest.approx(90))


def test_draws_dots_for_few_evaluations(tmp_path: Path) -> None:
    few = page_of(tmp_path, [evaluated([0.5, 0.92]), evaluated([0.5, 0.9], label="b")])
    assert "Test accuracy at the last evaluation" in few.text and "against rounds" not in few.text
    many = page_of(tmp_path, [evaluated([0.5, 0.8, 0.92]), evaluated([0.5, 0.7, 0.9], label="b")])
    assert "Test accuracy against rounds" in many.text and "at the last evaluation" not in many.text


@pytest.mark.parametrize(("variants", "charts", "panels"), [(8, 4, 0), (9, 0, 36), (25, 0, 0)])
def test_many_variants(tmp_path: Path, variants: int, charts: int, panels: int) -> None:
    """Accuracy against rounds, time and bytes, and loss against rounds: in charts, small multiples or matrices."""
    seen = page_of(tmp_path, [evaluated([0.5, 0.6, 0.7 + 0.01 * i], label=f"v{i}") for i in range(variants)])
    kinds = [seen.classes.count(kind) for kind in ("chart", "panel")]
    assert kinds == [2 * charts + panels, panels]  # of the figure and, in either kind, of the picture
    assert (seen.classes.count("shaded") >= 4 * variants) == (variants > 24)
    assert all(f"v{i}" in seen.text for i in range(variants))


def test_tells_runs_apart(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one.h5", [evaluated([0.5]), evaluated([0.5], label="b")])
    two = write_run(tmp_path / "two.h5", [evaluated([0.6])])
    seen = Page(page([shoal.read(one), shoal.read(two)]))
    assert "one: a" in seen.cells and "b" in seen.cells and "two: a" in seen.cells
    assert "from 2 run files" in seen.text
    (tmp_path / "x").mkdir()
    same = write_run(tmp_path / "x/one.h5", [evaluated([0.6])])
    assert f"{same}: a" in Page(page([shoal.read(one), shoal.read(same)])).cells


def test_sections_stay_away(tmp_path: Path) -> None:
    plain = page_of(tmp_path, [evaluated([0.5, 0.8, 0.92])])
    assert plain.ids >= {"results", "rounds", "time", "cells", "configurations", "provenance"}
    assert not plain.ids & {"personal", "participation", "winners", "comparisons", "outcomes", "learning"}
    personal = evaluated([0.5, 0.8, 0.92])
    personal.rounds["personal_accuracy"], personal.rounds["personal_accuracy_p10"] = [0.6, 0.7, 0.815], [0.3, 0.4, 0.55]
    clients = table(
        CLIENT,
        30,
        round=np.repeat([10, 20, 30], 10),
        client=np.arange(30),
        accepted=1,
        committed=1,
        finish_us=10,
        joules=1,
    )
    personal.clients, personal.provenance = clients, {"clients": "60"}
    personal.tables = {
        "personal": table(
            [("round", "<i8"), ("client", "<i8"), ("accuracy", "<f8")],
            4,
            round=[20, 30, 30, 30],
            client=[0, 0, 1, 2],
            accuracy=[0.1, 0.5, 0.7, 0.9],
        )
    }
    seen = page_of(tmp_path, [personal])
    assert {"personal", "participation"} <= seen.ids
    # At the last evaluation: mean and tenth as recorded; of the clients 50, 70, 90 %: deviation 20, worst 50.
    assert {"81.50 %", "55.00 %", "20.00 %", "50.00 %"} <= set(seen.cells)
    assert "0.500" in seen.cells  # Gini: 30 of 60 clients contributed once each


def test_calls_a_metric_by_its_name(tmp_path: Path) -> None:
    def study(label: str, sessions: float) -> CellFile:
        return CellFile(
            label=label,
            config=f'objective = "{label}"\n[task]\nname = "rules"\n',
            rounds=table(ROUND, 1, round=1),
            measures=table(MEASURE, 1, round=1, name=b"sessions", value=sessions),
            provenance={"metric": "sessions"},
            tables={
                "replicates": table(
                    [("replicate", "<i8"), ("sessions", "<f8")],
                    2,
                    replicate=[0, 1],
                    sessions=[sessions - 1, sessions + 1],
                )
            },
            model={"survival": np.array([1.0, 0.5, 0.25])},
        )

    seen = page_of(tmp_path, [study("binary_rl", 18.4), study("hybrid", 16.7)])
    assert "final sessions" in seen.cells and "18.4" in seen.cells and "loss" not in seen.text
    assert "of sessions (less is better)" in seen.text


def test_marks_a_file_without_a_seal(tmp_path: Path) -> None:
    assert "has no valid seal" not in page_of(tmp_path, [evaluated([0.5])]).text
    assert "has no valid seal" in page_of(tmp_path, [evaluated([0.5])], sealed=False).text
    damaged = write_run(tmp_path / "b.h5", [evaluated([0.5])])
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(shoal.ShoalError, match="does not match its seal"):
        shoal.read(damaged)


def test_same_page_for_same_runs(tmp_path: Path) -> None:
    run = shoal.read(write_run(tmp_path / "a.h5", [evaluated([0.5, 0.8, 0.92])]))
    assert page([run]) == page([run])


def test_needs_a_cell(tmp_path: Path) -> None:
    with pytest.raises(shoal.ShoalError, match="has no cell yet"):
        page([shoal.read(write_run(tmp_path / "a.h5", []))])


HOSTILE = [
    "<script>alert(1)</script> & 'x' \"y\"",
    "$\\frac{1}{0}$ \\1 \\g<0>",
    '=HYPERLINK("http://x",1)',
    "_hidden",
    "a\x01b\x1b[31mc",
    "\u202eesrever",
    "</script><img src=x onerror=alert(1)>",
    "x" * 5000,
    "",
    "漢 😀 µ\n\tb",
    "{{ 7 * 7 }}{% raw %}",
]


def test_hostile_labels_are_text(tmp_path: Path) -> None:
    cells = [
        evaluated(
            [0.5, 0.6, 0.7],
            label=label,
            config=f"# {label!r} </pre><script>alert(2)</script>",
            provenance={"processor": label, "clients": label},
        )
        for label in HOSTILE
    ]
    for some in (cells[:4], cells[4:8], cells):  # in charts and in small multiples
        seen = page_of(tmp_path, some, name="<b>bold</b>", run_hash="<i>")
        assert "<b>bold</b>" in seen.text and seen.tags.count("script") == 1 + seen.classes.count("values")
        assert not CONTROL.search(seen.text)
    assert "<script>alert(1)</script> & 'x' \"y\"" in seen.cells and "{{ 7 * 7 }}{% raw %}" in seen.cells
    assert "a\N{REPLACEMENT CHARACTER}b" in seen.text


ABSURD = [0.0, -1.0, 1e-300, 1e99, 1e101, 1e308, -1e308, np.inf, -np.inf, np.nan]
ENDS = [0, -1, 2**63 - 1, -(2**63)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("column", ["accuracy", "loss", "time_us", "bytes_up", "round", "version", "personal_accuracy"])
def test_absurd_numbers(tmp_path: Path, column: str) -> None:
    cells = []
    for seed, value in enumerate(ENDS if column in ("time_us", "bytes_up", "round", "version") else ABSURD):
        cell = evaluated([0.5, 0.6, 0.7, 0.8], seed=seed, label=f"v{seed % 3}")
        cell.rounds[column][2] = value
        cell.totals = {
            **cell.totals,
            "final_accuracy": value,
            "final_loss": value,
            "bytes_up": 2**63 - 1,
            "wall_seconds": value,
        }
        cell.clients = table(
            CLIENT,
            4,
            round=[10, 20, 30, 99],
            client=[0, 2**63 - 1, -5, 1],
            start_us=[0, -(2**62), 5, 2**62],
            finish_us=[2**62, 1, 2, -(2**62)],
            accepted=1,
            committed=1,
            version=[-(2**63), 2**63 - 1, 0, 5],
            steps=[0, -1, 2**62, 1],
            joules=[np.inf, -1e308, 1e308, np.nan],
            tier=[0, 2**62, -1, 3],
        )
        cell.provenance = {"clients": "9" * 30, "cell ranks": "3", "block": "0"}
        cells.append(cell)
    try:
        page_of(tmp_path, cells)
    except shoal.ShoalError as error:  # or one clear error
        assert str(tmp_path / "a.h5") in str(error)


def start(*arguments: str | Path, module: str = "shoal.report", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        text=True,
        capture_output=True,
        env={**os.environ, **environment},
    )


def test_never_replaces_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a.h5", [evaluated([0.5])])
    kept = run.read_bytes()
    (tmp_path / "link.h5").symlink_to(run)
    for out in (run, tmp_path / "link.h5"):
        done = start(run, "--out", out)
        assert done.returncode == 2 and "is one of the run files" in done.stderr
    assert "folder" in start(run, "--out", "/nowhere/x.html").stderr
    assert run.read_bytes() == kept


def test_replaces_pages_only(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a.h5", [evaluated([0.5])])
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    done = start(run, "--out", other)
    assert done.returncode == 2 and "is no page" in done.stderr and other.read_text() == "mine"
    other.write_text("<!DOCTYPE html><title>mine</title>")
    assert "is no page" in start(run, "--out", other).stderr and "mine" in other.read_text()
    assert "no regular file" in start(run, "--out", "/dev/null").stderr
    page = tmp_path / "page.html"
    assert [start(run, "--out", page).returncode for _ in range(2)] == [0, 0]
    (tmp_path / "b.h5.journal").mkdir()
    assert "run in progress" in start(run, "--out", tmp_path / "b.h5").stderr and not (tmp_path / "b.h5").exists()


def test_links_and_permissions_stay_the_users(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "page.html"
    link.symlink_to(tmp_path / "far/page.html")
    before = os.umask(0o027)
    try:
        output.replace(link, "text")
    finally:
        os.umask(before)
    assert link.is_symlink() and (tmp_path / "far/page.html").read_text() == "text"
    assert stat.S_IMODE(link.stat().st_mode) == 0o640


def without_joules(cell: CellFile) -> None:
    cell.clients = table([column for column in CLIENT if column[0] != "joules"], 3, accepted=1)


def odd_settings(cell: CellFile) -> None:
    cell.config = "strategy = 3\n[task]\nname = 'rules'\ndirective = 'often'\n"


def odd_rounds(cell: CellFile) -> None:
    cell.rounds = table([("round", "<f8")], 3)


def no_toml(cell: CellFile) -> None:
    cell.config = "] not TOML ["


@pytest.mark.parametrize("spoil", [without_joules, odd_settings, odd_rounds, no_toml])
def test_odd_files_are_shown_or_refused(tmp_path: Path, spoil: Callable[[CellFile], None]) -> None:
    cell = evaluated([0.5, 0.6, 0.7])
    spoil(cell)
    run = write_run(tmp_path / "a.h5", [cell])
    for module, name in (("shoal.report", "a.html"), ("shoal.table", "a.txt")):
        out = tmp_path / name
        done = start(run, "--out", out, module=module)
        if done.returncode == 0:
            assert out.suffix != ".html" or Page(out.read_text())
            continue
        assert done.returncode == 2 and done.stderr.startswith(f"shoal: {run}: "), done.stderr
        assert done.stderr.count("\n") == 1 and not out.exists()


LIMITS = """
import resource, sys
import shoal
from shoal.report import page
page([shoal.read(sys.argv[1])])
use = resource.getrusage(resource.RUSAGE_SELF)
print(use.ru_utime + use.ru_stime, use.ru_maxrss)
"""


def seconds_and_kilobytes(run: Path) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", LIMITS, run], text=True, capture_output=True, check=True)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes)


def long_rounds(count: int) -> np.ndarray:
    rounds = np.arange(1, count + 1)
    accuracy = 0.9 - 0.8 * np.exp(-rounds / 300)
    return table(
        ROUND,
        count,
        round=rounds,
        version=rounds,
        time_us=1_000_000 * rounds,
        bytes_up=1000,
        accuracy=accuracy,
        loss=1 - accuracy,
    )


def attempts(count: int, rounds: int) -> np.ndarray:
    number = np.arange(count)
    begun = 1 + number * rounds // count
    return table(
        CLIENT,
        count,
        round=begun,
        participation=number,
        client=number * 7919 % 100_003,
        version=np.maximum(begun - 1 - number % 5, 0),
        start_us=1_000_000 * begun,
        finish_us=1_000_000 * begun + 1000 * (number % 997),
        accepted=number % 10 > 0,
        committed=1,
        steps=number % 50,
        bytes_up=1000,
        joules=1,
        tier=number % 3,
    )


@pytest.mark.parametrize("variants", [20, 60])
def test_large_grid_is_quick(tmp_path: Path, variants: int) -> None:
    """60 cells of 2,000 rounds: seconds of a processor; the limit leaves room for slow and busy ones."""
    cells = [
        CellFile(label=f"v{i % variants}", seed=i, rounds=long_rounds(2000), clients=attempts(2000, 2000))
        for i in range(60)
    ]
    assert seconds_and_kilobytes(write_run(tmp_path / "grid.h5", cells))[0] < 60


def test_a_million_participations_are_quick(tmp_path: Path) -> None:
    cell = CellFile(
        rounds=long_rounds(2000),
        clients=attempts(1_000_000, 2000),
        provenance={"clients": "200000", "cell ranks": "4", "block": "8"},
    )
    seconds, kilobytes = seconds_and_kilobytes(write_run(tmp_path / "million.h5", [cell]))
    assert seconds < 90 and kilobytes < 2e6
