"""Draws a value of Shoal's run files against rounds, virtual time or bytes.

python -m shoal.plot results/quickstart.h5 --out results/quickstart.svg
python -m shoal.plot a.h5 b.h5 --x time --value loss --out both.pdf
"""

import argparse
import sys

import shoal
from shoal.plot import Theme, curves, save


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m shoal.plot", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN.h5", help="run files; equal labels of several are pooled")
    parser.add_argument("--out", required=True, help="the picture: .svg, .pdf or .png")
    parser.add_argument("--dark", metavar="OUT", help="the same picture for dark pages")
    parser.add_argument("--x", choices=["round", "time", "bytes"], default="round", help="the horizontal axis")
    parser.add_argument("--value", help="a column of rounds or a measure (default: the main value)")
    parser.add_argument(
        "--interval", choices=["t", "bootstrap", "sd", "range"], default="t", help="of the band (default: t)"
    )
    parser.add_argument(
        "--skip",
        type=float,
        default=0,
        metavar="SHARE",
        help="the vertical axis need not show what is in this first share of the horizontal one (default: 0)",
    )
    parser.add_argument("--title", help="default: the name of the first run")
    arguments = parser.parse_args()
    try:
        runs = [shoal.read(path) for path in arguments.runs]
        themes: list[tuple[str | None, Theme]] = [(arguments.out, "light"), (arguments.dark, "dark")]
        for path, theme in themes:
            if path:
                figure = curves(
                    runs,
                    arguments.value,
                    arguments.x,
                    arguments.interval,
                    title=arguments.title,
                    theme=theme,
                    skip=arguments.skip,
                )
                save(figure, path)
    except shoal.ShoalError as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"plot: cannot write the picture ({error.strerror or error}). Choose another place.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
