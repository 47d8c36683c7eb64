"""Rows of any recognised format into one frame, a batch at a time, remembering what didn't fit."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tuiftune.data.bytestream import LONE_SURROGATE, mend
from tuiftune.data.judges import turn_style
from tuiftune.data.names import ROLE_NAMES
from tuiftune.data.turns import Turns, answer_text, transcript

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuiftune.data.json_rows import Row
    from tuiftune.data.recognise import Recognition


def schema() -> dict[str, Any]:
    """Columns of the frame. `prompt` is all that isn't learnt, `answer` all that is; `messages` only for
    chats.
    """
    import polars as pl

    return {
        "file": pl.UInt16(),
        "row": pl.UInt32(),
        "system": pl.String(),
        "prompt": pl.String(),
        "answer": pl.String(),
        "rejected": pl.String(),
        "label": pl.String(),
        "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String(), "weight": pl.Float32()})),
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
                if value is None:
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
        instruction = self._column(rows, "instruction", faults)
        extra = self._column(rows, "input", faults, needed=False)
        made: dict[str, list[Any]] = {
            "prompt": [
                f"{head}\n\n{body}" if body and body.strip() else head
                for head, body in zip(instruction, extra, strict=True)
            ],
            "answer": self._column(rows, "output", faults),
        }
        if "system" in self.recognition.columns:
            made["system"] = self._column(rows, "system", faults, needed=False)
        history = self.recognition.columns.get("history")
        if history and any(row.get(history) for row in rows):
            made["messages"] = [
                self.turns.with_history(row.get(history), prompt, answer)
                for row, prompt, answer in zip(rows, made["prompt"], made["answer"], strict=True)
            ]
        return made

    def _prompt_completion(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        columns = self.recognition.columns
        if turn_style([row.get(columns["completion"]) for row in rows]):
            return self._turns_in_two(rows, faults)
        made: dict[str, list[Any]] = {
            "prompt": self._column(rows, "prompt", faults),
            "answer": self._column(rows, "completion", faults),
        }
        if "context" in columns:
            contexts = self._column(rows, "context", faults, needed=False)
            made["prompt"] = [
                f"{context}\n\n{asked}" if context and context.strip() and asked else asked
                for context, asked in zip(contexts, made["prompt"], strict=True)
            ]
        if "system" in self.recognition.columns:
            made["system"] = self._column(rows, "system", faults, needed=False)
        return made

    def _turns_in_two(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        """Prompt and completion as turns: answers within the prompt are read, not learnt."""
        columns = self.recognition.columns
        joined = []
        for row in rows:
            before = _as_turns(row.get(columns["prompt"]), "user")
            after = _as_turns(row.get(columns["completion"]), "assistant")
            read = [{**turn, "weight": 0} if _answers(turn) else turn for turn in before]
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
            made["system"] = self._column(rows, "system", faults, needed=False)
        return made

    def _text(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        return {"answer": self._column(rows, "text", faults)}

    def _chat(
        self, rows: list[Row], faults: dict[int, str], columns: Mapping[str, str] | None = None
    ) -> dict[str, list[Any]]:
        columns = columns or self.recognition.columns
        tools, systems = columns.get("tools"), columns.get("system")
        made: dict[str, list[Any]] = {"messages": [], "prompt": [], "answer": [], "system": []}
        for index, row in enumerate(rows):
            system, messages, found = self.turns.read(row.get(columns["messages"]))
            for fault in found:
                _add(faults, index, fault)
            if systems and isinstance(row.get(systems), str) and row[systems].strip():
                system = row[systems] if not system else f"{row[systems]}\n\n{system}"
            if tools and row.get(tools):
                system = self.turns.with_tools(system, row[tools])
            made["system"].append(system)
            made["messages"].append(messages)
            made["prompt"].append(
                "\n".join(turn["content"] for turn in messages if turn["role"] != "assistant")
            )
            made["answer"].append(
                "\n".join(turn["content"] for turn in messages if turn["role"] == "assistant")
            )
        return made

    _sharegpt = _chat

    def _preference(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        columns = self.recognition.columns
        made: dict[str, list[Any]] = {
            "messages": [],
            "prompt": [],
            "answer": [],
            "rejected": [],
            "system": [],
        }
        prompts = self._column(rows, "prompt", faults)
        systems = self._column(rows, "system", faults, needed=False)
        for index, row in enumerate(rows):
            value = row.get(columns["messages"]) if "messages" in columns else None
            system, messages, found = self.turns.read(value, prompt_only=True) if value else (None, [], [])
            texts: list[str | None] = []
            bare = not messages and prompts[index] is None  # the prompt can only be in the answers
            for role in ("chosen", "rejected"):
                side = row.get(columns[role])
                if isinstance(side, str) and bare:
                    side = transcript(side) or side
                if side is None:
                    found.append(f"missing:{role}")
                    texts.append(None)
                elif isinstance(side, str):
                    texts.append(side)
                elif isinstance(side, list | dict):
                    own_system, turns, side_faults = self.turns.read(
                        side if isinstance(side, list) else [side], answers_only=True
                    )
                    found += side_faults
                    texts.append(turns[-1]["content"] if turns else None)
                    if len(turns) > 1 and not messages:
                        system, messages = own_system or system, turns[:-1]
                    if own_system and not system:
                        system = own_system
                else:
                    found.append(f"type:{role}")
                    texts.append(answer_text(side))
            if len(messages) > 1 and messages[-1]["role"] == "assistant" and messages[-1]["content"] in texts:
                messages = messages[:-1]  # the conversation was kept with one of its answers
            prompt = prompts[index]
            if prompt is not None and not messages:
                messages = [{"role": "user", "content": prompt, "weight": None}]
            if not messages:
                found.append("missing:prompt")
            for fault in found:
                _add(faults, index, fault)
            made["messages"].append(messages)
            made["prompt"].append("\n".join(turn["content"] for turn in messages))
            made["answer"].append(texts[0])
            made["rejected"].append(texts[1])
            made["system"].append(systems[index] or system)
        return made

    def _kto(self, rows: list[Row], faults: dict[int, str]) -> dict[str, list[Any]]:
        made = (
            self._chat(rows, faults)
            if "messages" in self.recognition.columns
            else self._prompt_completion(rows, faults)
        )
        made["label"] = self._column(rows, "label", faults)
        return made


def _as_turns(value: Any, role: str) -> list[Any]:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return value if isinstance(value, list) else [] if value is None else [value]


def _answers(turn: Any) -> bool:
    return isinstance(turn, dict) and ROLE_NAMES.get(str(turn.get("role", turn.get("from")))) == "assistant"


def _add(faults: dict[int, str], index: int, fault: str) -> None:
    had = faults.get(index)
    if had is None:
        faults[index] = fault
    elif fault not in had.split():
        faults[index] = f"{had} {fault}"
