"""Dialogs and panels: what is set in stays set in, the focus is seen without colours, nothing is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from showing import SMALL, live, shown, until
from textual.widgets import Button

from tuiftune.tui.help.help import HelpLines
from tuiftune.tui.keys.table import ACTIONS
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.model.plan_dialogs import Alternatives
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp
    from tuiftune.tui.kit.canvas import Line


async def test_what_a_preset_is_for_stays_set_in_below_its_name(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "welcome" in shown(pilot.app))
        await pilot.press("p")
        await until(pilot, lambda: "chat-style-7b" in shown(pilot.app))
        lines = shown(pilot.app).splitlines()
        at = next(row for row, line in enumerate(lines) if "chat-style-7b" in line)
        begins = lines[at].index("chat-style-7b") + 2
        assert lines[at + 1].index("A consistent tone") == begins
        assert lines[at + 2].index("LoRA on a 7B chat model") == begins


async def test_a_key_of_two_lines_in_the_help_goes_on_below_itself(
    app: Callable[..., TuneApp],
) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "welcome" in shown(pilot.app))
        await pilot.press("question_mark")
        await until(pilot, lambda: "Fine-tune the built-in model" in shown(pilot.app))
        lines = shown(pilot.app).splitlines()
        at = next(row for row, line in enumerate(lines) if "Fine-tune the built-in" in line)
        assert lines[at + 1].index("data") == lines[at].index("Fine-tune")


def _written(line: Line) -> str:
    return "".join(text for text, _ in line.spans)


async def test_no_label_of_a_key_touches_what_the_help_says_of_it(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL):
        for scope in {action.scope for action in ACTIONS}:
            listed = [action for action in ACTIONS if action.scope == scope]
            told = [_written(line) for line in HelpLines([], [(scope, listed)]).paint(70, 100)]
            for action in listed:
                assert any(f"{action.label} " in line for line in told), action.label


async def test_an_alternative_that_is_longer_than_its_dialog_is_read_to_its_end(
    app: Callable[..., TuneApp],
) -> None:
    says = "activation checkpointing on every 2nd layer and on the loss: -4.6 MiB, 1.12× slower"
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "welcome" in shown(pilot.app))
        plan = Mock(alternatives=[Mock(says=says, needs=1 << 30, fits=True, changes={"data.packing": True})])
        pilot.app.push_screen(Alternatives(plan))
        await until(pilot, lambda: "Needs 1.0 GiB" in shown(pilot.app))
        lines = shown(pilot.app).splitlines()
        at = next(row for row, line in enumerate(lines) if "activation" in line)
        assert "slower" in lines[at + 1]
        assert lines[at + 1].index(lines[at + 1].split("│")[1].strip()) == lines[at].index("activation")


@pytest.mark.parametrize("colours", [True, False], ids=["colours", "NO_COLOR"])
async def test_the_answer_with_the_focus_stands_on_another_ground(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    log = new_run()
    log.start(100)
    live(log)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "step 0/100" in shown(pilot.app))
        await pilot.press("s")
        await until(pilot, lambda: "Stop tone?" in shown(pilot.app))
        yes, no = pilot.app.screen.query_one("#yes", Button), pilot.app.screen.query_one("#no", Button)
        assert yes.has_focus
        grounds = [button.background_colors[1].get_contrast_text().hex for button in (yes, no)]
        assert grounds[0] != grounds[1], "dark on light here, light on dark there"


async def test_the_panels_of_the_data_step_end_at_the_edge_of_a_large_terminal(
    app: Callable[..., TuneApp],
) -> None:
    async with app(wizard=True, draft=Draft(data=("builtin:tickets",))).run_test(size=(200, 60)) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        for panel in ("#data-facts", "#checks", "#samples"):
            assert pilot.app.screen.query_one(panel).region.right <= 200


async def test_the_marked_option_is_seen_in_sixteen_colours(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.delenv("COLORTERM")
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "welcome" in shown(pilot.app))
        await pilot.press("p")
        await until(pilot, lambda: "chat-style-7b" in shown(pilot.app))
        styles = {
            segment.text.strip(): segment.style
            for strip in pilot.app.screen._compositor.render_strips()
            for segment in strip
            if segment.text.strip() in {"chat-style-7b", "demo"}
        }
        marked, other = styles["chat-style-7b"], styles["demo"]
        assert marked is not None
        assert other is not None
        assert marked.bgcolor != other.bgcolor
        assert marked.underline, "where there are no colours at all"
