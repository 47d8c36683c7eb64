"""Whose word a value of the plan is: the user's, a built-in preset's, the advice's, or tuiftune's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.plan.model import Reason
from tuiftune.preset.schema import DEFAULT, YOURS

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

USER = "preset"  # the source of a reason for a value that the user gave
ADVICE = "recommended"


def attributed(reason: Reason, preset: Preset) -> Reason:
    """The reason, with the word "you asked for it" only where the user did, and for the value they gave."""
    if reason.source != USER:
        return reason
    origin = preset.origin(reason.key)
    section, _, name = reason.key.partition(".")
    if origin != DEFAULT and getattr(getattr(preset, section), name) != reason.value:
        return replace(reason, source="prediction")
    if origin == YOURS:
        return reason
    if origin == DEFAULT:
        return Reason(reason.key, reason.value, "used unless you set it", "tuiftune default")
    if origin == ADVICE:
        return Reason(reason.key, reason.value, "recommended for your answers and data", "tuiftune advice")
    return Reason(reason.key, reason.value, f"from the {origin}", origin)
