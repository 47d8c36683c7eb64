"""Whether a result is better than its base: by paired losses and answers, each with its interval."""

from __future__ import annotations

import random

import pytest

from tuiftune.runs.reports.verdict import ONE_PROMPT, Part, compare, grouped, interval, of


def scores(loss: float | None, match: float | None = None) -> dict[str, float | None]:
    return {"loss": loss, "exact_match": match}


def parts(rng: random.Random, change: float, noise: float, groups: int = 20) -> tuple[list[Part], list[Part]]:
    """Losses of groups of unequal size before and after, the mean of all changed by about `change`."""
    before = [(rng.uniform(1.0, 3.0), rng.randrange(20, 60)) for _ in range(groups)]
    after = [(loss + change + rng.gauss(0, noise), count) for loss, count in before]
    return [(loss * n, n) for loss, n in before], [(loss * n, n) for loss, n in after]


def test_the_interval_covers_the_true_change_nineteen_times_in_twenty() -> None:
    rng, hits = random.Random(1), 0
    for _ in range(400):
        low, high = interval(*parts(rng, -0.1, 0.3, rng.choice((4, 8, 20)))) or (1.0, -1.0)
        hits += low <= -0.1 <= high
    assert 0.91 <= hits / 400 <= 0.98


def test_no_interval_without_a_basis() -> None:
    before, after = parts(random.Random(2), -1.0, 0.1, 3)
    assert interval(before, after) is None, "too few groups"
    before, after = parts(random.Random(2), -1.0, 0.1)
    assert interval(before, after[:-1]) is None
    assert interval([], []) is None


def test_groups_keep_every_token() -> None:
    before, _ = parts(random.Random(3), 0.0, 0.0, 1000)
    kept = grouped(before)
    assert len(kept) == 64
    assert sum(count for _, count in kept) == sum(count for _, count in before)
    assert sum(loss for loss, _ in kept) == pytest.approx(sum(loss for loss, _ in before))
    assert grouped([]) == []


@pytest.mark.parametrize(
    ("change", "noise", "pairs", "better", "begins"),
    [
        (-1.0, 0.1, [], True, "Better"),
        (-0.02, 0.3, [], False, "Not better"),
        (0.9, 0.1, [], False, "Worse"),
        (-0.004, 0.0, [], False, "Not better than the base model: "),  # sure, and of no use
        (0.02, 0.3, [(False, True)] * 12, True, "Better"),  # the answers are what counts
        (0.9, 0.1, [(False, True)] * 12, True, "Better"),
        (-1.0, 0.1, [(True, False)] * 12, False, "Worse"),
        (-0.02, 0.3, [(False, True)] * 2, False, "Not better"),
    ],
)
def test_what_is_beyond_chance_is_said_and_nothing_else(
    change: float, noise: float, pairs: list[tuple[bool, bool]], better: bool, begins: str
) -> None:
    found = compare(
        scores(2.0),
        scores(2.0 + change),
        parts=parts(random.Random(4), change, noise),
        pairs=pairs,
        fix="Try it.",
    )
    assert found.better is better
    assert found.says.startswith(begins)
    assert found.fix == ("" if better else "Try it.")
    assert of({"verdict": found.document()}) == found


def test_a_verdict_needs_an_interval_that_excludes_zero() -> None:
    """One row that both models answer, and losses of three: no number of them can tell."""
    one = {"loss": 2.0, "exact_match": 1.0, "rows": 1, "pairs": 1, "pairs_ranked": 1}
    other = {**one, "loss": 1.0}
    for kept in ((), (*parts(random.Random(6), -1.0, 0.1, 3),)):
        found = compare(one, other, parts=kept or ((), ()), pairs=[(True, True)], fix="Try it.")
        assert found.better is None
        assert found.says.startswith("Too few evaluation rows")
        assert "exact match 100% before, 100% after (1 row)" in found.says
        assert "pairs ranked right 100% before, 100% after (1 row)" in found.says
        assert "data.eval" in found.fix
        assert of({"verdict": found.document()}) == found
    assert compare({}, {}, hold_out=ONE_PROMPT).fix == ONE_PROMPT
    worse = compare(other, one, pairs=[(True, True)])
    assert worse.better is None


def test_of_older_results_only_the_scores_are_known() -> None:
    old = of({"before": scores(3.0, 0.1), "after": scores(1.0, 0.8)})
    assert old is not None
    assert old.better is None
    assert "kept no interval" in old.says
    assert "exact match 10% before, 80% after" in old.says.replace(" %", "%")
    apart, close = {"interval": [0.05, 0.2]}, {"interval": [0.15, 0.3]}
    sure = of({"before": scores(3.0, 0.1) | apart, "after": scores(1.0, 0.8) | {"interval": [0.7, 0.9]}})
    assert sure is not None
    assert sure.better
    assert sure.says.startswith("Better than the base model: eval loss 3")
    worse = of({"before": scores(1.0, 0.8) | {"interval": [0.7, 0.9]}, "after": scores(3.0, 0.1) | apart})
    assert worse is not None
    assert worse.better is False
    chance = of({"before": scores(3.0, 0.1) | apart, "after": scores(2.0, 0.2) | close})
    assert chance is not None
    assert chance.better is None
    nothing = of({"before": scores(None), "after": scores(None)})
    assert nothing is not None
    assert nothing.better is None
    assert of({}) is None


@pytest.mark.parametrize("loss", [None, 0.5, 34.0, 45.0, 561.0, 1e6])
def test_a_result_can_be_read_however_bad_the_model_is(loss: float | None) -> None:
    """exp(561) is more than any document's number may be."""
    from tuiftune import documents
    from tuiftune.evaluate.statistics import perplexity_told
    from tuiftune.runs.store.directory import RESULT

    score = {"loss": loss, "perplexity": perplexity_told(loss)}
    assert documents.checked({"before": score, "after": score}, RESULT, "there")["after"] == score
    assert (score["perplexity"] is None) is (loss is None or loss > 40)
