"""A session with the engine: a request that is left early never gives its lines to the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.example import Message
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import local_model
from tuiftune.evaluate.local_model import LocalModel, Session, Source

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.evaluate.contender import Answered


class Talking:
    """In place of the engine's process: each prompt is answered by its own text."""

    started = 0

    def __init__(self, job: Any, place: str) -> None:
        Talking.started += 1
        self.lines: list[dict[str, Any]] = [{"ready": {"models": ["base"], "context": 64, "device": "cpu"}}]

    def send(self, document: dict[str, Any]) -> None:
        if document["answer"]["model"] == "tuned":
            self.lines.append({"failed": "has no model named tuned", "exit_code": 2})
            return
        for at, prompt in enumerate(document["answer"]["prompts"]):
            rest = {"ended": True, "reasoning": False, "marks": False, "in": 3, "out": 1, "seconds": 0.1}
            self.lines.append({"at": at, "answer": prompt[0][1], **rest})
        self.lines.append({"done": True})

    def receive(self) -> dict[str, Any]:
        return self.lines.pop(0)

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    monkeypatch.setattr(local_model, "Conversation", Talking)
    Talking.started = 0
    return LocalModel(Session(Source("builtin:tiny")), "base")


def ask(model: LocalModel, *texts: str, stop_at: int | None = None) -> dict[int, str]:
    found: dict[int, str] = {}

    def done(at: int, answer: Answered) -> None:
        found[at] = answer.answer
        if at == stop_at:
            raise TimeoutError

    model.respond([(Message("user", text),) for text in texts], 8, done)
    return found


def test_a_request_that_is_left_early_does_not_answer_the_next(model: LocalModel) -> None:
    assert ask(model, "a", "b") == {0: "a", 1: "b"}
    assert ask(model, "c") == {0: "c"}
    assert Talking.started == 1
    with pytest.raises(TimeoutError):
        ask(model, "d", "e", "f", stop_at=0)
    assert ask(model, "g", "h") == {0: "g", 1: "h"}
    assert Talking.started == 2


def test_a_request_that_fails_leaves_the_model_loaded(model: LocalModel) -> None:
    tuned = LocalModel(model.session, "tuned")
    with pytest.raises(UserError, match="no model named tuned") as caught:
        ask(tuned, "a")
    assert caught.value.exit_code is ExitCode.USAGE
    assert ask(model, "b") == {0: "b"}
    assert Talking.started == 1


def test_answers_are_kept_apart_by_precision_and_by_files(tmp_path: Path) -> None:
    import os

    plain = Source("builtin:tiny")
    quantized = Source("builtin:tiny", precision="bfloat16 nf4 qlora")
    assert plain.identity("base") != quantized.identity("base")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    tuned = Source("builtin:tiny", files=tmp_path)
    before = tuned.identity("tuned")
    assert before == tuned.identity("tuned") != tuned.identity("base")
    weights.write_bytes(b"two")
    os.utime(weights, (1, 1))
    assert tuned.identity("tuned") != before


def test_answers_of_another_device_are_told_and_kept_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that was planned for a GPU, on a machine without one; and on one whose GPU PyTorch cannot use."""
    note = "loaded in float32 (bfloat16 in the plan), on the CPU (NVIDIA H200 in the plan)"

    class OnTheCpu(Talking):
        def __init__(self, job: Any, place: str) -> None:
            super().__init__(job, place)
            self.lines[0]["ready"]["note"] = note

    monkeypatch.setattr(local_model, "Conversation", OnTheCpu)
    told: list[str] = []
    here = Source("builtin:tiny", tmp_path / "tone", files=tmp_path, precision="bfloat16 none lora")
    elsewhere = replace(here, elsewhere=True)
    model = LocalModel(Session(elsewhere, told.append), "base")
    assert model.identity == f"{here.identity('base')}\n{note}"
    assert told == [f"tone: {note}"]
    with pytest.raises(UserError, match=r"PyTorch cannot use the one of this machine\. See"):
        ask(LocalModel(Session(here), "base"), "one")
