"""A run's copy in a repository of the Hub: one commit a checkpoint, whole or not there, through faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs import copies, copies_back, copy_places, hub_place
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.store.checkpoint_store import Store
from tuiftune.runs.store.checkpoints import NEEDED, PROGRESS
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from pathlib import Path

    from stand_in import Repository, StandIn

AWAY = "hf://acme/copies/runs"


@pytest.fixture
def account(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """An account that may write; large files go the way without Xet, which the stand-in has none of."""
    import huggingface_hub.constants as constants
    import huggingface_hub.utils._runtime as runtime

    monkeypatch.setattr(constants, "HF_URL_HOSTS", frozenset({"127.0.0.1"}))
    hub.writer = "hf_write"
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setattr(runtime, "is_xet_available", lambda: False)
    for module in ("_commit_api", "hf_api", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.is_xet_available", lambda: False, raising=False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(copies_back, "RETRIES", (0.0,))
    monkeypatch.setattr(hub_place, "LARGE", 100_000)
    return hub


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "runs" / "tone"
    path.mkdir(parents=True)
    (path / "plan.json").write_text(json.dumps({"resolved": {"name": "tone", "run": {"sync_to": AWAY}}}))
    (path / "preset.yaml").write_text("model: {base: builtin:tiny}\n")
    writer = EventWriter(path / "events.jsonl")
    writer.emit("step", step=1, loss=1.0)
    writer.close()
    return RunDir(path)


def saved(run: RunDir, step: int, keep: int = 2) -> None:
    def write(directory: Path) -> None:
        for name in (*NEEDED, "rng_state.pth", "adapter_model.safetensors"):
            if name != PROGRESS:
                (directory / name).write_bytes(
                    f"{name} of {step}".encode() * (40000 if name == "optimizer.pt" else 400)
                )

    run.checkpoints_path.mkdir(exist_ok=True)
    Store(run.checkpoints_path, keep).save(step, write, {"step": step}, set())


def repository(hub: StandIn) -> Repository:
    return hub.repositories["models", "acme/copies"]


def steps(hub: StandIn) -> set[str]:
    return {name.split("/")[3] for name in repository(hub).files if "/checkpoints/" in name}


def test_a_checkpoint_is_one_commit_and_comes_back_as_it_was_sealed(
    account: StandIn, run: RunDir, tmp_path: Path
) -> None:
    copy_places.check(AWAY)
    assert repository(account).private
    assert repository(account).files == {}, "no trace of the check is left"
    before = len(repository(account).commits)
    for step in (2, 4):
        saved(run, step)
    assert copies.copy(run).steps == (2, 4)
    assert len(repository(account).commits) == before + 2
    saved(run, 6)
    (run.result_path / "model").mkdir(parents=True)
    (run.result_path / "model/adapter_model.safetensors").write_text("w")
    assert copies.copy(run).steps == (4, 6)
    assert steps(account) == {"checkpoint-4", "checkpoint-6"}
    assert len(repository(account).commits) == before + 4, "step 6 with what it replaces, and the result"
    log = repository(account).files["runs/tone/events.jsonl"]
    assert log == run.events_path.read_bytes()

    whole = "runs/tone/checkpoints/checkpoint-6/optimizer.pt"
    account.faults[whole].extend([("drop", 600_000), 503, ("drop", 20_000)])
    back = copies_back.fetch(f"{AWAY}/tone", tmp_path / "other")
    got = back.checkpoints_path / "checkpoint-6/optimizer.pt"
    assert got.read_bytes() == (run.checkpoints_path / "checkpoint-6/optimizer.pt").read_bytes()
    starts = [span.removeprefix("bytes=").split("-")[0] for span in account.asked(whole)]
    assert any(int(start or 0) > 0 for start in starts), "what had come is not asked for again"
    assert not list(back.path.rglob(".part")), "nothing of the download is left"


@pytest.mark.long
@pytest.mark.parametrize("where", ["create", "preupload", "batch", "upload", "commit"])
@pytest.mark.parametrize("fault", [500, 429, "reset"])
def test_a_fault_on_the_way_leaves_no_half_checkpoint_and_the_next_attempt_ends_it(
    where: str, fault: object, account: StandIn, run: RunDir
) -> None:
    saved(run, 2)
    account.faults[where].extend([fault] * 60)  # more than the library tries by itself
    with pytest.raises(UserError, match=r"hf://acme/copies/runs failed: .*tuiftune sync tone"):
        copies.copy(run)
    there = account.repositories.get(("models", "acme/copies"))
    assert there is None or there.files == {}
    account.faults[where].clear()
    assert copies.copy(run).steps == (2,)
    assert steps(account) == {"checkpoint-2"}


@pytest.mark.parametrize(
    ("token", "says"),
    [("hf_bad", "token"), (None, "Log in: hf"), ("hf_read", "403|no access")],
)
def test_a_token_without_rights_is_one_line_before_the_run(
    token: str | None, says: str, account: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token == "hf_read":
        account.model("acme/copies", {}, private=True, token="hf_read")
    monkeypatch.delenv("HF_TOKEN")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=says) as refused:
        copy_places.check(AWAY)
    assert "hf_" not in str(refused.value).replace("hf auth", "")
    assert "\n" not in str(refused.value)


def test_a_public_repository_is_refused(account: StandIn) -> None:
    account.model("acme/copies", {})
    with pytest.raises(UserError, match=r"acme/copies is public.*Make it private"):
        copy_places.check(AWAY)


@pytest.mark.parametrize(
    "url",
    [
        "hf://acme",
        "hf://spaces/acme/copies",
        "hf://buckets/acme/copies/x",
        "hf://",
        "hf://datasets/acme",
        "hf://models/acme",
        "hf://acme//copies",
        "hf://acme/copies/../other",
        "hf://acme/copies/x/./y",
        "hf://acme/copies//x",
        "hf://acme/copies@",
    ],
)
def test_what_names_no_repository_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="Write it like hf://USER/NAME"):
        copy_places.check(url)


def test_a_data_set_repository_is_one_of_its_kind(account: StandIn) -> None:
    copy_places.check("hf://datasets/acme/copies/runs")
    assert set(account.repositories) == {("datasets", "acme/copies")}


def test_a_misspelled_name_makes_no_repository(account: StandIn, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a copy of a run.*needs a token"):
        copies_back.fetch("hf://acme/copeis/runs/tone", tmp_path / "other")
    assert not copies.resumable("hf://acme/copeis/runs/tone")
    assert not account.repositories


@pytest.mark.long
def test_a_run_trains_while_the_hub_takes_nothing_and_continues_on_an_empty_machine(
    account: StandIn, tmp_path: Path
) -> None:
    """It ends before a checkpoint is taken; cut off, as the Hub has it, then resumed elsewhere: same loss."""
    (tmp_path / "p.yaml").write_text(
        "name: tone\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
        "training: {max_steps: 12}\nevaluation: {score: none}\n"
        f"run: {{save_every: 4, checkpoints: 3, sync_to: '{AWAY}'}}\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(tmp_path / "state")}

    def tuiftune(*words: str) -> None:
        words = (sys.executable, "-m", "tuiftune", *words)
        given = {"cwd": tmp_path, "env": environment, "timeout": 280}
        done = subprocess.run(words, **given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    account.opened.clear()
    tuiftune("train", "p.yaml")
    assert not steps(account), "the run ended while no checkpoint had been taken"
    account.faults["upload"].extend([503, "reset"])
    account.faults["commit"].extend([429, 500])
    account.opened.set()
    tuiftune("sync", "tone", "--wait", "--runs", str(tmp_path / "runs"))
    assert steps(account) == {"checkpoint-4", "checkpoint-8", "checkpoint-12"}

    files = repository(account).files
    for name in list(files):  # as if its machine had been lost after step 4
        if "/checkpoint-8/" in name or "/checkpoint-12/" in name or "/result/" in name:
            del files[name]
    lines = files["runs/tone/events.jsonl"].splitlines(keepends=True)
    saved_at = next(at for at, line in enumerate(lines) if json.loads(line)["type"] == "checkpoint")
    files["runs/tone/events.jsonl"] = b"".join(lines[: saved_at + 2])
    large = next(name for name in files if name.endswith("optimizer.pt"))
    account.faults[large].append(("drop", len(files[large]) // 2))
    tuiftune("resume", "--from", f"{AWAY}/tone", "--runs", str(tmp_path / "other"))
    losses = [
        json.loads((tmp_path / one / "tone/result/result.json").read_text())["after"]["loss"]
        for one in ("runs", "other")
    ]
    assert losses[0] == losses[1]
