"""Models of runs as arrays, PyTorch's state dictionaries and modules, and back to files that the program starts from.

weights = shoal.models.weights("results/quickstart.h5", label="scaffold", seed=1)    name -> numpy array
module = shoal.models.module("results/quickstart.h5", cell=6)         a torch.nn.Module of a perceptron
shoal.models.save_script(module, "start.pt")                          model = {name = "torch_script", file = ...}
shoal.models.save(weights, "policy.safetensors")                      policy = {name = "transformer", weights = ...}
"""

import json
import os
import struct
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .errors import ShoalError
from .hashes import parameters

if TYPE_CHECKING:
    import torch

__all__ = ["load_into", "metadata", "module", "save", "save_script", "state_dict", "weights"]

Weights = dict[str, np.ndarray]
Source = str | os.PathLike[str]
_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}  # those that the program reads


def weights(path: Source, cell: int | None = None, label: str | None = None, seed: int | None = None) -> Weights:
    """The final model of a cell of a run file, or of a safetensors file; names and shapes are PyTorch's. A cell is
    given by its number, or by label and seed; neither is needed if there is one cell."""
    if Path(path).suffix == ".safetensors":
        return _safetensors(path)[0]
    with _opened(path) as file:
        group = _cell(file, path, cell, label, seed)
        found = {name: item[()] for name, item in parameters(group)}
    if not found:
        raise ShoalError(f"{path}: the cell has no model yet. Finish the run first.")
    return found


def metadata(path: Source) -> dict[str, str]:
    """What a safetensors file says of itself."""
    return _safetensors(path)[1]


def save(state: Mapping[str, Any], path: Source, about: Mapping[str, str] | None = None) -> None:
    """Arrays or tensors as safetensors, which the program and every framework reads. `about`: texts beside them; the
    weights of a policy need those of the file that they come from (`metadata`)."""
    arrays = {name: _array(name, value) for name, value in state.items()}
    # As the program does: values of 8 bytes first, so that all are aligned.
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(about or {})}}
    offset = 0
    for name in names:
        array = arrays[name]
        kind = "F64" if array.itemsize == 8 else "F32"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            file.write(arrays[name].tobytes())


def state_dict(
    path: Source, cell: int | None = None, label: str | None = None, seed: int | None = None
) -> "OrderedDict[str, torch.Tensor]":
    """As `weights`, for torch.nn.Module.load_state_dict."""
    torch = _torch()
    return OrderedDict(
        (name, torch.from_numpy(value.copy())) for name, value in weights(path, cell, label, seed).items()
    )


def load_into(
    target: "torch.nn.Module", path: Source, cell: int | None = None, label: str | None = None, seed: int | None = None
) -> "torch.nn.Module":
    """Copies a cell's model into a module of the same shapes. Names may differ: then parameters are matched by their
    order, in which both list layers from the input to the output."""
    found = state_dict(path, cell, label, seed)
    own = target.state_dict()
    own = OrderedDict((name, value) for name, value in own.items() if not name.endswith("num_batches_tracked"))
    if set(own) != set(found):
        shapes = [[tuple(value.shape) for value in state.values()] for state in (own, found)]
        if shapes[0] != shapes[1]:
            raise ShoalError(
                f"{path}: the model has the shapes {shapes[1]} and the module {shapes[0]}. Use a module of these "
                "shapes."
            )
        found = OrderedDict(zip(own, found.values(), strict=True))
    target.load_state_dict(found, strict=False)
    return target


def module(
    path: Source, cell: int | None = None, label: str | None = None, seed: int | None = None
) -> "torch.nn.Module":
    """A module with a cell's weights, for the models "mlp" and "logistic_regression": from examples of any shape to
    scores. For other models, build the module and use `load_into`."""
    torch = _torch()
    with _opened(path) as file:
        text = _cell(file, path, cell, label, seed)["config"][()]
    config = tomllib.loads(text.decode() if isinstance(text, bytes) else str(text))
    name = config.get("model", "mlp")
    name = name.get("name", "mlp") if isinstance(name, dict) else name
    if name not in ("mlp", "logistic_regression"):
        raise ShoalError(
            f"{path}: the model '{name}' has no module here. Build it in PyTorch and use shoal.models.load_into."
        )
    found = state_dict(path, cell, label, seed)
    layers: OrderedDict[str, Any] = OrderedDict(flatten=torch.nn.Flatten())
    linear = [name.removesuffix(".weight") for name in found if name.endswith(".weight")]
    for number, layer in enumerate(linear):
        outputs, inputs = found[f"{layer}.weight"].shape
        layers[layer] = torch.nn.Linear(inputs, outputs)
        if number + 1 < len(linear):
            layers[f"relu{number + 1}"] = torch.nn.ReLU()
    built = torch.nn.Sequential(layers)
    built.load_state_dict(found)
    return built


def save_script(model: "torch.nn.Module", path: Source) -> None:
    """As TorchScript, from whose parameters an experiment with the model "torch_script" starts."""
    torch = _torch()
    torch.jit.save(torch.jit.script(model.cpu()), os.fspath(path))


def _opened(path: Source) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ShoalError(f"{path}: not an HDF5 file, or not readable ({error}). Give a run file.") from None


def _cell(file: h5py.File, path: Source, cell: int | None, label: str | None, seed: int | None) -> h5py.Group:
    if "cells" not in file:
        raise ShoalError(f"{path}: an HDF5 file, but not a run file of Shoal. Give a run file.")
    cells = {int(index): group for index, group in file["cells"].items()}
    fitting = [
        index
        for index, group in sorted(cells.items())
        if cell in (None, index) and label in (None, group.attrs["label"]) and seed in (None, int(group.attrs["seed"]))
    ]
    if len(fitting) != 1:
        raise ShoalError(f"{path}: {len(fitting)} of {len(cells)} cells fit. Give cell=, or label= and seed=, of one.")
    return cells[fitting[0]]


def _array(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    if array.dtype not in (np.float32, np.float64):
        raise ShoalError(f"'{name}' has values of the type {array.dtype}. Convert them to float32 or float64.")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)


def _safetensors(path: Source) -> tuple[Weights, dict[str, str]]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ShoalError(f"{path}: not readable ({error.strerror}). Give a safetensors file.") from None
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        about = header.pop("__metadata__", {})
        found = {}
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], dtype=_TYPES[entry["dtype"]])
            found[name] = values.reshape(entry["shape"]).copy()
        return found, about
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise ShoalError(
            f"{path}: is no safetensors file of F32 and F64 ({error}). Give one that 'shoal export' wrote."
        ) from None


def _torch() -> Any:
    try:
        return import_module("torch")
    except ImportError as error:
        raise ShoalError(
            f"PyTorch cannot be imported ({error}). Use: pip install 'experiments/python[torch]' in an environment "
            "of your own; weights() and save() need no PyTorch."
        ) from None
