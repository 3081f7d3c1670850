"""Names, units and forms of what is drawn."""

from dataclasses import dataclass

from .. import text
from ..run_file import Run

_NAMES = {
    "accuracy": "test accuracy (%)",
    "personal_accuracy": "personal accuracy, mean over clients (%)",
    "personal_accuracy_p10": "personal accuracy, 10th percentile of clients (%)",
    "loss": "test loss (nats per example)",
    "train_loss": "training loss",
    "personal_loss": "personal loss, mean over clients",
    "final_accuracy": "final accuracy (%)",
    "best_accuracy": "best accuracy (%)",
    "final_loss": "final loss",
    "rounds_to_target": "rounds to target",
}


@dataclass(frozen=True)
class Quantity:
    """A value by its name on an axis, the factor to its unit there, and whether higher is better."""

    name: str
    factor: float
    rises: bool

    def text(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.factor == 100 else f"{value:.4g}"


def quantity(value: str, run: Run) -> Quantity:
    is_share = value.endswith("accuracy") or value.endswith("accuracy_p10")
    known = run.units.get("rounds", {}).get(value, "").split(",")[0]
    name = _NAMES.get(value) or (f"{value.replace('_', ' ')} ({known})" if known else value.replace("_", " "))
    return Quantity(text.plain(name), 100 if is_share else 1, is_share)


def scaled_time(longest_us: float) -> tuple[float, str]:
    """Microseconds of the unit in which the longest time has at least three, and the axis's name."""
    for seconds, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if longest_us >= 3e6 * seconds:
            return 1e6 * seconds, f"virtual time ({name})"
    return 1e6, "virtual time (s)"


def scaled_bytes(longest: float) -> tuple[float, str]:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if longest >= 3 * unit:
            return unit, f"sent and received by clients ({name})"
    return 1, "sent and received by clients (bytes)"
