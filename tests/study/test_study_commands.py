"""`probe`, `sweep`, `queue` and `runs --studies` as commands: what they print, write and refuse."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tuiftune.cli.main import build
from tuiftune.jobs import backend, queueing
from tuiftune.preset.file import load, save
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store.find import find, study_runs
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir


@pytest.fixture
def command(
    tmp_path: Path, root: Path, preset: Preset, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in a directory with `p.yaml`; returns code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUIFTUNE_RUNS", str(root))
    save(preset, tmp_path / "p.yaml")

    def run(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            build()(list(words), prog_name="tuiftune")
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_probe_prints_bars_writes_the_preset_and_is_read_again(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    words = ["probe", "p.yaml", "--rates", "5e-3,5e-4", "--seeds", "1", "--steps", "8"]
    code, out, err = command(*words, "--write", "best.yaml")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("Take learning_rate 0.005: ")
    best = next(line for line in lines if line.startswith("learning_rate 0.005"))
    assert "(recommended)" in best
    assert "█" * 12 in best
    assert "One seed: the interval is over rows only" in out
    assert "learning_rate-0.005-seed-42: done, eval loss" in err
    assert load(tmp_path / "best.yaml").training.learning_rate == 0.005
    code, out, err = command(*words, "--json")
    assert "done, eval loss" in err
    document = json.loads(out)
    jsonschema.validate(document, registry.json_schema("probe"))
    assert document["chosen"] == {"training.learning_rate": 0.005}
    assert command("runs")[2].startswith("No runs yet")
    listed = json.loads(command("runs", "--studies", "--json")[1])["runs"]
    assert {one["name"] for one in listed} == {"learning_rate-0.005-seed-42", "learning_rate-0.0005-seed-42"}


@pytest.mark.long
def test_a_sweep_prints_a_table_with_cost(command: Callable[..., tuple[int, str, str]], root: Path) -> None:
    words = [
        "sweep",
        "p.yaml",
        "--over",
        "training.learning_rate=5e-3,1e-3",
        "--steps",
        "8",
        "--no-early-stop",
    ]
    code, out, err = command(*words, "--set", "budget.usd_per_hour=2")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Best: learning_rate 0.005, by eval loss, beyond chance."
    assert lines[1].startswith("learning_rate 0.005 (recommended)")
    assert "$" in lines[1]
    assert lines[2].startswith("learning_rate 0.001")
    assert "+" in lines[2]
    assert f"Best preset: {root / 'p-sweep' / 'best.yaml'}" in err or "best.yaml" in err


def test_a_sweep_with_a_failed_run_says_so_and_exits_1(
    command: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, err = command(
        "sweep", "p.yaml", "--over", "method.rank=8,4096", "--set", "method.technique=lora", "--steps", "4"
    )
    assert code == 1
    assert out.startswith("Best: rank 8")
    assert "failed: rank-4096-seed-42: " in err
    assert "1 of 2 runs failed: the others are compared." in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_probe_that_is_ended_stops_its_run(
    command: Callable[..., tuple[int, str, str]],
    root: Path,
    quick: list[float],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    quick[0] = 0.1
    begin = backend.train

    def ended(run: RunDir) -> int:
        begin(run)
        os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr("tuiftune.jobs.backend.train", ended)
    monkeypatch.setattr("tuiftune.jobs.study.study.ENDS_WITHIN", 200.0)  # however busy the machine is
    before = signal.getsignal(number)
    code, out, err = command("probe", "p.yaml", "--rates", "5e-3,5e-4", "--steps", "8")
    assert (code, out) == (4, "")
    assert "Stopped. The same command continues from here." in err
    assert [status(run) for run in study_runs(root)] == ["stopped"]
    assert signal.getsignal(number) is before


def test_a_run_is_queued_listed_and_taken_out(
    command: Callable[..., tuple[int, str, str]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    monkeypatch.setattr(queueing, "start_server", lambda: started.append(True))
    code, out, err = command("train", "p.yaml", "--queue", "--set", "training.max_steps=8")
    assert code == 0
    assert out.strip() == str(root / "mine")
    assert "mine is number 1 in the queue" in err
    assert started == [True]
    code, out, _ = command("queue", "--json")
    document = json.loads(out)
    jsonschema.validate(document, registry.json_schema("queue"))
    assert [one["name"] for one in document["waiting"]] == ["mine"]
    assert not document["served"]
    _, out, err = command("queue")
    assert out.split() == ["1", "mine", str(root / "mine")]
    assert "tuiftune queue --start" in err
    code, out, _ = command("status", "mine")
    assert (code, out.strip()) == (10, "mine: queued, step 0 of 8: number 1 in the queue")
    code, out, err = command("stop", "mine")
    assert code == 0
    assert "taken out of the queue" in err
    assert status(find("mine")) == "new"
    assert command("queue", "--serve")[2].strip() == ""
