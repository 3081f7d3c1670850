"""What loggers write is what the trackers' own readers read. Started by tests/loggers, in an environment that has
them."""

import math
import struct
import threading

import pytest
import shoal

VALUES = ("accuracy", "loss", "train_loss", "dropouts", "bytes_up")


def expected(run: shoal.Run, cell: int, name: str) -> dict[int, float]:
    rows = run.rounds[run.rounds["cell"] == cell]
    return {
        int(step): float(value) for step, value in zip(rows["round"], rows[name], strict=True) if math.isfinite(value)
    }


def read_scalars(folder, names) -> dict[str, dict[int, float]]:
    """What TensorBoard's own reader finds in event files."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util import tensor_util

    events = reader.EventAccumulator(str(folder), size_guidance={reader.TENSORS: 0})
    events.Reload()
    return {
        name: {event.step: float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(name)}
        for name in names
    }


def test_tensorboard(run, tmp_path):
    logger = shoal.log.TensorBoard(tmp_path)
    logger.update(run)
    logger.update(run)  # nothing is written twice
    assert len(list(tmp_path.glob("*/events.*"))) == 12
    for cell in (0, 7):
        row = run.cells.loc[cell]
        found = read_scalars(tmp_path / shoal.log.safe(f"{row['label']}-seed{row['seed']}"), VALUES)
        for name in VALUES:
            assert found[name] == pytest.approx(expected(run, cell, name), rel=1e-6)  # float32 there


def test_mlflow(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # later versions ask for a data base otherwise
    mlflow = pytest.importorskip("mlflow")
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "store").as_uri()):
        logger = shoal.log.MLflow(uri)
        logger.update(run)
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
        assert len(found) == 12
        for cell in (0, 7):
            row = run.cells.loc[cell]
            (own,) = [each for each in found if each.info.run_name == f"{row['label']}-seed{row['seed']}"]
            assert own.info.status == "FINISHED" and own.data.params["planner.cohort"] == "8"
            assert own.data.metrics["result.final_accuracy"] == row["final_accuracy"]
            for name in VALUES:
                history = {point.step: point.value for point in client.get_metric_history(own.info.run_id, name)}
                assert history == expected(run, cell, name)


def records(data: bytes) -> list[bytes]:
    """Of a file of Weights & Biases: a header of 7 bytes, then LevelDB's log format."""
    found, at = [], 7
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no header fits into the rest of the block
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        piece = data[at + 7 : at + 7 + length]
        found = (
            [*found, piece] if kind in (1, 2) else [*found[:-1], found[-1] + piece]
        )  # whole or first; else a later part
        at += 7 + length
    return found


def test_wandb_offline(run, tmp_path):
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    shoal.log.WandB("tiny", folder=tmp_path, mode="offline").update(run)
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 12
    histories = []
    for file in files:
        steps: dict[int, float] = {}
        for data in records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                values = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                if "accuracy" in values:
                    steps[int(values.get("_step", record.history.step.num))] = float(values["accuracy"])
        histories.append(steps)
    for cell in run.cells.index:
        assert expected(run, cell, "accuracy") in histories


def test_while_it_runs(run, program, folder, tmp_path):
    """`follow` writes a run that another process makes, and ends with it."""
    out = tmp_path / "followed.h5"
    other = threading.Thread(
        target=shoal.run, args=(folder / "tiny.toml",), kwargs={"out": out, "progress": False, "rounds": 60}
    )
    other.start()
    found = shoal.log.follow(out, shoal.log.TensorBoard(tmp_path / "logs"), every=0.1)
    other.join()
    assert not found.in_progress
    assert list(read_scalars(tmp_path / "logs/fed_avg-seed1", ["dropouts"])["dropouts"]) == list(range(1, 61))
