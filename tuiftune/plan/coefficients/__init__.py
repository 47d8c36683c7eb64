"""Linear forms of a step's memory, a file a family: data that benchmarks/memory/forms.py regenerates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

COMPONENTS = ("activations kept", "activations peak", "head and loss", "kernel scratch", "gradients")
# Families whose layers run the same operations as another's (read in transformers 5.23).
SAME = {
    "mistral": "llama",
    "ministral3": "llama",
    "smollm3": "llama",
    "qwen2": "llama",
    "olmo3": "olmo2",
}
# Families near enough to one that was traced; their bound is widened.
NEAR = {"granite": "llama", "qwen2_moe": "qwen3_moe", "granitemoe": "qwen3_moe", "gpt_oss": "qwen3_moe"}

Term = tuple[int, str, float, float]  # component, monomial, bytes a unit: constant, and for each layer


@dataclass(frozen=True, slots=True)
class Form:
    terms: tuple[Term, ...]

    def holds(self, names: tuple[str, ...]) -> bool:
        """Whether any of these monomials is in memory at this moment."""
        return any(name in names for _, name, _, _ in self.terms)


def traced(family: str) -> tuple[str, bool]:
    """The traced family whose forms stand for this one, and whether they are its own."""
    name = SAME.get(family, family)
    if _document(name):
        return name, True
    near = NEAR.get(family, "llama")
    return (near if _document(near) else "llama"), False


@cache
def forms(family: str, variant: str) -> tuple[Form, ...]:
    """The forms of a traced family and variant; none where that variant was not traced."""
    found = []
    for form in _document(family).get(variant, ()):
        terms = tuple(
            (COMPONENTS.index(part), name, float(constant), float(slope))
            for part, monomials in form.items()
            for name, (constant, slope) in monomials.items()
        )
        found.append(Form(terms))
    return tuple(found)


@cache
def _document(family: str) -> dict[str, list[dict[str, dict[str, tuple[float, float]]]]]:
    place = files(__name__).joinpath(f"{family}.json")
    if not family.isidentifier() or not place.is_file():  # raw: it comes along
        return {}
    found: dict[str, list[dict[str, dict[str, tuple[float, float]]]]] = _read(family)["forms"]
    return found


def versions(family: str) -> dict[str, str]:
    """The library versions that a family's forms were traced with."""
    found: dict[str, str] = _read(family)["versions"]
    return found


def _read(family: str) -> Any:
    return json.loads(files(__name__).joinpath(f"{family}.json").read_bytes())  # raw: it comes along


@cache
def names(family: str) -> frozenset[str]:
    """The variants that were traced for a family."""
    return frozenset(_document(family))
