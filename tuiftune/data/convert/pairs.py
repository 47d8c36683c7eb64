"""Rows of two answers to one prompt, of which one is better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.columns import Columns, add
from tuiftune.data.convert.sides import answered, of_one_prompt, side, taken_apart
from tuiftune.data.convert.spoken import asking, asks
from tuiftune.data.detect.formats import SAMPLE
from tuiftune.data.read.cells import is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.convert.turns import Turn
    from tuiftune.data.read.json_rows import Row


class Pairs(Columns):
    """Adds the format `preference`."""

    def _preference(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        columns = self.recognition.columns
        names = ("messages", "prompt", "answer", "rejected", "system", "answer_turns", "rejected_turns")
        made: dict[str, list[Any]] = {name: [] for name in names}
        asked = self._asked(rows, faults, ("context", "prompt", "input")) if "prompt" in columns else None
        if asked and self._aloud is None:
            self._aloud = asking([text for text in asked[:SAMPLE] if text]) or False
            begun = [_begins(row, columns, text) for row, text in zip(rows[:SAMPLE], asked, strict=False)]
            self._repeats = sum(begun) > 0.9 * len(begun)
        systems = self._systems(rows, faults)
        for index, row in enumerate(rows):
            found: list[str] = []
            value = row.get(columns["messages"]) if "messages" in columns else None
            system: str | None = None
            messages: list[Turn] = []
            if not is_missing(value):
                system, messages, found = self.turns.read(value, prompt_only=True)
            if "history" in columns:
                own, before = self._history(row, index, faults, asked[index] if asked else None)
                system, messages = self.turns.both_systems(own, system), before + messages
            prompt = asked[index] if asked else None
            if prompt is not None and (not messages or "history" in columns):
                own, asking_turns = self._asked_in(prompt)
                system, messages = self.turns.both_systems(system, own), [*messages, *asking_turns]
            both: dict[str, list[Turn] | None] = {}
            systems_of, whole = [], set()
            for role, value in self._two(row, prompt).items():
                own, both[role] = side(self.turns, value, role, found, bare=not messages)
                systems_of.append(own)
                if (turns := both[role]) and turns[0]["role"] != "assistant":
                    whole.add((own or "").strip())
                system = system or own
            messages = taken_apart(messages, both)
            for role, said in both.items():
                both[role] = answered(said)
                if len(both[role] or ()) < len(said or ()):
                    self.lost["messages after the last answer of a comparison are dropped"] += 1
            if len(whole) > 1 or not of_one_prompt(both, systems_of):
                found.append("type:turn")
                self.lost["rows whose two answers follow different prompts are not trained on"] += 1
            if not messages:
                found.append("missing:prompt")
            for fault in found:
                add(faults, index, fault)
            made["messages"].append(messages)
            made["prompt"].append("\n".join(turn["content"] for turn in messages))
            made["system"].append(self.turns.both_systems(systems[index], system))
            for name, role in (("answer", "chosen"), ("rejected", "rejected")):
                turns = both[role]
                single = turns is None or (len(turns) == 1 and turns[0]["role"] == "assistant")
                made[name].append(None if not turns else "\n".join(turn["content"] for turn in turns))
                made[f"{name}_turns"].append(None if single else turns)
        return made

    def _two(self, row: Row, prompt: str | None) -> dict[str, Any]:
        """The better and the worse answer, without the prompt in front of both where all rows repeat it."""
        columns = self.recognition.columns
        two = {role: row.get(columns[role]) for role in ("chosen", "rejected")}
        if not self._repeats or prompt is None or not _begins(row, columns, prompt):
            return two
        self.lost["prompts repeated in front of both answers are dropped"] += 1
        asked = len(prompt.strip())
        return {role: str(value).strip()[asked:].lstrip() for role, value in two.items()}

    def _asked_in(self, prompt: str) -> tuple[str | None, list[Turn]]:
        """(system message, turns) of the prompt of two answers: itself, or the conversation in it."""
        turns = asks(prompt, self._aloud, self.lost) if self._aloud else []
        if not turns:
            return None, [{"role": "user", "content": prompt, "weight": None}]
        self.lost["prompts written as a conversation are read as its messages"] += 1
        system, messages, _ = self.turns.read(turns, prompt_only=True)
        return system, messages


def _begins(row: Row, columns: Mapping[str, str], prompt: str | None) -> bool:
    """Whether both answers are texts that begin with the prompt, and go on."""
    asked = (prompt or "").strip()
    two = [row.get(columns[role]) for role in ("chosen", "rejected")]
    texts = [text.strip() for text in two if isinstance(text, str)]
    return bool(asked) and len(texts) == 2 and all(text.startswith(asked) and text != asked for text in texts)
