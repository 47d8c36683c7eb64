"""Home with many runs: filtered, ordered, cloned, deleted; read again only where something changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from showing import SMALL, Log, live, shown, until

from tuiftune.preset import file
from tuiftune.preset.places import absolute
from tuiftune.preset.schema import Preset
from tuiftune.runs.state import summary
from tuiftune.runs.state.summary import Summaries
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.home.run_list import ORDERS, ordered
from tuiftune.tui.wizard.machine import MachineStep
from tuiftune.wizard.draft import clone

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tuiftune.tui.app import TuneApp


def scored(new_run: Callable[..., Log], name: str, score: float, loss: float) -> Log:
    log = new_run(name)
    log.start(10)
    log.steps(1, 10)
    log.end(why="every step ran")
    after = {"loss": loss, "exact_match": score}
    (log.run.result_path / "result.json").write_text(json.dumps({"before": {"loss": 3.0}, "after": after}))
    return log


async def test_filter_and_order(app: Callable[..., TuneApp], new_run: Callable[..., Log]) -> None:
    for name, score, loss in (("amber", 0.2, 0.5), ("bronze", 0.9, 0.7), ("copper", 0.5, 0.1)):
        scored(new_run, name, score, loss)
    async with app().run_test(size=SMALL) as pilot:

        def names() -> list[str]:
            known = ("amber", "bronze", "copper")
            lines = shown(pilot.app).splitlines()[2:12]
            return [name for line in lines for name in known if name in line.split()]

        await until(pilot, lambda: len(names()) == 3)
        assert "3 runs" in shown(pilot.app)
        await pilot.press("o")
        await until(pilot, lambda: "by name" in shown(pilot.app))
        assert names() == ["amber", "bronze", "copper"]
        await pilot.press("o", "o")
        await until(pilot, lambda: "by score" in shown(pilot.app))
        assert names() == ["bronze", "copper", "amber"]
        await pilot.press("o")
        await until(pilot, lambda: "by loss" in shown(pilot.app))
        assert names() == ["copper", "amber", "bronze"]
        await pilot.press("slash", *"bro", "enter")
        await until(pilot, lambda: "1 of 3 runs" in shown(pilot.app))
        assert names() == ["bronze"]
        await pilot.press("slash", *" nothing", "enter")
        await until(pilot, lambda: "No run matches" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: len(names()) == 3)


async def test_a_run_is_cloned_into_the_wizard_with_everything_kept(
    app: Callable[..., TuneApp], finished: Log, place: Path
) -> None:
    (place / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 20)
    preset = Preset.model_validate(
        {
            "name": "tone",
            "model": {"base": "builtin:tiny"},
            "data": {"train": "rows.jsonl", "max_length": 96, "system": "Be brief."},
            "method": {"rank": 4},
            "training": {"epochs": 7, "seed": 9},
            "budget": {"max_usd": 3.0},
        }
    )
    finished.run.preset_path.write_text(file.dump(absolute(preset)))  # as a run is prepared
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, MachineStep))
        made = pilot.app.draft.preset()  # type: ignore[attr-defined]
        assert made.name == "tone-2"
        assert made.model_copy(update={"name": "tone"}) == absolute(preset)


def test_a_clone_finds_the_data_of_a_run_that_was_started_elsewhere(
    finished: Log, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    preset = Preset.model_validate({"name": "t", "model": {"base": "x"}, "data": {"train": "rows.jsonl"}})
    finished.run.preset_path.write_text(file.dump(absolute(preset)))  # as a run is prepared
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert clone(finished.run, Path("runs")).data == (str(place / "rows.jsonl"),)


async def test_a_run_without_its_preset_cannot_be_cloned_and_says_so(
    app: Callable[..., TuneApp], finished: Log
) -> None:
    async with app().run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("c")
        await until(pilot, lambda: "preset.yaml" in shown(pilot.app))


async def test_delete_says_what_becomes_free(app: Callable[..., TuneApp], finished: Log) -> None:
    (finished.run.checkpoints_path / "weights").write_bytes(b"0" * (3 << 20))
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "tone" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "frees 3.0" in shown(pilot.app))
        await pilot.press("y")
        await until(pilot, lambda: not finished.run.path.exists())


def test_a_run_is_read_again_only_when_it_has_changed(
    finished: Log, new_run: Callable[..., Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = summary.summarize
    monkeypatch.setattr(summary, "summarize", lambda run: read.append(run.name) or whole(run))
    going = new_run("going")
    live(going)
    going.start(100)
    going.steps(1, 3)
    summaries = Summaries()
    for _ in range(3):
        assert summaries.of(finished.run).status == "done"
        assert summaries.of(going.run).step == 3
    assert read.count("tone") == 1
    assert read.count("going") == 3, "what runs may have died"
    finished.add("step", step=41, loss=0.2)
    assert summaries.of(finished.run).step == 41


async def test_the_list_and_home_say_the_same_of_a_run(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed from its checkpoint before the step it had come to, and scored without a result yet."""
    from tuiftune.cli.runs import runs

    log = new_run("twice")
    log.start(100)
    log.add("score", step=0, when="before", exact_match=0.5, matched=5, rows=10)
    log.steps(1, 50)
    log.start(100, resumed_from=29)
    log.add("heartbeat", step=29, phase="loading")
    live(log)
    runs(json=True, runs=log.run.path.parent)
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    assert (told["progress"], told["before"]["exact_match"]) == (0.29, 0.5)
    async with app(runs_root=log.run.path.parent).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "twice" in shown(pilot.app))
        await until(pilot, lambda: "29%" in shown(pilot.app))
    row = summary.summarize(log.run)
    assert (row.progress, row.match_before) == (0.29, 0.5)


def test_runs_without_a_score_come_last(finished: Log, new_run: Callable[..., Log], tmp_path: Path) -> None:
    fresh = new_run("fresh")
    shutil.copytree(finished.run.path, tmp_path / "runs" / "worse")
    result = json.loads((finished.run.result_path / "result.json").read_text())
    result["after"] |= {"exact_match": 0.1, "loss": 5.0}
    worse = RunDir(tmp_path / "runs" / "worse")
    (worse.result_path / "result.json").write_text(json.dumps(result))
    rows = [summary.summarize(run) for run in (fresh.run, worse, finished.run)]
    for order in ("score", "loss"):
        assert [row.name for row in ordered(rows, order)] == ["tone", "worse", "fresh"]
    assert [row.name for row in ordered(rows, ORDERS[0])] == ["fresh", "worse", "tone"]
    assert [row.name for row in ordered(rows, "name")] == ["fresh", "tone", "worse"]
