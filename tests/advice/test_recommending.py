"""What is recommended follows from goal, data and machine, and says why."""

from __future__ import annotations

import dataclasses

import pytest

from tuiftune import sources
from tuiftune.advice.suggest import LADDER, RAW_LADDER, suggest
from tuiftune.data.checks.enough import WANTED
from tuiftune.data.facts import DataFacts
from tuiftune.hardware.machine import Gpu, Host, Machine, Session
from tuiftune.models import catalogue
from tuiftune.models.resolve import BUILTIN, resolve
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.recommend import SIZES, recommend
from tuiftune.wizard.settings import settings_of, stepped

GIB = 1 << 30


def machine(*memory: int | None, host: int = 24) -> Machine:
    gpus = tuple(Gpu(index=n, name="card", memory_total=m) for n, m in enumerate(memory))
    return Machine(
        gpus=gpus,
        driver=None,
        cuda=None,
        nvml_fault=None,
        host=Host("h", "Linux", "3.11", "cpu", 2, host * GIB, host * GIB),
        disks=(),
        session=Session(False, None, None, "xterm"),
    )


def facts(
    rows: int, *, form: str = "chat", lengths: tuple[int, ...] | None = None, labels: int | None = None
) -> DataFacts:
    quantiles = lengths or tuple(range(20, 230, 10))
    held = max(1, rows // 20)
    return DataFacts(rows - held, held, 100.0, quantiles[-1], quantiles, "counted", form, labels)


def value(given: DataFacts, key: str, **answers: str) -> object:
    return recommend(answers, machine(24 * GIB), None, given).values[key]


@pytest.mark.parametrize(
    ("rows", "epochs", "held", "batch"),
    [(200, 3, 0.1, 8), (4_000, 3, 0.05, 16), (15_000, 2, 0.05, 16), (10**6, 1, 0.002, 32)],
)
def test_rows_decide_epochs_share_and_batch(rows: int, epochs: int, held: float, batch: int) -> None:
    given = facts(rows)
    assert value(given, "training.epochs") == epochs
    assert value(given, "data.eval") == held
    assert value(given, "training.effective_batch") == batch


def test_attention_only_is_recommended_for_a_mixture_and_all_linear_elsewhere() -> None:
    mixture = resolve("Qwen/Qwen3-30B-A3B")
    found = recommend({}, machine(141 * GIB), mixture, facts(1_000))
    assert found.values["method.target_modules"] == "attention"
    assert any("997M" in reason.why for reason in found.reasons)
    plain = recommend({}, machine(141 * GIB), resolve("Qwen/Qwen3-4B"), facts(1_000))
    assert "method.target_modules" not in plain.values


def test_epochs_of_ordinary_rows_stay_within_one_and_three() -> None:
    for rows in (5, 50, 500, 5_000, 50_000, 10**9):
        assert 1 <= float(str(value(facts(rows), "training.epochs"))) <= 3


@pytest.mark.parametrize(("rows", "epochs"), [(400, 16), (3_000, 8), (10_000, 4), (100_000, 2)])
def test_reasoning_traces_are_repeated_more_often_and_both_sides_are_shown(rows: int, epochs: int) -> None:
    found = recommend({}, machine(), None, dataclasses.replace(facts(rows), around_answer=300))
    (reason,) = (reason for reason in found.reasons if reason.key == "training.epochs")
    assert reason.value == epochs
    assert "128 epochs" in reason.why
    assert "say 1 to 3" in reason.why
    assert sources.named(reason.source) == (sources.REPETITION, sources.PRACTITIONERS)
    assert value(dataclasses.replace(facts(rows), around_answer=8), "training.epochs") in (1, 2, 3)


@pytest.mark.parametrize(
    ("rows", "batch"), [(500, 8), (600, 16), (100_000, 16), (300_000, 32)], ids=lambda one: str(one)
)
def test_batches_stay_below_32_unless_there_are_very_many_rows(rows: int, batch: int) -> None:
    assert value(facts(rows), "training.effective_batch") == batch


def test_length_has_room_for_the_longest_row() -> None:
    assert value(facts(1_000), "data.max_length") == 256  # the longest has 220
    assert value(facts(1_000, lengths=(5,) * 21), "data.max_length") == 64


def test_estimated_lengths_are_given_room_for_error() -> None:
    counted = facts(1_000)
    estimated = dataclasses.replace(counted, basis="estimated at 4 bytes a token")
    assert value(counted, "data.max_length") == 256
    assert value(estimated, "data.max_length") == 320


def test_a_few_giants_do_not_decide_the_length() -> None:
    lengths = (*tuple(range(100, 300, 10)), 60_000)
    found = recommend({}, machine(), None, facts(1_000, lengths=lengths))
    assert found.values["data.max_length"] == 448  # 290 and half as much again, in steps of 64
    (why,) = (reason.why for reason in found.reasons if reason.key == "data.max_length")
    assert "60,000" in why


def test_length_stays_within_the_models_reach() -> None:
    model = resolve("TinyLlama/TinyLlama-1.1B-Chat-v1.0")
    found = recommend({}, machine(), model, facts(1_000, lengths=tuple(range(1000, 5200, 200))))
    assert found.values["data.max_length"] == 2048
    (why,) = (reason.why for reason in found.reasons if reason.key == "data.max_length")
    assert "about 75%" in why


def test_warmup_disagreement_is_said() -> None:
    for rows in (100, 10_000):
        found = recommend({}, machine(), None, facts(rows))
        (reason,) = (reason for reason in found.reasons if reason.key == "training.warmup_ratio")
        assert "0.03 or 0.1" in reason.why
        assert {one.short for one in sources.named(reason.source)} >= {sources.PRACTITIONERS.short}


def test_every_value_has_a_reason_and_a_source_and_makes_a_preset() -> None:
    for form, labels in (("classification", 77), ("text", None), ("chat", None)):
        found = recommend(
            {"task": "style"}, machine(), resolve("Qwen/Qwen3-8B"), facts(9_000, form=form, labels=labels)
        )
        assert {reason.key for reason in found.reasons} == set(found.values)
        assert all(reason.why and reason.source for reason in found.reasons)
        draft = found.apply(Draft(model="Qwen/Qwen3-8B", data=("x.jsonl",)).override("training.epochs", 1))
        assert draft.preset().training.epochs == 1
        assert draft.preset().training.effective_batch == found.values["training.effective_batch"]


def test_text_learns_every_token_once() -> None:
    found = recommend({}, machine(), None, facts(9_000, form="text"))
    assert found.values["data.loss_on"] == "all"
    assert found.values["training.epochs"] == 1
    assert found.values["evaluation.score"] == "none"
    assert found.values["method.stage"] == "pretrain"
    assert "data.max_length" not in found.values, "documents are split, not truncated"
    assert "method.stage" not in recommend({}, machine(), None, facts(9_000, form="chat")).values


def test_too_few_rows_are_sent_to_prompting() -> None:
    assert any("--prompt" in line for line in recommend({}, machine(), None, facts(60)).advice)
    assert not recommend({}, machine(), None, facts(20_000)).advice
    assert any(
        "disagree on classification" in line
        for line in recommend({"task": "classify"}, machine(), None, facts(700)).advice
    )
    assert any(
        "few for this task" in line
        for line in recommend({"task": "style"}, machine(), None, facts(300)).advice
    )
    assert any("rarest" in line for line in recommend({}, machine(), None, facts(300, labels=77)).advice)


def test_without_data_nothing_is_guessed() -> None:
    found = recommend({"task": "style"}, machine(), None, None)
    assert found.values == {}
    assert found.advice


def test_base_without_template_is_said() -> None:
    found = recommend({}, machine(), resolve("Qwen/Qwen2.5-7B"), facts(9_000))
    assert any("chat template" in line for line in found.advice)


@pytest.mark.parametrize("memory", [6, 8, 12, 16, 24, 40, 80, 141])
def test_suggested_models_fit(memory: int) -> None:
    found = suggest(machine(memory * GIB))
    assert found
    assert all(
        one.fits and one.needs <= one.capacity == memory * GIB for one in found if one.reference != BUILTIN
    )
    assert found[0].technique in {"lora", "qlora"}
    assert all(one.why for one in found)


def test_more_memory_never_suggests_a_smaller_model() -> None:
    sizes = [suggest(machine(memory * GIB))[0].parameters for memory in (6, 12, 24, 48, 80)]
    assert sizes == sorted(sizes)


def test_lora_comes_before_qlora_where_both_fit() -> None:
    by_model = {one.reference: one.technique for one in suggest(machine(24 * GIB))}
    assert by_model["Qwen/Qwen3-8B"] == "lora"
    assert by_model["Qwen/Qwen3-14B"] == "qlora"


def test_a_simple_task_is_given_a_small_model() -> None:
    large = suggest(machine(80 * GIB))[0]
    small = suggest(machine(80 * GIB), {"task": "classify"})[0]
    assert small.parameters < large.parameters


def test_the_smallest_gpu_decides() -> None:
    assert suggest(machine(80 * GIB, 8 * GIB))[0] == suggest(machine(8 * GIB))[0]


def test_without_a_gpu_the_words_are_honest() -> None:
    found = suggest(machine())
    assert all(one.parameters < 2e8 for one in found)
    assert any("hours" in one.why for one in found)


def test_a_gpu_whose_memory_is_not_known_is_given_no_promise() -> None:
    assert all(one.reference == BUILTIN for one in suggest(machine(None)))


def test_raw_text_starts_from_untuned_models() -> None:
    assert suggest(machine(24 * GIB), facts=facts(900, form="text"))[0].reference in RAW_LADDER


def test_the_ladders_are_open_and_in_the_catalogue() -> None:
    for name in (*LADDER, *RAW_LADDER):
        entry = catalogue.find(name)
        assert entry is not None
        assert entry.gated is False
        assert entry.licence == "apache-2.0"
        assert entry.instruct == (name in LADDER)


def test_models_on_this_machine_are_offered() -> None:
    local = resolve("Qwen/Qwen2.5-1.5B-Instruct")
    found = suggest(machine(24 * GIB), local=[local])
    (mine,) = (one for one in found if one.reference == local.reference)
    assert "already on this machine" in mine.why


@pytest.mark.parametrize(("form", "stage"), [("preference", "dpo"), ("kto", "kto")])
def test_judged_rows_are_offered_the_stage_that_takes_them(form: str, stage: str) -> None:
    found = recommend({}, machine(24 * GIB), None, facts(3_000, form=form))
    assert found.values["method.stage"] == stage
    assert found.values["training.epochs"] == 1
    assert found.values["evaluation.score"] == "none"
    assert any("use a base model that already does it" in words for words in found.advice)
    assert not [reason for reason in found.reasons if not reason.why or not reason.source]


def test_other_stages_for_the_same_rows_are_a_step_away() -> None:
    found = recommend({}, machine(24 * GIB), None, facts(3_000, form="preference"))
    draft = found.apply(Draft(model="builtin:tiny", data=("pairs.jsonl",)))
    offered = {setting.key: setting for setting in settings_of(draft)}
    assert offered["method.stage"].choices == ("dpo", "reward", "orpo", "simpo")
    assert offered["method.beta"].choices[0] == "auto"
    draft = stepped(draft.override("method.beta", 0.3), offered["method.stage"], 1)
    assert draft.preset().method.stage == "reward"
    assert "method.beta" not in {setting.key for setting in settings_of(draft)}
    assert "method.stage" not in {setting.key for setting in settings_of(Draft(model="builtin:tiny"))}


def test_the_rows_that_classification_needs_are_the_same_wherever_they_are_told() -> None:
    assert SIZES["classify"][:2] == WANTED["classification"]
