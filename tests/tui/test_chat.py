"""The chat's screen over a real chat that was recorded: what is drawn, and what each key does."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import snapshot
from showing import shown, until
from textual.events import Paste
from textual.widgets import Input

from tuiftune.chat.conversation import Conversation, Settings
from tuiftune.chat.record import Record
from tuiftune.chat.source import Source
from tuiftune.errors import UserError
from tuiftune.tui.app import TuneApp
from tuiftune.tui.chat import chat as screens
from tuiftune.tui.chat.chat import settings_of
from tuiftune.tui.chat.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDED = Path(__file__).parents[1] / "fixtures" / "chat" / "recorded.jsonl"


class Recorded:
    """A session that answers what it answered when it was recorded; the number of a question is its own."""

    made: Recorded

    def __init__(self, sources: Sequence[Source]) -> None:
        Recorded.made = self
        self.sources, self.asked, self.stops, self.number = tuple(sources), [], 0, 0
        self._tape = [json.loads(line) for line in RECORDED.open()]
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()

    def start(self) -> None:
        self._play("ready")

    def _play(self, until_event: str) -> None:
        while True:
            event = self._tape.pop(0)
            self._heard.put({**event, **({"id": self.number} if event.get("id") else {})})
            if event["event"] == until_event:
                return

    def event(self) -> dict[str, Any]:
        event = self._heard.get(timeout=30)
        if event["event"] == "closed":
            self._heard.put(event)
            raise UserError("the chat's process has ended")
        return event

    def ask(self, messages: Any, settings: Settings, models: Sequence[int]) -> int:
        del models
        self.number += 1
        self.asked.append((list(messages), settings))
        self._play("done")
        return self.number

    def rows(self, most: int) -> None:
        del most
        self._play("rows")

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self._heard.put({"event": "closed"})


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Any) -> TuneApp:
    monkeypatch.setattr(screens, "Session", Recorded)
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    tuned = Source("tone", f"run:{finished.run.path}", "Be short.", finished.run)
    record = Record.of([tuned], tmp_path / "votes.jsonl")
    given = ([tuned, tuned.base], Settings(max_new_tokens=8), Conversation("Be short."), record)
    return TuneApp(chat=given)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_chat_looks_as_it_did(app: TuneApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "Type a prompt" in shown(app))
        await pilot.press(*"What colour?", "enter")
        await until(pilot, lambda: "Better" in shown(app))
        await pilot.press("f5")
        await until(pilot, lambda: "better" in shown(app))
        app.clear_notifications()
        await pilot.pause(0.2)
        snapshot.check("chat" if size[0] == 80 else "chat-wide", app)


async def test_keys(app: TuneApp, tmp_path: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Type a prompt" in shown(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "How answers are generated" in shown(app))
        app.screen.query_one(Input).value = "temperature=1.5 seed=9"
        await pilot.press("enter")
        await until(pilot, lambda: "temperature 1.5, seed 9" in shown(app))
        assert "Better" not in shown(app), "a vote that would not be taken"
        await pilot.press(*"One?", "enter")
        await until(pilot, lambda: "B tone (base model)" in shown(app))
        await until(pilot, lambda: "Better" in shown(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "D tone (base model)" in shown(app))
        await until(pilot, lambda: "Better" in shown(app))
        assert [one[1].seed for one in Recorded.made.asked] == [9, 10]
        await pilot.press("f6")
        await until(pilot, lambda: "better" in shown(app))
        rows = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
        assert rows[0]["prompt"][-1] == {"role": "user", "content": "One?"}
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "Prompts of the evaluation set" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "reference" in shown(app))
        assert Recorded.made.asked[-1][0][-1]["role"] == "user"
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "Type a prompt" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, screens.ChatScreen))


async def test_the_bar_offers_what_the_prompt_leaves(app: TuneApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Type a prompt" in shown(app))
        assert "F1 Help" in shown(app).splitlines()[-1], "a question mark is written into the prompt"
        await pilot.press(*"One?", "enter")
        await until(pilot, lambda: "↑ Edit" in shown(app).splitlines()[-1])
        await pilot.press(*"Two")
        await until(pilot, lambda: "↑ Edit" not in shown(app).splitlines()[-1])
        await pilot.press("up")
        assert app.screen.query_one(Prompt).text == "Two"


async def test_a_chat_that_a_command_opened_ends_with_it(app: TuneApp) -> None:
    """Esc leads back to the shell, not into an app that was not asked for."""
    app._alone = True
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "Type a prompt" in shown(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "How answers are generated" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, screens.ChatScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.return_code == 0)


async def test_a_prompt_has_several_lines(app: TuneApp) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "Type a prompt" in shown(app))
        field = app.screen.query_one(Prompt)
        await pilot.press("a", "ctrl+j", "b")
        app.post_message(Paste("c\n  d"))
        await until(pilot, lambda: field.text == "a\nbc\n  d")
        await pilot.press("enter")
        await until(pilot, lambda: "B tone (base model)" in shown(app))
        assert Recorded.made.asked[-1][0][-1]["content"] == "a\nbc\n  d"
        await pilot.press("up")
        assert field.text == "a\nbc\n  d", "an empty prompt takes the last one back"
        await pilot.press("up", "up", "home", "x")
        assert field.text == "xa\nbc\n  d", "up moves in it"
        assert not app.screen._shown.talk.turns  # type: ignore[attr-defined]


async def test_a_finished_run_is_chatted_with(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "Session", Recorded)
    app = TuneApp(run=finished.run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Chat" in shown(app))
        await pilot.press("t")
        await until(pilot, lambda: "chat: tone and tone (base model)" in shown(app))
        assert [one.given.split(":")[0] for one in Recorded.made.sources] == ["run", "base"]


def test_settings_are_read_with_their_limits() -> None:
    assert settings_of("temperature=0.5 max=9", Settings()) == Settings(0.5, max_new_tokens=9)
    for text in ("heat=1", "temperature=hot", "seed=-1", "top_p=2"):
        with pytest.raises(ValueError, match=r"none of|takes a number"):
            settings_of(text, Settings())
