"""What a message holds as text: content parts, tool calls and their results, reasoning, of every dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.documents import loads
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter

CALLS = "tool calls are kept as text between <tool_call> tags"
REASONING = "reasoning from a separate column is written before the answer, between <think> tags"
MEDIA = frozenset((
    "image", "image_url", "input_image", "image_file", "video", "video_url", "audio", "audio_url",
    "input_audio", "file", "input_file", "document", "inlinedata", "inline_data", "filedata", "file_data",
))  # fmt: skip
_REASONING = ("reasoning", "thinking", "thought")
_SILENT = frozenset(
    ("type", "text", "value", "thought", "thoughtSignature", "thought_signature", "annotations")
)
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(slots=True)
class Content:
    """A message's text, its reasoning, the tool calls it makes and the results it brings, as text each."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    given: bool = False  # whether anything was there to read

    def answer(self, lost: Counter[str]) -> str:
        """All that the assistant wrote, in the order in which it is written: reasoning, text, calls."""
        text = "".join(self.text)
        if self.calls:
            lost[CALLS] += 1
            text = "\n".join(
                ([text] if text else []) + [f"<tool_call>\n{call}\n</tool_call>" for call in self.calls]
            )
        thought = "\n\n".join(part.strip() for part in self.reasoning if part.strip())
        if not thought:
            return text
        if "<think>" in text:
            lost["reasoning that the answer already contains between <think> tags is not repeated"] += 1
            return text
        lost[REASONING] += 1
        return f"<think>\n{thought}\n</think>\n\n{text}"


def answer_text(value: Any) -> str:
    """A value that should have been text, as text: JSON for what is structured, dates as they are written."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def call_text(call: Any) -> str:
    """A tool call as JSON with `name` and `arguments`, whichever names it had."""
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict):
        return answer_text(function).strip()
    names = ("arguments", "args", "input", "parameters")
    given = next((name for name in names if function.get(name) is not None), None)
    arguments = function.get(given) if given else None
    if isinstance(arguments, str):
        arguments = _parsed(arguments)
    if "name" not in function and given is None:
        return answer_text(function)
    return answer_text({"name": function.get("name"), "arguments": arguments})


def _parsed(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return text


class Reader:
    """Reads the content of messages; what it can't read is a fault of the row, and counted in `lost`."""

    def __init__(self, lost: Counter[str]) -> None:
        self.lost = lost

    def read(self, value: Any, faults: list[str], found: Content | None = None) -> Content:
        """A text, a part, or a list of parts."""
        found = Content() if found is None else found
        if isinstance(value, str):
            found.text.append(value)
            found.given = True
        elif isinstance(value, list):
            for part in value:
                self.read(part, faults, found)
        elif isinstance(value, dict):
            self._part(value, faults, found)
        elif value is not None:
            faults.append("type:content")
            found.text.append(answer_text(value))
            found.given = True
        return found

    def _part(self, part: dict[str, Any], faults: list[str], found: Content) -> None:
        kind = str(part.get("type") or part.get("content_type") or "").lower()
        if inner := next((part[name] for name in ("parts",) if isinstance(part.get(name), list)), None):
            self.read(inner, faults, found)
            return
        for name in part:  # a picture may stand under any type, or none
            if name.lower() in MEDIA and part[name] not in _EMPTY and not isinstance(part.get("text"), str):
                kind = name.lower()
        if kind in MEDIA:
            faults.append("media:part")
            shown = printable(kind)[:20]
            self.lost[
                f"rows with a content part of type {shown} are not trained on: only text is supported"
            ] += 1
        elif self._call(part, kind, found) or self._result(part, kind, faults, found):
            return
        elif thought := _thought(part, kind):
            found.reasoning.append(thought)
            found.given = True
        elif (text := _text(part)) is not None:
            found.text.append(text)
            found.given = True
            for name in part.keys() - _SILENT:
                if part[name] not in _EMPTY and isinstance(part[name], dict | list):
                    self.lost[f'"{printable(str(name))[:30]}" of a content part is dropped'] += 1
        elif any(value not in _EMPTY for name, value in part.items() if name != "type"):
            faults.append("type:part")
            self.lost[f"content parts of type {printable(kind or 'unknown')[:20]} are dropped"] += 1

    def _call(self, part: dict[str, Any], kind: str, found: Content) -> bool:
        names = ("functionCall", "function_call", "toolUse", "tool_use", "tool_call")
        call = next((part[name] for name in names if isinstance(part.get(name), dict)), None)
        if call is None and kind in ("tool_use", "tool_call", "function_call", "server_tool_use", "function"):
            call = (
                part.get("value", part.get("text")) if "name" not in part and "function" not in part else part
            )
        if call is None:
            return False
        found.calls.append(call_text(call))
        found.given = True
        return True

    def _result(self, part: dict[str, Any], kind: str, faults: list[str], found: Content) -> bool:
        names = ("functionResponse", "function_response", "toolResult", "tool_result", "tool_response")
        result = next((part[name] for name in names if isinstance(part.get(name), dict)), None)
        if result is None and kind in (
            "tool_result",
            "tool_response",
            "function_call_output",
            "function_response",
        ):
            result = part
        if result is None:
            return False
        under = ("content", "output", "response", "value", "text", "result")
        inner = next((result[name] for name in under if result.get(name) is not None), "")
        if isinstance(inner, list):
            own = self.read([_json_part(item) for item in inner], faults)
            inner = "".join(own.text)
        found.results.append(answer_text(inner))
        return True


def _json_part(item: Any) -> Any:
    """A part of a tool result that is JSON rather than text."""
    return {"text": answer_text(item["json"])} if isinstance(item, dict) and "json" in item else item


def _thought(part: dict[str, Any], kind: str) -> str | None:
    """The reasoning that a part holds."""
    apart = part.get("reasoningContent") or part.get("reasoning_content")
    if isinstance(apart, dict):
        inner = apart.get("reasoningText", apart)
        return str(inner.get("text") or "") if isinstance(inner, dict) else str(inner)
    if isinstance(apart, str):
        return apart
    if kind in _REASONING or part.get("thought") is True:
        for name in ("thinking", "reasoning", "text", "value", "content"):
            if isinstance(part.get(name), str):
                return str(part[name])
        summary = part.get("summary") or part.get("content")
        if isinstance(summary, list):
            return "\n\n".join(text for item in summary if isinstance(item, dict) and (text := _text(item)))
    return None


def _text(part: dict[str, Any]) -> str | None:
    for name in ("text", "value", "refusal", "content", "output_text"):
        if isinstance(part.get(name), str):
            return str(part[name])
    inner = part.get("text")
    return inner["value"] if isinstance(inner, dict) and isinstance(inner.get("value"), str) else None
