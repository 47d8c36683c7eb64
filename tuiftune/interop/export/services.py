"""What managed services share: open base models by name, uploaded files, few settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import rows
from tuiftune.interop.export.outward import usual
from tuiftune.interop.export.techniques import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiftune.interop.export.outward import Outward

SERVED = "the service chooses it"
CHAT = "train.jsonl", "eval.jsonl"


def model(out: Outward, to: str, made: str | None = None, why: str = "") -> None:
    """The base model; the service decides on precision and kernels."""
    out.carry("model.base", to, made, why=why)
    for key in ("dtype", "attention", "quantization"):
        if out.get(f"model.{key}") == "auto":
            out.leave(f"model.{key}", SERVED, "not needed")
    if not out.get("model.trust_remote_code"):
        out.leave("model.trust_remote_code", "off, as there", "not needed")


def technique(out: Outward, forms: Mapping[str, Mapping[str, Any]]) -> None:
    """Full fine-tuning or LoRA."""
    write(out, forms, {})


def files(out: Outward, train: str, evaluation: str, place: Callable[[str], str]) -> None:
    """The rows as chat messages in files that are uploaded; `place` is how the service names one."""
    made = out.files
    out.put(train, place(made.train if made else CHAT[0]))
    out.note("data.train", train, why=rows.WRITTEN)
    for key in ("data.format", "data.columns", "data.system", "data.mix", "data.mix_temperature"):
        if key in out.left and out.left[key] not in (None, {}, [], "auto"):
            out.note(key, train, why="is in the rows that are written")
    held_out = made.eval if made else CHAT[1] if out.preset.data.eval else None
    if held_out is None:
        out.leave("data.eval", "no evaluation rows", "not needed")
    else:
        out.put(evaluation, place(held_out))
        out.note("data.eval", evaluation, why=rows.SPLIT)


def name(out: Outward, to: str, most: int) -> None:
    """The preset's name in letters, digits, dashes and underscores, at most so many."""
    asked = out.preset.name
    made = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in asked)[:most]
    out.carry("name", to, made, why="" if made == asked else "letters, digits, dashes and underscores there")


def whole(out: Outward, key: str, to: str, how: type = int) -> None:
    """A number that the service takes as a whole one, at least 1."""
    value = float(out.left[key])
    made = max(1, round(value))
    out.carry(key, to, how(made), why="" if made == value else f"{value:g} rounded: a whole number there")


def schedule(out: Outward, to: str, known: tuple[str, ...]) -> None:
    """The schedule, where the service has it."""
    if out.get("training.schedule") in known:
        out.carry("training.schedule", to)
    else:
        out.leave("training.schedule", f"not a schedule there: {', '.join(known)}")


def rank(out: Outward, to: str, sizes: tuple[int, ...], made: Callable[[int], Any]) -> None:
    """The rank as the nearest of the adapter sizes that the service has."""
    asked = usual(out.preset).rank
    size = min(sizes, key=lambda one: abs(one - asked))
    parts = ["auto: the usual value"] if out.get("method.rank") == "auto" else []
    parts += [f"{asked} is not a size there"] if size != asked else []
    out.carry("method.rank", to, made(size), why="; ".join(parts))
