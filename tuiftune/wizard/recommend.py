"""What to set for this goal and data, each value with its reason; techniques and rates are the plan's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import rewards, sources, stages
from tuiftune.plan import passes
from tuiftune.plan.model import Reason
from tuiftune.wizard.settings import CHECKED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.facts import DataFacts
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.reference import BaseModel
    from tuiftune.stages.base import Stage
    from tuiftune.wizard.draft import Draft

# Rows for a task: the least, and better. LIMA had 1,000 curated rows for style; the rest is practitioners'.
SIZES: dict[str, tuple[int, int, str]] = {
    "classify": (500, 2_000, sources.PRACTITIONERS.short),
    "style": (1_000, 5_000, sources.together(sources.LIMA, sources.PRACTITIONERS)),
    "knowledge": (2_000, 10_000, sources.PRACTITIONERS.short),
    "reasoning": (5_000, 20_000, sources.PRACTITIONERS.short),
}
USEFUL_MINIMUM = 100
_LENGTH_STEP = 64
_MOST_EVAL_ROWS = 2_000
_FEW_STEPS = 100


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`values` by dotted preset key, each with a Reason; `advice` is what cannot be set, in words."""

    values: Mapping[str, Any]
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]

    def apply(self, draft: Draft) -> Draft:
        """The draft with these values recommended; what the user set himself stays."""
        return draft.with_(recommended=dict(self.values))


def recommend(
    answers: Mapping[str, str], machine: Machine, model: BaseModel | None, facts: DataFacts | None
) -> Recommendation:
    """Values for the goal and the data. Without `facts` the preset's defaults hold: nothing is guessed."""
    if facts is None:
        return Recommendation(
            {}, (), ("Choose the data first: most of what can be recommended follows from it.",)
        )
    task = answers.get("task", "classify" if facts.format == "classification" else "")
    stage = stages.every().get(stages.of_format(facts.format))
    reasons = [_epochs(facts, stage), _evaluation_share(facts)]
    if stage is None or not stage.splits:
        reasons.append(_length(facts, model))
    epochs = float(reasons[0].value)
    reasons.append(passes.effective_batch(facts, epochs))
    steps = math.ceil(facts.rows / int(reasons[-1].value)) * epochs
    reasons.append(_warmup(steps))
    reasons += _loss_and_score(facts, stage, task, machine, model)
    reasons += _targets(model)
    if stage is not None and stage is not stages.usual():
        reasons.append(
            Reason("method.stage", stage.key, f"the rows are {facts.format}: {stage.does}", "data")
        )
    values = {reason.key: reason.value for reason in reasons}
    if facts.reward and stage is stages.usual():  # for who chooses a stage with rewards
        values[CHECKED] = [{rewards.NAME: facts.reward}]
    return Recommendation(values, tuple(reasons), _advice(task, facts, stage, model))


def _epochs(facts: DataFacts, stage: Stage | None) -> Reason:
    key = "training.epochs"
    if stage is None or stage.likelihood or key not in stage.defaults:
        return passes.epochs(facts)
    why = f"{stage.does} overfits sooner than training on answers does"
    return Reason(key, stage.defaults[key], why, sources.DEFAULT)


def _evaluation_share(facts: DataFacts) -> Reason:
    key, source = "data.eval", sources.DEFAULT
    total = facts.rows + facts.rows_eval
    if total < 20:
        return Reason(
            key, 0.2, f"with only {total} rows, fewer evaluation rows would show nothing", "arithmetic"
        )
    if total <= 1_000:
        return Reason(key, 0.1, f"one row in ten of {total:,} becomes the evaluation set", source)
    if total * 0.05 <= _MOST_EVAL_ROWS:
        return Reason(key, 0.05, f"one row in twenty of {total:,} becomes the evaluation set", source)
    share = math.floor(_MOST_EVAL_ROWS / total * 10_000) / 10_000 or 0.0001
    return Reason(
        key, share, f"{_MOST_EVAL_ROWS:,} evaluation rows are precise enough; more cost time", "arithmetic"
    )


def _length(facts: DataFacts, model: BaseModel | None) -> Reason:
    """Recommend the longest row, unless a few are far longer than the others; at most the context length."""
    key = "data.max_length"
    usual, longest = facts.quantiles[19], facts.longest
    outliers = longest > 2_048 and longest > 4 * usual
    wanted = usual * 3 // 2 if outliers else longest
    estimated = "estimated" in facts.basis
    if estimated:
        wanted = wanted * 5 // 4  # not counted with the tokenizer, so with a margin
    value = max(_LENGTH_STEP, math.ceil(wanted / _LENGTH_STEP) * _LENGTH_STEP)
    reach = model.architecture.max_length if model else None
    if reach and value > reach:
        cut = _share_above(facts, reach)
        return Reason(key, reach, f"the model's context length; {cut} of the rows are truncated", "model")
    if outliers:
        why = f"95% of the rows have at most {usual:,} tokens; a max length of {longest:,} would waste memory"
        return Reason(key, value, why, f"data ({facts.basis})")
    if estimated:
        why = f"the longest row has about {longest:,} tokens (estimated), plus a quarter as a margin"
        return Reason(key, value, why, f"data ({facts.basis})")
    return Reason(
        key, value, f"the longest row has {longest:,} tokens, so no row is truncated", f"data ({facts.basis})"
    )


def _share_above(facts: DataFacts, length: int) -> str:
    below = sum(quantile <= length for quantile in facts.quantiles)
    return f"about {max(0, 100 - 5 * max(0, below - 1))}%" if below < len(facts.quantiles) else "none"


def _warmup(steps: float) -> Reason:
    key, source = "training.warmup_ratio", sources.together(sources.WARMUP, sources.PRACTITIONERS)
    if steps < _FEW_STEPS:
        why = f"3% of about {steps:.0f} steps would be hardly any; practitioners' guides say 0.03 or 0.1"
        return Reason(key, 0.1, why, source)
    return Reason(key, 0.03, "enough for the optimizer; practitioners' guides say 0.03 or 0.1", source)


def _loss_and_score(
    facts: DataFacts, stage: Stage | None, task: str, machine: Machine, model: BaseModel | None
) -> list[Reason]:
    if stage is not None and not stage.answers and stage.needs and not stage.splits:
        why = f"{stage.does} is scored by its own measures, before and after"
        return [Reason("evaluation.score", "none", why, "data")]
    if facts.format == "text":
        return [
            Reason("data.loss_on", "all", "raw text has no prompts, so all tokens are trained on", "data"),
            Reason("evaluation.score", "none", "raw text has no reference answers to compare with", "data"),
        ]
    found = [
        Reason(
            "data.loss_on", "assistant", "train on the answers only, not on the prompts", sources.QLORA.short
        )
    ]
    if task in ("classify", "format") or facts.labels:
        found.append(
            Reason("evaluation.score", "exact_match", "each answer is either right or wrong", "task")
        )
    if not machine.gpus and model is not None and model.parameters > 50_000_000:
        found.append(
            Reason("evaluation.rows", 16, "each generated answer takes seconds on a CPU", "hardware")
        )
    return found


def _targets(model: BaseModel | None) -> list[Reason]:
    """On a mixture of experts, attention only: adapters on every expert are many parameters."""
    from tuiftune.models import count

    if model is None or not count.adapts_experts(model.architecture, "all-linear"):
        return []
    if not count.has_attention(model.architecture):
        return []
    every = count.adapter_parameters(model.architecture, 16, "all-linear")
    few = count.adapter_parameters(model.architecture, 16, "attention")
    why = f"{few / 1e6:,.0f}M parameters at rank 16; all-linear also adapts every expert: {every / 1e6:,.0f}M"
    return [Reason("method.target_modules", "attention", why, "counted as PEFT 0.21 adapts")]


def _advice(task: str, facts: DataFacts, stage: Stage | None, model: BaseModel | None) -> tuple[str, ...]:
    rows = facts.rows + facts.rows_eval
    found = []
    if facts.format != "text" and rows < USEFUL_MINIMUM:
        found.append(
            f"{rows} rows are few for fine-tuning (100 to 500 are a start): use them as few-shot examples "
            "first "
            "(tuiftune advise --data DATA --prompt DIRECTORY)."
        )
    elif task in SIZES and rows < SIZES[task][0]:
        least, better, source = SIZES[task]
        found.append(
            f"{rows:,} rows are few for this task: {least:,} are a start, {better:,} are better ({source})."
        )
    if task == "classify" and 500 <= rows < 1_000:
        found.append(
            "Practitioners' guides disagree on classification: some start at 500 rows, some at 1,000. "
            "Compare the "
            "scores before and after."
        )
    if facts.labels and rows / facts.labels < 10:
        found.append(
            f"{facts.labels} labels, about {rows / facts.labels:.0f} rows each: the rarest will be guessed."
        )
    if task == "knowledge":
        found.append(
            "Fine-tuning is unreliable for adding facts: check the answers, or use RAG "
            f"({sources.INJECTION})."
        )
    if stage is not None and stage.advice:
        found.append(stage.advice)
    if facts.reward and stage is stages.usual():
        able = ", ".join(one.name for one in stages.every().values() if one.rollouts)
        found.append(f"Answers can be checked: a later run on rewards ({able}) may do better.")
    if model is not None and model.instruct is False and facts.format != "text":
        found.append(
            f"{model.reference} has no chat template. Its chat variant needs fewer rows to learn your format."
        )
    return tuple(found)
