"""Conversations of every dialect (role/content, from/value, content parts, tool calls) into plain turns."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from tuiftune.data.convert import weights
from tuiftune.data.convert.content import CALLS, Content, Reader, answer_text, call_text
from tuiftune.data.convert.spoken import transcript
from tuiftune.data.detect.names import CALLING, CONTENT_KEYS, ROLE_KEYS, ROLE_NAMES
from tuiftune.data.read.cells import is_missing, structured
from tuiftune.printable import printable

Turn = dict[str, Any]  # role, content, weight

REASONING_KEYS = ("reasoning_content", "thinking", "reasoning", "thought")
KNOWN_KEYS = frozenset((*ROLE_KEYS, "tool_calls", "function_call", "type", *REASONING_KEYS)) | weights.KNOWN
PAIRED = (
    ("human", "assistant"),
    ("user", "assistant"),
    ("question", "answer"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("query", "response"),
    ("instruction", "output"),
    ("input", "output"),
)
_ITEMS = ("function_call", "function_call_output", "reasoning", "tool_call", "tool_result")  # without a role
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def in_pairs(item: Turn) -> tuple[str, str] | None:
    """The names under which an object holds a question and its answer, where it isn't one turn."""
    if any(item.get(name) is not None for name in ROLE_KEYS):
        return None
    lowered = {str(key).lower(): key for key in item}
    return next(
        ((lowered[left], lowered[right]) for left, right in PAIRED if left in lowered and right in lowered),
        None,
    )


def role_of(item: Turn) -> Any:
    """Who says a turn, by the first of the usual names that says anything."""
    said = next((item[name] for name in ROLE_KEYS if item.get(name) not in _EMPTY), None)
    return said.get("role") if isinstance(said, dict) else said


def content_key(item: Turn) -> str | None:
    """The name under which a turn's content stands: the first that isn't empty, else the first there is."""
    present = [name for name in CONTENT_KEYS if name in item]
    return next((name for name in present if item[name] not in _EMPTY), present[0] if present else None)


class Turns:
    """Reads conversations; what is dropped or rewritten is counted in `lost`."""

    def __init__(self, lost: Counter[str]) -> None:
        self.lost = lost
        self.content = Reader(lost)

    def read(
        self, value: Any, *, prompt_only: bool = False, answers_only: bool = False
    ) -> tuple[str | None, list[Turn], list[str]]:
        """(system message, other turns, faults). A prompt may end with the user; an answer may begin with the
        assistant.
        """
        if is_missing(value):
            return None, [], ["missing:messages"]
        items = items_of(value)
        if items is None:
            return None, [], ["type:messages"]
        if len(items) > 1 and all(isinstance(item, str) for item in items):
            self.lost["texts without roles are used as alternating questions and answers"] += 1
            items = [
                {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(items)
            ]
        system: str | None = None
        turns: list[Turn] = []
        faults: list[str] = []
        for item in items:
            if not isinstance(item, dict):
                faults.append("type:turn" if item is not None else "missing:turn")
                continue
            for turn in self._turns(item, faults):
                if turn["role"] != "system":
                    _append(turns, turn)
                    continue
                if turns:
                    faults.append("order:system")
                system = self.both_systems(system, turn["content"])
        for turn in turns:
            del turn["only"]
        if not turns:
            faults.append("missing:turns")
        else:
            self._order(turns, faults, prompt_only, answers_only)
        return system, turns, faults

    def system_text(self, value: Any, faults: list[str]) -> str | None:
        """What a system column says, as a text, a part or a message."""
        if is_missing(value):
            return None
        if isinstance(value, str):
            value = structured(value) or value
        if isinstance(value, dict) and (key := content_key(value)) and "type" not in value:
            value = value[key]
        if isinstance(value, list) and any(isinstance(item, dict) and role_of(item) for item in value):
            value = [item.get(content_key(item) or "") if isinstance(item, dict) else item for item in value]
        return "".join(self.content.read(value, faults).text) or None

    def both_systems(self, first: str | None, second: str | None) -> str | None:
        """Two system messages as one, which is said."""
        if not first or not first.strip() or not second or not second.strip() or first == second:
            return first if first and first.strip() else second
        self.lost["two system messages of a row are joined"] += 1
        return f"{first}\n\n{second}"

    def with_tools(self, system: str | None, tools: Any) -> str | None:
        """The system message with the tool list under it, as most templates without a tool slot would want
        it.
        """
        if is_missing(tools):
            return system
        self.lost["the list of tools is kept as text in the system message"] += 1
        listed = answer_text(tools)
        return f"{system}\n\n# Tools\n{listed}" if system else f"# Tools\n{listed}"

    def history(self, value: Any, faults: list[str]) -> tuple[str | None, list[Turn]]:
        """(system message, turns) of what was said before: pairs, turns, or texts by turns, as a list or as a
        cell's text.
        """
        if is_missing(value):
            return None, []
        items = items_of(value) or (transcript(value) if isinstance(value, str) else None)
        pairs = items if items and all(isinstance(item, list | tuple) for item in items) else None
        if items and all(isinstance(item, str) for item in items) and len(items) % 2 == 0:
            pairs = [items[at : at + 2] for at in range(0, len(items), 2)]
        if pairs is not None:
            if not all(len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs):
                faults.append("type:history")
                return None, []
            said = [
                (role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)
            ]
            return None, [
                {"role": role, "content": text, "weight": None} for role, text in said if text.strip()
            ]
        if not items or all(isinstance(item, str) for item in items):
            faults.append("type:history")
            return None, []
        system, turns, found = self.read(items, prompt_only=True)
        faults += ["type:history" if fault.startswith("missing:turn") else fault for fault in found]
        return system, turns

    def _turns(self, item: Turn, faults: list[str]) -> list[Turn]:
        """The turns that an element of a conversation stands for."""
        pair = in_pairs(item)
        if pair is None:
            return self._turn(item, faults)
        read = {*pair, "system", "input"} if pair[0] == "instruction" else {*pair, "system"}
        self._dropped(item, read | weights.KNOWN)
        asked = [self._joined(item[pair[0]], faults)]
        if pair[0] == "instruction" and not is_missing(item.get("input")):
            asked.append(self._joined(item["input"], faults))
        question = "\n\n".join(text for text in asked if text.strip())
        if not question:
            faults.append("empty:turn")
        made: list[Turn] = [{"role": "user", "content": question, "weight": None, "only": ""}]
        if system := self.system_text(item.get("system"), faults):
            made.insert(0, {"role": "system", "content": system, "weight": None, "only": ""})
        weight = weights.weight_of(item, "assistant", faults, self.lost)
        answer = self._joined(item[pair[1]], faults)
        return [*made, {"role": "assistant", "content": answer, "weight": weight, "only": ""}]

    def _joined(self, value: Any, faults: list[str]) -> str:
        return self.content.read(value, faults).answer(self.lost)

    def _turn(self, item: Turn, faults: list[str]) -> list[Turn]:
        if plain := _plain(item):
            return [plain]
        said = role_of(item)
        kind = item.get("type") if said is None and item.get("type") in _ITEMS else None
        if kind:
            said = "tool" if kind in ("function_call_output", "tool_result") else "assistant"
        spoken = said.lower().strip() if isinstance(said, str) else ""
        role = ROLE_NAMES.get(spoken)
        if role is None:
            faults.append("role:none" if not spoken else "role:unknown")
            role = answer_text(said)[:40] if said else "unknown"
        key = None if kind else content_key(item)
        read: set[str] = {key} if key else set()
        value = item if kind else item.get(key) if key else None
        if role == "tool" and not kind and _is_data(value):
            value = answer_text(value)
        found = self.content.read(value, faults)
        if kind:
            read |= {"name", "arguments", "output", "summary", "content", "input"}
        elif spoken in CALLING:
            self._call_turn(item[key] if key else None, found)
        self._apart(item, role, found, faults)
        self._dropped(item, KNOWN_KEYS | read, same=item.get(key) if key else None)
        return self._split(item, role, found, faults)

    def _call_turn(self, value: Any, found: Content) -> None:
        """A turn that is a tool call as a whole: one, or a list of them."""
        calls = structured(value) if isinstance(value, str) else value
        if isinstance(value, str) and not isinstance(calls, list):
            calls = [value]
        found.text.clear()
        found.calls[:] = [call_text(call) for call in (calls if isinstance(calls, list) else [calls])]

    def _apart(self, item: Turn, role: str, found: Content, faults: list[str]) -> None:
        """Tool calls and reasoning in fields other than the content."""
        calls = item.get("tool_calls") or item.get("function_call")
        if isinstance(calls, str):
            calls = structured(calls) or calls
        if calls:
            found.calls += [call_text(call) for call in (calls if isinstance(calls, list) else [calls])]
        for name in REASONING_KEYS:
            thought = item.get(name)
            if thought in _EMPTY or isinstance(thought, bool):
                continue
            if role != "assistant":
                self.lost[f'"{name}" of a message is dropped'] += 1
            elif isinstance(thought, str):
                found.reasoning.append(thought)
            else:
                own = self.content.read(thought, faults)
                found.reasoning.append("\n\n".join([*own.reasoning, *own.text]))

    def _split(self, item: Turn, role: str, found: Content, faults: list[str]) -> list[Turn]:
        """Results of tools as turns of their own, before what else a turn says."""
        results = [{"role": "tool", "content": text, "weight": None, "only": ""} for text in found.results]
        if role == "tool" and results and not found.text:
            return results
        content = found.answer(self.lost) if role == "assistant" else "".join(found.text)
        if role != "assistant" and found.calls:
            self.lost[CALLS] += 1
            content = "\n".join(([content] if content else []) + found.calls)
        only = "calls" if found.calls and not "".join(found.text).strip() else ""
        if found.reasoning and not found.calls and not "".join(found.text).strip():
            only = "reasoning"
        if results and not content.strip():
            return results
        if not found.given and not found.calls and not found.reasoning:
            faults.append("missing:content")
        if role == "user" and not content.strip():
            faults.append("empty:turn")
        weight = weights.weight_of(item, role, faults, self.lost)
        return [*results, {"role": role, "content": content, "weight": weight, "only": only}]

    def _dropped(self, item: Turn, read: set[str] | frozenset[str], same: Any = None) -> None:
        if item.keys() <= read:
            return
        for name in item.keys() - read:
            if item[name] not in _EMPTY and item[name] != same:
                self.lost[f'"{printable(str(name))[:30]}" of a message is dropped'] += 1

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


def items_of(value: Any) -> list[Any] | None:
    """The elements of a conversation: a list, a list as text, one turn, turns under a name of their own, or
    turns numbered by their keys. None for anything else.
    """
    if isinstance(value, str):
        value = structured(value)
    if isinstance(value, dict):
        for name in ("messages", "conversations", "contents"):
            if isinstance(value.get(name), list):
                return list(value[name])
        if value and all(isinstance(turn, dict) for turn in value.values()):
            return list(value.values())
        if isinstance(said := role_of(value), list) and all(
            isinstance(column, list) and len(column) == len(said) for column in value.values()
        ):  # a column of roles next to one of contents
            return [dict(zip(value, turn, strict=True)) for turn in zip(*value.values(), strict=True)]
        return [value]
    return value if isinstance(value, list) else None


def _plain(item: Turn) -> Turn | None:
    """The usual turn, a role and a text under two names and nothing else: read without a further look."""
    if len(item) != 2:
        return None
    said, text = item.get("role") or item.get("from"), item.get("content") or item.get("value")
    role = ROLE_NAMES.get(said) if type(said) is str and said not in CALLING else None
    if role is None or type(text) is not str or not text.strip():
        return None
    return {"role": role, "content": text, "weight": None, "only": ""}


def _append(turns: list[Turn], turn: Turn) -> None:
    """Calls and reasoning in separate messages belong to the adjacent assistant message."""
    last = turns[-1] if turns else None
    if (
        last
        and last["role"] == turn["role"] == "assistant"
        and last["weight"] == turn["weight"]
        and (turn["only"] == "calls" or last["only"] == "reasoning")
    ):
        between = "" if last["content"].endswith("\n\n") or not last["content"] else "\n"
        last.update(
            content=f"{last['content']}{between}{turn['content']}", only=turn["only"] if last["only"] else ""
        )
    else:
        turns.append(turn)


def _is_data(value: Any) -> bool:
    """Whether a tool's result is data (an object, a list of them, a number) rather than text in parts."""
    faults: list[str] = []
    Reader(Counter()).read(value, faults)
    parts = value if isinstance(value, list) else [value]
    return bool({"type:part", "type:content"} & {*faults}) and not any(
        isinstance(part, dict) and "type" in part for part in parts
    )
