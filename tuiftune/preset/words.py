"""What a preset key allows, in words: one reading of the schema for comments, faults, help and editors."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from tuiftune import techniques
from tuiftune.preset import method
from tuiftune.preset.schema import Preset


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the preset: dotted name, what it does, what it allows in words, and its default."""

    name: str
    does: str
    allows: str
    choices: tuple[str, ...]
    default: Any
    required: bool
    text_only: bool  # takes text and nothing else, so that a bare number needs quotes


@functools.cache
def keys() -> dict[str, Key]:
    """Every key by dotted name, in the order of the file; sections themselves are not keys."""
    schema = Preset.model_json_schema()
    definitions = schema["$defs"]
    found: dict[str, Key] = {}
    for name, node in schema["properties"].items():
        section = _section(node, definitions)
        if section is None:
            found[name] = _key(name, node, name in schema.get("required", ()), definitions)
            continue
        for leaf, inner in section["properties"].items():
            dotted = f"{name}.{leaf}"
            found[dotted] = _key(dotted, inner, leaf in section.get("required", ()), definitions)
    return found


def json_schema() -> dict[str, Any]:
    """A draft 2020-12 JSON Schema of a preset file, for editors that complete and check YAML."""
    schema = Preset.model_json_schema()
    schema["$defs"]["MethodSection"] |= {"allOf": conditions} if (conditions := method.conditions()) else {}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    over = _bases(schema["$defs"]["ModelSection"]["properties"]["quantization"]["enum"])
    return {"$schema": dialect, **schema, "allOf": over, "title": "tuiftune preset, version 1"}


def _bases(quantizations: list[str]) -> list[dict[str, Any]]:
    """What `model.quantization` may be with each technique that does not train over every base."""
    found = []
    for key in techniques.every():
        able = [one for one in quantizations if _trains_over(key, one)]
        if able != quantizations:
            named = {"properties": {"technique": {"const": key}}, "required": ["technique"]}
            base = {"properties": {"quantization": {"enum": able}}}
            found.append(
                {
                    "if": {"properties": {"method": named}, "required": ["method"]},
                    "then": {"properties": {"model": base}},
                }
            )
    return found


def _trains_over(key: str, quantization: str) -> bool:
    try:
        techniques.find(key, quantization)
    except ValueError:
        return False
    return True


@functools.cache
def sections() -> dict[str, str]:
    """Every section and what it is about, in the order of the file."""
    schema = Preset.model_json_schema()
    definitions = schema["$defs"]
    named = ((name, _section(node, definitions)) for name, node in schema["properties"].items())
    return {name: str(section["description"]) for name, section in named if section is not None}


def _section(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    reference = node.get("$ref")
    return None if reference is None else definitions[reference.removeprefix("#/$defs/")]


def _key(name: str, node: dict[str, Any], required: bool, definitions: dict[str, Any]) -> Key:
    parts = node.get("anyOf", [node])
    words = [word for part in parts for word in _allows(part, definitions)]
    words.sort(key="null".__eq__)  # said last: it is the way out, not the choice
    choices = tuple(choice for part in parts for choice in _choices(part) if isinstance(choice, str))
    text_only = all(part.get("type") in {"string", "null"} for part in parts)
    allows = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    allows = node.get("x-allows", allows)
    return Key(name, node.get("description", ""), allows, choices, node.get("default"), required, text_only)


def _choices(node: dict[str, Any]) -> list[Any]:
    return [node["const"]] if "const" in node else list(node.get("enum", ()))


def _allows(node: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    choices = _choices(node)
    if choices:
        return [str(choice) for choice in choices]
    match node.get("type"):
        case "boolean":
            return ["true", "false"]
        case "integer":
            return ["a whole number" + _bounds(node)]
        case "number":
            return ["a number" + _bounds(node)]
        case "null":
            return ["null"]
        case "array":
            return ["a list of " + _items(node["items"], definitions)]
        case "object":
            return ["{name: text, …}"]
        case _:
            return ["text"]


def _items(node: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in node:
        fields = definitions[node["$ref"].removeprefix("#/$defs/")]["properties"]
        return "{" + ", ".join(f"{name}: …" for name in fields) + "}"
    if node.get("type") == "object":
        return "{name: value, …}"
    return "names" if node.get("type") == "string" else "whole numbers" + _bounds(node)


def _bounds(node: dict[str, Any]) -> str:
    """`from 0 to below 1`, `above 0`, `from 0`, and nothing where nothing is bounded."""
    low = ("above", node["exclusiveMinimum"]) if "exclusiveMinimum" in node else ("from", node.get("minimum"))
    high = (
        ("below", node["exclusiveMaximum"]) if "exclusiveMaximum" in node else ("up to", node.get("maximum"))
    )
    said = [
        f"{word} {int(bound) if bound == int(bound) else bound}"
        for word, bound in (low, high)
        if bound is not None
    ]
    return " " + ", ".join(said) if said else ""
