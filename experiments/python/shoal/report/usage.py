"""How clients took part: the use of their time, bytes and energy, and how evenly contributions are spread."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from shoal import statistics
from shoal.report.variants import Cell, Variant

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
LORENZ_PLACES = 101


@dataclass
class Usage:
    """Over all cells of a variant."""

    participations: int = 0
    accepted: int = 0
    device_seconds: float = 0.0  # virtual, from start to finish
    wasted_seconds: float = 0.0  # of those not accepted
    bytes: float = 0.0  # down and up
    wasted_bytes: float = 0.0
    joules: float = 0.0  # proxy: power x time
    covered_seconds: float = 0.0  # virtual durations of the cells
    placed_seconds: float = 0.0  # the same times the most at work
    most_at_work: int = 0  # largest number of clients at work at one instant
    busiest_work: float = 0.0  # local steps of the busiest rank, over the rounds
    mean_work: float = 0.0  # of the mean rank; 0 on one rank
    staleness: np.ndarray = field(default_factory=lambda: np.zeros(0))  # accepted ones by server updates since download
    tiers: dict[int, tuple[int, int]] = field(default_factory=dict)  # attempts and accepted ones by tier
    lorenz: list[np.ndarray] = field(
        default_factory=list
    )  # of each cell: share made by the lowest i/100 of all clients
    ginis: list[float] = field(default_factory=list)
    worked: np.ndarray = field(default_factory=lambda: np.zeros(24))  # microseconds in each hour of the day
    passed: np.ndarray = field(default_factory=lambda: np.zeros(24))
    virtual_seconds: float = 0.0  # of the longest cell

    @property
    def concurrency(self) -> float:
        return self.device_seconds / self.covered_seconds if self.covered_seconds > 0 else 0.0

    @property
    def busy(self) -> float:
        return self.device_seconds / self.placed_seconds if self.placed_seconds > 0 else math.nan

    @property
    def busiest_rank(self) -> float:
        return self.busiest_work / self.mean_work if self.mean_work > 0 else math.nan

    @property
    def mean_staleness(self) -> float:
        total = self.staleness.sum()
        return float(self.staleness @ np.arange(len(self.staleness)) / total) if total else math.nan

    @property
    def largest_staleness(self) -> int:
        return len(self.staleness) - 1

    @property
    def gini(self) -> float:
        return float(np.mean(self.ginis)) if self.ginis else math.nan


def lorenz(ascending: np.ndarray, clients: int) -> np.ndarray:
    """The share of all that the first i/100 of the clients made; linear between two clients."""
    made = np.concatenate([[0.0], np.cumsum(ascending, dtype=float)])
    places = clients * np.arange(LORENZ_PLACES) / (LORENZ_PLACES - 1) - (clients - len(ascending))
    return np.interp(places, np.arange(len(made)), made) / made[-1]


def hours_of(start: np.ndarray, finish: np.ndarray) -> np.ndarray:
    """The time that all intervals [start, finish) spend in each hour of the day."""

    def until(times: np.ndarray) -> np.ndarray:
        """Summed over the times: what lies in each hour between 0 and them."""
        days, rest = np.divmod(times, DAY)
        begin = HOUR * np.arange(24)
        return days.sum() * float(HOUR) + np.array([np.clip(rest - b, 0, HOUR).sum() for b in begin], dtype=float)

    return until(finish) - until(start)


def most_at_once(start: np.ndarray, finish: np.ndarray) -> int:
    """One that ends at an instant no longer counts then, one that starts then does."""
    lasting = start < finish
    if not lasting.any():
        return 0
    times = np.concatenate([finish[lasting], start[lasting]])
    change = np.repeat([-1, 1], int(lasting.sum()))
    order = np.lexsort((change, times))
    return int(np.cumsum(change[order]).max())


def longest_first(costs: np.ndarray, ranks: int) -> float:
    """The load of the busiest of the ranks, as the engine places blocks (Graham 1969)."""
    loads = [0.0] * ranks
    for cost in np.sort(costs)[::-1].tolist():
        heapq.heapreplace(loads, loads[0] + cost)
    return max(loads)


def rank_work(cell: Cell, clients: pd.DataFrame) -> tuple[float, float]:
    """Steps of the busiest rank and of the mean one. Training ahead, which evens out small rounds, is left out."""

    def number(name: str) -> int:
        text = cell.provenance.get(name, "1")
        return max(1, int(text)) if text.isdecimal() else 1

    ranks, block = number("cell ranks"), number("block")
    if ranks == 1:
        return 0.0, 0.0
    busiest = total = 0.0
    committed = clients[clients["committed"] != 0]
    for steps in committed.groupby("round")["steps"]:
        descending = np.sort(steps[1].to_numpy(dtype=float))[::-1]  # a block's clients have similar work
        costs = np.add.reduceat(descending, np.arange(0, len(descending), block))
        busiest += longest_first(costs, ranks)
        total += float(costs.sum())
    return busiest, total / ranks


def add_cell(use: Usage, cell: Cell) -> None:
    rows = cell.clients
    end = max(int(cell.rounds["time_us"].max()), 0) if len(cell.rounds) else 0
    use.covered_seconds += 1e-6 * end
    use.virtual_seconds = max(use.virtual_seconds, 1e-6 * end)
    use.passed += hours_of(np.zeros(1, dtype=np.int64), np.array([end]))
    if not len(rows):
        return
    start, finish = rows["start_us"].to_numpy(), rows["finish_us"].to_numpy()
    seconds = 1e-6 * (finish.astype(float) - start)
    sent = rows["bytes_down"].to_numpy(dtype=float) + rows["bytes_up"].to_numpy(dtype=float)
    accepted = rows["accepted"].to_numpy() != 0
    use.participations += len(rows)
    use.accepted += int(accepted.sum())
    use.device_seconds += float(seconds.sum())
    use.wasted_seconds += float(seconds[~accepted].sum())
    use.bytes += float(sent.sum())
    use.wasted_bytes += float(sent[~accepted].sum())
    use.joules += float(rows["joules"].sum())
    use.worked += hours_of(start, finish)
    most = most_at_once(start, finish)
    use.most_at_work = max(use.most_at_work, most)
    use.placed_seconds += 1e-6 * end * most
    for tier, group in pd.Series(accepted).groupby(rows["tier"].to_numpy()):
        attempts, counted = use.tiers.get(int(tier), (0, 0))
        use.tiers[int(tier)] = attempts + len(group), counted + int(group.sum())
    busiest, mean = rank_work(cell, rows)
    use.busiest_work += busiest
    use.mean_work += mean
    if accepted.any():
        add_contributions(use, cell, rows[accepted])


def add_contributions(use: Usage, cell: Cell, rows: pd.DataFrame) -> None:
    version_after = cell.rounds.drop_duplicates("round", keep="last").set_index("round")["version"]
    after = version_after.reindex(rows["round"]).fillna(0).to_numpy()
    stale = np.clip(after - 1 - rows["version"].to_numpy(), 0, len(cell.rounds) + 1).astype(np.int64)
    counted = np.bincount(stale)
    if len(counted) > len(use.staleness):
        use.staleness = np.pad(use.staleness, (0, len(counted) - len(use.staleness)))
    use.staleness[: len(counted)] += counted
    contributions = np.sort(np.unique(rows["client"].to_numpy(), return_counts=True)[1])
    told = cell.provenance.get("clients", "0")
    clients = max(int(told) if told.isdecimal() and len(told) < 16 else 0, len(contributions))
    use.ginis.append(statistics.gini(contributions, clients))
    use.lorenz.append(lorenz(contributions, clients))


def usage_of(variant: Variant) -> Usage:
    use = Usage()
    for cell in variant.cells:
        add_cell(use, cell)
    return use
