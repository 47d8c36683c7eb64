"""Metrics in trackers: live and afterwards, once each, whatever the tracker does to itself."""

from __future__ import annotations

import fcntl
import json
import struct
import sys
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import trackers
from tuiftune.errors import UserError
from tuiftune.jobs import companion, tracking
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "hf_" + "a1B2" * 10
BOARD = trackers.every()["tensorboard"]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "runs" / "tone"
    path.mkdir(parents=True)
    resolved = {"name": "tone", "run": {"report_to": ["tensorboard"]}, "model": {"base": TOKEN}}
    (path / "plan.json").write_text(json.dumps({"resolved": resolved}))
    return RunDir(path)


def steps(run: RunDir, first: int, last: int, loss: float = 1.0) -> None:
    writer = EventWriter(run.events_path)
    for step in range(first, last + 1):
        writer.emit("step", step=step, loss=loss, lr=1e-4, grad_norm=None)
    writer.emit("gpu", gpus=[{"index": 1, "utilisation": 90}], cpu=20.0)
    writer.close()


def ended(run: RunDir) -> None:
    writer = EventWriter(run.events_path)
    writer.emit("end", state="done", exit_code=0, why="")
    writer.close()
    run.result_path.mkdir()
    (run.result_path / "result.json").write_text(json.dumps({"after": {"loss": 0.25, "exact_match": 0.5}}))


def board(run: RunDir) -> tuple[dict[str, list[tuple[int, float]]], str]:
    """What TensorBoard would show: curves, without what a later file purges, and all texts."""
    from tensorboardX.proto.event_pb2 import Event

    events: list[Any] = []
    files = (run.path / "trackers/tensorboard").glob("events.*")
    for file in sorted(files, key=lambda path: int(path.suffix[1:])):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            events.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    curves: dict[str, list[tuple[int, float]]] = {}
    texts = ""
    for event in events:
        if event.session_log.status:
            for name in curves:
                curves[name] = [point for point in curves[name] if point[0] < event.step]
        for value in event.summary.value:
            if value.HasField("tensor"):
                texts += b"".join(value.tensor.string_val).decode()
            else:
                curves.setdefault(value.tag, []).append((event.step, value.simple_value))
    return curves, texts


def test_a_run_that_is_over_is_sent_once(run: RunDir) -> None:
    steps(run, 1, 3)
    ended(run)
    first = tracking.send(run, BOARD)
    assert tracking.send(run, BOARD) == first
    curves, texts = board(run)
    assert curves["train/loss"] == [(1, 1.0), (2, 1.0), (3, 1.0)]
    assert curves["gpu1/utilisation"] == [(3, 90.0)]
    assert "train/grad_norm" not in curves
    assert "after_loss: 0.25" in texts
    assert "name: tone" in texts
    assert TOKEN not in texts


def test_a_run_that_goes_on_from_a_checkpoint_goes_on_there(run: RunDir) -> None:
    steps(run, 1, 6)
    tracking.send(run, BOARD)
    steps(run, 4, 8, loss=2.0)  # resumed from step 3
    tracking.send(run, BOARD)
    curves, _ = board(run)
    assert curves["train/loss"] == [(at, 1.0 if at < 4 else 2.0) for at in range(1, 9)]


def test_steps_that_a_resume_repeats_replace_the_first(run: RunDir) -> None:
    steps(run, 1, 6)
    steps(run, 4, 8, loss=2.0)
    tracking.send(run, BOARD)
    assert board(run)[0]["train/loss"] == [(at, 1.0 if at < 4 else 2.0) for at in range(1, 9)]


def test_a_live_run_is_followed_to_its_end(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(companion, "DIED_AFTER", 20.0)
    thread = threading.Thread(target=tracking.send, args=(run, BOARD), kwargs={"follow": True})
    thread.start()
    for at in (1, 3):
        steps(run, at, at + 1)
        time.sleep(0.1)
    ended(run)
    thread.join(15)
    assert not thread.is_alive()
    assert [at for at, _ in board(run)[0]["train/loss"]] == [1, 2, 3, 4]


def test_a_tracker_that_fails_is_tried_again_and_told(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    steps(run, 1, 3)
    ended(run)
    tried: list[int] = []
    from dataclasses import replace

    def refuse(sending: object) -> Any:
        tried.append(1)
        if len(tried) < 3:
            raise ConnectionError(f"401 for {TOKEN}\nand more")
        return BOARD.open(sending)  # type: ignore[arg-type]

    failing = replace(BOARD, open=refuse)
    with pytest.raises(UserError, match=r"TensorBoard: failed: 401 for .*: tuiftune track tone") as told:
        tracking.send(run, failing)
    assert TOKEN not in str(told.value)
    noted = tracking.sent(run, BOARD)
    assert noted is not None
    assert noted.trouble.startswith("401 for")
    assert tracking.send(run, failing, follow=True, pauses=(0.0, 0.0)).trouble == ""
    assert [at for at, _ in board(run)[0]["train/loss"]] == [1, 2, 3]


def test_two_never_send_the_same_run(run: RunDir) -> None:
    steps(run, 1, 3)
    place = run.path / "trackers"
    place.mkdir()
    with (place / "tensorboard.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="tone: is being sent to TensorBoard already"):
            tracking.send(run, BOARD)


def test_a_run_without_metrics_and_a_damaged_note(run: RunDir) -> None:
    with pytest.raises(UserError, match="no metrics yet"):
        tracking.send(run, BOARD)
    (run.path / "trackers/tensorboard.json").write_text('{"seq": 3}')
    with pytest.raises(UserError, match="names no ID"):
        tracking.send(run, BOARD)


def test_what_cannot_be_sent_is_said_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"report_to: tensorbord is not a tracker\. Did you mean tensorboard"):
        trackers.known(["tensorbord"])
    trackers.known(["comet_ml"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr(trackers, "find_spec", lambda module: None)
    with pytest.raises(UserError, match=r"is not installed. Install it: pip install 'tuiftune\[wandb\]'"):
        trackers.check(["wandb"])


def test_a_key_is_asked_for_only_where_one_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda module: module)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no API key\. Log in: wandb login"):
        trackers.check(["wandb"])
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    trackers.check(["wandb"])
    monkeypatch.setenv("NETRC", "/nowhere")
    monkeypatch.setenv("WANDB_MODE", "offline")
    trackers.check(["wandb"])


@pytest.mark.long
@pytest.mark.parametrize("key", ["trackio", "wandb", "mlflow"])
def test_every_tracker_takes_a_run_and_its_resume(
    run: RunDir, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = trackers.every()[key]
    if find_spec(tracker.module) is None:
        pytest.skip(f"{tracker.module} is not installed: uv sync --extra {key}")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(run.path / "trackers/trackio"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trackers.check([key])
    steps(run, 1, 3)
    tracking.send(run, tracker)
    steps(run, 4, 5)
    ended(run)
    assert tracking.send(run, tracker).step == 5
    assert SHOWN[key](run) == [1, 2, 3, 4, 5]


def _trackio(run: RunDir) -> list[int]:
    import sqlite3

    (database,) = (run.path / "trackers/trackio").glob("*.db")
    rows = sqlite3.connect(database).execute("select step, metrics from metrics order by step").fetchall()
    return [step for step, values in rows if "train/loss" in json.loads(values)]


def _wandb(run: RunDir) -> list[int]:
    from wandb.proto.wandb_internal_pb2 import Record

    steps: list[int] = []
    for file in sorted((run.path / "trackers/wandb").rglob("*.wandb")):
        data = file.read_bytes()[7:]  # a LevelDB log after a header; one of a few records has a single block
        while len(data) > 7:
            _, length, kind = struct.unpack("<IHB", data[:7])
            assert kind == 1, "a whole record"
            items = Record.FromString(data[7 : 7 + length]).history.item
            values = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}
            steps += [values["step"]] if "train/loss" in values else []
            data = data[7 + length :]
    return steps


def _mlflow(run: RunDir) -> list[int]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"file:{run.path / 'trackers/mlflow'}")
    place = client.get_experiment_by_name("tuiftune").experiment_id
    (found,) = client.search_runs([place])
    assert found.info.status == "FINISHED"
    assert found.data.metrics["final.after_exact_match"] == 0.5
    return sorted(one.step for one in client.get_metric_history(found.info.run_id, "train/loss"))


SHOWN = {"trackio": _trackio, "wandb": _wandb, "mlflow": _mlflow}
