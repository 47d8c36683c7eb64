"""Conversations of every dialect (role/content, from/value, content parts, tool calls) into plain turns."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tuiftune.data.names import ROLE_NAMES
from tuiftune.documents import loads
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter

Turn = dict[str, Any]  # role, content, weight


WEIGHTS = ("weight", "loss_weight", "loss", "train", "training")
KNOWN_KEYS = frozenset(
    ("role", "from", "content", "value", "text", "tool_calls", "function_call", "train_detail", *WEIGHTS)
) | {"reasoning_content", "thinking", "reasoning"}
PAIRED = (("human", "assistant"), ("user", "assistant"), ("question", "answer"), ("prompt", "response"))


def in_pairs(item: Turn) -> tuple[str, str] | None:
    """The names under which an object holds a question and its answer, where it isn't one turn."""
    if "role" in item or "from" in item:
        return None
    lowered = {str(key).lower(): key for key in item}
    return next(
        ((lowered[left], lowered[right]) for left, right in PAIRED if left in lowered and right in lowered),
        None,
    )


def answer_text(value: Any) -> str:
    """A value that should have been text, as text: JSON for anything structured."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant|System): ?")


def transcript(text: str) -> list[Turn] | None:
    """A conversation written as "Human: … Assistant: …" paragraphs, as turns; None for other text."""
    pieces = _SPEAKER.split(text)
    if len(pieces) < 5 or pieces[0].strip():
        return None
    return [
        {"role": said, "content": content.strip()}
        for said, content in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


class Turns:
    """Reads conversations; what is dropped or rewritten is counted in `lost`."""

    def __init__(self, lost: Counter[str]) -> None:
        self.lost = lost

    def read(
        self, value: Any, *, prompt_only: bool = False, answers_only: bool = False
    ) -> tuple[str | None, list[Turn], list[str]]:
        """(system message, other turns, faults). A prompt may end with the user; an answer may begin with the
        assistant.
        """
        if value is None:
            return None, [], ["missing:messages"]
        if isinstance(value, str):
            value = self._from_text(value)
        if isinstance(value, dict):
            value = self._from_object(value)
        if not isinstance(value, list):
            return None, [], ["type:messages"]
        system: str | None = None
        turns: list[Turn] = []
        faults: list[str] = []
        for item in self._single(value):
            if not isinstance(item, dict):
                faults.append("type:turn" if item is not None else "missing:turn")
                continue
            role, content = self._turn(item, faults)
            if role == "system":
                if turns:
                    faults.append("order:system")
                system = content if system is None else f"{system}\n\n{content}"
                continue
            turns.append({"role": role, "content": content, "weight": self._weight(item, role, faults)})
        if not turns:
            faults.append("missing:turns")
        else:
            self._order(turns, faults, prompt_only, answers_only)
        return system, turns, faults

    def _from_text(self, value: str) -> Any:
        """Some tables keep the conversation as JSON in a text cell."""
        try:
            return loads(value)
        except ValueError:
            return value

    def _from_object(self, value: Turn) -> Any:
        """One turn, turns under a name of their own, or turns numbered by their keys."""
        for name in ("messages", "conversations"):
            if isinstance(value.get(name), list):
                return value[name]
        if value and all(isinstance(turn, dict) for turn in value.values()):
            return list(value.values())
        return [value]

    def _single(self, items: list[Any]) -> list[Any]:
        """Turns one by one, where an element holds a question with its answer."""
        if not any(isinstance(item, dict) and in_pairs(item) for item in items):
            return items
        turns: list[Any] = []
        for item in items:
            pair = in_pairs(item) if isinstance(item, dict) else None
            if pair is None:
                turns.append(item)
            else:
                turns += [{"role": "user", "content": item[pair[0]]}]
                turns += [{"role": "assistant", "content": item[pair[1]]}]
        return turns

    def _weight(self, item: Turn, role: str, faults: list[str]) -> float | None:
        """How much a turn counts in the loss, under the names that trainers use; None: nothing is said."""
        weight = next(
            (float(item[name]) for name in WEIGHTS if isinstance(item.get(name), int | float)), None
        )
        if detail := item.get("train_detail"):
            said = {bool(part.get("train", True)) for part in detail if isinstance(part, dict)}
            if said == {False}:
                return 0.0
            if False in said:
                faults.append("loss:parts")
                self.lost[
                    "parts of an answer kept out of the loss (train_detail) are learnt like the rest"
                ] += 1
        if weight is not None and role == "assistant" and weight not in (0.0, 1.0):
            self.lost["turn weights other than 0 and 1 count as 1"] += 1
        if weight and role != "assistant":
            self.lost["turns marked to be learnt that aren't the assistant's are not"] += 1
        return weight

    def _turn(self, item: dict[str, Any], faults: list[str]) -> tuple[str, str]:
        said = item.get("role", item.get("from"))
        role = ROLE_NAMES.get(said.lower().strip()) if isinstance(said, str) else None
        if role is None:
            faults.append("role:none" if not isinstance(said, str) or not said else "role:unknown")
            role = answer_text(said)[:40] if said else "unknown"
        content = item.get("content", item.get("value"))
        if content is None and "text" in item:
            content = item["text"]
        text = self._content(content, faults)
        calls = item.get("tool_calls") or ([item["function_call"]] if item.get("function_call") else None)
        if calls:
            text = self._calls(calls, text)
        elif said in ("function_call", "tool_call"):
            self.lost["tool calls are kept as text between <tool_call> marks"] += 1
            text = f"<tool_call>\n{text}\n</tool_call>"
        elif content is None:
            faults.append("missing:content")
        if item.get("reasoning_content") or item.get("thinking") or item.get("reasoning"):
            self.lost["reasoning kept apart from the answer is dropped"] += 1
        if not item.keys() <= KNOWN_KEYS:
            for name in item.keys() - KNOWN_KEYS:
                if item[name] is not None:
                    self.lost[f'"{printable(str(name))[:30]}" of a turn is dropped'] += 1
        return role, text

    def _content(self, content: Any, faults: list[str]) -> str:
        if isinstance(content, str):
            return content
        if content is None:
            return ""
        if isinstance(content, list):
            texts = []
            for part in content:
                if isinstance(part, str):
                    texts.append(part)
                elif isinstance(part, dict) and isinstance(part.get("text"), str):
                    texts.append(part["text"])
                elif (
                    isinstance(part, dict)
                    and isinstance(part.get("value"), str)
                    and part.get("type") == "text"
                ):
                    texts.append(part["value"])
                elif part is not None:
                    kind = part.get("type", "other") if isinstance(part, dict) else "other"
                    self.lost[f"content parts of type {kind!s:.20} are dropped"] += 1
            return "".join(texts)
        faults.append("type:content")
        return answer_text(content)

    def _calls(self, calls: Any, text: str) -> str:
        self.lost["tool calls are kept as text between <tool_call> marks"] += 1
        written = []
        for call in calls if isinstance(calls, list) else [calls]:
            function = call.get("function", call) if isinstance(call, dict) else call
            if isinstance(function, dict):
                arguments = function.get("arguments")
                if isinstance(arguments, str):
                    try:
                        arguments = loads(arguments)
                    except ValueError:
                        pass_on = arguments
                        arguments = pass_on
                function = {"name": function.get("name"), "arguments": arguments}
            written.append(f"<tool_call>\n{answer_text(function)}\n</tool_call>")
        return "\n".join(([text] if text else []) + written)

    def _order(self, turns: list[Turn], faults: list[str], prompt_only: bool, answers_only: bool) -> None:
        roles = [turn["role"] for turn in turns]
        if not answers_only and roles[0] != "user":
            faults.append("order:first")
        for before, after in pairwise(roles):
            if before == after and before in ("user", "assistant"):
                faults.append("order:repeated")
                break
        if not prompt_only:
            if "assistant" not in roles:
                faults.append("missing:answer")
            elif roles[-1] != "assistant":
                faults.append("order:last")
            if any(turn["role"] == "assistant" and not turn["content"].strip() for turn in turns):
                faults.append("empty:answer")

    def with_tools(self, system: str | None, tools: Any) -> str | None:
        """The system message with the tool list under it, as most templates without a tool slot would want
        it.
        """
        if not tools or (isinstance(tools, str) and tools.strip() in ("[]", "{}", "null", "")):
            return system
        self.lost["the list of tools is kept as text in the system message"] += 1
        listed = answer_text(tools)
        return f"{system}\n\n# Tools\n{listed}" if system else f"# Tools\n{listed}"

    def with_history(self, history: Any, prompt: str | None, answer: str | None) -> list[Turn] | None:
        """Earlier (question, answer) pairs of an instruction row before its own turn; None when there are
        none.
        """
        if not isinstance(history, list) or not history:
            return None
        turns: list[Turn] = []
        for pair in history:
            if isinstance(pair, list | tuple) and len(pair) == 2:
                turns.append({"role": "user", "content": answer_text(pair[0]), "weight": None})
                turns.append({"role": "assistant", "content": answer_text(pair[1]), "weight": None})
        turns.append({"role": "user", "content": prompt or "", "weight": None})
        turns.append({"role": "assistant", "content": answer or "", "weight": None})
        return turns
