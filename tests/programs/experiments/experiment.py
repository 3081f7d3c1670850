"""The checks of experiment files share this: running an experiment, and means over its cells."""

import os

import h5py
import program

OTHERS = ("tables", "python")  # folders with TOML files of another kind
FILES = {file.stem: file for file in (program.SOURCE / "experiments").rglob("*.toml") if file.parent.name not in OTHERS}


def run(name, *arguments):
    """The run file of an experiment, whose arguments may shorten it."""
    program.run(FILES[name], "--out", f"{name}.h5", "--anew", *arguments)
    return h5py.File(f"{name}.h5")


def run_on_mnist(name, out, *arguments, **how):
    """The hash of an experiment that needs MNIST; skips where SHOAL_DATA does not lead to it."""
    data = os.environ.get("SHOAL_DATA")
    if not data:
        raise program.Skip("SHOAL_DATA is not set; it names the folder with mnist/")
    if not os.path.isdir(os.path.join(data, "mnist")):
        raise program.Skip(f"SHOAL_DATA is {data}, which has no folder mnist")
    return program.result_hash(program.run(FILES[name], *arguments, "--out", out, "--anew", variables={"SHOAL_DATA": data}, **how))


def mean(file, label, attribute):
    """The mean of an attribute over the three seeds of a label."""
    values = [cell.attrs[attribute] for cell in file["cells"].values() if cell.attrs["label"] == label]
    assert len(values) == 3, (label, values)
    return sum(values) / len(values)
