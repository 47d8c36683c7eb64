"""Requests as they are checked before they are answered: what transformers' server would ignore, or fail at,
is refused in one line with the name of the parameter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune import documents

if TYPE_CHECKING:
    from collections.abc import Collection

ROLES = ("system", "user", "assistant", "tool")
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# What may be asked only as it is anyway.
ONLY: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tool_choice": ("auto",),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "reasoning_effort": ("none",),
    "generation_config": (),
}


class Refused(Exception):  # noqa: N818  (it is a request that is refused)
    """A request that cannot be answered as it is asked."""

    code = "invalid_request_error"
    param: str | None = None

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param

    def document(self) -> dict[str, Any]:
        """Return the error as OpenAI's clients read it."""
        said = {"message": str(self), "type": "invalid_request_error", "param": self.param, "code": self.code}
        return {"error": said}


class TooLong(Refused):
    """A prompt has more tokens than the model takes."""

    code = "context_length_exceeded"


def check(body: dict[str, Any], models: Collection[str]) -> None:
    """Check what all kinds of requests share. Raises Refused for what cannot be honored."""
    if not isinstance(body.get("model"), str):
        raise Refused(f"no model is named; there are: {', '.join(models)}", "model")
    if not isinstance(body.get("stream"), bool | None):
        raise Refused("stream must be true or false", "stream")
    if body.get("tool_choice") == "none":
        body.pop("tools", None)
        del body["tool_choice"]
    for name in LIMITS:
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise Refused(f"{name} must be a whole number from 1 on", name)
    _within(body, "temperature", 0.0, math.inf, "0 or more")
    _within(body, "top_p", 1e-9, 1.0, "above 0, and 1 at most")
    seed = body.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63):
        raise Refused("seed must be a whole number from 0 on", "seed")
    stops = body.get("stop")
    listed = [stops] if isinstance(stops, str) else stops
    if stops is not None and not (isinstance(listed, list) and all(isinstance(s, str) and s for s in listed)):
        raise Refused("stop must be text, or a list of texts, none of them empty", "stop")
    if stops == []:
        del body["stop"]
    for name, allowed in ONLY.items():
        value = body.get(name)
        if value is None:
            continue
        if not any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in allowed):
            raise Refused(f"{name} is not supported here: leave it out", name)
        del body[name]


def check_chat(body: dict[str, Any], *, tools: bool) -> None:
    """Check a conversation. `tools`: the model's template writes them. Raises Refused."""
    if body.get("tools") and not tools:
        raise Refused("the model's chat template writes no tools, so it would not see them", "tools")
    if not isinstance(body.get("chat_template_kwargs"), dict | None):
        raise Refused("chat_template_kwargs must be an object", "chat_template_kwargs")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages must be a list with at least one message", "messages")
    for at, message in enumerate(messages):
        place = f"messages[{at}]"
        if not isinstance(message, dict):
            raise Refused(f"{place} is not a message", "messages")
        if message.get("role") == "developer":  # what newer clients call the system
            message["role"] = "system"
        if message.get("role") not in ROLES:
            raise Refused(f"{place} has no role out of {', '.join(ROLES)}", "messages")
        _check_content(message, place)


def _check_content(message: dict[str, Any], place: str) -> None:
    content = message.get("content")
    if message.get("role") == "assistant" and message.get("tool_calls"):
        _check_calls(message["tool_calls"], place)
        return
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise Refused(f"{place} has no content", "messages")
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            what = kind if isinstance(kind, str) else "a part without a type"
            raise Refused(f"{place} holds {what}: only text is read", "messages")


def _check_calls(calls: Any, place: str) -> None:
    for call in calls if isinstance(calls, list) else [None]:
        function = (call.get("function") or call) if isinstance(call, dict) else None
        given = function.get("arguments") if isinstance(function, dict) else None
        try:
            whole = isinstance(documents.loads(given) if isinstance(given, str) else given, dict)
        except ValueError:
            whole = False
        if not whole:
            raise Refused(f"{place} holds a tool call whose arguments are not a JSON object", "messages")


def _within(body: dict[str, Any], name: str, low: float, high: float, words: str) -> None:
    value = body.get(name)
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise Refused(f"{name} must be {words}", name)
