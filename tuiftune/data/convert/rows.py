"""Rows of any recognized format into one frame, a batch at a time, remembering what didn't fit."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from tuiftune.data.convert.content import answer_text
from tuiftune.data.convert.sides import (
    answered,
    answers,
    as_turns,
    of_one_prompt,
    side,
    sides,
    taken_apart,
    without_repeat,
)
from tuiftune.data.convert.spoken import asking, asks
from tuiftune.data.convert.turns import Turns
from tuiftune.data.detect import thumbs
from tuiftune.data.detect.columns import turn_style
from tuiftune.data.detect.formats import SAMPLE
from tuiftune.data.read.bytestream import LONE_SURROGATE, mend
from tuiftune.data.read.cells import is_missing, structured

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuiftune.data.convert.spoken import Dialect
    from tuiftune.data.convert.turns import Turn
    from tuiftune.data.detect.formats import Recognition
    from tuiftune.data.read.json_rows import Row

NEEDED_QUESTIONS = ("instruction", "prompt")


def schema() -> dict[str, Any]:
    """Columns of the frame. `prompt` is all that isn't learned, `answer` all that is; `messages` only for
    chats, `answer_turns` and `rejected_turns` for preferences whose answers take several turns.
    """
    import polars as pl

    turns = pl.List(pl.Struct({"role": pl.String(), "content": pl.String(), "weight": pl.Float32()}))
    return {
        "file": pl.UInt16(),
        "row": pl.UInt32(),
        "system": pl.String(),
        "prompt": pl.String(),
        "answer": pl.String(),
        "rejected": pl.String(),
        "label": pl.String(),
        "messages": turns,
        "answer_turns": turns,
        "rejected_turns": turns,
        "fault": pl.String(),
    }


class Converter:
    """Turns batches into frames. `lost` counts what conversion drops, by sentence."""

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

    def frame(self, file: int, numbers: list[int], rows: list[Row]) -> pl.DataFrame:
        """One batch as a frame of `schema()`. Faults of a row (missing, wrong type …) stand in `fault`,
        space-separated.
        """
        import polars as pl

        count = len(rows)
        faults: dict[int, str] = {}
        made = getattr(self, "_" + self.recognition.format.replace("-", "_"))(rows, faults)
        system = made.get("system")
        if self.system is not None:
            made["system"] = [value or self.system for value in system] if system else [self.system] * count
        kinds = schema()
        columns = {}
        for name, kind in kinds.items():
            values = made.get(name)
            if name == "file":
                columns[name] = pl.repeat(file, count, dtype=kind, eager=True).alias(name)
            elif name == "row":
                columns[name] = pl.Series(name, numbers, dtype=kind)
            elif name == "fault":
                continue
            elif values is None:
                columns[name] = pl.Series(name, [None], dtype=kind).new_from_index(0, count)
            else:
                try:
                    columns[name] = pl.Series(name, values, dtype=kind)
                except (UnicodeEncodeError, pl.exceptions.PolarsError):
                    columns[name] = pl.Series(name, self._mended(name, values, faults), dtype=kind)
        columns["fault"] = (
            pl.Series("fault", [faults.get(index) for index in range(count)], dtype=pl.String)
            if faults
            else pl.Series("fault", [None], dtype=pl.String).new_from_index(0, count)
        )
        return pl.DataFrame([columns[name] for name in kinds])

    def _mended(self, name: str, values: list[Any], faults: dict[int, str]) -> list[Any]:
        out = []
        for index, value in enumerate(values):
            if isinstance(value, str) and LONE_SURROGATE.search(value):
                _add(faults, index, "bytes")
                value = mend(value)
            elif isinstance(value, list):
                if any(LONE_SURROGATE.search(turn["content"]) for turn in value):
                    _add(faults, index, "bytes")
                value = [
                    {**turn, "role": mend(turn["role"]), "content": mend(turn["content"])} for turn in value
                ]
            out.append(value)
        return out

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
                        _add(faults, index, f"missing:{role}")
                    continue
                if isinstance(value, bool | int | float) and role == "label":
                    values[index] = json.dumps(value)
                    continue
                _add(faults, index, f"type:{role}")
                values[index] = answer_text(value)
        return values

    def _instruction(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        asked = self._asked(rows, faults, ("instruction", "input"))
        return self._single(rows, faults, asked, self._column(rows, "output", faults))

    def _prompt_completion(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        columns = self.recognition.columns
        if self._in_turns is None:
            ends = [[row.get(columns[role]) for row in rows[:SAMPLE]] for role in ("prompt", "completion")]
            self._in_turns = any(turn_style(values) for values in ends)
        if self._in_turns:
            return self._turns_in_two(rows, faults)
        asked = self._asked(rows, faults, ("context", "prompt", "input"))
        return self._single(rows, faults, asked, self._column(rows, "completion", faults))

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
                    _add(faults, index, f"missing:{needed}")
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
            _add(faults, index, fault)
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
                        _add(faults, index, fault)
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

    def _turns_in_two(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        """Prompt and completion as turns: answers within the prompt are read, not learned."""
        columns = self.recognition.columns
        joined = []
        for index, row in enumerate(rows):
            before = as_turns(row.get(columns["prompt"]), "user")
            after = as_turns(row.get(columns["completion"]), "assistant")
            if "history" in columns and columns["history"] != columns["prompt"]:
                system, earlier = self._history(row, index, faults)
                before = [*([{"role": "system", "content": system}] if system else []), *earlier, *before]
            after = without_repeat(before, after)
            read = [{**turn, "weight": 0} if answers(turn) else turn for turn in before]
            joined.append({**row, columns["prompt"]: read + after})
        whole = {**columns, "messages": columns["prompt"]}
        return self._chat(joined, faults, whole)

    def _classification(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        labels = self._column(rows, "label", faults)
        made: dict[str, list[Any]] = {
            "prompt": self._column(rows, "text", faults),
            "answer": labels,
            "label": labels,
        }
        if "system" in self.recognition.columns:
            made["system"] = self._systems(rows, faults)
        return made

    def _text(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        return {"answer": self._column(rows, "text", faults)}

    def _chat(
        self,
        rows: list[Row],
        faults: dict[int, str],
        columns: Mapping[str, str] | None = None,
        *,
        prompt_only: bool = False,
    ) -> dict[str, list[Any]]:
        columns = columns or self.recognition.columns
        made: dict[str, list[Any]] = {"messages": [], "prompt": [], "answer": [], "system": []}
        beside = self._systems(rows, faults)
        for index, row in enumerate(rows):
            system, messages, found = self.turns.read(row.get(columns["messages"]), prompt_only=prompt_only)
            for fault in found:
                _add(faults, index, fault)
            made["system"].append(self.turns.both_systems(beside[index], system))
            made["messages"].append(messages)
            prompt, answer = sides(messages)
            made["prompt"].append(prompt)
            made["answer"].append(answer)
        return made

    _sharegpt = _chat

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
                _add(faults, index, fault)
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

    def _prompt_only(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        """Prompts, as a text or as a conversation; an answer at the end of one is its reference answer."""
        if "messages" in self.recognition.columns:
            return self._chat(rows, faults, prompt_only=True)
        asked = self._asked(rows, faults, ("context", "prompt", "input"))
        made = self._single(rows, faults, asked, [None] * len(rows))
        for turns in made.get("messages", ()):
            if turns:
                turns.pop()
        return made

    def _kto(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        made = (
            self._chat(rows, faults)
            if "messages" in self.recognition.columns
            else self._prompt_completion(rows, faults)
        )
        name = self.recognition.columns["label"]
        made["label"] = []
        for index, row in enumerate(rows):
            up = thumbs.is_up(row.get(name), name)
            made["label"].append(None if up is None else str(up).lower())
            if up is None:
                _add(faults, index, "missing:label")
                missing = is_missing(row.get(name))
                said = "without a label" if missing else "whose label is neither a thumb up nor a thumb down"
                self.lost[f"rows {said} are not trained on"] += 1
        return made


def _begins(row: Row, columns: Mapping[str, str], prompt: str | None) -> bool:
    """Whether both answers are texts that begin with the prompt, and go on."""
    asked = (prompt or "").strip()
    two = [row.get(columns[role]) for role in ("chosen", "rejected")]
    texts = [text.strip() for text in two if isinstance(text, str)]
    return bool(asked) and len(texts) == 2 and all(text.startswith(asked) and text != asked for text in texts)


def _add(faults: dict[int, str], index: int, fault: str) -> None:
    had = faults.get(index)
    if had is None:
        faults[index] = fault
    elif fault not in had.split():
        faults[index] = f"{had} {fault}"
