"""Requests that a server answered, one JSON line each: rows to sample, to review and to train on.

A line has `messages` with the answer as the last of them, so that it is a chat row as it stands, next to
`t`, `model`, `ended`, `seconds`, token counts and the settings that the request gave. Secrets are redacted
before a line is written; pictures and sounds are never written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tuiftune import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = "/v1/chat/completions"
SETTINGS = ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "stop")
NOT_TEXT = "[not text]"


def entry(request: Any, reply: bytes, seconds: float) -> dict[str, Any] | None:
    """The line of a request that was answered in full; None for one that was not.

    Args:
        request: the JSON document of the request.
        reply: the answer's bytes, a JSON document or a stream of server-sent events.
        seconds: that the answer took.
    """
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
        return None
    answer: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: dict[int, dict[str, Any]] = {}
    ended = None
    usage: dict[str, Any] = {}
    for piece in _pieces(reply):
        if "error" in piece:
            return None
        usage = piece.get("usage") or usage
        for choice in piece.get("choices") or ():
            said = choice.get("message") or choice.get("delta") or {}
            answer["content"] += said.get("content") or ""
            for at, call in enumerate(said.get("tool_calls") or ()):
                _add_call(calls.setdefault(int(call.get("index", at)), {}), call)
            ended = choice.get("finish_reason") or ended
    if ended is None:  # the client left, or the server failed
        return None
    if calls:
        answer["tool_calls"] = [calls[at] for at in sorted(calls)]
    return {
        "t": round(time.time(), 3),
        "model": str(request.get("model", "")),
        "messages": [*map(_message, request["messages"]), answer],
        **({"tools": request["tools"]} if request.get("tools") else {}),
        "ended": ended,
        "seconds": round(seconds, 3),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "settings": {key: request[key] for key in SETTINGS if request.get(key) is not None},
    }


def _pieces(reply: bytes) -> Iterator[dict[str, Any]]:
    if not reply.lstrip().startswith(b"data:"):
        yield documents.loads(reply)
        return
    for line in reply.splitlines():
        if line.startswith(b"data: {"):
            yield documents.loads(line.removeprefix(b"data: "))


def _add_call(call: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add what a piece of a stream says of a call of a tool."""
    given = piece.get("function") or {}
    function = call.setdefault("function", {"name": "", "arguments": ""})
    function["name"] += given.get("name") or ""
    function["arguments"] += given.get("arguments") or ""
    call["type"] = "function"
    if piece.get("id"):
        call["id"] = piece["id"]


def _message(given: Any) -> dict[str, Any]:
    """A message of a request with its text alone."""
    message = dict(given) if isinstance(given, dict) else {"role": "user", "content": str(given)}
    content = message.get("content")
    if isinstance(content, list):
        texts = [
            str(part.get("text", "")) if isinstance(part, dict) and part.get("type") == "text" else NOT_TEXT
            for part in content
        ]
        message["content"] = "\n".join(texts)
    return message
