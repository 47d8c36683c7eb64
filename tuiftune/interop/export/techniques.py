"""Techniques and their targets in another tool's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.export.outward import usual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.interop.export.outward import Outward


def write(out: Outward, forms: Mapping[str, Mapping[str, Any]], back: Mapping[str, str]) -> None:
    """Put the keys of the technique. One that the tool doesn't have becomes LoRA, which is told. `back`: what
    `tuiftune import` makes of the keys, where it isn't the technique itself.
    """
    asked = str(out.preset.method.technique)
    technique = usual(out.preset).technique
    four = out.preset.model.quantization == "nf4" and "qlora" in forms
    if four and technique == "lora":
        technique = "qlora"
    found = forms.get(technique)
    why = "" if asked == technique else f"{asked}: {technique}"
    if found is None:
        fallback, name = ("qlora", "QLoRA") if four else ("lora", "LoRA")
        found, why = forms[fallback], f"{out.tool} has no {technique}: {name}"
        technique = fallback
    elif four and technique != "qlora":
        found = {**found, **forms["qlora"]}
    for to, value in found.items():
        out.put(to, value)
    returned = back.get(technique, technique)
    if returned != technique:
        why = why or "`tuiftune import` reads it as " + returned
    told = ", ".join(found) or "no adapter"
    out.note("method.technique", told, why=why, back=returned)


def targets(out: Outward, to: str, *, all_linear: tuple[str, Any], joined: str = "") -> None:
    """Target modules: `all_linear` is the key and value for every linear layer; `joined` separates names."""
    value = out.get("method.target_modules")
    if value is None:
        return
    if value == "all-linear":
        out.carry("method.target_modules", *all_linear)
    elif value == "attention":
        names = ["q_proj", "k_proj", "v_proj", "o_proj"]
        made: Any = joined.join(names) if joined else names
        why = "the usual names of attention layers; check your model's"
        out.carry("method.target_modules", to, made, why=why, back=names)
    else:
        names = [value] if isinstance(value, str) else list(value)
        made = joined.join(names) if joined else names
        if names == value:
            out.carry("method.target_modules", to, made)
        else:
            out.carry("method.target_modules", to, made, why="as a list", back=names)
