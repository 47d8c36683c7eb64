"""1 for an answer that is JSON, of a schema if one is given; else 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.rewards.base import Reward, each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.rewards.base import Asked, Score


def _make(given: Mapping[str, Any], place: str) -> Score:
    if not given:
        return each(lambda one: _read(one.answer) is not None)
    try:
        from jsonschema import exceptions, validators
    except ImportError:
        raise UserError(
            "answers are checked against a JSON Schema by the package jsonschema, which is not installed",
            place=place,
            remedy="pip install 'tuiftune[rewards]', or leave schema out",
        ) from None
    schema = given["schema"] if "schema" in given else _read_schema(str(given["path"]), place)
    kind = validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except exceptions.SchemaError as fault:
        raise UserError(
            f"this is not a JSON Schema: {fault.message}", place=place, remedy="correct it"
        ) from fault
    checker = kind(schema)

    def fits(one: Asked) -> float:
        found = _read(one.answer)
        return float(found is not None and checker.is_valid(found[0]))

    return each(fits)


def _read_schema(file: str, place: str) -> Any:
    try:
        return documents.loads(documents.read_text(paths.given(file)))
    except ValueError as fault:
        raise UserError(
            f"the schema in {file} is not JSON: {fault}", place=place, remedy="correct it"
        ) from fault


def _read(answer: str) -> tuple[Any] | None:
    """The answer's JSON, in a code fence or not; None if it is none."""
    text = answer.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    try:
        return (documents.loads(text),)
    except ValueError:
        return None


JSON_SCHEMA = Reward(
    "json_schema",
    40,
    "1 if the answer is JSON, and fits the schema if one is given; else 0",
    _make,
    {"schema": "a JSON Schema", "path": "a file that holds one"},
    suits=lambda reference: reference.lstrip().startswith(("{", "[")) and _read(reference) is not None,
)
