"""A run's copy elsewhere: whole or not there, mirrored as it rotates, and back again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs import companion, copies, copies_back, copy_places, place
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.checkpoint_store import Store
from tuiftune.runs.store.checkpoints import NEEDED, PROGRESS
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "runs" / "tone"
    path.mkdir(parents=True)
    resolved = {"name": "tone", "run": {"sync_to": str(tmp_path / "away")}}
    (path / "plan.json").write_text(json.dumps({"resolved": resolved}))
    (path / "preset.yaml").write_text("model: {base: builtin:tiny}\n")
    writer = EventWriter(path / "events.jsonl")
    writer.emit("step", step=1, loss=1.0)
    writer.close()
    return RunDir(path)


def saved(run: RunDir, step: int, keep: int = 2, shares: int = 0) -> None:
    def write(directory: Path) -> None:
        for share in range(shares):
            (directory / "sharded").mkdir(exist_ok=True)
            (directory / f"sharded/__{share}_0.distcp").write_text(f"share {share}")
        for name in (*NEEDED, "rng_state.pth", "adapter_model.safetensors"):
            if name != PROGRESS:
                (directory / name).write_text(f"{name} of {step}")

    run.checkpoints_path.mkdir(exist_ok=True)
    Store(run.checkpoints_path, keep).save(step, write, {"step": step}, set())


def there(tmp_path: Path, of: str = "away/tone/checkpoints") -> list[str]:
    return sorted(one.name for one in (tmp_path / of).glob("*"))


def test_checkpoints_are_copied_and_rotated_there_too(run: RunDir, tmp_path: Path) -> None:
    for step in (2, 4):
        saved(run, step)
    assert copies.copy(run).steps == (2, 4)
    saved(run, 6)
    (run.result_path / "model").mkdir(parents=True)
    (run.result_path / "model/adapter_model.safetensors").write_text("w")
    copied = copies.copy(run)
    assert copied.steps == (4, 6)
    assert copied.result
    assert there(tmp_path) == ["checkpoint-4", "checkpoint-6"]
    assert (tmp_path / "away/tone/result/model/adapter_model.safetensors").read_text() == "w"
    assert (tmp_path / "away/tone/events.jsonl").read_bytes() == run.events_path.read_bytes()


def test_what_is_there_is_not_sent_again(run: RunDir) -> None:
    saved(run, 2)
    copies.copy(run)
    sent: list[str] = []
    copies.copy(run, watch=sent.append)
    assert not [file for file in sent if file.startswith("checkpoints/")]


def test_a_copy_comes_back_as_a_run(run: RunDir, tmp_path: Path) -> None:
    saved(run, 2)
    saved(run, 4)
    copies.copy(run)
    back = copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")
    assert back.path == tmp_path / "other/tone"
    assert there(tmp_path, "other/tone/checkpoints") == ["checkpoint-4"]
    assert back.events_path.read_bytes().startswith(run.events_path.read_bytes())
    assert vitals(back).state == "killed", "else it would be taken for one that runs elsewhere"
    with pytest.raises(UserError, match="is taken"):
        copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")


def test_shares_of_several_processes_come_back_too(run: RunDir, tmp_path: Path) -> None:
    saved(run, 2, shares=2)
    copies.copy(run)
    copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")
    back = tmp_path / "other/tone/checkpoints/checkpoint-2/sharded"
    assert {one.name: one.read_text() for one in back.iterdir()} == {
        "__0_0.distcp": "share 0",
        "__1_0.distcp": "share 1",
    }


def test_a_name_in_a_store_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of a store are any text."""
    (tmp_path / "away").mkdir()
    there = place.Place(str(tmp_path / "away"))
    root = there.path("result")
    keys = [f"{root}/a.json", f"{root}/model/b", f"{root}/../../evil", f"{root}//etc/passwd", f"{root}/./c"]
    monkeypatch.setattr(type(there.files), "find", lambda self, path: keys)
    assert there.below("result") == ["a.json", "model/b"]


@pytest.mark.parametrize("fault", ["cut off", "another byte"])
def test_a_checkpoint_that_did_not_arrive_whole_is_passed_over(
    run: RunDir, tmp_path: Path, fault: str
) -> None:
    saved(run, 2)
    saved(run, 4)
    copies.copy(run)
    newest = tmp_path / "away/tone/checkpoints/checkpoint-4"
    if fault == "cut off":
        (newest / "manifest.json").unlink()
    else:
        (newest / "optimizer.pt").write_text("optimizer.pt of 5")
    copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")
    assert there(tmp_path, "other/tone/checkpoints") == ["checkpoint-2"]
    (tmp_path / "away/tone/checkpoints/checkpoint-2/manifest.json").unlink()
    with pytest.raises(UserError, match="no whole checkpoint"):
        copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "third")
    assert there(tmp_path, "third") == []


def test_an_upload_that_is_cut_off_is_not_taken_for_whole_and_continued(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(run, 2)
    put = place.Place.put

    def full(self: place.Place, source: Path, *parts: str) -> int:
        if parts[-1] == "scheduler.pt":
            raise OSError(28, "No space left on device")
        return put(self, source, *parts)

    monkeypatch.setattr(place.Place, "put", full)
    with pytest.raises(UserError, match=r"failed: .*No space left.*tuiftune sync tone"):
        copies.copy(run)
    noted = copies.copied(run)
    assert noted is not None
    assert "No space left" in noted.trouble
    with pytest.raises(UserError, match="is not a copy of a run"):
        copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")
    monkeypatch.setattr(place.Place, "put", put)
    assert copies.copy(run).steps == (2,)


def test_a_run_is_followed_to_its_end_through_a_lost_line(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "POLL_SECONDS", 0.02)
    put, lost = place.Place.put, [True]

    def line(self: place.Place, source: Path, *parts: str) -> int:
        if lost:
            raise ConnectionError("lost")
        return put(self, source, *parts)

    monkeypatch.setattr(place.Place, "put", line)
    given: dict[str, Any] = {"follow": True, "pauses": (0.01,)}
    thread = threading.Thread(target=copies.copy, args=(run,), kwargs=given)
    thread.start()
    saved(run, 2)
    time.sleep(0.2)
    assert there(tmp_path) == []
    lost.clear()
    saved(run, 4)
    writer = EventWriter(run.events_path)
    writer.emit("end", state="done", exit_code=0, why="")
    writer.close()
    thread.join(20)
    assert not thread.is_alive()
    assert there(tmp_path) == ["checkpoint-2", "checkpoint-4"]
    assert '"end"' in (tmp_path / "away/tone/events.jsonl").read_text()
    assert companion.DIED_AFTER > 1


def test_a_half_copied_file_is_sent_again(run: RunDir, tmp_path: Path) -> None:
    saved(run, 2)
    copies.copy(run)
    half = tmp_path / "away/tone/checkpoints/checkpoint-2/optimizer.pt"
    half.write_text("opt")
    copies.copy(run)
    assert half.read_text() == "optimizer.pt of 2"


def test_another_run_of_the_same_name_takes_nothing_away(run: RunDir, tmp_path: Path) -> None:
    """Two machines, or a directory that was deleted here: the checkpoints there are somebody's."""
    saved(run, 2)
    copies.copy(run)
    other = RunDir(tmp_path / "second/tone")
    shutil.copytree(run.path, other.path)
    shutil.rmtree(other.path / "copy")
    shutil.rmtree(other.checkpoints_path)
    other.events_path.unlink()
    writer = EventWriter(other.events_path)
    writer.emit("step", step=1, loss=2.0)
    writer.close()
    saved(other, 7)
    with pytest.raises(
        UserError, match=r"away/tone: holds the checkpoints of another run .*sync tone --to URL"
    ):
        copies.copy(other)
    assert there(tmp_path) == ["checkpoint-2"]
    with pytest.raises(
        UserError, match=r"sync_to: .* has a run named tone already\. Continue it: .*away/tone"
    ):
        copies.refuse_taken(str(tmp_path / "away"), "tone")
    copies.refuse_taken(str(tmp_path / "away"), "tone-2")
    copies.refuse_taken(None, "tone")
    assert copies.copy(run).steps == (2,), "its own goes on"


def test_a_full_disk_there_keeps_what_is_whole(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path / "away")]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk here")
    try:
        saved(run, 2)
        copies.copy(run)
        saved(run, 4)
        with suppress(OSError), open(tmp_path / "away/filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        with pytest.raises(UserError, match="No space left on device"):
            copies.copy(run)
        back = copies_back.fetch(str(tmp_path / "away/tone"), tmp_path / "other")
        assert [one.name for one in back.checkpoints_path.iterdir()] == ["checkpoint-2"]
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "away")], check=True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftpx://host/runs", r"ftpx:// is not supported\. Use a directory, s3://"),
        ("FILE/runs", "cannot be written to: .*Not a directory"),
        ("/proc/runs", "cannot be written to: there is no such directory"),
        ("hf:/me/copies", r"hf:/me/copies has no // after hf:\. Write it like hf://"),
        ("S3:bucket/runs", r"has no // after S3:\. Write it like s3://"),
        ("FTPX://host/runs", r"ftpx:// is not supported"),
        ("memory://runs", "memory:// keeps nothing after its process"),
        ("s3://me:hush@bucket/runs", r"^run\.sync_to: a s3:// URL may not have a password(?!.*hush)"),
    ],
)
def test_a_place_that_takes_nothing_is_told_before_the_run(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=said):
        copy_places.check(url.replace("FILE", str(tmp_path / "file")))


def test_no_trace_of_the_check_is_left(tmp_path: Path) -> None:
    copy_places.check(str(tmp_path / "away"))
    assert there(tmp_path, "away") == []


def test_one_that_waits_comes_after_the_other_and_adds_what_is_missing(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "DIED_AFTER", 0.05)
    saved(run, 2)
    with companion.alone(run, run.path / copies.DIRECTORY, "sync", "being copied", patient=False):
        with pytest.raises(UserError, match="is being copied already"):
            copies.copy(run, follow=True)
        waiting = threading.Thread(target=copies.copy, args=(run,), kwargs={"wait": True})
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(30)
    assert there(tmp_path) == ["checkpoint-2"]


@pytest.mark.long
@pytest.mark.parametrize("store", ["bucket", "google_bucket"])
def test_an_object_store_takes_a_run_and_gives_it_back(
    store: str, run: RunDir, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bucket = request.getfixturevalue(store)
    copy_places.check(bucket)
    protocol = bucket.partition(":")[0]
    with pytest.raises(UserError, match=r"cannot be written to: there is no such bucket"):
        copy_places.check(f"{protocol}://nobodys-bucket/all")
    for step in (2, 4):
        saved(run, step)
    copies.copy(run, bucket)
    saved(run, 6)
    assert copies.copy(run, bucket).steps == (4, 6)
    copies_back.fetch(f"{bucket}/tone", tmp_path / "other")
    assert there(tmp_path, "other/tone/checkpoints") == ["checkpoint-6"]


@pytest.mark.long
def test_a_run_that_lost_its_machine_continues_on_another(tmp_path: Path) -> None:
    """Killed after a checkpoint, fetched elsewhere, resumed there: the loss of one that was left alone."""
    (tmp_path / "p.yaml").write_text(
        "name: tone\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
        "training: {max_steps: 12}\nevaluation: {score: none}\n"
        f"run: {{save_every: 4, checkpoints: 3, sync_to: {tmp_path / 'away'}}}\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(tmp_path / "state")}

    def tuiftune(*words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "tuiftune", *words], cwd=tmp_path, env=environment, check=True, timeout=300
        )

    tuiftune("train", "p.yaml")
    until = time.monotonic() + 60
    while not (tmp_path / "away/tone/result/model").is_dir() and time.monotonic() < until:
        time.sleep(0.5)
    for step in (8, 12):  # as if it had died after step 4
        for file in (tmp_path / f"away/tone/checkpoints/checkpoint-{step}").glob("*"):
            file.unlink()
    log = tmp_path / "away/tone/events.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    saved_at = next(at for at, line in enumerate(lines) if json.loads(line)["type"] == "checkpoint")
    log.write_text("".join(lines[: saved_at + 2]))
    tuiftune("resume", "--from", str(tmp_path / "away/tone"), "--runs", str(tmp_path / "other"))
    results = [
        json.loads((tmp_path / one / "tone/result/result.json").read_text()) for one in ("runs", "other")
    ]
    assert results[0]["after"]["loss"] == results[1]["after"]["loss"]
