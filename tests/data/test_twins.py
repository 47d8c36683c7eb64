"""Held-out rows that the training rows hold as well: counted with the run's own split, and said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune.data.dataset import example_of
from tuiftune.data.example import Example, Message
from tuiftune.data.mix.split import picked
from tuiftune.data.read.load import load
from tuiftune.data.similar.twins import leakage_told, twins
from tuiftune.jobs.prepare import resolve
from tuiftune.preset.file import loads
from tuiftune.runs.reports.scores import how_compared
from tuiftune.wizard.draft import Draft, checked_with

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def row(prompt: str, answer: str, label: str | None = None) -> Example:
    return Example((Message("user", prompt), Message("assistant", answer)), label=label)


LONG = "please tell me in a few words when the last train of the day leaves for the town of"


def test_equal_and_near_rows_are_told_apart() -> None:
    training = [row(f"{LONG} {town}", f"at {at}") for at, town in enumerate(("Oslo", "Bergen", "Hamar"))]
    held = [
        row(f"  {LONG.upper()}  oslo", "AT 0"),
        row(f"{LONG} Bergen", "at 9"),
        row("how far is it to the moon on an ordinary summer day", "far"),
    ]
    found = twins(training, held)
    assert (found.held_out, found.equal, found.near) == (3, 1, 1)
    assert "2 of 3 evaluation rows" in leakage_told(found.document())


def test_rows_with_a_label_are_alike_where_their_text_is() -> None:
    assert twins([row("it broke", "bad", "bad")], [row("It broke", "good", "good")]).equal == 1
    assert twins([], [row("it broke", "bad")]).rows == 0
    assert leakage_told(twins([row("a", "b")], [row("c", "d")]).document()) == ""
    assert leakage_told({"equal": "many"}) == ""


def written(path: Path, prompts: list[str]) -> Path:
    rows = [{"prompt": prompt, "completion": f"answer to {prompt}"} for prompt in prompts]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_train_says_it_of_its_own_split_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    towns = [f"town{number} lies where?" for number in range(40)]
    train = written(tmp_path / "train.jsonl", towns)
    held = written(tmp_path / "held.jsonl", [*towns[:7], "is the moon far?"])

    def told(data: str) -> str:
        lines: list[str] = []
        preset = loads(f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {train}, {data}}}\n", "mine.yaml")
        resolve(preset, tmp_path / "runs", say=lines.append)
        return "\n".join(lines)

    assert "7 of 8 evaluation rows are also in the training rows (7 equal, 0 nearly)" in told(f"eval: {held}")
    assert "held-out rows" not in told("eval: 0.2")


def test_a_score_carries_it() -> None:
    found = twins([row("a b c d", "e")], [row("a b c d", "e")]).document()
    assert any("1 of 1 evaluation rows" in line for line in how_compared({}, {"rows": 1, "leakage": found}))
    assert how_compared({}, {"rows": 1}) == []


def test_the_wizard_checks_with_the_split_and_the_length_of_the_run() -> None:
    draft = Draft()
    assert checked_with(draft) == (2048, 0.05, 42)
    draft = Draft(recommended={"data.max_length": 512, "data.eval": 0.2}).override("training.seed", 7)
    assert checked_with(draft) == (512, 0.2, 7)
    assert checked_with(draft.override("data.eval", 0.0))[1] == 0.0


def test_of_many_rows_only_those_that_may_be_equal_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the last characters of each: spaces, case, labels, silent answers and short rows change nothing."""

    def chat(asked: str, said: str, **more: float) -> dict[str, Any]:
        answer = {"role": "assistant", "content": said, **more}
        return {"messages": [{"role": "user", "content": asked}, answer]}

    train = [
        *(chat(f"How far is town {n}?", f"It is {n} miles away.") for n in range(900)),
        chat("  Which TOWN is it\u2003then?", "Oslo,\n of  course   it is "),
        chat("Hi", "Ho"),
        chat("Where does the last train go?", "Nowhere at all, it seems.", weight=0),
    ]
    held_out = [
        chat("which town is it then?", "oslo, of course it is" + " " * 200),
        chat("hi", "HO "),
        chat("Where does the last train go?", "Something else, quite another.", weight=0),
        chat("How far is town 7?", "It is 8 miles away."),
    ]
    for name, rows in (("train.jsonl", train), ("held.jsonl", held_out)):
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in rows))
    training, held = picked(load(str(tmp_path / "train.jsonl")), str(tmp_path / "held.jsonl"))
    everything = twins(training, held)
    made, make = [], example_of
    monkeypatch.setattr("tuiftune.data.dataset.example_of", lambda *given: made.append(1) or make(*given))
    monkeypatch.setattr("tuiftune.data.similar.twins.MOST_ROWS", 300)
    found = twins(training, held)
    assert found.equal == everything.equal == 3
    assert len(made) < 20


def test_rows_with_a_label_are_told_apart_by_their_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ["a fault", "a wish"]
    for name, numbers in (("train.jsonl", range(900)), ("held.jsonl", range(880, 920))):
        rows = [{"text": f"The lamp of room {n} is broken", "label": kinds[n % 2]} for n in numbers]
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in rows))
    training, held = picked(load(str(tmp_path / "train.jsonl")), str(tmp_path / "held.jsonl"))
    assert training.dataset.format == "classification"
    monkeypatch.setattr("tuiftune.data.similar.twins.MOST_ROWS", 300)
    assert twins(training, held).equal == 20
