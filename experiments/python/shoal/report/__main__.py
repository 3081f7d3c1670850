"""Writes runs as one HTML page."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

from shoal.errors import ShoalError
from shoal.report.page import page
from shoal.run_file import read


def check_out(out: Path, files: list[Path]) -> None:
    if not out.parent.is_dir():
        raise ShoalError(f"--out {out}: the folder '{out.parent}' does not exist. Make it, or choose another place.")
    if out.is_dir():
        raise ShoalError(f"--out {out}: is a folder. Choose another name for the page.")
    for file in files:
        if file.exists() and out.exists() and os.path.samefile(file, out):
            raise ShoalError(f"--out {out}: is one of the run files. Choose another name for the page.")


def replace(out: Path, text: str) -> None:
    """The whole page or none of it."""
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except BaseException:
        os.unlink(temporary)
        raise


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
        check_out(options.out, options.files)
        replace(options.out, page([read(file) for file in options.files]))
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
