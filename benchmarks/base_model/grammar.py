"""A tiny grammar: `[a|b|]` chooses, `{slot}` fills in, `{slot.Cap}` with a capital; brackets nest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence


def expand(template: str, rng: random.Random, slots: Mapping[str, str] | None = None) -> str:
    """One sentence of `template`. Every choice is made by `rng`; `slots` are filled in last.

    Raises ValueError when a bracket is left open, KeyError when a slot is unknown.
    """
    text, end = _sequence(template, 0, rng, inside=False)
    if end != len(template):
        raise ValueError(f"a ] without its [ in: {template}")
    for name, value in (slots or {}).items():
        text = text.replace("{" + name + "}", value).replace(
            "{" + name + ".Cap}", value[:1].upper() + value[1:]
        )
    if "{" in text:
        raise KeyError(f"an unknown slot in: {text}")
    return " ".join(text.split()).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")


def pick(rng: random.Random, options: Sequence[str], slots: Mapping[str, str] | None = None) -> str:
    """One of the templates, expanded."""
    return expand(rng.choice(options), rng, slots)


def _sequence(template: str, start: int, rng: random.Random, *, inside: bool) -> tuple[str, int]:
    """Expand from `start` to the end, or to the `]` that closes this choice; give text and position."""
    branches: list[str] = []
    text = ""
    at = start
    while at < len(template):
        sign = template[at]
        if sign == "[":
            chosen, at = _sequence(template, at + 1, rng, inside=True)
            text += chosen
        elif inside and sign == "|":
            branches.append(text)
            text = ""
            at += 1
        elif sign == "]" and inside:
            branches.append(text)
            return rng.choice(branches), at + 1
        else:
            text += sign
            at += 1
    if inside:
        raise ValueError(f"a [ without its ] in: {template}")
    return text, at
