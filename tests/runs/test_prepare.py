"""From a preset to a run: what is wrong is found before anything is written; what is written holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune import assets
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.prepare import prepare
from tuiftune.preset.file import loads
from tuiftune.runs.store.registry import known

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

HOME = Path(__file__).parents[2]
ROWS = [{"prompt": f"say {number}", "completion": f"it is {number}"} for number in range(40)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a data file, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def preset(data: str = "train.jsonl", base: str = "builtin:tiny", **more: str) -> Preset:
    lines = [f"{section}: {value}" for section, value in more.items()]
    text = f"name: mine\nmodel: {{base: '{base}'}}\ndata: {{train: '{data}', max_length: 128}}\n"
    return loads(text + "\n".join(lines), "test.yaml")


def test_a_prepared_run_holds_from_any_directory(here: Path) -> None:
    told: list[str] = []
    run = prepare(preset(), here / "runs", say=told.append)
    plan = run.plan().document
    assert run.path == here / "runs" / "mine"
    assert plan["fits"] is True
    assert plan["resolved"]["data"]["train"] == str(here / "train.jsonl")
    assert plan["data"]["rows"] + plan["data"]["rows_eval"] == 40
    assert plan["model"]["parameters"] > 0
    assert run.preset.data.train == str(here / "train.jsonl")  # it trains again from anywhere
    assert run.preset.model.base == "builtin:tiny"
    assert [entry.path for entry in known()] == [run.path]
    assert told[0] == "reading train.jsonl"


def test_a_cap_in_money_needs_a_price(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # of a processor none is known
    refused = r"budget\.max_usd: the limit of \$5 cannot be enforced.*budget\.usd_per_hour=PRICE"
    with pytest.raises(UserError, match=refused):
        prepare(preset(budget="{max_usd: 5}"), here / "runs")
    assert not (here / "runs").exists()
    capped = prepare(preset(budget="{max_usd: 5, usd_per_hour: 2}"), here / "runs")
    assert capped.planned().limit_seconds == 2.5 * 3600


def test_without_a_name_the_next_free_one_is_taken_with_one_it_must_be_free(here: Path) -> None:
    prepare(preset(), here / "runs")
    assert prepare(preset(), here / "runs").name == "mine-2"
    with pytest.raises(UserError, match=r"taken.*mine-3"):
        prepare(preset(), here / "runs", "mine")


def test_a_model_directory_is_kept_by_its_path(here: Path) -> None:
    (here / "model").symlink_to(assets.BASE)
    run = prepare(preset(base="./model"), here / "runs")
    assert run.plan().document["resolved"]["model"]["base"] == str(Path(assets.BASE).resolve())


@pytest.mark.parametrize(
    ("given", "says", "code"),
    [
        (preset(data="nowhere.jsonl"), "no such file", ExitCode.USAGE),
        (preset(data="empty.jsonl"), "no rows|empty", ExitCode.USAGE),
        (preset(data="broken.jsonl"), "broken.jsonl.*21", ExitCode.USAGE),
        (preset(base="./bare"), "no weights", ExitCode.USAGE),
        (preset(base="./nothing"), "directory not found", ExitCode.USAGE),
        (
            preset(base="Qwen/Qwen2.5-72B-Instruct", method="{technique: full}"),
            "does not fit",
            ExitCode.DOES_NOT_FIT,
        ),
    ],
    ids=["missing file", "empty file", "broken row", "no weights", "no model", "too large"],
)
def test_what_cannot_be_trained_is_one_line_and_nothing_written(
    here: Path, given: Preset, says: str, code: ExitCode
) -> None:
    (here / "empty.jsonl").write_text("")
    good = json.dumps(ROWS[0]) + "\n"
    (here / "broken.jsonl").write_text(good * 20 + '{"prompt": \n' + good)
    (here / "bare").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (here / "bare" / name).write_bytes((Path(assets.BASE) / name).read_bytes())
    with pytest.raises(UserError, match=says) as refused:
        prepare(given, here / "runs")
    assert refused.value.exit_code == code
    assert "\n" not in str(refused.value)
    assert not (here / "runs").exists()
    assert known() == []


def test_too_little_disk_is_said_before_the_start(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tuiftune.hardware import disks

    real = disks.disk_of
    monkeypatch.setattr(disks, "disk_of", lambda path: replace(real(path), free=1024))
    with pytest.raises(UserError, match="not enough disk") as refused:
        prepare(preset(), here / "runs")
    assert refused.value.exit_code == ExitCode.DOES_NOT_FIT


def tuiftune(*words: str, cwd: Path, seconds: int = 150) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("demo", "--name", "../out"), "is not a run name"),
        (("demo", "--set", "training.epoch=1"), "epochs"),
        (("nosuch.yaml",), "preset not found"),
        (("demo", "--runs", "/proc/nowhere"), "cannot create a run here"),
    ],
)
def test_bad_words_to_train_are_code_2_without_a_traceback(
    here: Path, words: tuple[str, ...], says: str
) -> None:
    answer = tuiftune("train", *words, cwd=here)
    assert answer.returncode == 2
    assert says in answer.stderr.splitlines()[-1]
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    assert not (here / "runs").exists()


@pytest.mark.long
def test_the_real_engine_from_preset_to_result(here: Path) -> None:
    """The whole path with the tiny model: two steps, scored before and after."""
    few = [
        "training.max_steps=2",
        "training.effective_batch=2",
        "evaluation.rows=2",
        "evaluation.max_new_tokens=4",
    ]
    settings = [word for setting in few for word in ("--set", setting)]
    (here / "mine.yaml").write_text("name: mine\nmodel: {base: 'builtin:tiny'}\ndata: {train: train.jsonl}\n")
    answer = tuiftune("train", "mine.yaml", *settings, cwd=here)
    assert answer.returncode == 0, answer.stderr
    run = Path(answer.stdout.strip())
    assert run == here / "runs" / "mine"
    result = json.loads((run / "result" / "result.json").read_text())
    assert result["steps"] == 2
    assert (run / "result" / "model").is_dir()
    assert "eval loss" in answer.stderr
    again = tuiftune("resume", "mine", cwd=here)
    assert (again.returncode, again.stdout) == (0, "")
    assert "is already done" in again.stderr
    assert "## What changed" in tuiftune("report", "mine", cwd=here).stdout
