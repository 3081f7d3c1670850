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

    warnings.simplefilter("ignore", RuntimeWarning)  # of absurd numbers in a file: the page shows them as they are
    try:
        output.check(options.out, options.files, "page")
        output.replace(options.out, page([read(file) for file in options.files]))
    except (ShoalError, OSError) as error:
        return output.refuse("report", str(error), options.json)
    except output.ODD as error:
        return output.refuse("report", output.odd(options.files, "page", error), options.json)
    print(json.dumps({"command": "report", "page": str(options.out)}) if options.json else options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
