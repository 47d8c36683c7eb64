"""Decisions whose truth is constructed: models by rule that can do exactly what each case needs."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.data.example import Message
from tuiftune.errors import UserError
from tuiftune.evaluate import decision, evaluation, prices, scorers
from tuiftune.evaluate.answer_cache import AnswerCache
from tuiftune.evaluate.contender import Answered, Question, Usage
from tuiftune.evaluate.task import Task
from tuiftune.jobs import deciding
from tuiftune.jobs.approaches import Approaches
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

COLORS = ["red", "green", "blue", "white", "black", "amber", "violet", "pink"]


class Ruled:
    """A responder that answers by a rule over the messages."""

    losses = False

    def __init__(self, name: str, rule: Callable[[list[Message]], str]) -> None:
        self.name = self.identity = name
        self.rule, self.asked = rule, 0

    def respond(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, done: Callable[..., None]
    ) -> None:
        for at, messages in enumerate(prompts):
            self.asked += 1
            words = sum(len(one.content.split()) for one in messages)
            done(at, Answered(self.rule(list(messages)), tokens_in=words, tokens_out=3, seconds=0.01))

    def likelihoods(self, rows: Any) -> list[None]:
        return [None] * len(rows)


def question(text: str, answer: str, row: int) -> Question:
    return Question(text, [], answer, row, (Message("user", text),))


def reader(messages: list[Message]) -> str:
    """A base model: reads a source that names what is asked, repeats the form of examples, knows no facts."""
    asked = messages[-1].content.split()[-1].strip("?")
    for line in messages[-1].content.splitlines()[:-1]:
        if (found := re.search(rf"{asked} is (\w+)", line)) is not None:
            return found[1]
    shown = [one.content for one in messages[:-1] if one.role == "assistant"]
    if shown and all(one.startswith("<<") for one in shown):
        return f"<< {asked} >>"
    return asked


def lookup(seed: int) -> tuple[list[Question], list[str], Callable[[list[Message]], str]]:
    rng = random.Random(seed)
    facts = {f"item{n}": f"{rng.choice(COLORS)}{n}" for n in range(160)}
    rows = [question(f"What color has {key}?", value, n) for n, (key, value) in enumerate(facts.items())]
    known = {one.text: one.reference for one in rows[:80]}
    return (
        rows,
        [f"The {k} is {v} today." for k, v in facts.items()],
        lambda m: known.get(m[-1].content, "unknown"),
    )


def form(seed: int) -> tuple[list[Question], list[str], Callable[[list[Message]], str]]:
    rng = random.Random(seed)
    rows = [question(f"Show {rng.choice(COLORS)}{n}", "", n) for n in range(160)]
    rows = [question(one.text, f"<< {one.text.split()[-1]} >>", one.row) for one in rows]
    return rows, [], lambda m: f"<< {m[-1].content.split()[-1]} >>"


def style(seed: int) -> tuple[list[Question], list[str], Callable[[list[Message]], str]]:
    rng = random.Random(seed)
    words = [f"w{n}" for n in range(60)]
    house = dict(zip(words, rng.sample([f"h{n}" for n in range(60)], 60), strict=True))
    rows = []
    for n in range(160):
        chosen = rng.sample(words, 4)
        rows.append(question("Say " + " ".join(chosen), " ".join(house[one] for one in chosen), n))
    return rows, [], lambda m: " ".join(house[one] for one in m[-1].content.split()[-4:])


def noise(seed: int) -> tuple[list[Question], list[str], Callable[[list[Message]], str]]:
    rng = random.Random(seed)
    rows = [
        question(f"note {rng.choice(COLORS)} {n}", rng.choice(["up", "down", "left"]), n) for n in range(160)
    ]
    known = {one.text: one.reference for one in rows[:80]}
    return rows, [], lambda m: known.get(m[-1].content, "up")


CASES = {
    "lookup": (lookup, {"retrieval"}),
    "form": (form, {"prompt", "few-shot"}),
    "style": (style, {"tuned"}),
    "noise": (noise, {"nothing"}),
}


def decided(
    case: str, seed: int, tmp_path: Path, *, test: bool = False, **options: Any
) -> tuple[deciding.Outcome, list[Ruled]]:
    rows, documents, tuned = CASES[case][0](seed)
    path = None
    if documents:
        path = tmp_path / f"{case}-{seed}.txt"
        path.write_text("\n\n".join(documents))
    split = deciding.Splits(
        tuple(rows[:80]), tuple(rows[80 : 120 if test else 160]), tuple(rows[120:] if test else ()), ("made",)
    )
    models = [Ruled("base", reader), Ruled("fine-tuned", tuned)]
    approaches = Approaches(split.train, models[0], models[1], documents=path)
    caches: dict[str, AnswerCache] = {}

    def cache(responder: Any) -> AnswerCache:
        return caches.setdefault(responder.identity, AnswerCache(None, responder.identity))

    return deciding.decide(split, approaches, caches=cache, **options), models


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_the_decision_is_the_constructed_truth(case: str, seed: int, tmp_path: Path) -> None:
    outcome, _ = decided(case, seed, tmp_path)
    assert outcome.decision.action in CASES[case][1], outcome.decision.says
    assert outcome.decision.rows_used == "selected on these rows"
    assert not outcome.failed


def test_fine_tuning_is_told_with_its_gain_interval_and_rival(tmp_path: Path) -> None:
    outcome, _ = decided("style", 1, tmp_path)
    made = outcome.decision
    assert made.chosen is not None
    assert made.difference is not None
    assert made.chosen.key == "tuned"
    assert made.reference is not None
    assert made.reference.kind not in ("tuned", "tuned+")
    assert made.difference.shown
    assert re.search(
        r"Fine-tune: the fine-tuned model has .* better than .* \(95% CI [\d.]+ points to", made.says
    )


def test_test_rows_are_used_for_the_final_figure_alone(tmp_path: Path) -> None:
    looks: list[int] = []
    outcome, _ = decided("style", 2, tmp_path, test=True, look=lambda: looks.append(1) or "")  # type: ignore[func-returns-value]
    document = {"schema": registry.named("decide"), **outcome.document()}
    jsonschema.validate(json.loads(json.dumps(document)), registry.json_schema("decide"))
    assert looks == [1]
    assert outcome.decision.rows_used == "test rows, used once"
    assert outcome.decision.difference is not None
    assert {one.row for one in outcome.decision.best.evaluation.questions} == set(range(120, 160))
    assert {one.row for one in outcome.candidates[0].evaluation.questions} == set(range(80, 120))


def test_a_second_look_at_test_rows_is_told(tmp_path: Path) -> None:
    rows = [question("a", "b", 1)]
    assert deciding.looked_at(tmp_path, rows) == ""
    assert "used 2 times" in deciding.looked_at(tmp_path, rows)
    assert deciding.looked_at(tmp_path, [question("a", "c", 1)]) == ""


def test_k_is_chosen_on_training_rows_and_nothing_sees_its_own_answer(tmp_path: Path) -> None:
    outcome, _ = decided("noise", 1, tmp_path)
    found = {one.key: one for one in outcome.candidates}
    assert re.fullmatch(r"k = [248]", found["nearest"].detail)
    assert re.fullmatch(r"k = [135], training rows", found["rag"].detail)
    assert found["tfidf-knn"].detail.startswith("n_neighbors = ")


def test_no_row_is_its_own_example_or_source() -> None:
    from tuiftune.evaluate.prompting import Nearest, Retrieval

    pool = [question(f"What color has item{n}?", f"color{n}", n) for n in range(12)]
    texts = [f"{one.text}\n{one.reference}" for one in pool]
    asked = [one.text for one in pool]
    for way in (Nearest(pool, 4), Retrieval(texts, 4, "training rows", asked=asked)):
        for one, messages in zip(pool, way.messages(pool), strict=True):
            told = " ".join(message.content for message in messages)
            assert one.reference not in told.split()
            assert told.count("color") > 4, "but others' answers are shown"


def candidate(key: str, kind: str, right: list[bool]) -> decision.Candidate:
    rows = [question(str(n), "x", n) for n in range(len(right))]
    exact = [(scorers.every()["exact_match"], "")]
    answers = [Answered("x" if ok else "y", tokens_in=10, tokens_out=2) for ok in right]
    made = evaluation.score(key, rows, answers, exact, Task("short", "so it is made"))
    return decision.Candidate(key, key, kind, made)


def test_the_simplest_that_the_rows_cannot_tell_from_the_best_is_chosen() -> None:
    floor = candidate("floor", "prompt", [False] * 60).evaluation
    tuned = candidate("tuned", "tuned", [True] * 50 + [False] * 10)
    shots = candidate("shots", "few-shot", [True] * 48 + [False] * 12)
    bare = candidate("bare", "prompt", [True] * 20 + [False] * 40)
    chosen, best = decision.choose([bare, shots, tuned], floor)
    assert (chosen, best) == (shots, tuned)
    made = decision.conclude(chosen, best, tuned, floor, tuned_measured=True, tested=False)
    assert "60 rows show no difference from tuned (they detect 10.0 points or more)" in made.says
    assert decision.choose([bare, tuned], floor) == (tuned, tuned)


def test_a_budget_leaves_out_what_comes_last_and_says_so(tmp_path: Path) -> None:
    ticks = iter(range(10_000))
    mine = deciding.time.monotonic
    try:
        deciding.time.monotonic = lambda: next(ticks) * 0.6  # type: ignore[assignment]
        outcome, _ = decided("style", 1, tmp_path, minutes=1.5)
    finally:
        deciding.time.monotonic = mine  # type: ignore[assignment]
    assert [one.key for one in outcome.candidates]
    assert any("the budget of 1.5 minutes was used up" in why for _, why in outcome.skipped)


def test_prices_are_those_of_the_figures_given() -> None:
    used = Usage(1000.0, 100.0, 0.5)
    rates = prices.Rates(hour=3.6, tokens_in=2.0, tokens_out=10.0, tuning=30.0, answers_a_month=100_000)
    assert prices.per_thousand(used, rates, endpoint=True) == pytest.approx(3.0)
    assert prices.per_thousand(used, rates, endpoint=False) == pytest.approx(0.5)
    assert prices.per_month(used, rates, endpoint=True) == pytest.approx(300.0)
    assert prices.per_month(used, rates, endpoint=False) == pytest.approx(730 * 3.6), "idle hours count"
    assert prices.break_even(0.5, 3.0, rates) == 12_000
    assert prices.break_even(3.0, 0.5, rates) is None
    assert prices.per_thousand(used, prices.Rates(), endpoint=True) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "names nothing to measure"),
        (["rows.jsonl"], "names nothing to measure"),
        (["rows.jsonl", "--model", "builtin:tiny", "--eval", "0.1"], "only 2 evaluation rows"),
        (["rows.jsonl", "--endpoint", "ftp://x"], "is not an HTTP address"),
        (
            ["rows.jsonl", "--model", "builtin:tiny", "--documents", "none"],
            "file or directory not found",
        ),
        (["rows.jsonl", "--model", "builtin:tiny", "--prompt", "none.md"], "no such file"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if "--documents" in words:
        rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(100)]
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = CliRunner().invoke(build(), ["decide", *words])
    assert isinstance(found.exception, UserError), found.output
    assert says in str(found.exception)
    assert found.exception.exit_code == 2


def test_documents_of_two_gigabytes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(100)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "texts").mkdir()
    with (tmp_path / "texts" / "dump.txt").open("wb") as file:
        file.truncate(2 << 30)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    words = [str(tmp_path / "rows.jsonl"), "--model", "builtin:tiny", "--documents", str(tmp_path / "texts")]
    found = CliRunner().invoke(build(), ["decide", *words])
    assert isinstance(found.exception, UserError)
    assert "dump.txt: the file is larger than 52.4 MB" in str(found.exception)
