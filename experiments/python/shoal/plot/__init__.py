"""Pictures of runs by matplotlib. Every function takes runs and returns a figure; with `axes=` it draws into yours.

shoal.plot.curves(run, x="time")             shoal.plot.lorenz(run)
shoal.plot.dots(run, "rounds_to_target")     shoal.plot.heat_map(run, "planner.dropout", "strategy.name")
shoal.plot.save(figure, "accuracy.pdf")      the same bytes for the same run
"""

from os import PathLike, fspath
from pathlib import Path

from matplotlib.figure import Figure

from ..errors import ShoalError
from .curves import Band, bands, curves
from .dots import dots
from .heat_map import heat_map, over_settings
from .lorenz import lorenz, shares
from .style import Theme, themed

__all__ = [
    "Band",
    "Theme",
    "bands",
    "curves",
    "dots",
    "heat_map",
    "lorenz",
    "over_settings",
    "save",
    "shares",
    "themed",
]

# What would differ between two files of one picture.
_WITHOUT_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}}


def save(figure: Figure, path: str | PathLike[str]) -> None:
    """As SVG, PDF or PNG, by the path's ending."""
    ending = Path(path).suffix
    if ending not in _WITHOUT_DATES:
        raise ShoalError(f"{fspath(path)}: the ending must be .svg, .pdf or .png. Choose one of these.")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with themed("light"):  # for the ids inside of an SVG; colours are in the figure
        figure.savefig(path, metadata=_WITHOUT_DATES[ending], facecolor=figure.get_facecolor())
