"""What the columns of rows hold: questions, answers, what was said before them, system messages."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.data.convert.content import answer_text
from tuiftune.data.convert.sides import sides
from tuiftune.data.convert.turns import Turns
from tuiftune.data.read.cells import structured

if TYPE_CHECKING:
    from tuiftune.data.convert.spoken import Dialect
    from tuiftune.data.convert.turns import Turn
    from tuiftune.data.detect.formats import Recognition
    from tuiftune.data.read.json_rows import Row

NEEDED_QUESTIONS = ("instruction", "prompt")


class Columns:
    """The columns of recognized rows, a batch at a time. `lost` counts what conversion drops, by sentence."""

    def __init__(
        self, recognition: Recognition, system: str | None = None, lost: Counter[str] | None = None
    ) -> None:
        self.recognition = recognition
        self.system = system or None
        self.lost: Counter[str] = Counter() if lost is None else lost
        self.mended = 0
        self.turns = Turns(self.lost)
        self._aloud: Dialect | Literal[False] | None = None  # of prompts, once rows were seen
        self._repeats = False  # both answers begin with their prompt, once rows were seen
        self._in_turns: bool | None = None  # prompt and completion hold turns, once rows were seen

    def _column(
        self, rows: list[Row], role: str, faults: dict[int, str], needed: bool = True
    ) -> list[str | None]:
        """The texts of one column: other scalars are written out and noted, absent ones are None and noted if
        needed.
        """
        name = self.recognition.columns.get(role)
        if name is None:
            return [None] * len(rows)
        values = [row.get(name) for row in rows]
        if set(map(type, values)) != {str}:
            for index, value in enumerate(values):
                if type(value) is str:
                    continue
                if value is None or value != value:  # NaN, as tables write a missing number
                    values[index] = None
                    if needed:
                        add(faults, index, f"missing:{role}")
                    continue
                if isinstance(value, bool | int | float) and role == "label":
                    values[index] = json.dumps(value)
                    continue
                add(faults, index, f"type:{role}")
                values[index] = answer_text(value)
        return values

    def _asked(self, rows: list[Row], faults: dict[int, str], roles: tuple[str, ...]) -> list[str | None]:
        """The question of each row: what isn't blank of these columns, a blank line between them."""
        needed = next(role for role in roles if role in NEEDED_QUESTIONS)
        there = [role for role in roles if role in self.recognition.columns or role == needed]
        if len(there) == 1:
            return self._column(rows, needed, faults)
        parts = [self._column(rows, role, faults, needed=False) for role in there]
        usual = there.index(needed)
        asked = [
            "\n\n".join(said)
            if (said := [text for text in texts if text and not text.isspace()])
            else texts[usual]
            for texts in zip(*parts, strict=True)
        ]
        if None in asked:
            for index, text in enumerate(asked):
                if text is None:
                    add(faults, index, f"missing:{needed}")
        return asked

    def _single(
        self, rows: list[Row], faults: dict[int, str], asked: list[str | None], answers: list[str | None]
    ) -> dict[str, list[Any]]:
        """A question and its answer a row, after what was said before, where the rows say that."""
        made: dict[str, list[Any]] = {"prompt": asked, "answer": answers}
        columns = self.recognition.columns
        if "system" in columns or "tools" in columns:
            made["system"] = self._systems(rows, faults)
        history = columns.get("history")
        if history is None or not any(row.get(history) for row in rows):
            return made
        made["messages"] = [None] * len(rows)
        made.setdefault("system", [None] * len(rows))
        for index, row in enumerate(rows):
            system, before = self._history(row, index, faults, asked[index])
            made["system"][index] = self.turns.both_systems(made["system"][index], system)
            if before:
                last = [("user", asked[index] or ""), ("assistant", answers[index] or "")]
                turns = [*before, *({"role": role, "content": text, "weight": None} for role, text in last)]
                made["messages"][index] = turns
                if asked[index] and answers[index]:
                    asked[index], answers[index] = sides(turns)
        return made

    def _history(
        self, row: Row, index: int, faults: dict[int, str], asked: str | None = None
    ) -> tuple[str | None, list[Turn]]:
        """What was said before, without the question that is asked in a column of its own."""
        found: list[str] = []
        system, before = self.turns.history(row.get(self.recognition.columns["history"]), found)
        for fault in found:
            add(faults, index, fault)
        last = before[-1] if before else None
        if asked and last and last["role"] == "user" and last["content"].strip() == asked.strip():
            before = before[:-1]
        return system, before

    def _systems(self, rows: list[Row], faults: dict[int, str]) -> list[str | None]:
        """The system message of each row, its tools under it."""
        columns = self.recognition.columns
        name, tools = columns.get("system"), columns.get("tools")
        systems: list[str | None] = [None] * len(rows)
        if name is not None:
            values = [row.get(name) for row in rows]
            if set(map(type, values)) <= {str, type(None)}:
                systems = [value if value and value.strip() else None for value in values]
                systems = [
                    self._plain_system(value) if value and value[0] in "[{" else value for value in systems
                ]
            else:
                for index, value in enumerate(values):
                    found: list[str] = []
                    systems[index] = self.turns.system_text(value, found)
                    for fault in found:
                        add(faults, index, fault)
        if tools is not None:
            systems = [
                self.turns.with_tools(system, row.get(tools))
                for system, row in zip(systems, rows, strict=True)
            ]
        return systems

    def _plain_system(self, value: str) -> str | None:
        """A message or parts that a table keeps as text; any other text as it is."""
        held = structured(value)
        parts = held if isinstance(held, list) else [held]
        if all(
            isinstance(part, dict) and (part.keys() & {"text", "parts", "content", "role"}) for part in parts
        ):
            return self.turns.system_text(value, [])
        return value


def add(faults: dict[int, str], index: int, fault: str) -> None:
    """Note a fault of a row, once."""
    had = faults.get(index)
    if had is None:
        faults[index] = fault
    elif fault not in had.split():
        faults[index] = f"{had} {fault}"
