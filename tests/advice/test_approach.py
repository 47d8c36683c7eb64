"""The verdict follows the answers, in the open."""

from __future__ import annotations

import itertools

import pytest

from tuiftune import sources
from tuiftune.advice.approach import decide
from tuiftune.advice.questions import QUESTIONS, checked, detected
from tuiftune.advice.recommendation import SUMMARIES, TITLES
from tuiftune.advice.signals import APPROACHES, SIGNALS
from tuiftune.data.facts import DataFacts
from tuiftune.errors import UserError

OPTIONS = {question.key: {option.key for option in question.options} for question in QUESTIONS}


def facts(rows: int = 1000, form: str = "prompt-completion", labels: int | None = None) -> DataFacts:
    lengths = tuple(range(10, 31))
    return DataFacts(rows, rows // 20, 20.0, 30, lengths, "counted", form, labels)


@pytest.mark.parametrize(
    ("answers", "approach"),
    [
        ({"task": "classify", "examples": "many"}, "fine-tune"),
        ({"task": "style", "examples": "thousands", "tried": "everything"}, "fine-tune"),
        ({"task": "knowledge", "facts": "documents", "changes": "weekly"}, "rag"),
        ({"citations": "required", "facts": "documents"}, "rag"),
        ({"task": "general"}, "prompt"),
        ({"task": "prototype", "examples": "many"}, "prompt"),
        ({"task": "style", "examples": "few"}, "prompt"),
        ({"task": "style", "examples": "many", "tried": "enough", "volume": "low"}, "prompt"),
        ({"task": "format"}, "prompt"),
        (
            {"task": "style", "facts": "documents", "changes": "monthly", "examples": "many"},
            "fine-tune+rag",
        ),
        ({"language": "dense", "examples": "many", "task": "style"}, "cpt+fine-tune"),
        ({}, "prompt"),
    ],
)
def test_plain_cases(answers: dict[str, str], approach: str) -> None:
    verdict = decide(answers)
    assert verdict.approach == approach
    assert verdict.title == TITLES[approach]
    assert verdict.steps


def test_scores_are_the_sum_of_what_is_shown() -> None:
    verdict = decide({"task": "format", "volume": "high", "examples": "thousands", "tried": "prompting"})
    for name in APPROACHES:
        shown = sum(one.points.get(name, 0) for one in verdict.contributions)
        assert verdict.scores[name] == pytest.approx(shown)
    assert all(one.sources for one in verdict.contributions)


def test_fine_tuning_is_the_last_resort() -> None:
    """With nothing known, and at a tie, the cheaper approach is advised; and the rule is shown as one."""
    assert decide({}).approach == "prompt"
    tie = decide({"task": "classify", "examples": "thousands", "tried": "nothing"})
    assert tie.scores["prompt"] == tie.scores["fine-tune"]
    assert tie.approach == "prompt"
    assert tie.confidence == "close"
    rule = tie.contributions[0]
    assert rule.question == ""
    assert rule.sources == (sources.GPT3.short,)
    assert rule.points["fine-tune"] < 0


def test_few_answers_are_never_called_clear() -> None:
    assert decide({"task": "general"}).margin > 0.3
    assert decide({"task": "general"}).confidence == "likely"
    assert decide({}).confidence == "close"


def test_disagreement_is_said_and_counted_at_the_mean() -> None:
    verdict = decide({"task": "format", "volume": "high", "examples": "thousands", "tried": "nothing"})
    (dispute,) = verdict.disagreements
    assert dispute.matters
    assert [outcome for _, _, outcome in dispute.views] == ["prompt", "fine-tune"]
    (counted,) = (one for one in verdict.contributions if one.question == "task")
    assert counted.points == {"prompt": 1.5, "fine-tune": 1.5}
    assert set(counted.sources) == {sources.GPT3.short, sources.LIMA.short}


def test_sources_disagree_on_dense_language() -> None:
    verdict = decide({"task": "knowledge", "language": "dense", "examples": "many"})
    named = {name for dispute in verdict.disagreements for view in dispute.views for name in view[0]}
    assert named == {sources.INJECTION.short, sources.DOMAIN_TEXT.short}


def test_preferences_name_dpo_as_the_second_step() -> None:
    assert any("DPO" in note for note in decide({"preferences": "yes"}).notes)


def test_tuning_with_too_few_rows_begins_with_collecting() -> None:
    answers = {
        "task": "style",
        "examples": "few",
        "tried": "everything",
        "volume": "high",
        "language": "dense",
    }
    verdict = decide(answers)
    assert verdict.trains
    assert "Collect" in verdict.steps[0].says


def test_every_combination_has_a_verdict_with_words() -> None:
    keys = ["task", "facts", "examples", "tried", "language"]
    for options in itertools.product(*(["", *sorted(OPTIONS[key])] for key in keys)):
        verdict = decide(dict(zip(keys, options, strict=True)))
        assert verdict.approach in SUMMARIES
        assert verdict.margin >= 0
        assert verdict.runner_up not in verdict.approach.split("+")


def test_the_table_names_only_questions_and_options_there_are() -> None:
    for signal in SIGNALS:
        for key, options in signal.when.items():
            assert set(options) - {""} <= OPTIONS[key]
        for view in signal.views:
            assert set(view.points) <= set(APPROACHES)
            assert view.sources
        assert len(signal.views) == 1 or signal.topic
    assert 6 <= len(QUESTIONS) <= 9
    assert all(question.why and question.deeper and question.options for question in QUESTIONS)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"tsk": "style"}, "Did you mean 'task'"),
        ({"task": "clasify"}, "Did you mean 'classify'"),
        ({"task": "zzz"}, "Use one of the answers: classify"),
        ({"\x1b[2J": "x"}, r"\\x1b"),
    ],
)
def test_wrong_answers_name_the_nearest(answers: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        decide(answers)
    assert "\x1b" not in str(caught.value)


def test_skipped_answers_count_nothing() -> None:
    assert checked({"task": "skip", "facts": ""}) == {}
    assert decide({"task": "skip"}).scores == decide({}).scores


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts(40), {"examples": "few"}),
        (facts(300), {"examples": "hundreds"}),
        (facts(2_000), {"examples": "thousands"}),
        (facts(9_000), {"examples": "many"}),
        (facts(9_000, "classification", 77), {"examples": "many", "task": "classify", "facts": "request"}),
        (facts(9_000, "text"), {}),
        (facts(200, "preference"), {"examples": "hundreds", "preferences": "yes"}),
        (None, {}),
    ],
)
def test_what_the_data_tells_is_not_asked(given: DataFacts | None, expected: dict[str, str]) -> None:
    assert detected(given) == expected
    assert checked(detected(given)) == expected
