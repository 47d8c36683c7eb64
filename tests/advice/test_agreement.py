"""The plan, `advise`, the wizard's model step and the built-in presets recommend the same."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from test_recommending import GIB, facts, machine

from tuiftune.advice.questions import detected
from tuiftune.advice.suggest import suggest
from tuiftune.models.resolve import resolve
from tuiftune.plan.model_size import enough
from tuiftune.plan.resolve import make_plan
from tuiftune.preset import shipped
from tuiftune.preset.file import load
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings
from tuiftune.wizard.model_rows import rows_of
from tuiftune.wizard.recommend import recommend

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.facts import DataFacts
    from tuiftune.plan.model import Plan

# What each built-in preset is for, in its first lines: the form of its rows, and how many.
TYPICAL = {
    "classification-small": ("classification", 1_000),
    "first-lora": ("chat", 1_000),
    "chat-style-7b": ("chat", 3_000),
    "dora-3b": ("chat", 10_000),
    "full-1b": ("chat", 10_000),
    "lora-8b-80gb": ("chat", 10_000),
    "qlora-8b-24gb": ("chat", 10_000),
    "pretrain-1b": ("text", 2_000),
}
SAME = ("method.rank", "method.alpha", "method.dropout", "training.epochs", "training.effective_batch")


def rows(form: str, number: int) -> DataFacts:
    return facts(number, form=form, labels=6 if form == "classification" else None)


def recommended(base: str, given: DataFacts, memory: int, answers: dict[str, str], **values: Any) -> Plan:
    """What the wizard plans: the recommended values on a model, and those that are given."""
    here, model = machine(memory * GIB), resolve(base)
    draft = recommend(answers, here, model, given).apply(Draft(model=base, data=("x.jsonl",)))
    for key, value in values.items():
        draft = draft.override(key.replace("__", "."), value)
    return make_plan(draft.preset(), here, model, given)


@pytest.mark.parametrize("memory", [8, 24, 80])
def test_the_recommended_model_is_one_that_its_plan_finds_no_fault_with(memory: int) -> None:
    for form, number in itertools.product(("classification", "chat", "text"), (150, 600, 3_000, 60_000)):
        given = rows(form, number)
        answers = detected(given)
        first = suggest(machine(memory * GIB), answers, given)[0]
        assert first.parameters <= enough(answers.get("task", ""), "", given).parameters
        made = recommended(first.reference, given, memory, answers)
        assert made.fits, (form, number)
        assert not any("are usually enough" in note for note in made.notes)
        assert not any(note.startswith("training.learning_rate") for note in made.notes)
        again = recommend(answers, machine(memory * GIB), resolve(first.reference), given)
        assert made.resolved.training.effective_batch == again.values["training.effective_batch"]
        assert made.resolved.training.epochs == again.values["training.epochs"]


def test_six_hundred_labels_are_not_given_a_large_model_because_it_fits() -> None:
    given = rows("classification", 600)
    found = suggest(machine(80 * GIB), detected(given), given)
    assert found[0].parameters < 2e9
    assert "larger one if labels are confused" in found[0].why, "what would change it"
    large = recommended("Qwen/Qwen3-14B", given, 80, {})
    (note,) = (note for note in large.notes if "are usually enough" in note)
    assert "14.8B parameters for rows of fixed labels: up to 2B" in note
    assert suggest(machine(80 * GIB), {"task": "reasoning"}, rows("chat", 20_000))[0].parameters > 9e9
    few = suggest(machine(80 * GIB), {"task": "reasoning"}, rows("chat", 600))[0]
    assert few.parameters < 9e9
    assert "take a larger one with more rows" in few.why
    assert suggest(machine(80 * GIB), {"task": "style", "volume": "urgent"})[0].parameters < 4.5e9


@pytest.mark.parametrize("name", TYPICAL)
def test_a_built_in_preset_says_what_is_recommended_for_its_rows(name: str) -> None:
    form, number = TYPICAL[name]
    given, preset = rows(form, number), load(shipped.find(name))
    here, model = machine(80 * GIB), resolve(preset.model.base)
    own = make_plan(preset.with_values({"data.train": "x.jsonl"}), here, model, given)
    technique = preset.method.technique
    advised = recommended(preset.model.base, given, 80, {}, method__technique=technique)
    for key in SAME:
        section, option = key.split(".")
        values = [getattr(getattr(one.resolved, section), option) for one in (own, advised)]
        assert values[0] == values[1], key
    assert own.usual_rate is not None
    assert own.resolved.training.learning_rate == advised.resolved.training.learning_rate
    assert not any("are usually enough" in note for note in own.notes)


def test_every_built_in_preset_is_compared() -> None:
    supervised = {
        name for name in shipped.names() if load(shipped.find(name)).method.stage in ("sft", "pretrain")
    }
    assert supervised - {"demo"} == {*TYPICAL}


def test_advise_and_the_model_step_list_the_same_models(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    labels = ("billing", "shipping", "account")
    lines = ({"text": f"message {n} on {labels[n % 3]}", "label": labels[n % 3]} for n in range(600))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    findings, draft = Findings(), Draft(data=(str(file),), gpu="H100")
    given = findings.facts(draft, findings.model("builtin:tiny"))
    draft = draft.with_(answers=detected(given))
    advised = suggest(findings.machine_of(draft), draft.answers, given)
    listed = [row for row in rows_of(findings, draft) if row.kind == "suggested"]
    assert [(row.reference, row.why) for row in listed] == [(one.reference, one.why) for one in advised]
    assert listed[0].reference == "Qwen/Qwen3-1.7B"
