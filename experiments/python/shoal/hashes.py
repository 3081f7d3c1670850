"""The hashes of a run, computed from its file by h5py alone: the definition is in sim/record/README.md.

    python -m shoal.hashes results/quickstart.h5

prints a line per cell, its hash as computed here, and whether it is the one that the file states. The exit code is 1
when one differs.
"""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike

import h5py
import numpy as np

from .errors import ShoalError

SCHEMA = 3  # the definition below is that of this schema


@dataclass(frozen=True)
class Hashes:
    """Hashes by index of the cell; `run` is that of the whole file."""

    cells: dict[int, str]
    run: str


def blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def column_bytes(values: np.ndarray) -> bytes:
    if values.dtype.kind == "S":
        return b"".join(text + b"\n" for text in values.tolist())
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def parameters(cell: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    """The tensors of a cell's model in the order of the model's parameters."""
    found: list[tuple[str, h5py.Dataset]] = []
    if "model" in cell:
        cell["model"].visititems(
            lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None
        )
    return sorted(found, key=lambda entry: int(entry[1].attrs["position"]))


def hash_of_cell(cell: h5py.Group) -> str:
    tables = {name: cell[name][()] for name in ("rounds", "clients", "measures")}
    tables |= {name: table[()] for name, table in cell["tables"].items()}
    columns = {f"{name}/{column}": rows[column] for name, rows in tables.items() for column in rows.dtype.names}
    lines = [f"{name} {blake2b(column_bytes(columns[name]))}\n" for name in sorted(columns, key=str.encode)]
    lines += [f"model/{name} {blake2b(item[()].tobytes())}\n" for name, item in parameters(cell)]
    return blake2b("".join(lines).encode())


def hash_of_cells(hashes: Iterable[str]) -> str:
    return blake2b("".join(f"{text}\n" for text in hashes).encode())


def computed(path: str | PathLike[str]) -> Hashes:
    """The hashes that follow from what the file holds."""
    return _with_both(path)[0]


def stated(path: str | PathLike[str]) -> Hashes:
    """The hashes that the file states; empty texts for cells that have not finished."""
    return _with_both(path)[1]


def _with_both(path: str | PathLike[str]) -> tuple[Hashes, Hashes]:
    with h5py.File(path) as file:
        version = int(file.attrs.get("schema_version", 0))
        if version != SCHEMA:
            raise ShoalError(f"{path}: has schema {version}, and hashes are defined by schema {SCHEMA}. Run it again.")
        cells = {int(index): cell for index, cell in file["cells"].items()}
        cells = {index: cells[index] for index in sorted(cells)}
        by_cell = {index: hash_of_cell(cell) for index, cell in cells.items()}
        as_stated = {index: str(cell.attrs["hash"]) for index, cell in cells.items()}
        return Hashes(by_cell, hash_of_cells(by_cell.values())), Hashes(as_stated, str(file.attrs["hash"]))


def _comparison(here: str, there: str) -> str:
    return "as stated" if here == there else f"the file states {there or 'none'}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        here, there = _with_both(arguments[0])
    except OSError as error:
        print(f"hashes: {error}. Give a run file.", file=sys.stderr)
        return 2
    except (KeyError, ShoalError) as error:
        print(f"hashes: {error}", file=sys.stderr)
        return 2
    for index, text in here.cells.items():
        print(f"cell {index}  {text}  {_comparison(text, there.cells[index])}")
    print(f"run  {here.run}  {_comparison(here.run, there.run)}")
    return 0 if here == there else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
