"""The door for older preset files: each version is lifted to the next, one step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.preset.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


# version -> the step that lifts a document of that version to the next. Version 1 is the first: none yet.
STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def migrate(
    document: dict[str, Any],
    place: str,
    *,
    steps: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = STEPS,
    target: int = SCHEMA_VERSION,
) -> dict[str, Any]:
    """The document in the current version of the format; without a `version` key it is taken to be current.

    Raises UserError for a version that is no whole number, is newer than this program, or was never one.
    """
    version = document.get("version", target)
    if isinstance(version, bool) or not isinstance(version, int):
        raise UserError(
            f"`version` must be a whole number, not {version!r}", place=place, remedy=f"write {target}"
        )
    if version > target:
        raise UserError(
            f"preset version {version} is newer than this tuiftune supports (up to {target})",
            place=place,
            remedy="upgrade tuiftune",
        )
    while version < target:
        if version not in steps:
            raise UserError(
                f"preset version {version} does not exist",
                place=place,
                remedy=f"write version: {target}",
            )
        document = {**steps[version](document), "version": version + 1}
        version += 1
    return document
