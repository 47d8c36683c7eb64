"""The second model of a stage that learns from one: found, and checked against the base model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tuiftune import documents, paths, stages
from tuiftune.errors import UserError
from tuiftune.models.download import with_weights
from tuiftune.models.resolve import resolve
from tuiftune.plan.model import Reason
from tuiftune.printable import printable
from tuiftune.run_models import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tuiftune.models.reference import BaseModel
    from tuiftune.preset.schema import Preset

TOKENIZER = "tokenizer.json"


def of(preset: Preset) -> BaseModel | None:
    """The model that a preset's stage learns from; None if the stage has none, or none is named yet."""
    named = _named(preset)
    return _found(named) if named else None


def bring(preset: Preset, say: Callable[[str], None]) -> None:
    """Download the model that a preset's stage learns from, if it is not on this machine. UserError if it
    can't be had.
    """
    found = of(preset)
    if found is not None and not found.weights:
        with_weights(found, say)
        _found.cache_clear()  # it knew the model without its weights


def check(preset: Preset, base: BaseModel) -> None:
    """UserError where the teacher's vocabulary is not the base model's: it is told a distribution over it."""
    found = of(preset)
    if found is None:
        return
    place, called = f"method.{stages.every()[preset.method.stage].teacher}", printable(found.reference)
    ours, theirs = base.architecture.vocab_size, found.architecture.vocab_size
    if ours != theirs:
        raise UserError(
            f"{called} has a vocabulary of {theirs:,} tokens, and {base.reference} one of {ours:,}",
            place=place,
            remedy="use a teacher of the same family whose config.json has the same vocab_size",
        )
    vocabularies = [_vocabulary(one.path) for one in (base, found)]
    if None not in vocabularies and vocabularies[0] != vocabularies[1]:
        raise UserError(
            f"the tokenizer of {called} is not that of {base.reference}",
            place=place,
            remedy="use a teacher with the same tokenizer, such as a larger model of the same family",
        )


def reason(preset: Preset) -> list[Reason]:
    """Where the model of a run lies, which the training process reads."""
    named = _named(preset)
    found = of(preset) if named.startswith(PREFIX) else None
    if found is None or found.path is None:
        return []
    key = f"method.{stages.every()[preset.method.stage].teacher}"
    return [Reason(key, str(paths.absolute(found.path)), f"the result of {printable(named)}", "preset")]


def _named(preset: Preset) -> str:
    key = stages.every()[preset.method.stage].teacher
    return str(getattr(preset.method, key)).strip() if key else ""


@lru_cache(maxsize=16)
def _found(named: str) -> BaseModel:
    return resolve(named)


def _vocabulary(directory: Path | None) -> dict[str, Any] | None:
    """The tokens of a directory's tokenizer with their ids; None where they can't be read."""
    if directory is None or not paths.is_file(directory / TOKENIZER):
        return None
    document = documents.read_json(directory / TOKENIZER)
    model = document.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict):
        return None
    added = {one["content"]: one["id"] for one in document.get("added_tokens") or ()}
    return {**vocabulary, **added}
