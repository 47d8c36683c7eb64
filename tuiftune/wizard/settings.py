"""The settings that the wizard offers: preset key, short name, and the values to step through."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune import rewards, stages, techniques
from tuiftune.figures import short
from tuiftune.plan.parallelism import ZERO
from tuiftune.plan.sharing import has_deepspeed
from tuiftune.preset.schema import MethodSection
from tuiftune.sources import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    name: str
    choices: tuple[Any, ...]
    default: Any  # the preset's
    source: str = DEFAULT  # of the default


_TECHNIQUE, _PARALLEL = "method.technique", "hardware.parallel"
CHECKED = "method.rewards"
_OTHERS: tuple[Setting, ...] = (
    Setting("data.max_length", "max length", (128, 256, 512, 1024, 2048, 4096, 8192), 2048),
    Setting("training.effective_batch", "eff. batch", (4, 8, 16, 32, 64, 128), 16),
    Setting("training.micro_batch", "micro-batch", ("auto", 1, 2, 4, 8, 16, 32), "auto"),
    Setting("training.epochs", "epochs", (1, 2, 3, 4, 5), 3),
    Setting(
        "training.learning_rate",
        "learning rate",
        ("auto", 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
        "auto",
    ),
    Setting("training.activation_checkpointing", "act. checkpt.", ("auto", False, 4, 2, True), "auto"),
    Setting("training.activation_offloading", "act. offload.", ("auto", False, True), "auto"),
    Setting("data.packing", "packing", ("auto", False, True), "auto"),
    Setting("data.padding_free", "padding-free", ("auto", False, True), "auto"),
    Setting(
        "training.optimizer",
        "optimizer",
        ("auto", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"),
        "auto",
    ),
    Setting("training.warmup_ratio", "warmup", (0.0, 0.03, 0.1), 0.03),
    Setting("data.loss_on", "loss on", ("assistant", "completion", "all"), "assistant"),
    Setting("data.eval", "eval set", (0.0, 0.05, 0.1, 0.2), 0.05),
    Setting("evaluation.rows", "eval answers", (0, 16, 64, 256), 64),
    Setting("evaluation.score", "metric", ("auto", "exact_match", "none"), "auto"),
    Setting(
        "training.schedule", "schedule", ("cosine", "linear", "constant", "constant_with_warmup"), "cosine"
    ),
    Setting("training.early_stopping", "early stopping", (0, 2, 3, 5), 3),
    Setting("training.divergence_patience", "divergence", ("auto", 0, 5, 20, 100), "auto"),
    Setting("training.weight_decay", "weight decay", (0.0, 0.01, 0.1), 0.01),
    Setting("training.kernels", "kernels", ("auto", "none", "liger"), "auto"),
    Setting("training.compile", "compile", ("auto", False, True), "auto"),
    Setting("training.fp8_compute", "FP8 compute", ("auto", False, True), "auto"),
    Setting("model.dtype", "precision", ("auto", "bfloat16", "float16", "float32"), "auto"),
    Setting("model.quantization", "quantization", ("auto", "none", "fp8", "nf4"), "auto"),
    Setting("model.attention", "attention", ("auto", "sdpa", "varlen", "eager", "flash_attention_2"), "auto"),
    Setting("evaluation.best_by", "best by", ("loss", "exact_match"), "loss"),
    Setting("evaluation.every", "evaluate every", ("auto", 10, 50, 100, 500), "auto"),
    Setting("run.save_every", "save every", ("auto", 10, 50, 100, 500), "auto"),
    Setting("hardware.gpus", "GPUs", ("auto", 1, 2, 4, 8), "auto"),
    Setting("hardware.processes", "processes", ("auto", 1, 2, 4, 8), "auto"),
    Setting(_PARALLEL, "data parallel", ("auto", "ddp", "fsdp", "fsdp_offload"), "auto"),
    Setting("budget.max_usd", "cost limit, $", (None, 1, 5, 10, 50, 100), None),
    Setting("budget.max_hours", "time limit, h", (None, 1, 4, 12, 24), None),
)


def settings_of(draft: Draft) -> tuple[Setting, ...]:
    """Return the settings for a draft, including the options of its stage and its technique."""
    section = MethodSection.model_fields
    stage = str(draft.value("method.stage") or section["stage"].default)
    offered = CHECKED in draft.recommended  # answers that a reward can check
    found = _settings(stage, str(draft.value(_TECHNIQUE) or techniques.AUTO), offered)
    if _divides(draft):
        found = tuple(
            replace(one, choices=(*one.choices, ZERO)) if one.key == _PARALLEL else one for one in found
        )
    if key := stages.every()[stage].teacher:
        larger = ("", *larger_models(draft.model))
        return tuple(replace(one, choices=larger) if one.key == f"method.{key}" else one for one in found)
    return found


def _divides(draft: Draft) -> bool:
    """Return True if ZeRO-2 is a choice: all weights may be trained, and DeepSpeed is not missing here."""
    technique = techniques.every().get(str(draft.value(_TECHNIQUE) or techniques.AUTO))
    whole = technique is None or not technique.adapters  # auto: the plan says if it chose adapters
    return draft.value(_PARALLEL) == ZERO or (whole and (bool(draft.gpu) or has_deepspeed()))


def larger_models(base: str) -> tuple[str, ...]:
    """Return the models of the catalog that could teach a base model: larger, with the same vocabulary."""
    from tuiftune.models import catalogue

    entry = catalogue.find(base.strip()) if base.strip() else None
    if entry is None:
        return ()
    own, family = entry.architecture, entry.id.partition("/")[0]
    return tuple(
        one.id
        for one in sorted(catalogue.entries(), key=lambda one: one.parameters)
        if one.id.startswith(f"{family}/")
        and one.parameters > entry.parameters
        and one.architecture.vocab_size == own.vocab_size
        and one.architecture.family.partition("_")[0] == own.family.partition("_")[0]
        and one.instruct == entry.instruct
    )


@functools.cache
def _settings(stage: str, technique: str, offered: bool) -> tuple[Setting, ...]:
    every = sorted(techniques.every().values(), key=lambda one: not one.adapters)  # the smallest step first
    choices = (techniques.AUTO, *(one.key for one in every))
    found = [Setting(_TECHNIQUE, "technique", choices, techniques.AUTO), *_OTHERS]
    chosen = techniques.every().get(technique)
    own = techniques.options_of(technique) if chosen is None else chosen.options
    kind = stages.every()[stage]
    if offered or kind is not stages.usual():  # what else such rows can be trained by
        rows = kind.own or kind.formats
        alike = tuple(key for key, one in stages.every().items() if one.formats & rows)
        at = 1 if kind is stages.usual() else 0
        found.insert(at, Setting("method.stage", "stage", alike, stages.usual().key))
    before = _TECHNIQUE
    for option in (*stages.every()[stage].options, *own):
        if option.label:
            before = option.after or before
            at = next(at for at, setting in enumerate(found, 1) if setting.key == before)
            before = f"method.{option.key}"
            found.insert(at, Setting(before, option.label, option.choices, option.default, option.source))
    return tuple(found)


def is_used(plan: Plan | None, setting: Setting) -> bool:
    """Return True if the technique of the plan uses a setting."""
    technique = resolved(plan, _TECHNIQUE)
    unused = () if technique is None else techniques.every()[technique].unused
    return all(setting.key != f"method.{option.key}" for option in unused)


def wanted(draft: Draft, setting: Setting) -> Any:
    """Return the draft's value: the user's, the recommended one, or the preset's default."""
    value = draft.value(setting.key)
    return setting.default if value is None else value


def stepped(draft: Draft, setting: Setting, by: int) -> Draft:
    """Return the draft with the next or previous choice; a value between two goes to its neighbor."""
    now = wanted(draft, setting)
    same = [at for at, choice in enumerate(setting.choices) if choice == now and type(choice) is type(now)]
    if same:
        at = same[0] + by
    elif now in setting.choices:
        at = setting.choices.index(now) + by
    elif not isinstance(now, int | float):
        at = 0
    else:
        numbers = [choice for choice in setting.choices if not isinstance(choice, str)]
        below = [choice for choice in numbers if choice < now]
        at = setting.choices.index(below[-1]) if below else 0
        at += 1 if by > 0 else 0
    return draft.override(setting.key, setting.choices[max(0, min(len(setting.choices) - 1, at))])


def origin(draft: Draft, setting: Setting) -> str:
    """Return who set it: yours, preset (built-in), recommended, auto (by the plan), or default."""
    if setting.key in draft.overrides:
        return "preset" if draft.inherited(setting.key) else "yours"
    if setting.key in draft.recommended:
        return "recommended"
    return "auto" if setting.default == "auto" else "default"


def resolved(plan: Plan | None, key: str) -> Any:
    """Return the value in the plan's resolved preset; None without a plan."""
    if plan is None:
        return None
    section, _, name = key.partition(".")
    return getattr(getattr(plan.resolved, section), name)


def written(value: Any) -> str:
    """Return a setting's value as short text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(str(one.get(rewards.NAME)) if isinstance(one, dict) else str(one) for one in value)
    if isinstance(value, float):
        return short(value)
    return str(value)


def typed(draft: Draft, key: str, text: str) -> Draft:
    """Return the draft with a typed value. Raises UserError if it is invalid for the key."""
    from tuiftune.preset.file import override

    section, _, name = key.partition(".")
    made = override(draft.preset(), [f"{key}={text}"])
    return draft.override(key, getattr(getattr(made, section), name))


def changed(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """Return the draft with the changes of an alternative, which may name another model or GPU."""
    for key, value in changes.items():
        if key in ("model.base", "--gpu"):
            draft = draft.with_(**{"model" if key == "model.base" else "gpu": value})
        else:
            draft = draft.override(key, value)
    return draft
