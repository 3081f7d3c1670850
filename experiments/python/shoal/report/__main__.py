"""Writes runs as one HTML page."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from shoal import output
from shoal.errors import ShoalError
from shoal.report.page import page
from shoal.run_file import read


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="shoal report", description=__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="RUN.h5",
        help="run files; for an interrupted run, the journals beside it are read too",
    )
    parser.add_argument("--out", required=True, type=Path, help="page to write (HTML)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(arguments)

    def refuse(problem: str) -> int:
        print(f"shoal: {problem}", file=sys.stderr)
        if options.json:
            print(json.dumps({"command": "report", "error": problem, "exit_code": 2}))
        return 2

    warnings.simplefilter("ignore", RuntimeWarning)  # of absurd numbers in a file: the page shows them as they are
    try:
        output.check(options.out, options.files, "page")
        output.replace(options.out, page([read(file) for file in options.files]))
    except (ShoalError, OSError) as error:
        return refuse(" ".join(str(error).split()))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        names = ", ".join(map(str, options.files))
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return refuse(f"{names}: holds what no page can show ({reason}). Run the experiment again.")
    print(json.dumps({"command": "report", "page": str(options.out)}) if options.json else options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
