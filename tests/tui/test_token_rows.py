"""As the trainer sees it: the engine's own tokens on the screen, row by row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from showing import SMALL, shown, until

from tuiftune.tui.kit.text_diff import differences
from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.token_view import TokenView
from tuiftune.tui.wizard.data.tokens import TokenRows
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.token_rows import token_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

WIDE = (120, 40)
ENGINE_SECONDS = 90.0


async def look(pilot: Any) -> None:
    """From the start of the wizard to the tokens of the data."""
    pilot.app.open("data")
    await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
    await pilot.press("ctrl+y")
    await until(pilot, lambda: isinstance(pilot.app.screen, TokenRows))


def test_differences_give_both_texts_back() -> None:
    pairs = [
        ("", "abc"),
        ("abc", ""),
        ("aXb", "aYb"),
        ("same", "same"),
        ("aaa", "aa"),
        ("x" * 9000, "y" * 9000),
    ]
    for before, after in pairs:
        pieces = differences(before, after)
        assert "".join(old for _, old, _ in pieces) == before
        assert "".join(new for _, _, new in pieces) == after
        assert all((kind == "same") == (old == new) for kind, old, new in pieces)


async def test_rows_are_shown_with_their_mask(app: Callable[..., TuneApp]) -> None:
    rows = [
        {"prompt": f"What is \x1b[31mthe colour of lamp {n}?", "completion": f"It is red, lamp {n}."}
        for n in range(40)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny").override("data.max_length", 2000)
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await look(pilot)
        assert "tokenizing" in shown(pilot.app)
        await until(pilot, lambda: "The inference prompt matches" in shown(pilot.app), ENGINE_SECONDS)
        text = shown(pilot.app)
        assert "row 1 of 40" in text
        learnt = re.search(r"⟦(Itisred,lamp0\..*?)⟧", re.sub(r"\s", "", text))
        assert learnt is not None, text
        assert "What" not in learnt[1]
        assert "\x1b" not in text
        assert "\\x1b[31m" in text
        assert "✓ The inference prompt matches" in text
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: re.search("training text +inference prompt", shown(pilot.app)))
        await pilot.press("right")
        await until(pilot, lambda: "lamp 1" in shown(pilot.app))
        assert "row 2 of 40" in shown(pilot.app), "it was asked for with the first"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep))


async def test_a_model_that_is_elsewhere_is_told(app: Callable[..., TuneApp]) -> None:
    draft = Draft(data=("builtin:tickets",), model="Qwen/Qwen3-0.6B")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await look(pilot)
        await until(pilot, lambda: "not on this machine" in shown(pilot.app))
        assert "builtin:tiny" in shown(pilot.app)


def test_a_question_can_be_given_up() -> None:
    draft = Draft(data=("builtin:tickets",))
    assert token_rows(draft, "builtin:tiny", [1], lambda: True) == []


async def test_a_cut_and_a_difference_are_marked_with_signs(app: Callable[..., TuneApp]) -> None:
    """A document as the engine writes it, of a row that is cut and a template that changes what was said."""
    document = {
        "tokens": [
            {"id": 1, "piece": "a", "text": "Q: hello\n", "trained": False},
            {"id": 2, "piece": "b", "text": "world", "trained": True},
        ],
        "truncated_tokens": [{"id": 3, "piece": "c", "text": " and all", "trained": True}],
        "length": 12,
        "trained": 1,
        "masked_answers": 2,
        "max_length": 2,
        "truncated": True,
        "lost": 9,
        "loss_on": "assistant",
        "mask_from": "prefixes",
        "own_template": False,
        "training": "Q: hello\nworld",
        "inference": "Q: HELLO\n",
    }
    draft = Draft(data=("builtin:tickets",), model="Qwen/Qwen3-0.6B")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        await look(pilot)
        await until(pilot, lambda: "not on this machine" in shown(pilot.app))
        pilot.app.screen.query_one(TokenView).show(document)
        await until(pilot, lambda: "⟦world⟧" in shown(pilot.app))
        text = shown(pilot.app)
        assert "▲ truncated at 2 of 12 tokens: 9 answer tokens are not trained on" in text
        assert "── truncated here: the 10 tokens below are dropped" in text
        assert re.search("┃  and all … and 9 more", text), text
        assert "2 answers are masked: the data gives them weight 0" in text
        assert "a plain one is used" in " ".join(text.split())
        assert "▲ The inference prompt differs from the training text." in text
        assert "Q: {hello}⏎" in text
        assert "Q: {HELLO}⏎" in text
