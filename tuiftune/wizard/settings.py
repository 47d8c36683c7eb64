"""The settings the wizard offers to change: preset key, short name, and the values one steps through."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import stages, techniques
from tuiftune.preset.schema import MethodSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    name: str
    choices: tuple[Any, ...]
    default: Any  # the preset's own


_TECHNIQUE = "method.technique"
_OTHERS: tuple[Setting, ...] = (
    Setting("data.max_length", "row length", (128, 256, 512, 1024, 2048, 4096, 8192), 2048),
    Setting("training.effective_batch", "batch", (4, 8, 16, 32, 64, 128), 16),
    Setting("training.micro_batch", "micro batch", ("auto", 1, 2, 4, 8, 16, 32), "auto"),
    Setting("training.epochs", "epochs", (1, 2, 3, 4, 5), 3),
    Setting(
        "training.learning_rate",
        "learning rate",
        ("auto", 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
        "auto",
    ),
    Setting("training.activation_checkpointing", "checkpointing", ("auto", False, 4, 2, True), "auto"),
    Setting("data.packing", "packing", ("auto", False, True), "auto"),
    Setting("data.padding_free", "padding-free", ("auto", False, True), "auto"),
    Setting(
        "training.optimizer",
        "optimizer",
        ("auto", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"),
        "auto",
    ),
    Setting("training.warmup_ratio", "warm-up", (0.0, 0.03, 0.1), 0.03),
    Setting("data.loss_on", "loss on", ("assistant", "completion", "all"), "assistant"),
    Setting("data.eval", "held out", (0.0, 0.05, 0.1, 0.2), 0.05),
    Setting("evaluation.rows", "scored rows", (0, 16, 64, 256), 64),
    Setting("evaluation.score", "score", ("auto", "exact_match", "none"), "auto"),
    Setting(
        "training.schedule", "schedule", ("cosine", "linear", "constant", "constant_with_warmup"), "cosine"
    ),
    Setting("training.early_stopping", "stop early", (0, 2, 3, 5), 3),
    Setting("training.divergence_patience", "diverging steps", ("auto", 0, 5, 20, 100), "auto"),
    Setting("training.weight_decay", "weight decay", (0.0, 0.01, 0.1), 0.01),
    Setting("training.kernels", "kernels", ("auto", "none", "liger"), "auto"),
    Setting("training.compile", "compile", ("auto", False, True), "auto"),
    Setting("model.dtype", "precision", ("auto", "bfloat16", "float16", "float32"), "auto"),
    Setting("model.quantization", "base held in", ("auto", "none", "fp8", "nf4"), "auto"),
    Setting("model.attention", "attention", ("auto", "sdpa", "varlen", "eager", "flash_attention_2"), "auto"),
    Setting("run.save_every", "save every", ("auto", 10, 50, 100, 500), "auto"),
    Setting("hardware.gpus", "cards", ("auto", 1, 2, 4, 8), "auto"),
    Setting("hardware.processes", "processes", ("auto", 1, 2, 4, 8), "auto"),
    Setting("budget.max_usd", "at most, $", (None, 1, 5, 10, 50, 100), None),
    Setting("budget.max_hours", "at most, h", (None, 1, 4, 12, 24), None),
)


def settings_of(draft: Draft) -> tuple[Setting, ...]:
    """What the wizard offers for a draft: the options of its stage and its technique among the others."""
    section = MethodSection.model_fields
    stage = draft.value("method.stage") or section["stage"].default
    return _settings(str(stage), str(draft.value(_TECHNIQUE) or techniques.AUTO))


@functools.cache
def _settings(stage: str, technique: str) -> tuple[Setting, ...]:
    every = sorted(techniques.every().values(), key=lambda one: not one.adapters)  # the smallest step first
    choices = (techniques.AUTO, *(one.key for one in every))
    found = [Setting(_TECHNIQUE, "technique", choices, techniques.AUTO), *_OTHERS]
    chosen = techniques.every().get(technique)
    own = techniques.options_of(technique) if chosen is None else chosen.options
    before = _TECHNIQUE
    for option in (*stages.every()[stage].options, *own):
        if option.label:
            before = option.after or before
            at = next(at for at, setting in enumerate(found, 1) if setting.key == before)
            before = f"method.{option.key}"
            found.insert(at, Setting(before, option.label, option.choices, option.default))
    return tuple(found)


def is_used(plan: Plan | None, setting: Setting) -> bool:
    """Whether the technique that the plan chose makes use of a setting."""
    technique = resolved(plan, _TECHNIQUE)
    unused = () if technique is None else techniques.every()[technique].unused
    return all(setting.key != f"method.{option.key}" for option in unused)


def wanted(draft: Draft, setting: Setting) -> Any:
    """What the draft says: the user's value, the recommended one, or the preset's default."""
    value = draft.value(setting.key)
    return setting.default if value is None else value


def stepped(draft: Draft, setting: Setting, by: int) -> Draft:
    """The draft with the next (or previous) choice for a setting; from a value between choices to its
    neighbour."""
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
    """Who set it: yours, the built-in preset, advised, auto (the plan will), or default."""
    if setting.key in draft.overrides:
        return "preset" if draft.inherited(setting.key) else "yours"
    if setting.key in draft.recommended:
        return "advised"
    return "auto" if setting.default == "auto" else "default"


def resolved(plan: Plan | None, key: str) -> Any:
    """The value in the plan's resolved preset; None without a plan."""
    if plan is None:
        return None
    section, _, name = key.partition(".")
    return getattr(getattr(plan.resolved, section), name)


def written(value: Any) -> str:
    """A setting's value in few cells."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    return str(value)


def typed(draft: Draft, key: str, text: str) -> Draft:
    """The draft with a value as it was typed. UserError where it is none of the key's."""
    from tuiftune.preset.file import override

    section, _, name = key.partition(".")
    made = override(draft.preset(), [f"{key}={text}"])
    return draft.override(key, getattr(getattr(made, section), name))


def changed(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """The draft with the changes of a plan's alternative, which may name another model or card."""
    for key, value in changes.items():
        if key in ("model.base", "--gpu"):
            draft = draft.with_(**{"model" if key == "model.base" else "card": value})
        else:
            draft = draft.override(key, value)
    return draft
