"""The wizard: Enter alone reaches a start; back and forward lose nothing; faults are told in one line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until
from test_terminal import ROOT
from textual.widgets import Input

from tuiftune.preset import file
from tuiftune.runs.store.control import kill
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.wizard.data.clean import Repair
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.data_choice import DataChoice
from tuiftune.tui.wizard.data.mapping import ColumnMapping
from tuiftune.tui.wizard.goal.goal import GoalStep
from tuiftune.tui.wizard.machine import MachineStep
from tuiftune.tui.wizard.model.model import ModelStep
from tuiftune.tui.wizard.model.settings_list import SettingsList
from tuiftune.tui.wizard.review import ReviewStep
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.proposals import first_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)


async def choose_built_in(pilot: Any) -> None:
    """Choose the built-in data in the dialog that asks for data, and wait until it is read."""
    await until(pilot, lambda: isinstance(pilot.app.screen, DataChoice))
    await pilot.press("down", "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and "1,014" in shown(pilot.app))


async def reach(pilot: Any, screen: type) -> None:
    """Press Enter until the step is shown, or the question about its data."""
    for _ in range(60):
        if isinstance(pilot.app.screen, (screen, DataChoice)):
            await pilot.pause(0.1)
            return
        await pilot.press("enter")
        await pilot.pause(0.15)
    pytest.fail(f"{screen.__name__} was not reached\n{shown(pilot.app)}")


async def planned(pilot: Any) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, ModelStep) and pilot.app.screen.plan is not None)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x40"])
async def test_enter_and_a_choice_of_data_reach_the_review_of_a_sensible_run(
    app: Callable[..., TuneApp], size: tuple[int, int]
) -> None:
    async with app(wizard=True).run_test(size=size) as pilot:
        await until(pilot, lambda: "CPU" in shown(pilot.app))
        assert "● Machine" in shown(pilot.app)
        await reach(pilot, GoalStep)
        assert "✓ Machine" in shown(pilot.app)
        assert "1 of 9" in shown(pilot.app)
        await reach(pilot, DataStep)
        await choose_built_in(pilot)
        await until(pilot, lambda: "passed" in shown(pilot.app))
        assert "chat" in shown(pilot.app)
        assert "assistant" in shown(pilot.app)
        await reach(pilot, ModelStep)
        await planned(pilot)
        assert "builtin:tiny" in shown(pilot.app)
        assert "✓ fits" in shown(pilot.app)
        await reach(pilot, ReviewStep)
        await until(pilot, lambda: "steps" in shown(pilot.app))
        preset = pilot.app.draft.preset()  # type: ignore[attr-defined]
        assert (preset.model.base, preset.data.train) == ("builtin:tiny", "builtin:tickets")
        text = shown(pilot.app)
        assert "tuiftune train tickets-tiny.yaml" in text
        assert "model   builtin:tiny, 1.05M parameters" in text
        assert not list(Path().glob("*.yaml")), "nothing is written before one says so"
        assert not Path("runs").exists()


async def test_going_back_and_forward_loses_nothing(app: Callable[..., TuneApp]) -> None:
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await reach(pilot, GoalStep)
        await pilot.press("1", "2")
        answers = dict(pilot.app.draft.answers)  # type: ignore[attr-defined]
        assert answers == {"task": "classify", "facts": "model"}
        await pilot.press("s")
        await choose_built_in(pilot)
        await reach(pilot, ModelStep)
        await planned(pilot)
        await pilot.press("tab", "down", "right")
        await planned(pilot)
        rank = pilot.app.draft.overrides["method.rank"]  # type: ignore[attr-defined]
        for screen in (DataStep, GoalStep, MachineStep):
            await pilot.press("escape")
            await until(pilot, lambda screen=screen: isinstance(pilot.app.screen, screen))
        await pilot.press("enter")
        await until(pilot, lambda: "examples" in pilot.app.draft.answers)  # type: ignore[attr-defined]
        kept = dict(pilot.app.draft.answers)  # type: ignore[attr-defined]
        assert kept == {**answers, "examples": "thousands"}, "what the data answers is not asked"
        assert "3 of 9" in shown(pilot.app), "it goes on with the first open question"
        await pilot.press("s")
        await reach(pilot, ReviewStep)
        assert pilot.app.draft.preset().method.rank == rank  # type: ignore[attr-defined]


async def test_a_suggested_name_follows_the_model_and_one_that_was_typed_stays(
    app: Callable[..., TuneApp],
) -> None:
    begun = Draft(model="builtin:tiny", data=("builtin:support",))
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        for model, typed, name in (
            ("builtin:tiny", "", "support-tiny"),
            ("acme/other", "", "support-other"),
            ("acme/other", "mine", "mine"),
            ("builtin:tiny", "", "mine"),
        ):
            before = pilot.app.draft  # type: ignore[attr-defined]
            pilot.app.draft = replace(before if before.name else begun, model=model)  # type: ignore[attr-defined]
            review = ReviewStep()
            await pilot.app.push_screen(review)
            if typed:
                review.query_one("#name", Input).value = typed
            await until(pilot, lambda name=name: pilot.app.draft.name == name)  # type: ignore[attr-defined]
            await pilot.app.pop_screen()


async def test_answers_move_the_verdict_in_the_open(app: Callable[..., TuneApp]) -> None:
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await reach(pilot, GoalStep)
        assert "No answers yet" in shown(pilot.app)
        await pilot.press("4", "3", "3", "3")
        assert "Retrieval" in shown(pilot.app)
        await pilot.press("left", "left", "left", "left", "1", "1", "1", "1", "3", "3", "2")
        assert "Fine-tuning" in shown(pilot.app)
        await pilot.press("v")
        await pilot.pause(0.2)
        assert "Reasons for the recommendation" in shown(pilot.app)
        assert "tuiftune data inspect" in shown(pilot.app)
        await pilot.press("escape", "question_mark")
        await pilot.pause(0.2)
        assert "A vocabulary" not in shown(pilot.app)
        assert "How different is your field's language" in shown(pilot.app), (
            "help explains the question that is asked"
        )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.jsonl", None, "missing.jsonl"),
        ("empty.jsonl", "", "empty.jsonl"),
        ("broken.jsonl", '{"prompt": "a", "completion": "b"}\n' * 4811 + '{"prompt": "a",\n', "4812"),
        ("odd.csv", "colour,weight\nred,1\nblue,2\n", "odd.csv"),
    ],
)
async def test_data_that_cannot_be_read_is_told_in_a_line(
    app: Callable[..., TuneApp], name: str, content: str | None, says: str
) -> None:
    if content is not None:
        Path(name).write_text(content)
    async with app(wizard=True, draft=Draft(data=(name,))).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await until(pilot, lambda: "✗" in shown(pilot.app))
        lead = " ".join(shown(pilot.app).splitlines()[1:3])
        assert says in lead.replace(",", "")
        await pilot.press("enter")
        if name == "broken.jsonl":  # the other rows can be written to a new file
            await until(pilot, lambda: isinstance(pilot.app.screen, Repair))
            await pilot.press("escape")
        elif name == "odd.csv":  # the columns can be chosen
            await until(pilot, lambda: isinstance(pilot.app.screen, ColumnMapping))
            await pilot.press("escape")
        await pilot.pause(0.5)
        assert isinstance(pilot.app.screen, DataStep), "one cannot go on with it"
        await pilot.press(*["backspace"] * len(name), *"builtin:tickets", "enter")
        await until(pilot, lambda: "1,014" in shown(pilot.app))


async def test_rows_with_escapes_are_shown_and_not_sent(app: Callable[..., TuneApp]) -> None:
    rows = [{"prompt": f"ring \x1b]0;x\x07 {n}", "completion": "[red]not markup[/]"} for n in range(120)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with app(wizard=True, draft=Draft(data=("rows.jsonl",))).run_test(size=WIDE) as pilot:
        await pilot.press("enter", "s")
        await until(pilot, lambda: "[red]not markup[/]" in shown(pilot.app))
        text = shown(pilot.app)
        assert "\x1b" not in text
        assert "\\x1b]0;x\\x07" in text
        await until(pilot, lambda: "passed" in shown(pilot.app))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "why" in shown(pilot.app))


async def test_what_was_read_before_is_not_taken_for_what_is_typed(app: Callable[..., TuneApp]) -> None:
    Path("other.csv").write_text("question,answer\nWho?,Me\nWhen?,Now\n", encoding="utf-8")
    async with app(wizard=True, draft=Draft(data=("builtin:tickets",))).run_test(size=SMALL) as pilot:
        await reach(pilot, DataStep)
        await until(pilot, lambda: "1,014 rows" in shown(pilot.app))
        await pilot.press(*["backspace"] * len("builtin:tickets"), *"other.csv")
        await until(
            pilot, lambda: "Press Enter to read it. Shown below: builtin:tickets." in shown(pilot.app)
        )
        await pilot.press("enter")
        await until(pilot, lambda: "2 rows" in shown(pilot.app))
        assert "Shown below" not in shown(pilot.app)
        assert isinstance(pilot.app.screen, DataStep), "the first Enter reads, the next goes on"


async def test_a_path_that_was_typed_and_not_read_is_kept(
    app: Callable[..., TuneApp],
) -> None:
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await choose_built_in(pilot)
        await pilot.press("ctrl+u", *"half/a/pa", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, GoalStep))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and "half/a/pa" in shown(pilot.app))


async def test_the_one_data_file_that_is_here_is_proposed(app: Callable[..., TuneApp]) -> None:
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(150)]
    Path("my sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("notes.md").write_text("no rows")
    assert first_data() == "'my sums.jsonl'"
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await reach(pilot, DataStep)
        await until(pilot, lambda: "150 rows" in shown(pilot.app))
        await reach(pilot, ReviewStep)
        assert pilot.app.draft.preset().data.train == "my sums.jsonl"  # type: ignore[attr-defined]
    Path("more.csv").write_text("a,b\n")
    assert first_data() == "", "which of several is not guessed"


async def test_a_path_is_completed_and_the_files_can_be_picked(app: Callable[..., TuneApp]) -> None:
    from tuiftune.tui.kit.path_completion import complete

    Path("sets").mkdir()
    Path("sets/tickets.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 20)
    Path("sets/readme.rst").write_text("no data")
    assert complete("se") == "sets/"
    assert complete("sets/") == "sets/tickets.jsonl"
    assert complete("nowhere/at/all") is None
    async with app(wizard=True).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await choose_built_in(pilot)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "sets" in shown(pilot.app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: "tickets.jsonl" in shown(pilot.app))
        assert "readme.rst" not in shown(pilot.app)
        await pilot.press("j", "enter")
        await until(pilot, lambda: pilot.app.draft.data == ("sets/tickets.jsonl",))  # type: ignore[attr-defined]


async def test_a_changed_setting_plans_again_and_tells_why(app: Callable[..., TuneApp]) -> None:
    async with app(wizard=True, draft=Draft(data=("builtin:tickets",))).run_test(size=WIDE) as pilot:
        await pilot.press("enter", "s", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ModelStep))
        await planned(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ModelStep)
        first = screen.plan
        steps = screen.query_one(SettingsList).setting.choices.index("dora")  # from auto, which is first
        await pilot.press("tab", *["right"] * steps)
        await planned(pilot)
        assert pilot.app.draft.overrides["method.technique"] == "dora"  # type: ignore[attr-defined]
        assert screen.plan is not None
        assert first is not None
        assert screen.plan.memory.needs != first.memory.needs
        assert "yours" in shown(pilot.app)
        await pilot.press("w")
        await until(pilot, lambda: "Reasons for these values" in shown(pilot.app))
        assert "source:" in shown(pilot.app)
        await pilot.press("escape", "a")
        await until(pilot, lambda: "Alternatives" in shown(pilot.app))
        await pilot.press("enter")
        await planned(pilot)
        assert len(pilot.app.draft.overrides) >= 1  # type: ignore[attr-defined]
        await pilot.press("backspace")
        await planned(pilot)
        await pilot.press("down", "e")
        await until(pilot, lambda: "method.rank" in shown(pilot.app))
        await pilot.press(*["backspace"] * 8, *"-3", "enter")
        await until(pilot, lambda: "✗" in shown(pilot.app).splitlines()[2] + shown(pilot.app).splitlines()[3])
        assert "method.rank" not in pilot.app.draft.overrides  # type: ignore[attr-defined]


async def test_models_are_filtered_and_a_technique_that_cannot_be_is_refused(
    app: Callable[..., TuneApp],
) -> None:
    async with app(wizard=True, draft=Draft(data=("builtin:tickets",))).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ModelStep))
        await planned(pilot)
        await pilot.press("slash", *"0.6b", "enter")
        await until(pilot, lambda: "Qwen3-0.6B" in shown(pilot.app))
        assert "Llama" not in shown(pilot.app)
        await planned(pilot)
        assert pilot.app.draft.model.endswith("Qwen3-0.6B")  # type: ignore[attr-defined]
        pilot.app.draft = pilot.app.draft.override("method.technique", "qlora")  # type: ignore[attr-defined]
        await pilot.press("m", *["backspace"] * 30, *"builtin:tiny", "enter")
        await until(pilot, lambda: "✗" in shown(pilot.app).splitlines()[2])
        await pilot.press("ctrl+n")
        await pilot.pause(0.3)
        assert isinstance(pilot.app.screen, ModelStep)


async def test_the_preset_is_saved_as_it_is_shown(app: Callable[..., TuneApp]) -> None:
    draft = Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await reach(pilot, ReviewStep)
        await pilot.press("e")
        await until(pilot, lambda: Path("tone.yaml").exists())
        assert file.load(Path("tone.yaml")) == pilot.app.draft.preset()  # type: ignore[attr-defined]
        assert Path("tone.yaml").read_text().startswith("# tone: tuiftune train tone.yaml")
        await pilot.press("e")
        await until(pilot, lambda: "Overwrite tone.yaml?" in shown(pilot.app))
        await pilot.press("escape")
        await pilot.press("shift+tab", "shift+tab", *"/nowhere/x.yaml", "enter")
        await until(pilot, lambda: "directory does not exist" in shown(pilot.app).splitlines()[2])
        await pilot.press("tab", "tab", "c")
        await pilot.pause(0.2)
        assert not (Path("state") / "tuiftune" / "copied.txt").exists(), (
            "a command that cannot work is not copied"
        )


async def test_the_command_that_is_copied_works_from_another_directory(
    app: Callable[..., TuneApp], place: Path
) -> None:
    (place / "rows").mkdir()
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(60)]
    (place / "rows" / "my sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("rows/my sums.jsonl",), model="builtin:tiny", name="sums")
    async with app(draft=draft, runs_root=place / "kept").run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "c: save and copy" in shown(pilot.app))
        await pilot.press("shift+tab", "shift+tab", "ctrl+u", *"rows/mine.yaml", "tab", "tab")
        assert not Path("rows/mine.yaml").exists()
        await pilot.press("c")
        copied = Path("state") / "tuiftune" / "copied.txt"
        await until(pilot, copied.exists)
        await until(pilot, lambda: "saved, ready to run" in shown(pilot.app))
        assert pilot.app.draft.save_as == "rows/mine.yaml"  # type: ignore[attr-defined]
        await pilot.press("escape")
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "rows/mine.yaml" in shown(pilot.app))
    command = f"{copied.read_text().strip()} --set training.max_steps=1 --set evaluation.rows=0 --detach"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", command],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    try:
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(place / "kept" / "sums")
        assert RunDir(place / "kept" / "sums").preset.training.max_steps == 1
    finally:
        kill(RunDir(place / "kept" / "sums"))


@pytest.mark.parametrize("name", ["../up", "a b", ".hidden-", "x" * 70])
async def test_a_name_that_is_none_is_refused(app: Callable[..., TuneApp], name: str) -> None:
    draft = Draft(data=("builtin:tickets",), model="builtin:tiny", name=name)
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewStep))
        await pilot.pause(0.2)
        await pilot.press("s")
        await pilot.pause(0.5)
        assert not (Path("runs").exists() and list(Path("runs").iterdir()))
        assert isinstance(pilot.app.screen, ReviewStep)


async def test_a_runs_folder_that_cannot_be_written_to_is_told(
    app: Callable[..., TuneApp], place: Path
) -> None:
    (place / "blocked").write_text("a file where the folder should be")
    draft = Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone")
    async with app(wizard=True, draft=draft, runs_root=place / "blocked").run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewStep))
        await pilot.press("s")
        await until(pilot, lambda: "writable directory" in shown(pilot.app))


async def test_a_run_that_is_to_restart_is_left_to_a_supervisor(
    app: Callable[..., TuneApp], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[RunDir] = []
    monkeypatch.setattr("tuiftune.jobs.supervisor.detach", kept.append)
    draft = Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone")
    async with app(wizard=True, draft=draft, runs_root=place / "kept").run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "Restart automatically: off" in shown(pilot.app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "Restart automatically: on" in shown(pilot.app))
        assert "tuiftune train tone.yaml --runs" in shown(pilot.app)
        assert "--keep-alive" in shown(pilot.app)
        await pilot.press("s")
        await until(pilot, lambda: bool(kept) and "no events yet" in shown(pilot.app))
    assert [run.name for run in kept] == ["tone"]
    assert not kept[0].pid_path.exists(), "the supervisor starts the engine, not the app"


async def test_ctrl_c_leaves_any_step_and_writes_nothing(app: Callable[..., TuneApp], place: Path) -> None:
    made = app(wizard=True, draft=Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone"))
    async with made.run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await pilot.pause(0.3)
        await pilot.press("ctrl+c")
    assert made.return_code == 0
    assert not list(place.glob("*.yaml"))
    assert not (place / "runs").exists()


async def test_a_fault_in_a_thread_is_told_and_the_app_lives_on(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the planner broke")

    made = app(wizard=True, draft=Draft(data=("builtin:tickets",)))
    async with made.run_test(size=SMALL, notifications=True) as pilot:
        monkeypatch.setattr(made.findings, "plan", fail)
        await pilot.press("enter", "s")
        await reach(pilot, ModelStep)
        await until(pilot, lambda: "RuntimeError: the planner broke" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))


async def test_the_review_offers_trackers_and_places_where_there_are_some(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    from textual.widgets import Button

    draft = Draft(model="builtin:tiny", data=("builtin:tickets",), name="tone")
    async with app(wizard=True, draft=draft).run_test(size=(80, 24)) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "tuiftune train tone.yaml" in shown(pilot.app))
        assert not pilot.app.screen.query("#also")
        pilot.app.screen.action_back()  # type: ignore[attr-defined]
        monkeypatch.setattr("tuiftune.wizard.proposals.places", lambda: ["", "slurm", "ssh:box"])
        monkeypatch.setattr("tuiftune.wizard.proposals.reporting", lambda: ["trackio"])
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "Train on: this machine" in shown(pilot.app))
        pilot.app.screen.query_one("#report", Button).press()
        await until(pilot, lambda: "Report to: trackio" in shown(pilot.app))
        assert pilot.app.draft.preset().run.report_to == ["trackio"]  # type: ignore[attr-defined]
        pilot.app.screen.query_one("#where", Button).press()
        await until(pilot, lambda: "tone.yaml --on slurm" in " ".join(shown(pilot.app).split()))
        pilot.app.screen.query_one("#save", Button).press()
        await until(pilot, lambda: Path("tone.yaml").exists())
        assert "report_to: [trackio]" in Path("tone.yaml").read_text()
        pilot.app.screen.query_one("#report", Button).press()
        await until(pilot, lambda: "Report to: nothing" in shown(pilot.app))
        assert not Path("runs").exists()


SLURM = {
    "sbatch": "echo 7",
    "squeue": "echo 'PENDING|Resources'",
    "sinfo": "echo 'debug* (null)'",
    "scancel": "exit 0",
}


async def test_a_run_is_started_on_slurm_and_its_dashboard_is_opened(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slurm's commands are answered by scripts; a real one is asked by tests/slurm."""
    from textual.widgets import Button

    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in SLURM.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("tuiftune.wizard.proposals.places", lambda: ["", "slurm"])
    draft = Draft(model="builtin:tiny", data=("builtin:tickets",), name="tone")
    async with app(wizard=True, draft=draft).run_test(size=(100, 30)) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "Train on: this machine" in shown(pilot.app))
        pilot.app.screen.query_one("#where", Button).press()
        await until(pilot, lambda: "Train on: slurm" in shown(pilot.app))
        (programs / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Batch job refused' >&2\nexit 1\n")
        pilot.app.screen.query_one("#start", Button).press()
        await until(pilot, lambda: "Batch job refused" in shown(pilot.app))
        (programs / "sbatch").write_text(f"#!/bin/sh\n{SLURM['sbatch']}\n")
        pilot.app.screen.query_one("#start", Button).press()
        await until(pilot, lambda: isinstance(pilot.app.screen, Dashboard))
        await until(pilot, lambda: "tone  ◌ queued" in shown(pilot.app))
    assert Path("runs/tone/control/slurm.sh").exists()
    assert os.listdir("runs") == ["tone"], "nothing is left of the attempt that was refused"


async def test_a_machine_that_costs_money_is_asked_about_before_it_is_started(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    from textual.widgets import Button

    from tuiftune.jobs.starting import costs

    on = "ssh:box"
    assert "gives it back" in costs("sky:H100")
    assert costs("slurm:debug") == costs("") == ""
    started: list[str] = []
    monkeypatch.setattr("tuiftune.wizard.proposals.places", lambda: ["", on])
    monkeypatch.setattr("tuiftune.jobs.starting.start", lambda *given, **more: started.append(given[2]))
    draft = Draft(model="builtin:tiny", data=("builtin:tickets",), name="tone")
    async with app(wizard=True, draft=draft).run_test(size=(80, 24)) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "Train on: this machine" in shown(pilot.app))
        pilot.app.screen.query_one("#where", Button).press()
        await until(pilot, lambda: f"Train on: {on}" in shown(pilot.app))
        pilot.app.screen.query_one("#start", Button).press()
        await until(pilot, lambda: f"Start on {on}?" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: f"Start on {on}?" not in shown(pilot.app))
        assert not started
