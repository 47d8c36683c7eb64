"""Runs on disk for the app to show: in the log's own format, clearly test data, or recorded on an H200."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import Log

from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.app import TuneApp

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: nothing of this machine's runs, models or settings is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in (
        "NO_COLOR",
        "TUIFTUNE_RUNS",
        "TUIFTUNE_ASCII",
        "TUIFTUNE_LLAMA_CPP",
        "SSH_CONNECTION",
        "TMUX",
        "CUDA_VISIBLE_DEVICES",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tuiftune.wizard.proposals.places", lambda: [""])  # whatever this machine has
    monkeypatch.setattr("tuiftune.wizard.proposals.reporting", list)
    return tmp_path


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Log]:
    """Make a run directory under ./runs with a plan of `total` steps and an empty log."""

    def make(name: str = "tone", total: int = 100) -> Log:
        path = tmp_path / "runs" / name
        for part in ("control", "checkpoints", "result"):
            (path / part).mkdir(parents=True)
        resolved = {
            "model": {"base": "acme/test-7b"},
            "method": {"technique": "lora"},
            "data": {"train": "rows.jsonl"},
        }
        (path / "plan.json").write_text(json.dumps({"resolved": resolved, "time": {"steps": total}}))
        return Log(RunDir(path))

    return make


@pytest.fixture
def finished(new_run: Callable[..., Log]) -> Log:
    """A run that is done, with scores and a result."""
    log = new_run("tone")
    log.start(40)
    log.add("eval", step=0, loss=2.31, perplexity=10.07, when="before")
    log.add("score", step=0, when="before", exact_match=0.08, matched=5, rows=64)
    log.steps(1, 20)
    log.add("eval", step=20, loss=0.9, perplexity=2.46, when="during")
    log.steps(21, 40)
    log.add("eval", step=40, loss=1.1, perplexity=3.0, when="during")
    log.add("checkpoint", step=40, path="checkpoints/40", bytes=12 << 20, seconds=0.4)
    log.add("eval", step=40, loss=0.9, perplexity=2.46, when="after")
    log.add("score", step=40, when="after", exact_match=0.84, matched=54, rows=64)
    log.end(why="every step ran")
    result = {
        "before": {"loss": 2.31, "perplexity": 10.07, "exact_match": 0.08, "rows": 64},
        "after": {"loss": 0.9, "perplexity": 2.46, "exact_match": 0.84, "rows": 64},
        "best_step": 20,
        "steps": 40,
        "seconds": 61.0,
        "tokens": 20480,
        "samples": [
            {
                "prompt": "Where is order 12?",
                "reference": "delivery",
                "before": "Hello \x1b[31mthere",
                "after": "delivery",
            }
        ],
        "model": "result/model",
        "technique": "lora",
        "trainable": 40_000,
        "parameters": 7_000_000,
    }
    (log.run.result_path / "result.json").write_text(json.dumps(result))
    return log


@pytest.fixture
def h200(tmp_path: Path) -> RunDir:
    """A real run, recorded on an H200."""
    source = RECORDED / "h200-lora"
    if not source.is_dir():
        pytest.skip("no recorded run in tests/fixtures")
    shutil.copytree(source, tmp_path / "runs" / "h200-lora")
    return RunDir(tmp_path / "runs" / "h200-lora")


@pytest.fixture
def app() -> Callable[..., TuneApp]:
    """An app that draws often enough for a test to see it."""

    def make(**options: Any) -> TuneApp:
        made = TuneApp(**options)
        made.draw_seconds = 0.05
        return made

    return make
