"""What a study compares: a preset with changed keys, and the grid of several of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.preset.parse import parse
from tuiftune.preset.words import keys
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.preset.schema import Preset

MOST = 100  # variants of a study
LONGEST = 44  # characters of a name, which a seed is added to
OWN = ("training.seed", "name", "version", "run.save_every")  # keys that a study sets itself


@dataclass(frozen=True, slots=True)
class Variant:
    """A preset with `values` by dotted key. `key` names it in the study's directory."""

    key: str
    values: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Return its values in words, such as `learning_rate 0.0002, rank 16`; its key if it has none."""
        if not self.values:
            return self.key
        return ", ".join(f"{key.partition('.')[2]} {shown(value)}" for key, value in self.values.items())


def shown(value: Any) -> str:
    """Return a value as it is written on a command line."""
    return f"{value:g}" if isinstance(value, float) else printable(str(value))


def grid(preset: Preset, over: Sequence[str]) -> list[Variant]:
    """Return every combination of `KEY=V1,V2,…`, each checked against the preset.

    Raises:
        UserError: for an unknown key, a value that the preset refuses, a key given twice, one that a study
            sets itself, or too many combinations.
    """
    axes: dict[str, list[Any]] = {}
    for text in over:
        place = f"--over {printable(text)[:80]}"
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not values.strip():
            raise UserError(
                "not a key with values", place=place, remedy="write it as KEY=V1,V2, e.g. method.rank=8,16"
            )
        if key in axes:
            raise UserError(f"{key} is given twice", place=place, remedy="name all its values once")
        if key in OWN:
            raise UserError(f"a study sets {key} itself", place=place, remedy="use --seeds for several seeds")
        axes[key] = _values(key, values, place)
    several = [dict(zip(axes, chosen, strict=True)) for chosen in product(*axes.values())]
    if not 2 <= len(several) <= MOST:
        raise UserError(
            f"{len(several)} combinations of values",
            place="--over",
            remedy=f"name 2 to {MOST}: KEY=V1,V2",
        )
    return named(preset, several, "--over")


def named(preset: Preset, several: Sequence[Mapping[str, Any]], place: str) -> list[Variant]:
    """Return variants with names that differ. UserError for values that the preset refuses."""
    from pydantic import ValidationError

    from tuiftune.preset.explain import faults, raise_first

    made: list[Variant] = []
    for values in several:
        try:
            preset.with_values(dict(values))
        except ValidationError as error:
            raise_first(faults(error, place, {}))
        short = "-".join(f"{key.rpartition('.')[2]}-{shown(value)}" for key, value in values.items())
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", short).replace("..", "_").strip("._-")[:LONGEST] or "variant"
        taken = {one.key for one in made}
        number = 1
        free = name
        while free in taken:
            number += 1
            free = f"{name}-{number}"
        made.append(Variant(free, values))
    return made


def _values(key: str, text: str, place: str) -> list[Any]:
    """The values of a key, split at commas outside of brackets and read as YAML."""
    known = keys().get(key)
    found: list[Any] = []
    for part in _parts(text):
        value = parse(part, place).values
        if known is not None and known.text_only and value is not None and not isinstance(value, str):
            value = part.strip()
        if value in found:
            raise UserError(f"{printable(part.strip())} is named twice", place=place, remedy="leave one out")
        found.append(value)
    if known is None:
        from tuiftune.preset.explain import unknown_key

        message, remedy = unknown_key(tuple(key.split(".")))
        raise UserError(message, place=place, remedy=remedy)
    return found


def _parts(text: str) -> list[str]:
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
