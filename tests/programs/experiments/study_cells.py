"""The tests of studies share this: cells of a study, and comparison with means that an independent program found."""

import math

import h5py
import program

OBJECTIVES = ["binary_rl", "opd_token", "opd_top_k", "combined", "hybrid"]


def cells(name):
    """The results of an experiment's cells by label: the model, and the sessions of each replicate."""
    program.run(program.SOURCE / f"experiments/agents/{name}.toml", "--out", f"{name}.h5", "--ranks", 2)
    with h5py.File(f"{name}.h5") as file:
        found = {}
        for cell in file["cells"].values():
            replicates = cell["tables/replicates"][()]
            assert (replicates["replicate"] == range(len(replicates))).all()
            model = {key: value[()] for key, value in cell["model"].items()}
            found[cell.attrs["label"]] = (model, replicates["sessions"])
        return found


def deviation(values):
    mean = values.mean()
    return math.sqrt(((values - mean) ** 2).sum() / (len(values) - 1))


def check_mean(found, label, mean):
    model, sessions = found[label]
    error = deviation(sessions) / math.sqrt(len(sessions))
    assert len(sessions) == 1000 and abs(model["sessions"].mean() - sessions.mean()) < 1e-3
    assert abs(sessions.mean() - mean) < 3 * math.sqrt(2) * error, (label, sessions.mean(), mean, error)
    assert abs(model["survival"][:-1].sum() - sessions.mean()) < 1e-3, label  # the restricted mean


def check_sessions(found, expected):
    for row, means in expected.items():
        for objective, mean in zip(OBJECTIVES, means):
            check_mean(found, f"{row}, {objective}", mean)
