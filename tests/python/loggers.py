"""What loggers write is what the trackers' own readers read. Started by tests/loggers, in an environment that has them."""

import math
import threading

import pytest

import shoal

VALUES = ("accuracy", "loss", "train_loss", "dropouts", "bytes_up")


def expected(run: shoal.Run, cell: int, name: str) -> dict[int, float]:
    rows = run.rounds[run.rounds["cell"] == cell]
    return {int(step): float(value) for step, value in zip(rows["round"], rows[name], strict=True) if math.isfinite(value)}


def test_tensorboard(run, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = shoal.log.TensorBoard(tmp_path)
    logger.update(run)
    logger.update(run)  # nothing is written twice
    assert len(list(tmp_path.iterdir())) == 12
    for cell in (0, 7):
        row = run.cells.loc[cell]
        events = reader.EventAccumulator(str(tmp_path / f"{row['label']}-seed{row['seed']}"),
                                         size_guidance={reader.SCALARS: 0, reader.TENSORS: 0})
        events.Reload()
        for name in VALUES:
            found = {event.step: float(event.value) for event in events.Scalars(name)}
            assert found == pytest.approx(expected(run, cell, name), rel=1e-6)  # float32 there


def test_mlflow(run, tmp_path):
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


def test_wandb_offline(run, tmp_path):
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal import datastore

    shoal.log.WandB("tiny", folder=tmp_path, mode="offline").update(run)
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 12
    steps = []
    store = datastore.DataStore()
    store.open_for_scan(str(files[0]))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            steps.append({item.key or item.nested_key[0]: item.value_json for item in record.history.item})
    found = {int(step["_step"]): float(step["accuracy"]) for step in steps if "accuracy" in step}
    assert found in [expected(run, cell, "accuracy") for cell in run.cells.index] and len(found) == 4


def test_while_it_runs(run, program, folder, tmp_path):
    """`follow` writes a run that another process makes, and ends with it."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "followed.h5"
    other = threading.Thread(target=shoal.run, args=(folder / "tiny.toml",), kwargs={"out": out, "progress": False, "rounds": 60})
    other.start()
    found = shoal.log.follow(out, shoal.log.TensorBoard(tmp_path / "logs"), every=0.1)
    other.join()
    assert not found.in_progress
    events = reader.EventAccumulator(str(tmp_path / "logs/fed_avg-seed1"), size_guidance={reader.TENSORS: 0})
    events.Reload()
    assert [event.step for event in events.Scalars("dropouts")] == list(range(1, 61))
