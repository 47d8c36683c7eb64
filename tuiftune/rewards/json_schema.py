"""1 for an answer that is JSON, of a schema if one is given; else 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.rewards.base import Reward, each, each_in_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuiftune.rewards.base import Asked, Score


def _make(given: Mapping[str, Any], place: str) -> Score:
    if not given:
        return each(lambda one: _read(one.answer) is not None)
    try:
        from jsonschema import exceptions, validators
        from referencing.exceptions import Unresolvable
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
        try:
            return float(found is not None and checker.is_valid(found[0]))
        except Unresolvable as fault:
            raise _refers(fault.ref, place) from None

    if ref := next((ref for ref in _references(schema) if "://" in ref), ""):
        raise _refers(ref, place)
    return each_in_time(fits, place, "the schema")


def _references(node: Any) -> Iterator[str]:
    """Every `$ref` of a schema but those to what the schema standard itself defines."""
    if not isinstance(node, dict | list):
        return
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "$ref" and isinstance(value, str) and "//json-schema.org/" not in value:
            yield value
        else:
            yield from _references(value)


def _refers(ref: str, place: str) -> UserError:
    return UserError(
        f"the schema refers to {printable(ref)}, which is not in it",
        place=place,
        remedy="write it under $defs, and refer to it as #/$defs/NAME",
    )


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
