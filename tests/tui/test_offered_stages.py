"""Other stages are offered for answers that a reward can check, with what they need to be told."""

from __future__ import annotations

from tuiftune.data.read.load import load
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings
from tuiftune.wizard.recommend import recommend
from tuiftune.wizard.settings import settings_of, stepped, wanted, written

TICKETS = Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone")


def recommended(draft: Draft) -> Draft:
    findings = Findings()
    model = findings.model(draft.model)
    return recommend({}, findings.machine(), model, findings.facts(draft, model)).apply(draft)


def test_a_stage_with_rewards_is_offered_and_planned_for_answers_that_can_be_checked() -> None:
    draft = recommended(TICKETS)
    assert draft.recommended["method.rewards"] == [{"reward": "exact_match"}]
    assert draft.preset().method.stage == "sft"
    assert "rewards" not in draft.preset().model_dump()["method"]
    offered = {setting.key: setting for setting in settings_of(draft)}
    assert offered["method.stage"].choices == ("sft", "grpo", "rloo", "distill")
    assert "method.stage" not in {setting.key for setting in settings_of(TICKETS)}, "nothing is known of them"

    chosen = stepped(draft, offered["method.stage"], 1)
    settings = {setting.key: setting for setting in settings_of(chosen)}
    assert {"method.rewards", "method.generations", "method.max_completion_length"} <= settings.keys()
    assert written(wanted(chosen, settings["method.rewards"])) == "exact_match"
    other = stepped(chosen, settings["method.rewards"], 1)
    assert written(other.value("method.rewards")) == "numeric_match"
    preset = chosen.preset()
    assert preset.method.rewards == [{"reward": "exact_match"}]
    assert preset.training.epochs == 1.0, "the stage's own, not what was recommended for examples"
    assert preset.evaluation.score == "auto"
    plan = Findings().plan(chosen.override("method.generations", 4))
    assert plan.memory.components["generation"] >= 0
    assert plan.steps > 0


def test_larger_models_of_the_family_are_offered_as_teachers() -> None:
    draft = recommended(TICKETS).with_(model="Qwen/Qwen3-0.6B").override("method.stage", "distill")
    (teacher,) = [setting for setting in settings_of(draft) if setting.key == "method.teacher"]
    assert teacher.choices[0] == ""
    assert {"Qwen/Qwen3-1.7B", "Qwen/Qwen3-8B"} <= set(teacher.choices)
    assert "Qwen/Qwen3-0.6B" not in teacher.choices
    taught = stepped(draft, teacher, 1)
    assert taught.preset().method.teacher == "Qwen/Qwen3-1.7B"


def test_answers_in_free_words_are_left_to_examples() -> None:
    from tuiftune import rewards

    rows = load("builtin:tickets")
    assert rewards.suiting([row.reference for row in rows.examples()]) == "exact_match"
    assert rewards.suiting(["It depends on the weather, and on many other things."] * 9) == ""
    assert rewards.suiting(["She has 3 left.\n#### 3", "#### 1,200"]) == "numeric_match"
    assert rewards.suiting(['{"name": "Ada"}', "[1, 2]"]) == "json_schema"
