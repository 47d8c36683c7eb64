"""One table of keys feeds bindings, key bar, help and palette."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from showing import SMALL, shown, until
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

import tuiftune.tui
from tuiftune.tui import navigation
from tuiftune.tui.app import TuneApp
from tuiftune.tui.help.command_palette import Palette
from tuiftune.tui.help.help import Help
from tuiftune.tui.keys.actions import actions
from tuiftune.tui.keys.scopes import APP, TITLES
from tuiftune.tui.keys.table import ACTIONS
from tuiftune.tui.kit.dialogs import Confirm
from tuiftune.tui.kit.key_bar import fitting
from tuiftune.tui.navigation import screen_class
from tuiftune.tui.wizard.data.file_picker import Files
from tuiftune.tui.wizard.goal.retrieval_starter import RetrievalStarter
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(tuiftune.tui.__file__).parent
# Where letters are typed into a field, or the letters move what the arrows do not.
TYPED_INTO = {"ChatScreen", "DataStep", "PromptStarter", "RetrievalStarter"}
LIKE = {"down": "j", "up": "k", "left": "h", "right": "l"}


def classes() -> list[type[DOMNode]]:
    """Every app, screen and widget that the package defines."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = importlib.import_module(
            ".".join(["tuiftune.tui", *path.relative_to(PACKAGE).with_suffix("").parts])
        )
        found += [
            thing
            for thing in vars(module).values()
            if isinstance(thing, type) and issubclass(thing, DOMNode) and thing.__module__ == module.__name__
        ]
    return found


CLASSES = classes()
SCREENS = [one for one in CLASSES if issubclass(one, Screen) and hasattr(one, "SCOPES")]


def bound(screen: type[DOMNode]) -> dict[str, str]:
    """The action of each key that is bound on this class or on those of ours that it is made from."""
    ours = [one for one in reversed(screen.__mro__) if one.__module__.startswith("tuiftune")]
    found = [each for one in ours for each in vars(one).get("BINDINGS", ())]
    return {each.key: each.action for each in Binding.make_bindings(found)}


def test_the_walk_finds_every_screen_of_the_navigation_table() -> None:
    named = {screen_class(name) for name in navigation.SCREENS}
    assert named - {*SCREENS, Palette} == set()
    assert len(CLASSES) > 80


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.__name__)
def test_every_key_comes_from_the_table(one: type[DOMNode]) -> None:
    scopes = (APP,) if issubclass(one, TuneApp) else getattr(one, "SCOPES", ())
    table = {(key, action.name) for action in actions(*scopes) for key in action.keys.split(",")}
    assert set(bound(one).items()) - table == set()
    own = [name for name in vars(one) if name.startswith("key_") or name in {"on_key", "_on_key"}]
    assert own == [], "keys that no table knows of"


@pytest.mark.parametrize("screen", [TuneApp, *SCREENS], ids=lambda screen: screen.__name__)
def test_every_action_of_the_table_is_there_to_be_done(screen: type[DOMNode]) -> None:
    if screen is WizardStep:
        return  # never shown itself
    scopes = getattr(screen, "SCOPES", (APP,))
    for action in actions(*scopes):
        assert callable(getattr(screen, f"action_{action.name.partition('(')[0]}", None)), action
        for key in action.keys.split(","):
            assert bound(screen).get(key) == action.name, "in the table, and bound"


def test_every_scope_of_the_table_has_a_screen() -> None:
    used = {scope for screen in SCREENS for scope in screen.SCOPES}  # type: ignore[attr-defined]
    assert {action.scope for action in ACTIONS} <= used | {APP}
    assert {action.scope for action in ACTIONS} <= {*TITLES}


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_no_key_means_two_things_on_one_screen(screen: type[DOMNode]) -> None:
    scopes: set[str] = {*screen.SCOPES, APP}  # type: ignore[attr-defined]
    keys = Counter(key for action in actions(*scopes) for key in action.keys.split(","))
    twice = {key for key, times in keys.items() if times > 1}
    assert twice == ({"question_mark", "f1"} if screen is Help else set()), "what opened the help closes it"


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_arrows_and_letters_move_alike(screen: type[DOMNode]) -> None:
    keys = bound(screen)
    if screen.__name__ in TYPED_INTO:
        assert not {*LIKE.values()} & {*keys}
        return
    if screen.__name__ == "Charts":  # arrows read at a cursor, h and l move what is magnified
        assert {*LIKE, *LIKE.values()} <= {*keys}
        assert keys["up"] == keys["k"]
        assert keys["down"] == keys["j"]
        return
    for arrow, letter in LIKE.items():
        assert keys.get(arrow) == keys.get(letter), (arrow, letter)


@pytest.mark.parametrize("key", ["h", "l", "left", "right"])
async def test_both_answers_of_a_question_are_reached(app: Callable[..., TuneApp], key: str) -> None:
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(Confirm("Delete it?", "All of it.", "Delete", harmful=True))
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "no")
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "yes")
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "no")


async def test_folders_are_walked_with_letters(app: Callable[..., TuneApp], place: Path) -> None:
    inside = place / "rows" / "deeper"
    inside.mkdir(parents=True)
    (inside / "tickets.jsonl").write_text("{}\n")
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(Files(place / "rows"))
        await until(pilot, lambda: "deeper" in shown(pilot.app))
        await pilot.press("j", "l")
        await until(pilot, lambda: "tickets.jsonl" in shown(pilot.app))
        assert "+ rows" not in shown(pilot.app)
        await pilot.press("h")
        await until(pilot, lambda: "+ rows" in shown(pilot.app))


async def test_the_keys_fit_an_ascii_terminal(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch, finished: object
) -> None:
    monkeypatch.setenv("TUIFTUNE_ASCII", "1")
    async with app().run_test(size=(120, 40)) as pilot:
        pilot.app.open("goal")
        await until(pilot, lambda: "Question" in shown(pilot.app).splitlines()[-1])
        assert shown(pilot.app).splitlines()[-1].isascii()
        assert "< >" in shown(pilot.app).splitlines()[-1]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_the_footer_shows_eight_keys_at_80_columns(screen: type[DOMNode]) -> None:
    scopes: tuple[str, ...] = (*screen.SCOPES, APP)  # type: ignore[attr-defined]
    usable = sorted((action for action in actions(*scopes) if action.bar), key=lambda action: action.bar)
    shown, _ = fitting(usable, 80)
    assert len(shown) >= min(8, len(usable)), [action.label for action in shown]
    leading = [action for action in usable if action.name != "help"][:2]
    assert leading == shown[: len(leading)], "what leads on, and what leads back"
    assert shown[-1].name == "help"


async def test_a_question_mark_opens_the_help_from_a_field_and_is_typed_into_a_question(
    app: Callable[..., TuneApp], place: Path
) -> None:
    (place / "docs").mkdir()
    async with app().run_test(size=SMALL) as pilot:
        pilot.app.push_screen(RetrievalStarter(Draft()))
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "documents")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, Help))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, RetrievalStarter))
        field = pilot.app.screen.query_one("#question", Input)
        field.focus()
        await pilot.press("question_mark")
        await until(pilot, lambda: field.value == "?")
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, Help))


async def test_the_bar_offers_no_key_that_the_focused_field_writes(
    app: Callable[..., TuneApp], place: Path
) -> None:
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(60)]
    (place / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("sums.jsonl",), model="builtin:tiny", name="sums")
    async with app(draft=draft, runs_root=place / "kept").run_test(size=SMALL) as pilot:
        pilot.app.open("review")
        await until(pilot, lambda: "s Start" in shown(pilot.app).splitlines()[-1])
        pilot.app.screen.query_one("#name", Input).focus()
        await until(pilot, lambda: "s Start" not in shown(pilot.app).splitlines()[-1])
        last = shown(pilot.app).splitlines()[-1]
        assert "Esc Back" in last, last
        assert "↓ ↑ Scroll" in last, "not by j and k, which are written"
        assert "? Help" in last, "a field for names has no question marks"
        await pilot.press("s", "c", "e")
        assert pilot.app.screen.query_one("#name", Input).value.endswith("sce"), "as text"


def test_no_key_that_tmux_or_screen_take_for_themselves() -> None:
    keys = {key for action in ACTIONS for key in action.keys.split(",")}
    assert not keys & {"ctrl+b", "ctrl+a"}
    assert not [key for key in keys if key.startswith("alt+")]


async def test_help_lists_every_key_of_the_screen(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Help)
        text = str(pilot.app.screen.text())
        for action in actions("home", APP):
            if action.label:
                assert action.says in text
        assert "Help" in shown(pilot.app)  # type: ignore[arg-type]
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, Help)


async def test_the_palette_finds_actions_and_does_them(app: Callable[..., TuneApp]) -> None:
    async with app().run_test(size=SMALL) as pilot:
        before = pilot.app.theme
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        await pilot.press(*"next color")
        await pilot.pause(0.6)
        await pilot.press("enter")
        await pilot.pause(0.5)
        assert pilot.app.theme != before
