"""What is wrong with a preset, in the user's words: one fault a key, each with its line and its remedy."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.preset.words import Key, keys, sections
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from tuiftune.preset.parse import KeyPath

# What other trainers call the same thing; people arrive with these in their fingers.
SYNONYMS = {
    "lr": "training.learning_rate",
    "batch_size": "training.effective_batch",
    "train_batch_size": "training.effective_batch",
    "per_device_train_batch_size": "training.micro_batch",
    "micro_batch_size": "training.micro_batch",
    "gradient_accumulation_steps": "training.effective_batch",
    "num_epochs": "training.epochs",
    "num_train_epochs": "training.epochs",
    "lr_scheduler": "training.schedule",
    "lr_scheduler_type": "training.schedule",
    "optim": "training.optimizer",
    "gradient_checkpointing": "training.activation_checkpointing",
    "torch_compile": "training.compile",
    "lora_r": "method.rank",
    "r": "method.rank",
    "lora_alpha": "method.alpha",
    "lora_dropout": "method.dropout",
    "lora_target_modules": "method.target_modules",
    "adapter": "method.technique",
    "use_dora": "method.technique",
    "use_rslora": "method.technique",
    "init_lora_weights": "method.technique",
    "load_in_4bit": "model.quantization",
    "quantization_bit": "model.quantization",
    "base_model": "model.base",
    "model_name_or_path": "model.base",
    "torch_dtype": "model.dtype",
    "attn_implementation": "model.attention",
    "dataset": "data.train",
    "datasets": "data.train",
    "max_seq_length": "data.max_length",
    "sequence_len": "data.max_length",
    "cutoff_len": "data.max_length",
    "sample_packing": "data.packing",
    "neat_packing": "data.packing",
    "pad_to_sequence_len": "data.padding_free",
    "val_set_size": "data.eval",
    "system_prompt": "data.system",
    "save_steps": "run.save_every",
    "save_total_limit": "run.checkpoints",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where (`support.yaml line 7`), what, and what to do about it."""

    place: str
    message: str
    remedy: str


def unknown_key(path: Iterable[str | int]) -> tuple[str, str]:
    """(message, remedy) for a key the preset doesn't have, naming the nearest that it has."""
    name = _dotted(path)
    nearest = _nearest(name)
    remedy = f"did you mean `{nearest}`?" if nearest else "list all keys: `tuiftune preset schema`"
    return f"unknown key `{name}`", remedy


def _nearest(name: str) -> str | None:
    section, _, leaf = name.rpartition(".")
    known = list(keys())
    if not section:
        near = difflib.get_close_matches(leaf, [*sections(), "version", "name"], 1, 0.75)
        if near:
            return near[0]
    within = [key.rpartition(".")[2] for key in known if key.startswith(f"{section}.")] if section else []
    near = difflib.get_close_matches(leaf, within, 1)
    if near:
        return near[0]
    if leaf.lower() in SYNONYMS:
        return SYNONYMS[leaf.lower()]
    if section == "data.mix":
        return next(iter(difflib.get_close_matches(leaf, ["path", "weight", "share"], 1)), None)
    leaves = {key.rpartition(".")[2]: key for key in reversed(known)}
    near = difflib.get_close_matches(leaf, leaves, 1, 0.75)
    if near:
        return leaves[near[0]]
    # Within a section, the name alone would be similar enough.
    return None if section in sections() else next(iter(difflib.get_close_matches(name, known, 1)), None)


def _dotted(path: Iterable[str | int]) -> str:
    """A path as the user would name it; places in a list are left to the line number."""
    return _short(printable(".".join(str(part) for part in path if isinstance(part, str))))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def faults(error: ValidationError, place: str, lines: Mapping[KeyPath, int]) -> list[Fault]:
    """Every fault of a document, one a key, in the order of their lines."""
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        grouped.setdefault(_key_path(detail), []).append(detail)
    found = []
    for path, details in grouped.items():
        line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)
        message, remedy = _in_words(path, details)
        # A missing key has no line of its own, and is often only misspelt: the misspelling comes first.
        order = (line or len(lines), details[0]["type"] == "missing")
        found.append((order, Fault(f"{place} line {line}" if line else place, message, remedy)))
    return [fault for _, fault in sorted(found, key=lambda pair: pair[0])]


def raise_first(found: list[Fault]) -> None:
    """Raise the first fault as the UserError, which says how many more there are."""
    first, *rest = found
    more = f" (and {len(rest)} more)" if rest else ""
    raise UserError(first.message + more, place=first.place, remedy=first.remedy)


def _key_path(detail: ErrorDetails) -> KeyPath:
    """The part of an error's location that is in the file: pydantic adds the alternatives it tried."""
    location = detail.get("ctx", {}).get("at") or detail["loc"]  # where it should be fixed
    if detail["type"] == "extra_forbidden" or location[:2] == ("data", "mix"):
        return location
    return location[:2] if ".".join(map(str, location[:2])) in keys() else location[:1]


def _in_words(path: KeyPath, details: list[ErrorDetails]) -> tuple[str, str]:
    detail = next((one for one in details if one["type"] == "value_error"), details[0])
    name = _dotted(path)
    key = keys().get(name)
    match detail["type"]:
        case "extra_forbidden":
            return unknown_key(path)
        case "missing":
            if name in sections():
                name = next(
                    key.name for key in keys().values() if key.required and key.name.startswith(f"{name}.")
                )
                key = keys()[name]
            return f"`{name}` is missing", f"write {key.does}" if key else "add it"
        case "model_type" if name in sections():
            inner = next(known for known in keys() if known.startswith(f"{name}."))
            return f"`{name}` must contain keys", f"indent keys such as {inner} below it"
        case "refused":
            return f"`{name}` {printable(detail['msg'])}", detail["ctx"]["remedy"]
        case "value_error":
            return f"`{name}`: {detail['msg'].removeprefix('Value error, ')}", ""
    value = _input(details)
    if key is None:
        return f"`{name}` cannot be {_shown(value)}", printable(detail["msg"])
    if detail["type"] == "string_too_short":
        return f"`{name}` is empty", f"write {key.does}"
    return f"`{name}` is {_shown(value)}, but must be {key.allows}", _remedy(key, value)


def _input(details: list[ErrorDetails]) -> Any:
    """The value as it stands in the file: the error of a whole value, before that of an item of a list."""
    return min(details, key=lambda detail: len(detail["loc"]))["input"]


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text `{_short(printable(value))}`"
    return _short(printable(str(value)))


def _remedy(key: Key, value: Any) -> str:
    if isinstance(value, str):
        near = difflib.get_close_matches(value.lower(), key.choices, 1)
        if near:
            return f"did you mean `{near[0]}`?"
        try:
            if not math.isfinite(float(value)):
                return ""
        except ValueError:
            return ""
        return f"write {_short(printable(value))} without quotes"
    if key.allows.startswith("text") and isinstance(value, int | float):
        return f'put it in quotes: "{_shown(value)}"'
    return ""
