"""`shoal pretrain` learns, gives the same bits again, writes a file that others can read, and refuses bad arguments."""

import json
import re
import struct
from pathlib import Path

import program

SMALL = ["--width", 16, "--layers", 1, "--heads", 2]
SHORT = [*SMALL, "--steps", 300, "--batch", 16, "--rate", 0.02]


def pretrain(*arguments):
    done = program.shoal("pretrain", *arguments)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def loss(text):
    return float(re.search(r"next-token loss +([\d.]+) nats", text).group(1))


def test_learns_and_writes_safetensors():
    text = pretrain(*SHORT, "--out", "a.safetensors")
    start = pretrain(*SMALL, "--steps", 0)
    assert loss(text) < 3 < 4 < loss(start), (text, start)  # frequencies of tokens give 3.04, equal ones log 64
    for word in ("right answers", "without instruction", "after a correction", "with a hint", "95 % interval"):
        assert word in text, text
    data = Path("a.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header["words"]["shape"] == [64, 16] and header["layer1.mlp.in"]["shape"] == [64, 16], header
    assert header["__metadata__"]["made by"].startswith("shoal pretrain --seed 1 --steps 300"), header
    # The same bits again, and others from another seed.
    pretrain(*SHORT, "--out", "b.safetensors")
    assert Path("b.safetensors").read_bytes() == data
    pretrain(*SHORT, "--seed", 2, "--out", "c.safetensors")
    assert Path("c.safetensors").read_bytes()[8 + length :] != data[8 + length :]


def test_measures_a_file():
    trained = pretrain(*SHORT, "--out", "a.safetensors")
    measured = pretrain("--measure", "a.safetensors", *SMALL)
    assert loss(trained) == loss(measured)


def test_wrong_arguments_are_user_errors():
    Path("short.safetensors").write_bytes(b"1234")
    for arguments in (["--heads", 3], ["--measure", "nowhere"], ["--measure", "short.safetensors"], ["--rate", 0],
                      ["--out", "no/such/folder/a.safetensors"]):  # fmt: skip
        done = program.shoal("pretrain", *arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done


program.main(globals())
