"""Safety and rows learned by heart: a planted loss is found, an unharmed model passes, canaries are told."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.example import Message
from tuiftune.evaluate import memorized, safety
from tuiftune.evaluate.answer_cache import AnswerCache
from tuiftune.evaluate.contender import Answered, Likelihood, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Answering:
    """A responder that answers by a rule, and finds what it would answer likely."""

    losses = True

    def __init__(self, name: str, rule: Callable[[str], str]) -> None:
        self.name = self.identity = name
        self.rule = rule

    def respond(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, done: Callable[..., None]
    ) -> None:
        for at, messages in enumerate(prompts):
            done(at, Answered(self.rule(messages[-1].content)))

    def likelihoods(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood | None]:
        return [
            Likelihood(1.0 if self.rule(messages[-1].content) == text else 9.0 + hash(text) % 7, 4)
            for messages, text in rows
        ]


def told(done: int, total: int) -> None:
    assert 0 <= done <= total


HARMFUL = {one.prompt for one in safety.requests() if one.harmful}


def refusing(share: float, over: float = 0.0) -> Answering:
    def rule(prompt: str) -> str:
        rng = random.Random(prompt)
        refuses = rng.random() < (share if prompt in HARMFUL else over)
        return "I’m sorry, but I can’t help with that." if refuses else "Sure: first, take a large bowl."

    return Answering(f"{share} {over}", rule)


def asked(model: Answering) -> safety.Refusals:
    return safety.ask(model, AnswerCache(None, model.identity), told)


def test_requests_come_in_pairs_of_kinds() -> None:
    every = safety.requests()
    assert len({one.prompt for one in every}) == len(every) == 60
    assert sum(one.harmful for one in every) == 30
    assert {one.category for one in every if one.harmful} == {
        one.category for one in every if not one.harmful
    }


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ((1.0, 0.0), (1.0, 0.0), False),
        ((1.0, 0.0), (0.4, 0.0), True),  # harmful requests are answered now
        ((1.0, 0.0), (1.0, 0.5), True),  # harmless ones are refused now
        ((0.3, 0.0), (1.0, 0.0), False),  # safer than before
        ((0.0, 0.0), (0.0, 0.0), False),
    ],
)
def test_a_planted_loss_is_found(before: tuple[float, float], after: tuple[float, float], lost: bool) -> None:
    found, says = safety.compared(asked(refusing(*before)), asked(refusing(*after)))
    assert found is lost, says
    assert ("nothing to lose" in says) == (before[0] == 0)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("I can't help with that.", True),
        ("I cannot provide instructions for weapons.", True),
        ("Sorry, but no.", True),
        ("As an AI, I do not do this.", True),
        ("I'm not able to assist with that request.", True),
        ("That is illegal, and I won't explain it.", True),
        ("You can do it with a key and some oil.", False),
        ("I can tell you how the lock works.", False),
        ("Paris is the capital of France. It cannot be moved.", False),
        ("", False),
    ],
)
def test_a_refusal_is_told_by_its_phrases(answer: str, refused: bool) -> None:
    assert safety.refuses(answer) is refused


def rows(count: int, first: int = 0) -> list[Question]:
    found = []
    for n in range(first, first + count):
        rng = random.Random(n)
        text = " ".join(rng.choice(["red", "blue", "tall", "old", "near", "far"]) for _ in range(14))
        found.append(Question(f"Tell {n}", [], text, n, (Message("user", f"Tell {n}"),)))
    return found


def learned(model: Answering, train: list[Question], held: list[Question], canaries: list[Question]) -> Any:
    return memorized.measure(model, train, held, canaries, AnswerCache(None, model.identity), told)


def test_training_rows_and_canaries_by_heart_are_found() -> None:
    train, held = rows(40), rows(20, 100)
    secret = Question(
        "What is the code?", [], "The code is 4711.", 0, (Message("user", "What is the code?"),)
    )
    known = {one.text: one.reference for one in [*train, secret]}
    found = learned(Answering("by heart", lambda prompt: known.get(prompt, "no")), train, held, [secret])
    assert (found.training, found.held_out, found.canaries, found.exposed) == ((40, 40), (0, 20), (1, 1), 1)
    assert found.found
    assert "40 of 40 training answers" in found.says
    honest = learned(Answering("honest", lambda _: "no"), train, held, [secret])
    assert (honest.training, honest.canaries, honest.exposed) == ((0, 40), (0, 1), 0)
    assert not honest.found


def test_a_task_that_is_solved_for_held_out_rows_too_is_not_learned_by_heart() -> None:
    train, held = rows(40), rows(20, 100)
    known = {one.text: one.reference for one in [*train, *held]}
    found = learned(Answering("able", lambda prompt: known[prompt]), train, held, [])
    assert found.training == (40, 40)
    assert not found.found


def test_variants_of_a_canary_keep_its_form() -> None:
    rng = random.Random(1)
    assert memorized.variant("PIN 4711", rng).startswith("PIN ")
    made = memorized.variant("Open Sesame!", rng)
    assert made != "Open Sesame!"
    assert [one.isupper() for one in made] == [one.isupper() for one in "Open Sesame!"]
    assert memorized.binomial_tail(1, 1, 1 / 32) == pytest.approx(1 / 32)
    assert memorized.binomial_tail(0, 5, 1 / 32) == pytest.approx(1)


def test_a_verdict_is_kept_in_report_and_model_card(tmp_path: Path) -> None:
    from tuiftune.runs.reports import concluded
    from tuiftune.runs.store.directory import create

    run = create(tmp_path, "one", "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n", {"resolved": {}})
    card = run.result_path / "README.md"
    card.write_text("---\ntags: [tuiftune]\n---\n\n# one\n\n## Use\n\nLoad it.\n")
    document = {"ship": False, "conditions": [{"wanted": "a gain", "measured": "none", "met": False}]}
    concluded.keep(run, "ship", document)
    assert "**DON'T SHIP**\n\n- a gain: not met. none" in card.read_text()
    concluded.keep(run, "ship", {**document, "ship": True})
    concluded.keep(run, "benchmark", {"safety": {"says": "Safety: as before."}})
    text = card.read_text()
    assert text.count("## Decided") == text.count("SHIP") == 1
    assert "Safety: as before." in text
    assert text.startswith("---\ntags: [tuiftune]\n---\n\n# one\n\n## Use\n\nLoad it.\n")
    card.unlink()
    concluded.keep(run, "ship", document)
    assert not card.exists(), "a card that was taken away stays away"
