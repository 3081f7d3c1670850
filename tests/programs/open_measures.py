"""What parts and trainers measure of their own is in the run file, in the CSV, in the hash, and the same after a kill.

Three experiments: the agents' trainer measures a figure of each client, adaptive_clip a number of each round, and afl a table.
"""

import hashlib
import math
import shutil
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import program

EXPERIMENTS = {
    "agents": """
name = "agents"
rounds = 150
strategy = "fed_avg"
planner = {name = "uniform", cohort = 6, dropout = 0.2}
local = {rate = 1, steps = 2}
evaluate = {every = 50}
[task]
name = "agents"
users = 12
sessions = 2
test_users = 64
""",
    "adaptive_clip": """
name = "adaptive-clip"
rounds = 300
strategy = "fed_avg"
partition = {name = "dirichlet", clients = 30}
model = {widths = [16]}
planner = {name = "uniform", cohort = 8, dropout = 0.1}
stages = [{name = "adaptive_clip", initial = 0.3, quantile = 0.4, rate = 0.25}]
evaluate = {every = 50}
""",
    "afl": """
name = "afl"
rounds = 300
partition = {name = "dirichlet", clients = 10}
model = {widths = [16]}
planner = {name = "uniform", cohort = 6, dropout = 0.1}
strategy = {name = "afl", mixing_rate = 0.02}
evaluate = {every = 50}
""",
}
CLIENTS = (
    "round", "participation", "client", "version", "start_us", "finish_us", "outcome", "committed", "accepted", "weight",
    "loss", "steps", "bytes_down", "bytes_up", "fraction", "joules", "tier", "examples", "rejected_examples", "task",
    "group", "variant",
)  # fmt: skip


files = {}  # the run files, which stay open


def run(name):
    """The cell of the whole run on one rank."""
    if name not in files:
        Path(f"{name}.toml").write_text(EXPERIMENTS[name])
        program.run(f"{name}.toml", "--out", f"{name}.h5")
        files[name] = h5py.File(f"{name}.h5")
    return files[name]["cells/0"]


def blake2b(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def column_hash(values):
    """Of integers and reals as 8 little-endian bytes each, of texts as they are, with a line feed after each."""
    if values.dtype.kind == "S":
        return blake2b(b"".join(text + b"\n" for text in values.tolist()))
    assert values.dtype.itemsize == 8, values.dtype
    return blake2b(values.astype("<" + values.dtype.kind + "8").tobytes())


def result_hash(cell, left_out=()):
    """The hash of a cell by sim/record/README.md; `left_out`: columns that it shall not cover."""
    tables = {name: cell[name][()] for name in ("rounds", "clients", "measures")}
    tables.update({name: table[()] for name, table in cell["tables"].items()})
    columns = {f"{table}/{column}": values[column] for table, values in tables.items() for column in values.dtype.names}
    text = "".join(f"{name} {column_hash(columns[name])}\n" for name in sorted(columns, key=lambda name: name.encode())
                   if name not in left_out)
    parameters = {}
    cell["model"].visititems(
        lambda name, item: parameters.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    for name in sorted(parameters, key=lambda name: parameters[name].attrs["position"]):
        text += f"model/{name} {blake2b(parameters[name][()].tobytes())}\n"
    return blake2b(text.encode())


def measures(cell, name):
    """A measure by round."""
    return {row["round"]: row["value"] for row in cell["measures"][()] if row["name"] == name.encode()}


def test_a_figure_of_each_client():
    cell = run("agents")
    clients = cell["clients"]
    assert clients.dtype.names == CLIENTS + ("entropy",), clients.dtype.names
    assert clients.attrs["units"].split("; ")[-1].startswith("entropy: "), clients.attrs["units"]
    rows = clients[()]
    committed = rows["committed"] == 1
    assert 0 < committed.sum() < len(rows), "no client dropped out"
    assert (np.isnan(rows["entropy"]) == ~(committed & (rows["examples"] > 0))).all()
    # The language has 64 tokens, so that no distribution has more than log 64 nats.
    measured = rows["entropy"][committed & (rows["examples"] > 0)]
    assert (measured > 0).all() and (measured < math.log(64)).all(), (measured.min(), measured.max())
    assert len(set(measured)) > 0.9 * len(measured), "clients with different users have the same entropy"
    expected = {}
    for number in cell["rounds"]["round"]:
        accepted = rows[(rows["round"] == number) & (rows["accepted"] == 1)]["entropy"]
        values = [float(value) for value in accepted if not math.isnan(value)]
        if values:
            expected[number] = sum(values) / len(values)  # in the order of the rows, as the program adds them
    assert measures(cell, "train_entropy") == expected and len(expected) > 100


def test_a_measure_of_each_round():
    cell = run("adaptive_clip")
    assert cell["clients"].dtype.names == CLIENTS, "columns that this task does not have"
    bound, before = measures(cell, "adaptive_clip.bound"), 0.3
    rounds = cell["rounds"][()]
    assert list(bound) == list(rounds["round"])
    within = []
    for row in rounds:
        # C *= exp(-rate (mean bit - quantile)): the mean bit is a share of the clients that took part.
        share = 0.4 - math.log(bound[row["round"]] / before) / 0.25
        count = share * row["committed"]
        assert abs(count - round(count)) < 1e-4 and -1e-4 < share < 1 + 1e-4, (row["round"], count)
        within.append(round(count) / row["committed"])
        before = bound[row["round"]]
    assert abs(np.mean(within[100:]) - 0.4) < 0.1 and len(set(within)) > 3, within


def project(values):
    """The nearest point of the simplex, by bisection of the shift."""
    low, high = values.min() - 1, values.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(values - (low + high) / 2, 0)


def test_a_table_of_each_round():
    cell = run("afl")
    assert cell["clients"].dtype.names == CLIENTS
    table, clients, rounds = cell["tables/afl.mixture"][()], cell["clients"][()], cell["rounds"][()]
    assert table.dtype.names == ("client", "weight")
    stepped = rounds[rounds["verdict"] == 0]  # only rounds with a step of the server report
    assert len(table) == 10 * len(stepped) and (table["client"].reshape(-1, 10) == np.arange(10)).all()
    mixture = np.full(10, 0.1)
    for number, found in zip(stepped["round"], table["weight"].reshape(-1, 10)):
        feedback = clients[(clients["round"] == number) & (clients["committed"] == 1)]
        for row in feedback[feedback["accepted"] == 1]:
            mixture[row["client"]] += 0.02 * 10 / len(feedback) * row["loss"]
        mixture = project(mixture)
        assert np.abs(found - mixture).max() < 1e-9, (number, found, mixture)
    assert mixture.max() > 0.15, "the mixture has not moved"


def test_the_hash_covers_them():
    own = {"agents": ["clients/entropy"], "adaptive_clip": [], "afl": ["afl.mixture/client", "afl.mixture/weight"]}
    for name, columns in own.items():
        cell = run(name)
        stated = cell.attrs["hash"]
        assert result_hash(cell) == stated, f"{name}: {result_hash(cell)} instead of {stated}"
        for column in columns + ["measures/round", "measures/name", "measures/value"]:
            assert result_hash(cell, [column]) != stated, f"{name}: the hash does not cover {column}"


def exported(path, folder):
    """The tables that `shoal export` writes of the only cell, by name."""
    shutil.rmtree(folder, ignore_errors=True)
    done = program.shoal("export", path, "--out", folder)
    assert done.returncode == 0, done.stderr
    found = {}
    for file in Path(folder).glob("*/*.csv"):
        found[file.name.removesuffix(".csv").removeprefix("table-")] = pd.read_csv(file, float_precision="round_trip")
    return found


def test_the_tables_in_csv():
    for name in EXPERIMENTS:
        cell, found = run(name), exported(f"{name}.h5", f"{name}-export")
        wanted = {table: cell[table][()] for table in ("rounds", "clients", "measures") if len(cell[table])}
        wanted.update({table: rows[()] for table, rows in cell["tables"].items()})
        assert found.keys() == wanted.keys(), (found.keys(), wanted.keys())
        for table, rows in wanted.items():
            frame = found[table]
            assert tuple(frame.columns) == rows.dtype.names, (table, frame.columns)
            for column in rows.dtype.names:
                expected = rows[column]
                if expected.dtype.kind == "S":
                    assert list(frame[column]) == [text.decode() for text in expected], (table, column)
                else:
                    assert np.array_equal(frame[column], expected, equal_nan=expected.dtype.kind == "f"), (table, column)


def killed(name, out):
    """Leaves an interrupted run: killed as soon as it has a checkpoint. A run may be over before that."""
    for _ in range(20):
        process = subprocess.Popen(
            [program.SHOAL, "run", f"{name}.toml", "--out", out, "--anew", "--checkpoint-every", "0.05"],
            env=program.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any(Path(f"{out}.journal").glob("*.state")):
                break
            time.sleep(0.002)
        program.kill_all(process)
        if any(Path(f"{out}.journal").glob("*.state")):
            return
    raise AssertionError(f"{name}: twenty runs left no checkpoint")


def test_the_same_after_a_kill_on_other_ranks():
    for name, ranks in (("agents", 3), ("adaptive_clip", 2), ("afl", 3)):
        whole, tables = run(name), exported(f"{name}.h5", f"{name}-export")
        out = f"{name}-killed.h5"
        killed(name, out)
        # The interrupted run can be read already: every table is a beginning of the whole one.
        for table, frame in exported(out, f"{name}-killed-export").items():
            assert len(frame) <= len(tables[table]), (name, table)
            pd.testing.assert_frame_equal(frame, tables[table].iloc[: len(frame)], check_exact=True, check_dtype=False)
        done = program.shoal("run", f"{name}.toml", "--out", out, "--resume", mpirun=ranks)
        assert done.returncode == 0, done.stderr
        with h5py.File(out) as file:
            cell = file["cells/0"]
            assert cell.attrs["hash"] == whole.attrs["hash"] == result_hash(cell), name
            for table in ("rounds", "clients", "measures", *(f"tables/{table}" for table in whole["tables"])):
                assert cell[table].dtype == whole[table].dtype and cell[table][()].tobytes() == whole[table][()].tobytes()


def test_the_same_on_other_ranks_and_threads():
    for name in EXPERIMENTS:
        whole = run(name)
        program.run(f"{name}.toml", "--out", "again.h5", "--anew", "--threads", 2, mpirun=2)
        with h5py.File("again.h5") as file:
            assert file["cells/0"].attrs["hash"] == whole.attrs["hash"], name
            assert file["cells/0/clients"][()].tobytes() == whole["clients"][()].tobytes(), name


def test_a_journal_of_an_older_format_is_refused_and_discarded():
    expected = run("afl").attrs["hash"]
    killed("afl", "old.h5")
    journal = Path("old.h5.journal/cell-000000")
    data = bytearray(journal.read_bytes())
    data[12:16] = (4).to_bytes(4, "little")  # the format before figures
    journal.write_bytes(data)
    done = program.shoal("run", "afl.toml", "--out", "old.h5", "--resume")
    assert done.returncode == 2 and "format version 4" in done.stderr and "--anew" in done.stderr, done.stderr
    again = program.shoal("run", "afl.toml", "--out", "old.h5", "--anew")
    assert again.returncode == 0, again.stderr
    with h5py.File("old.h5") as file:
        assert file["cells/0"].attrs["hash"] == expected


program.main(globals())
