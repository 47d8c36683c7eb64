"""The probe set and `ship`: a planted forgetting is found, an unharmed model passes, conditions decide."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.evaluate import measured, probe_set, scorers
from tuiftune.evaluate.contender import Likelihood
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.jobs import shipping
from tuiftune.jobs.shipping import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence


class Knowing:
    """A responder that finds right answers likely, but for a share that it has forgotten."""

    losses = True

    def __init__(self, forgotten: float, noise: float = 0.0, seed: int = 1) -> None:
        self.name = self.identity = f"forgot {forgotten}"
        self.forgotten, self.noise, self.seed = forgotten, noise, seed
        self.answers = {one.question: one.answer for one in probe_set.questions()}

    def likelihoods(self, rows: Sequence[tuple[Any, str]]) -> list[Likelihood | None]:
        found: list[Likelihood | None] = []
        for messages, reference in rows:
            size = len(reference.encode())
            if not messages:
                found.append(Likelihood(0.7 * size * (1 + self.noise), size))
                continue
            question = messages[-1].content
            rng = random.Random(f"{question} {self.seed}")
            lost = rng.random() < self.forgotten
            right = reference == self.answers[question]
            bits = (2.0 if lost else 0.3) if right else 1.0
            found.append(Likelihood(bits * size, size))
        return found


def told(done: int, total: int) -> None:
    assert 0 <= done <= total


def test_every_question_has_one_right_answer_among_four() -> None:
    asked = probe_set.questions()
    assert len(asked) == 300
    assert len({one.question for one in asked}) == 300
    for one in asked:
        assert len(set(one.choices)) == 4
        assert one.choices.count(one.answer) == 1
    places = [one.choices.index(one.answer) for one in asked]
    assert all(50 <= places.count(place) <= 100 for place in range(4)), "the place tells nothing"
    assert len(probe_set.texts()) == 20


@pytest.mark.parametrize(("share", "detected"), [(0.0, False), (0.1, True), (0.5, True)])
def test_a_planted_forgetting_is_found(share: float, detected: bool) -> None:
    base, tuned = probe_set.probe(Knowing(0.0), told), probe_set.probe(Knowing(share), told)
    assert base.questions.value == 1.0
    found = probe_set.forgetting(base, tuned)
    assert found.detected is detected, found.says
    assert found.lost == pytest.approx(share, abs=0.05)


def test_worse_plain_text_alone_is_found() -> None:
    base, tuned = probe_set.probe(Knowing(0.0), told), probe_set.probe(Knowing(0.0, noise=0.08), told)
    found = probe_set.forgetting(base, tuned)
    assert found.detected
    assert found.worst == pytest.approx(0.08)
    assert "8.0% more bits per byte on plain text" in found.says


def test_fewer_questions_are_taken_from_every_category() -> None:
    found = probe_set.probe(Knowing(0.0), told, 60)
    assert found.questions.rows == 60
    assert len(found.by_category) == 14


def report(gained: int, lost: int, rows: int) -> Any:
    """A comparison of exact matches with so many rows gained and lost; the rest match before and after."""
    from types import SimpleNamespace

    exact = scorers.every()["exact_match"]
    before = [Pair("x" if at >= gained else "y", "x") for at in range(rows)]
    after = [Pair("x" if at < rows - lost else "y", "x") for at in range(rows)]
    first, second = (measured.measure(exact, "", pairs) for pairs in (before, after))
    found = measured.compare(first, second)
    sides = [SimpleNamespace(main=one, scores={"exact_match": one}) for one in (second, first)]
    return SimpleNamespace(first=sides[0], against=sides[1], differences={"exact_match": found})


@pytest.mark.parametrize(
    ("gained", "lost", "least", "met"),
    [
        (20, 0, 0.10, True),
        (20, 0, 0.30, False),
        (4, 0, 0.01, False),  # too few rows to be more than chance
        (0, 20, -0.5, False),  # a loss is no gain, whatever is asked
    ],
)
def test_a_gain_must_be_large_enough_and_more_than_chance(
    gained: int, lost: int, least: float, met: bool
) -> None:
    found = shipping._gain(report(gained, lost, 100), least)
    assert found.met is met, found.measured
    assert "95% CI" in found.measured


def test_a_limit_is_met_at_its_boundary() -> None:
    """Of a metric whose differences are sums of floats: 0.3 - 0.2 is less than 0.1."""
    made = report(20, 0, 100)
    made.differences["exact_match"] = replace(made.differences["exact_match"], value=0.3 - 0.2)
    assert shipping._gain(made, 0.1).met
    assert not shipping._gain(made, 0.1001).met


def test_no_condition_is_refused() -> None:
    from tuiftune.errors import UserError
    from tuiftune.jobs.contenders import Target
    from tuiftune.runs.store.directory import RunDir

    class Nobody:
        """No contender is needed."""

    run = Target("one", run=RunDir.__new__(RunDir))
    with pytest.raises(UserError, match="names no condition"):
        shipping.ship(Nobody(), run, Limits())  # type: ignore[arg-type]
