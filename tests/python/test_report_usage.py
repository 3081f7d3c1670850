"""Does the report count correctly how clients took part? Small cells by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from run_files import CLIENT, ROUND, CellFile, table, write_run

import shoal
from shoal.report.usage import Usage, usage_of
from shoal.report.variants import variants_of
from shoal.statistics import gini

SECOND, HOUR = 1_000_000, 3_600_000_000


def usage(
    folder: Path,
    attempts: Sequence[tuple[int, int, int, bool]],
    clients: int,
    end: int,
    round_version: int = 1,
    provenance: dict[str, str] | None = None,
    **more: Sequence[int],
) -> Usage:
    """Attempts are client, start, finish and whether it was accepted."""
    client, start, finish, accepted = (np.array(column) for column in zip(*attempts, strict=True))
    values = {
        "round": 1,
        "client": client,
        "start_us": start,
        "finish_us": finish,
        "outcome": np.where(accepted, 0, 2),
        "committed": accepted,
        "accepted": accepted,
        "bytes_down": 100,
        "bytes_up": np.where(accepted, 50, 0),
        "joules": 2,
    }
    cell = CellFile(
        rounds=table(ROUND, 1, round=1, version=round_version, time_us=end),
        clients=table(CLIENT, len(attempts), **{**values, **more}),
        provenance={"clients": str(clients), **(provenance or {})},
    )
    return usage_of(variants_of([shoal.read(write_run(folder / "a.h5", [cell]))])[0])


def test_counts_time_bytes_and_energy(tmp_path: Path) -> None:
    use = usage(tmp_path, [(0, 0, 4 * SECOND, True), (1, 0, 6 * SECOND, False)], 2, 10 * SECOND)
    assert (use.participations, use.accepted) == (2, 1)
    assert (use.device_seconds, use.wasted_seconds) == pytest.approx((10, 6))
    assert (use.bytes, use.wasted_bytes, use.joules, use.concurrency) == pytest.approx((250, 100, 4, 1))
    assert use.tiers == {0: (2, 1)}


def test_measures_the_share_of_busy_places(tmp_path: Path) -> None:
    # Two at a time at most: 4 + 6 + 6 s of work in 2 places of 10 s. One that ends makes place for one that starts.
    use = usage(
        tmp_path,
        [(0, 0, 4 * SECOND, True), (1, 0, 6 * SECOND, False), (2, 4 * SECOND, 10 * SECOND, True)],
        9,
        10 * SECOND,
    )
    assert use.most_at_work == 2 and use.busy == pytest.approx(16 / 20) and np.isnan(use.busiest_rank)


@pytest.mark.parametrize(
    ("steps", "rounds", "block", "expected"),
    [
        # Longest first on two ranks: 3, 2 | 3, 2, 2 makes 7 on one, 5 on the other; the mean is 6.
        ([3, 3, 2, 2, 2], [1] * 5, 1, 7 / 6),
        # A second round of one client leaves a rank idle: 4 against 2.
        ([3, 3, 2, 2, 2, 4], [1] * 5 + [2], 1, (7 + 4) / (6 + 2)),
        # In blocks of two, 6 + 4 + 2 steps: 6 against 6.
        ([3, 3, 2, 2, 2], [1] * 5, 2, 1),
    ],
)
def test_finds_the_busiest_rank(
    tmp_path: Path, steps: list[int], rounds: list[int], block: int, expected: float
) -> None:
    attempts = [(i, 0, SECOND, True) for i in range(len(steps))]
    use = usage(
        tmp_path, attempts, 9, SECOND, provenance={"cell ranks": "2", "block": str(block)}, steps=steps, round=rounds
    )
    assert use.busiest_rank == pytest.approx(expected)


def test_gini_of_known_distributions() -> None:
    assert gini(np.array([3, 3, 3, 3]), 4) == pytest.approx(0, abs=1e-12)
    assert gini(np.array([7]), 1000) == pytest.approx(0.999)  # one of n made all: 1 - 1/n
    assert gini(np.array([1, 2, 3, 4, 5]), 5) == pytest.approx(4 / 15)  # mean difference 1.6 over twice the mean 3
    assert gini(np.array([1, 1]), 4) == pytest.approx(0.5)  # half of the clients made nothing
    assert np.isnan(gini(np.array([]), 10))


def test_counts_idle_clients_in_the_lorenz_curve(tmp_path: Path) -> None:
    # Clients 0 and 1 of four contribute 1 and 3.
    use = usage(tmp_path, [(0, 0, SECOND, True)] + 3 * [(1, 0, SECOND, True)], 4, SECOND)
    assert use.lorenz[0][[0, 50, 75, 100]] == pytest.approx([0, 0, 0.25, 1])
    assert use.gini == pytest.approx(gini(np.array([1, 3]), 4))


def test_counts_staleness_in_server_updates(tmp_path: Path) -> None:
    # Used in the step from version 3 to 4.
    use = usage(tmp_path, [(0, 0, SECOND, True), (1, 0, SECOND, True)], 2, SECOND, round_version=4, version=[3, 1])
    assert use.staleness.tolist() == [1, 0, 1] and use.mean_staleness == 1 and use.largest_staleness == 2


def test_averages_hours_of_the_day_over_days(tmp_path: Path) -> None:
    def by_hour(start: int, finish: int, end: int) -> np.ndarray:
        use = usage(tmp_path, [(0, start, finish, True)], 1, end)
        with np.errstate(invalid="ignore"):
            return use.worked / use.passed

    # Three days; on the second, one client works from 23:30 to 1:00.
    hours = by_hour(47 * HOUR + HOUR // 2, 49 * HOUR, 72 * HOUR)
    assert hours[[23, 0, 1]] == pytest.approx([0.5 / 3, 1 / 3, 0])
    # A run of two hours says nothing about the others.
    hours = by_hour(0, HOUR, 2 * HOUR)
    assert hours[0] == 1 and hours[1] == 0 and np.isnan(hours[2:]).all()
    # A participation of several days is at work in every hour.
    assert by_hour(0, 72 * HOUR, 72 * HOUR) == pytest.approx(np.ones(24))
