"""The data step under bad files, and while checks are still running."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from showing import SMALL, shown, until

from tuiftune.tui.wizard.data.data import DataStep
from tuiftune.tui.wizard.data.data_choice import DataChoice
from tuiftune.wizard.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tuiftune.data.checks.check import Check, Subject
    from tuiftune.tui.app import TuneApp

GOOD = json.dumps({"question": "What is tea?", "answer": "A drink."}) + "\n"
BAD = {
    "cut.jsonl.gz": "cut.jsonl.gz: the compressed file is truncated",
    "ragged.csv": "ragged.csv:3",
    "binary.jsonl": "binary.jsonl",
    "deep.jsonl": "deep.jsonl:1",
    "empty.json": "empty",
    "control.jsonl": "control.jsonl:2",
    "nowhere.jsonl": "no such file",
    "broken.parquet": "broken.parquet",
}


def bad_files() -> None:
    import gzip

    Path("cut.jsonl.gz").write_bytes(gzip.compress(GOOD.encode() * 90)[:-9])
    Path("ragged.csv").write_bytes(b"question,answer\na,b\na,b,c\n")
    Path("binary.jsonl").write_bytes(b"\x7fELF" + bytes(range(256)) * 9)
    Path("deep.jsonl").write_bytes(b"[" * 100_000)
    Path("empty.json").write_bytes(b"")
    Path("control.jsonl").write_text(GOOD + "\x1b[2J\x1b]0;owned\x07\n")
    Path("broken.parquet").write_bytes(b"PAR1" + b"\0" * 90)


async def read(pilot: Any, path: str) -> None:
    field = pilot.app.screen.query_one("#path")
    field.value = path
    field.focus()
    await pilot.press("enter")


async def test_a_bad_file_is_one_clear_line_and_another_can_be_chosen(app: Callable[..., TuneApp]) -> None:
    bad_files()
    Path("good.jsonl").write_text(GOOD * 9)
    async with app(wizard=True, draft=Draft(model="builtin:tiny")).run_test(size=SMALL) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataChoice))
        await pilot.press("escape")
        for name, said in BAD.items():
            await read(pilot, name)
            await until(pilot, lambda said=said: f"✗ {said}" in words(pilot.app) or said in lead(pilot.app))
            text = lead(pilot.app)
            assert text.startswith("✗ "), text
            assert ". " in text, text  # what to do
            assert "Traceback" not in shown(pilot.app)
            assert "Bug in tuiftune" not in shown(pilot.app)
            assert "\x1b" not in shown(pilot.app)
        await read(pilot, "good.jsonl")
        await until(pilot, lambda: pilot.app.screen._ready == ("good.jsonl",))
        await until(pilot, lambda: "✓ 9 rows of prompt-completion" in words(pilot.app))


def words(app: TuneApp) -> str:
    return " ".join(shown(app).split())


def lead(app: TuneApp) -> str:
    """What is said under the question of the step."""
    from tuiftune.tui.kit.headings import Lead

    view = app.screen.query_one(Lead)
    return " ".join(line.text.strip() for line in view.paint(view.size.width, 9)[1:])


async def test_results_stand_there_before_all_is_done_and_leaving_ends_the_rest(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, left = threading.Event(), threading.Event()

    def endless(subject: Subject) -> Iterator[Check]:
        reached.set()
        try:
            while True:
                subject.progress("near duplicates", 0.5)
                left.wait(0.01)
        finally:
            left.set()
        yield

    monkeypatch.setattr("tuiftune.data.checks.near.near_duplicates", endless)
    Path("rows.jsonl").write_text(GOOD * 30)
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: "near duplicates" in shown(pilot.app))
        assert reached.is_set()
        await until(pilot, lambda: "Exact duplicates: 29" in words(pilot.app))
        assert re.search(r"9\d%", words(pilot.app)), "half of the last kind of check"
        assert not left.is_set()
        await pilot.press("escape")
        await until(pilot, left.is_set)


async def test_another_file_ends_the_checks_of_the_first(
    app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.data.checks import near

    real, left = near.near_duplicates, threading.Event()

    def endless(subject: Subject) -> Iterator[Check]:
        if subject.dataset.rows != 30:
            yield from real(subject)
            return
        try:
            while True:
                subject.progress("near duplicates", 0.5)
                left.wait(0.01)
        finally:
            left.set()

    monkeypatch.setattr("tuiftune.data.checks.near.near_duplicates", endless)
    Path("rows.jsonl").write_text(GOOD * 30)
    Path("others.jsonl").write_text(GOOD * 40)
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: "near duplicates" in shown(pilot.app))
        await read(pilot, "others.jsonl")
        await until(pilot, lambda: left.is_set() and "Exact duplicates: 39" in words(pilot.app))
        assert "Exact duplicates: 29" not in words(pilot.app)


async def test_the_key_bar_names_what_a_newcomer_needs_at_80_columns(app: Callable[..., TuneApp]) -> None:
    Path("rows.jsonl").write_text(GOOD * 30)
    draft = Draft(data=("rows.jsonl",), model="builtin:tiny")
    async with app(wizard=True, draft=draft).run_test(size=SMALL) as pilot:
        pilot.app.open("data")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataStep) and pilot.app.screen._ready)
        bar = shown(pilot.app).splitlines()[-1]
        assert " ".join(bar.split()) == (
            "Enter Next Esc Back ^t Files ^g Checks ^r Clean ^y Tokens ^s Map ? Help"
        )


async def test_malformed_lines_are_left_out_by_enter(app: Callable[..., TuneApp]) -> None:
    Path("tickets.csv").write_text("text,label\n" + "where is it,ship\nrefund me,bill\n" * 20 + "a,b,c\n")
    async with app(wizard=True, draft=Draft(model="builtin:tiny")).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await until(pilot, lambda: "Press Enter to" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "- 1 malformed line" in shown(pilot.app))
        assert "tickets.csv:42" in shown(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "rows of classification" in shown(pilot.app))
        assert pilot.app.draft.data == ("tickets.clean.jsonl",)  # type: ignore[attr-defined]
        assert Path("tickets.csv").read_text().endswith("a,b,c\n")


async def test_enter_alone_is_asked_about_near_identical_labels_and_merges_them(
    app: Callable[..., TuneApp],
) -> None:
    asked = ("no entry {},login", "cannot log in {},login", "no way in {},LOGIN", "refund {},bill")
    rows = "".join(f"{one.format(n)}\n" for n in range(20) for one in asked)
    Path("tickets.csv").write_text("text,label\n" + rows)
    async with app(wizard=True, draft=Draft(model="builtin:tiny")).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await until(pilot, lambda: "rows of classification" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Merge near-identical labels?" in shown(pilot.app))
        assert '"login" and "LOGIN": 20 rows have the rarer spelling.' in " ".join(shown(pilot.app).split())
        await pilot.press("enter")
        await until(pilot, lambda: "20 changed" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "tickets.clean.jsonl" in shown(pilot.app))
        await until(pilot, lambda: "rows of classification" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Which base model" in shown(pilot.app))
    written = Path("tickets.clean.jsonl").read_text().splitlines()
    assert {json.loads(line)["label"] for line in written} == {"login", "bill"}


async def test_labels_that_are_to_stay_are_asked_about_once(app: Callable[..., TuneApp]) -> None:
    Path("tickets.csv").write_text("text,label\n" + "".join(f"a {n},login\nb {n},LOGIN\n" for n in range(20)))
    async with app(wizard=True, draft=Draft(model="builtin:tiny")).run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        await until(pilot, lambda: "rows of classification" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Merge near-identical labels?" in shown(pilot.app))
        await pilot.press("n")
        await until(pilot, lambda: "Which base model" in shown(pilot.app))
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "Which base model" in shown(pilot.app))
    assert not Path("tickets.clean.jsonl").exists()
