"""Finds the program `shoal` and starts it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import ShoalError

CHECKOUT = Path(__file__).resolve().parents[3]  # the repository, if the package is used from there
BUILD = Path("build/release/experiments/shoal")
# mpirun refuses to run as root, or more ranks than cores, unless told to. One thread a library: more would change bits.
_ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def find() -> Path:
    """The program: $SHOAL_PROGRAM, the build of this checkout, the one above the working folder, or `shoal` in PATH."""
    if wanted := os.environ.get("SHOAL_PROGRAM"):
        if os.access(wanted, os.X_OK) and Path(wanted).is_file():
            return Path(wanted).resolve()
        raise ShoalError(f"SHOAL_PROGRAM is '{wanted}', which is no program. Set it to the path of the built 'shoal'.")
    here = Path.cwd()
    for folder in (CHECKOUT, here, *here.parents):
        if (folder / "experiments/parts.md").exists() and os.access(folder / BUILD, os.X_OK):
            return folder / BUILD
    # The script of this package has the same name and would start itself.
    scripts = {Path(sys.argv[0]).resolve(), Path(sys.executable).with_name("shoal").resolve()}
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("shoal", path=entry) if entry else None
        if found and Path(found).resolve() not in scripts:
            return Path(found)
    raise ShoalError(
        "the program 'shoal' is not found. Build it (cmake --preset release && cmake --build --preset release "
        "--target shoal) or set SHOAL_PROGRAM to its path."
    )


def environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which the program runs."""
    return {**os.environ, **_ENVIRONMENT, **(further or {})}


def call(*arguments: str | os.PathLike[str]) -> str:
    """What a command of the program prints. ShoalError with its message if it fails."""
    done = subprocess.run(
        [find(), *arguments],
        env=environment(),
        text=True,
        errors="replace",
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("shoal: ")
        raise ShoalError(said or f"shoal {arguments[0]} ended with exit code {done.returncode}.")
    return done.stdout


def main() -> None:
    """Becomes the program, with the arguments of the command line."""
    try:
        program = find()
    except ShoalError as error:
        sys.exit(f"shoal: {error}")
    os.execve(program, [str(program), *sys.argv[1:]], environment())
