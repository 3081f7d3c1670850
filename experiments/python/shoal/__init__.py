"""Runs of Shoal in Python: start them, read them, compare them, draw them.

run = shoal.run("experiments/quickstart.toml", ranks=2)    or shoal.read("results/quickstart.h5")
run.summary()                    a row per variant, over its seeds
shoal.plot.curves(run)           accuracy against rounds, with intervals
shoal.table.comparison(run)      paired tests between variants
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .errors import ShoalError
from .run_file import Run, read
from .running import run

if TYPE_CHECKING:
    from . import hashes as hashes
    from . import log as log
    from . import models as models
    from . import plot as plot
    from . import program as program
    from . import report as report
    from . import statistics as statistics
    from . import table as table

__all__ = [
    "Run",
    "ShoalError",
    "hashes",
    "log",
    "models",
    "plot",
    "program",
    "read",
    "report",
    "run",
    "statistics",
    "table",
]
__version__ = "0.1.0"

# Imported at their first use: matplotlib and scipy take longer to load than a file to be read.
_LAZY = {"hashes", "log", "models", "plot", "program", "report", "statistics", "table"}


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)
