"""Variants whose task is a study of agents, sorted for comparison: settings, and in each the arms that differ in the
objective."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from shoal import statistics
from shoal.log import flat
from shoal.report.variants import STUDIES, Variant

POWER = 0.90
DEFAULT_DIRECTIVE = 0.8  # of users, where the setting is omitted


@dataclass(eq=False)
class Arm:
    """One variant of a study."""

    variant: Variant
    task: str
    objective: str
    false_positive: float  # setting of the judge
    directive: float  # setting of the users: how often they say what they want
    learns: bool
    takes_notes: bool
    setting: tuple[str, ...]  # all settings but the seed and those that tell arms apart
    elsewhere: tuple[str, ...]  # without false_positive and directive: equal on one map
    name: str = ""  # the part of the label that the others of its setting do not share: mostly the objective
    style: int = 0  # the same for the same name everywhere

    def outcome(self, name: str) -> np.ndarray:
        """The mean over replicates and seeds; empty if there is none."""
        found = [cell.outcomes[name] for cell in self.variant.cells if name in cell.outcomes]
        found = [values for values in found if len(values) == len(found[0])]
        return np.mean(found, axis=0) if found else np.empty(0)

    @cached_property
    def outcomes(self) -> list[str]:
        return list(dict.fromkeys(name for cell in self.variant.cells for name in cell.outcomes))

    @property
    def metric(self) -> float:
        return self.variant.final_loss.mean

    @cached_property
    def replicates(self) -> dict[tuple[int, int], float]:
        """The metric of every replicate by (seed, replicate)."""
        found: dict[tuple[int, int], float] = {}
        for cell in self.variant.cells:
            table = cell.tables.get("replicates")
            if table is None or self.variant.metric not in table:
                continue
            for replicate, value in zip(table["replicate"], table[self.variant.metric], strict=True):
                found.setdefault((cell.seed, int(replicate)), float(value))
        return found


@dataclass
class Setting:
    """Arms that differ in nothing else."""

    arms: list[Arm] = field(default_factory=list)
    title: str = ""  # the part that their labels share


@dataclass
class Studies:
    settings: list[Setting]  # in the order in which labels appear first
    names: list[str]  # names of arms, by style
    chance: Arm | None  # neither learns nor takes notes: the chance level of measures

    @property
    def arms(self) -> Iterator[Arm]:
        return (arm for setting in self.settings for arm in setting.arms)


@dataclass(frozen=True)
class PairedDifference:
    """The differences of two arms, first minus second: replicate i meets the same world under every setting."""

    pairs: int
    mean: float
    deviation: float
    half_width: float  # of the 95 % interval of the mean, by Student's t; infinite below three pairs

    @property
    def told_apart(self) -> bool:
        return self.pairs >= 3 and abs(self.mean) > self.half_width

    @property
    def needed(self) -> float:
        """Pairs with which a two-sided test at 95 % finds this difference with probability 90 %; infinite if it is 0."""
        if self.mean == 0:
            return math.inf
        if self.deviation == 0:
            return 2
        return statistics.pairs_needed(abs(self.mean) / self.deviation, POWER)


def paired_difference(first: Arm, second: Arm) -> PairedDifference:
    theirs = second.replicates
    found = np.array([value - theirs[key] for key, value in first.replicates.items() if key in theirs])
    found = found[np.isfinite(found)]
    pairs = len(found)
    if pairs == 0:
        return PairedDifference(0, 0.0, 0.0, math.inf)
    deviation = float(found.std(ddof=1)) if pairs > 1 else 0.0
    half = float(statistics.half_width(deviation, pairs)) if pairs > 2 else math.inf
    return PairedDifference(pairs, float(found.mean()), deviation, half)


def arm_of(variant: Variant) -> Arm:
    cell = variant.first
    task = cell.name_of("task", "supervised")
    told_apart = {"seed", "objective", *(["task.rewards"] if task == "machines" else [])}
    axes = {"judge.false_positive", "task.directive"}
    lines = sorted(
        (key, f"{key} = {value!r}")
        for key, value in flat(cell.settings).items()
        if key not in told_apart and not key.startswith("objective.")
    )
    return Arm(
        variant,
        task,
        cell.name_of("objective", "grpo" if task == "machines" else "binary_rl"),
        false_positive=float(cell.setting("judge", "false_positive", 0)),
        directive=float(cell.setting("task", "directive", DEFAULT_DIRECTIVE)),
        learns=cell.setting("task", "rate", 1) != 0,
        takes_notes=bool(cell.setting("task", "memory", False)),
        setting=tuple(line for _, line in lines),
        elsewhere=tuple(line for key, line in lines if key not in axes),
    )


def name_arms(setting: Setting) -> None:
    """Splits the labels of a setting into what they share and what tells them apart."""
    words = [arm.variant.label.split(", ") for arm in setting.arms]
    shared = [word for word in words[0] if all(word in others for others in words)]
    alone = len(setting.arms) == 1
    if alone:
        shared = [word for word in shared if word != setting.arms[0].objective]
    setting.title = ", ".join(shared)
    for arm, own in zip(setting.arms, words, strict=True):
        rest = [word for word in own if word not in shared]
        arm.name = arm.objective if alone or not rest else ", ".join(rest)


def studies_of(variants: Sequence[Variant]) -> Studies:
    """If no two labels differ in the objective alone, those of a task are the arms of one setting."""
    arms = [arm_of(variant) for variant in variants if variant.first.name_of("task", "supervised") in STUDIES]
    alone = all(count == 1 for count in Counter(arm.setting for arm in arms).values())
    settings: dict[Any, Setting] = {}
    for arm in arms:
        settings.setdefault(arm.task if alone else arm.setting, Setting()).arms.append(arm)
    chance = next((replace(arm) for arm in arms if not arm.learns and not arm.takes_notes), None)
    names: list[str] = []
    for setting in settings.values():
        name_arms(setting)
        for arm in setting.arms:
            if arm.name not in names:
                names.append(arm.name)
            arm.style = names.index(arm.name)
    return Studies(list(settings.values()), names, chance)
