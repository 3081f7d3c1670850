"""Files that commands write: whole or not at all, and never over what is another's."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import ShoalError

# How the files begin that commands write: pages; tables as text, CSV, LaTeX and Markdown.
_BEGINS = {"page": (b"<!doctype html",), "table": (b"seeds", b"label,", b"\\begin", b"|")}


def check(out: Path, inputs: Sequence[Path], kind: str) -> None:
    """Refuses an input, and an existing file that is not of the kind that is written: "page" or "table"."""
    if not out.parent.is_dir():
        raise ShoalError(f"--out {out}: the folder '{out.parent}' does not exist. Make it, or choose another place.")
    if out.is_dir():
        raise ShoalError(f"--out {out}: is a folder. Add a file name.")
    if not out.exists():
        return
    if any(file.exists() and os.path.samefile(file, out) for file in inputs):
        raise ShoalError(f"--out {out}: is one of the run files. Choose another name for the {kind}.")
    if not out.is_file():
        raise ShoalError(f"--out {out}: is no regular file, so it is not replaced. Choose another name.")
    with open(out, "rb") as file:
        head = file.read(4096).lstrip().lower()
    if head and not head.startswith(_BEGINS[kind]):
        raise ShoalError(f"--out {out}: exists and is no {kind}, so it is not replaced. Choose another name, or remove it.")


def replace(out: Path, text: str) -> None:
    """The whole text or none of it."""
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except BaseException:
        os.unlink(temporary)
        raise
