#!/usr/bin/env python3
"""Computes the hashes of a run of Shoal from its run file, by their definition in sim/record/cell_hash.hpp.

    experiments/report/hash_of_run.py results/quickstart.h5

Prints a line per cell: its hash as computed here, and whether it is the one that the file states.
"""

import hashlib
import sys

import h5py


def blake2b(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def column_bytes(values):
    if values.dtype.kind == "S":
        return b"".join(text + b"\n" for text in values.tolist())
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def cell_hash(cell):
    tables = {name: cell[name] for name in ("rounds", "clients", "measures")} | dict(cell["tables"])
    columns = {f"{name}/{column}": table[()][column] for name, table in tables.items() for column in table.dtype.names}
    lines = [f"{name} {blake2b(column_bytes(columns[name]))}\n" for name in sorted(columns, key=str.encode)]
    parameters = []
    cell["model"].visititems(lambda name, item: parameters.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    parameters.sort(key=lambda entry: entry[1].attrs["position"])
    lines += [f"model/{name} {blake2b(item[()].tobytes())}\n" for name, item in parameters]
    return blake2b("".join(lines).encode())


if __name__ == "__main__":
    with h5py.File(sys.argv[1]) as run:
        hashes = []
        for index in sorted(run["cells"], key=int):
            cell = run["cells"][index]
            hashes.append(cell_hash(cell))
            same = "as stated" if hashes[-1] == cell.attrs["hash"] else f"the file states {cell.attrs['hash'] or 'none'}"
            print(f"cell {index}  {hashes[-1]}  {same}")
        print(f"run  {blake2b(''.join(text + chr(10) for text in hashes).encode())}")
