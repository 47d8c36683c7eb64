"""Forms that answers take: JSON and tool calls."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tuiftune import documents

ARGUMENTS = ("arguments", "args", "input", "parameters")  # as the data's calls are read
MOST_BEGINS = 1000  # brackets that are tried as the beginning of JSON
_BEGIN = re.compile(r"[{\[]")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def whole_json(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or list that a whole text is in JSON; None if it is something else."""
    try:
        value = documents.loads(text.strip())
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def answer_json(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or list that a whole text is in JSON, by itself or in a fenced block; else None."""
    fenced = _FENCE.fullmatch(text.strip())
    return whole_json(fenced[1] if fenced else text)


def some_json(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or list of a text: the whole text, that of a fenced block, or the longest one among
    words, so that a citation such as [1] is not taken for the answer; None without one.
    """
    found = whole_json(text)
    if found is not None:
        return found
    for fenced in _FENCE.findall(text):
        if (found := whole_json(fenced)) is not None:
            return found
    return _longest_json(text)


def _longest_json(text: str) -> dict[str, Any] | list[Any] | None:
    decoder = json.JSONDecoder()
    best: dict[str, Any] | list[Any] | None = None
    at = longest = tried = 0
    while (begins := _BEGIN.search(text, at)) is not None and tried < MOST_BEGINS:
        tried += 1
        start = begins.start()
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            continue
        if at - start > longest and not documents.deeper_than(value):
            best, longest = value, at - start
    return best


def fields(value: Any, path: str = "") -> dict[str, Any]:
    """Return every value of a JSON document that is no container, by its path. Empty containers count."""
    if isinstance(value, dict) and value:
        return {
            key: leaf
            for name, item in value.items()
            for key, leaf in fields(item, f"{path}.{json.dumps(name)}").items()
        }
    if isinstance(value, list) and value:
        return {
            key: leaf for at, item in enumerate(value) for key, leaf in fields(item, f"{path}[{at}]").items()
        }
    return {path: value}


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values that are no containers are the same; true is not 1."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def tool_calls(text: str) -> list[str] | None:
    """Return the calls of a text, each as canonical JSON of its name and arguments; None without one."""
    inside = _CALL.findall(text)
    values = [whole_json(one) for one in inside] if inside else [whole_json(text)]
    calls: list[str] = []
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            call = _call(one)
            if call is None:
                return None
            calls.append(call)
    return sorted(calls) or None


def _call(value: Any) -> str | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    given = next((value[name] for name in ARGUMENTS if value.get(name) is not None), None)
    if isinstance(given, str):  # of a tool that takes text, any text
        parsed = whole_json(given) if given.strip() else {}
        given = given.strip() if parsed is None else parsed
    elif given is None:
        given = {}
    if not isinstance(given, dict | str):
        return None
    return json.dumps([value["name"], _whole_numbers(given)], sort_keys=True)


def _whole_numbers(value: Any) -> Any:
    """Return a value with 5.0 as 5, which JSON does not tell apart."""
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
