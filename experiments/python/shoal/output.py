"""What commands write: files, whole or not at all and never over what is another's; and why they refuse."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import ShoalError

# Errors of values that can be read but not shown.
ODD = (ArithmeticError, LookupError, TypeError, ValueError)
# How tables begin as text, CSV, LaTeX and Markdown. A page names its maker in its head.
_TABLES = (b"seeds   ", b"label,seeds,", b"\\begin{tabular}", b"| label | seeds |")
_MAKER = b'<meta name="generator" content="shoal report">'


def check(out: Path, inputs: Sequence[Path], kind: str) -> None:
    """Refuses an input, and an existing file that is not of the kind that is written: "page" or "table"."""
    if not out.parent.is_dir():
        raise ShoalError(f"--out {out}: the folder '{out.parent}' does not exist. Make it, or choose another place.")
    if out.is_dir():
        raise ShoalError(f"--out {out}: is a folder. Add a file name.")
    if Path(f"{out}.journal").is_dir():
        raise ShoalError(f"--out {out}: is the run file of a run in progress. Choose another name for the {kind}.")
    if not out.exists():
        return
    if any(file.exists() and os.path.samefile(file, out) for file in inputs):
        raise ShoalError(f"--out {out}: is one of the run files. Choose another name for the {kind}.")
    if not out.is_file():
        raise ShoalError(f"--out {out}: is no regular file, so it is not replaced. Choose another name.")
    with open(out, "rb") as file:
        head = file.read(4096).lstrip().lower()
    is_ours = head.startswith(_TABLES) if kind == "table" else head.startswith(b"<!doctype html") and _MAKER in head
    if head and not is_ours:
        raise ShoalError(
            f"--out {out}: exists and is no {kind}, so it is not replaced. Choose another name, or remove it."
        )


def replace(out: Path, text: str) -> None:
    """The whole text or none of it, into the file that a link names."""
    out = out.resolve()
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)  # can be read only by setting it
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, out)
    except BaseException:
        os.unlink(temporary)
        raise


def odd(files: Sequence[Path], kind: str, error: Exception) -> str:
    """What is wrong with files whose values cannot be shown."""
    names = ", ".join(map(str, files))
    return f"{names}: holds what no {kind} can show ({type(error).__name__}: {error}). Run the experiment again."


def refuse(command: str, problem: str, as_json: bool) -> int:
    """Prints one line, and the object that `--json` promises. Returns the exit code."""
    problem = " ".join(problem.split())
    print(f"shoal: {problem}", file=sys.stderr)
    if as_json:
        print(json.dumps({"command": command, "error": problem, "exit_code": 2}))
    return 2
