"""Does the report on studies of agents agree with their replicates? Pairs and winners by hand."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from run_files import MEASURE, ROUND, CellFile, table, write_run
from test_report import CONTROL, Page

import shoal
from shoal.report import page
from shoal.report.sections.winners import winner_maps
from shoal.report.studies import Studies, paired_difference, studies_of
from shoal.report.variants import variants_of


def cell(label: str, config: str, losses: Sequence[float], **outcomes: Sequence[float]) -> CellFile:
    """Its replicates took `losses` sessions; the rows are in another order."""
    order = np.arange(len(losses))[::-1]
    replicates = table(
        [("replicate", "<i8"), ("sessions", "<f8")],
        len(losses),
        replicate=order,
        sessions=np.array(losses, dtype=float)[order],
    )
    model = outcomes or {"sessions": [1, 2, 3]}
    return CellFile(
        label=label,
        config=config,
        rounds=table(ROUND, 1, round=1),
        provenance={"metric": "sessions"},
        measures=table(MEASURE, 1, round=1, name=b"sessions", value=np.mean(losses)),
        tables={"replicates": replicates},
        model={name: np.array(values, dtype=np.float32) for name, values in model.items()},
    )


def of(objective: str, false_positive: float = 0, directive: float = 0.8, more: str = "") -> str:
    return (
        f"[objective]\nname = '{objective}'\n[judge]\nfalse_positive = {false_positive}\n"
        f"[task]\nname = 'rules'\ndirective = {directive}\n{more}"
    )


def studies(folder: Path, cells: Sequence[CellFile]) -> Studies:
    return studies_of(variants_of([shoal.read(write_run(folder / "a.h5", cells))]))


def page_of(folder: Path, cells: Sequence[CellFile]) -> Page:
    return Page(page([shoal.read(write_run(folder / "a.h5", cells))]))


def test_hostile_labels_are_text(tmp_path: Path) -> None:
    """Also as the note of a chart: the words that the labels of a setting share."""
    cells = [cell(f"a\x01b, {name}", of(name), [1, 2], survival=[1, 0.5, 0.25]) for name in ("hybrid", "binary_rl")]
    seen = page_of(tmp_path, cells)
    assert not CONTROL.search(seen.text) and "(a\N{REPLACEMENT CHARACTER}b)" in seen.text


def test_pairs_by_hand(tmp_path: Path) -> None:
    # Differences 1, -1, 3, 1: mean 1, squares of deviations 0, 4, 4, 0.
    cells = [cell("a", of("hybrid"), [10, 12, 14, 16]), cell("b", of("binary_rl"), [9, 13, 11, 15])]
    (setting,) = studies(tmp_path, cells).settings
    found = paired_difference(*setting.arms)
    assert (found.pairs, found.mean) == (4, 1) and found.deviation == pytest.approx(math.sqrt(8 / 3))
    assert found.half_width == pytest.approx(
        3.182446 * math.sqrt(8 / 3) / 2, rel=1e-6
    )  # Student's t, 3 degrees of freedom
    assert not found.told_apart
    assert found.needed in (
        30,
        31,
    )  # by the normal distribution (1.959964 + 1.281552)^2 * 8 / 3 = 28.02, by t about 2 more
    seen = page_of(tmp_path, cells)
    at = seen.cells.index("b − a")
    assert seen.cells[at + 1 : at + 5] == ["-1", "1.63", "-3.6 to 1.6", "4"]
    assert "too few pairs to tell them apart" in seen.cells
    # A replicate that one of them lacks, or whose value is not finite, is no pair.
    cells[0].tables["replicates"]["replicate"][0] = 17
    cells[1].tables["replicates"]["sessions"][3] = np.nan
    assert paired_difference(*studies(tmp_path, cells).settings[0].arms).pairs == 2


def test_equal_arms_need_no_test(tmp_path: Path) -> None:
    seen = page_of(tmp_path, [cell("a", of("hybrid"), [10, 12, 14]), cell("b", of("binary_rl"), [10, 12, 14])])
    assert "equal in every pair" in seen.cells


def grid() -> list[CellFile]:
    """Hybrid loses 20 with the bad judge; Combined 1 everywhere, and 5 where hints are rare."""
    cells = []
    for directive in (0.8, 0.2):
        for rate in (0.0, 0.5):
            where, hybrid, combined = (
                f"false_positive={rate}, directive={directive}, ",
                10 + 40 * rate,
                11 + 5 * (directive < 0.5),
            )
            cells.append(
                cell(
                    where + "hybrid", of("hybrid", rate, directive), [hybrid - 0.1, hybrid, hybrid + 0.2, hybrid - 0.1]
                )
            )
            cells.append(cell(where + "combined", of("combined", rate, directive), [combined] * 4))
    return cells


def test_map_names_the_best_of_each_cell(tmp_path: Path) -> None:
    (found,) = winner_maps(studies(tmp_path, grid()))
    assert (found.false_positive, found.directive) == ([0, 0.5], [0.2, 0.8])
    best = {place: (winner.arm.name, round(winner.arm.metric, 6)) for place, winner in found.winners.items()}
    assert best == {
        (0.8, 0): ("hybrid", 10),
        (0.8, 0.5): ("combined", 11),
        (0.2, 0): ("hybrid", 10),
        (0.2, 0.5): ("combined", 16),
    }
    assert found.winners[0.8, 0].told_apart  # by 1 with a deviation of 0.14 over 4 pairs
    assert found.winners[0.8, 0.5].second is not None and found.winners[0.8, 0.5].second.name == "hybrid"
    seen = page_of(tmp_path, grid())
    # 0.5 is nearer to 0.37 than 0.
    assert (
        "the framed cell (0.5, 0.8) is the nearest here. combined leads there with 11.00, before hybrid with 30.00."
        in seen.text
    )
    assert seen.classes.count("here") == 1 and {"hybrid10.0", "combined11.0", "combined16.0"} <= set(
        seen.cells
    )  # readable without colour
    assert {"winners", "learning"} & seen.ids == {"winners"} and "rounds" not in seen.ids


def test_map_needs_a_whole_grid(tmp_path: Path) -> None:
    assert winner_maps(studies(tmp_path, grid()[:6])) == []  # one setting is missing


def test_map_shows_what_is_too_close(tmp_path: Path) -> None:
    cells = grid()
    cells[1] = cell(cells[1].label, cells[1].config, [9, 11.2, 9, 11.2])  # Combined: 10.1, all over
    assert [text for text in page_of(tmp_path, cells).cells if "≈" in text] == ["hybrid≈ 10.0"]


def test_draws_outcomes(tmp_path: Path) -> None:
    survival = {"survival": [1, 1, 1, 0.5, 0]}
    seen = page_of(
        tmp_path,
        [
            cell(
                "p_fp 0, hybrid",
                of("hybrid"),
                [3, 4, 5],
                sessions=[1, 2, 3],
                **survival,
                staleness=[6, 2, 0, 0],
                dropped_too_old=[0.25],
                idle_judge=[0.75],
            ),
            cell("p_fp 0, binary_rl", of("binary_rl"), [4, 5, 7], **survival),
            cell("no learning, hybrid", of("hybrid", 0, 0.8, "rate = 0\n"), [70, 60, 50], **survival),
        ],
    )
    assert seen.tags.count("figure") == 3  # survival twice, staleness once
    assert "Users not yet content three times in a row (p_fp 0)" in seen.text
    assert {"dropped too old", "0.25", "idle judge", "0.75", "1 / 2 / 3"} <= set(seen.cells)
    assert "Without learning (label no learning, hybrid) the mean of sessions is 60" in seen.text


def test_compares_labels_of_one_objective(tmp_path: Path) -> None:
    values: Mapping[str, Sequence[float]] = {"sessions": [3, 4, 5, 6, 12], "survival": [1, 0], "gave_up": [2]}
    cells = [
        cell(way, of("hybrid", more=f"[pipeline]\nhand_over = '{way}'\n"), [first, first + 1, first - 0.5], **values)
        for way, first in (("barrier", 6), ("swap", 5), ("pause", 6))
    ]
    seen = page_of(tmp_path, cells)
    assert seen.tags.count("figure") == 1  # with a line for each
    assert sum(" − " in text for text in seen.cells) == 3
    assert {"6 (3 to 12)", "gave up"} <= set(seen.cells)


def test_needs_no_outcomes(tmp_path: Path) -> None:
    empty = cell("a, hybrid", of("hybrid"), [1, 2, 3])
    empty = CellFile(label=empty.label, config=empty.config, status="unfinished", provenance=empty.provenance)
    strange = cell(
        "a, binary_rl", of("binary_rl"), [1, 2, 3], survival=[np.nan, np.nan], kl=[], rule_rate=[0.5], staleness=[0, 0]
    )
    for cells in ([empty, strange], [empty]):
        assert "1 unfinished" in page_of(tmp_path, cells).cells
    assert not studies(tmp_path, [cell("a", "[task]\nname = 'quadratic'\n", [1])]).settings


def test_closed_gate_forbids_claims(tmp_path: Path) -> None:
    seen = page_of(tmp_path, [cell("a", of("hybrid"), [1, 2], hint_gain=[0.3, 0.2, 0.4])])
    assert "No claim about hints can be made from a" in seen.text
    assert "No claim" not in page_of(tmp_path, [cell("a", of("hybrid"), [1, 2], hint_gain=[0.4, 0.3, 0.5])]).text
