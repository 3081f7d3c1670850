"""One result, bit for bit, on any number of ranks and threads and in any grouping of the grid."""

from pathlib import Path

import h5py
import program

EXPERIMENT = """
name = "one-hash"
rounds = 8
[partition]
name = "dirichlet"
clients = 60
alpha = 0.3
[model]
widths = [16]
[planner]
cohort = 24
dropout = 0.2
[local]
epochs = 2
batch = 5
[evaluate]
every = 3
[grid]
variants = [
  {strategy = "fed_avg"},
  {strategy = {name = "fed_prox", mu = 0.01}},
  {strategy = "scaffold", local.block = 1, label = "scaffold"},
  {strategy = {name = "fed_adam", rate = 0.03}},
  {strategy = "fed_avg", stages = [{name = "clip", bound = 0.5}], label = "clipped"},
  {strategy = "scaffold", local.block = 7, local.form = "stacked", label = "stacked"},
  {strategy = "scaffold", local.block = 7, local.form = "in_turn", label = "in turn"},
  {strategy = "fed_avg", codec = [{name = "top_k", keep = 0.1}, "quantize"], label = "compressed"},
  {strategy = "fed_avg", rules = ["nnm", "krum"], attack = {name = "alie", malicious = 12}, label = "attacked"},
  {strategy = {name = "ifca", clusters = 2}, label = "clusters"},
  {strategy = "mime", label = "first exchange"},
  {strategy = "fed_amp", label = "rows for clients"},
]
seed = [1, 2]
"""
CELLS = 24
# Ranks, threads, ranks per cell (0: as the program chooses), and whether the program starts its ranks itself.
WAYS = [
    (1, 2, 0, True), (2, 1, 0, True), (2, 2, 2, False), (3, 1, 3, True), (3, 2, 0, False), (3, 1, 2, False),
    (4, 1, 4, True), (4, 2, 2, False), (4, 1, 0, False), (5, 1, 5, True), (5, 2, 2, False), (5, 1, 3, False),
]  # fmt: skip


def contents(path):
    """Everything in a run file that its hash promises, cell by cell, as bytes."""
    with h5py.File(path) as file:
        cells = []
        for index in range(len(file["cells"])):
            cell = file["cells"][str(index)]
            found = {table: cell[table][()].tobytes() for table in ("rounds", "clients")}
            cell["model"].visititems(
                lambda name, item: found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None)
            found["config"] = cell["config"][()]
            found.update({name: str(value) for name, value in cell.attrs.items() if name != "wall_seconds"})
            cells.append(found)
        return file.attrs["hash"], cells


def run(name, *arguments, **how):
    path = f"{name}.h5"
    printed = program.result_hash(program.run("one.toml", "--out", path, "--anew", *arguments, **how))
    written, cells = contents(path)
    assert printed == written, f"{name}: prints {printed}, writes {written}"
    assert len(cells) == CELLS
    return printed, cells


def reference():
    if not Path("reference.h5").exists():
        Path("one.toml").write_text(EXPERIMENT)
        run("reference")
    return contents("reference.h5")


def test_any_ranks_threads_and_grouping():
    expected, expected_cells = reference()
    for way in WAYS:
        ranks, threads, grouping, starts_itself = way
        arguments = ["--threads", threads] + (["--ranks-per-cell", grouping] if grouping else [])
        arguments += ["--ranks", ranks] if starts_itself else []
        found, cells = run("again", *arguments, mpirun=0 if starts_itself else ranks)
        assert found == expected, f"{way}: {found} instead of {expected}"
        for index, (cell, wanted) in enumerate(zip(cells, expected_cells)):
            differs = [name for name in wanted if cell.get(name) != wanted[name]] + [n for n in cell if n not in wanted]
            assert not differs, f"{way}: cell {index} differs in {differs}"


def test_ranks_and_threads_really_differ():
    # Otherwise the test above would compare a run with itself.
    program.run("one.toml", "--out", "ranks.h5", "--threads", 2, mpirun=2)
    with h5py.File("ranks.h5") as file:
        provenance = file["cells/0/provenance"].attrs
        assert provenance["ranks"] == "2" and provenance["threads"] == "2", dict(provenance)


def test_dropout_memory_and_clipping_took_part():
    # Without these the equality above would say little.
    _, cells = reference()
    assert all(int(cell["dropouts"]) > 0 for cell in cells)
    with h5py.File("reference.h5") as file:
        for index in range(CELLS):
            clients = file[f"cells/{index}/clients"]
            assert len(set(clients["client"])) < len(clients["client"]), "no client took part twice"
    # Cells 4 and 5 train one client at a time, 12 and 13 the same clients in turn: everything else differs.
    assert [cell["hash"] for cell in cells[4:6]] == [cell["hash"] for cell in cells[12:14]], "turns change bits"
    assert len({cell["hash"] for cell in cells}) == CELLS - 2, "variants or seeds give the same result"
    assert cells[0]["dense1.weight"] != cells[8]["dense1.weight"], "clipping changes nothing"


def test_another_seed_gives_another_hash():
    expected, expected_cells = reference()
    found, cells = run("seeds", "--set", "grid.seed=[1, 3]", "--ranks", 2)
    assert found != expected
    for index, (cell, old) in enumerate(zip(cells, expected_cells)):
        same_seed = index % 2 == 0
        assert (cell["hash"] == old["hash"]) == same_seed, f"cell {index}, seed {cell['seed']}"


def test_values_of_the_result_change_the_hash():
    expected, _ = reference()
    for setting in ("local.rate=0.1000001", "rounds=7", "planner.dropout=0.21"):
        found, _ = run("changed", "--set", setting)
        assert found != expected, setting


program.main(globals())
