"""Sparse and quantized updates keep the accuracy at a fraction of the bytes; forgetting what is not sent costs some."""

import program
from experiment import run


def test_sparse_updates():
    with run("sparse_updates", "--ranks", 2, "--set", "rounds=60", "--set", "grid.seed=[1]") as file:
        cells = {cell.attrs["label"]: cell for cell in file["cells"].values()}
        accuracy = {label: cell.attrs["final_accuracy"] for label, cell in cells.items()}
        upload = {label: cell["rounds"]["bytes_up"].sum() for label, cell in cells.items()}
        for label in ("8 bits", "top 5 %", "top 5 %, 8 bits", "both ways"):
            assert accuracy[label] > accuracy["plain"] - 0.015, accuracy
        # Of 4,810 values 241 are sent: 8 bytes each, or 5 and a scale.
        sent = {"plain": 4 * 4810, "8 bits": 4810 + 3 * 4, "top 5 %": 241 * 8, "top 5 %, 8 bits": 241 * 5 + 4}
        for label in ("top 5 %", "top 5 %, 8 bits"):
            assert upload[label] * sent["plain"] == upload["plain"] * sent[label], upload
        down = {label: cell["rounds"]["bytes_down"].sum() for label, cell in cells.items()}
        assert down["both ways"] < 0.9 * down["top 5 %"], down


program.main(globals())
