"""Rows of any recognized format into one frame, a batch at a time, remembering what didn't fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.columns import add
from tuiftune.data.convert.pairs import Pairs
from tuiftune.data.convert.sides import answers, as_turns, sides, without_repeat
from tuiftune.data.detect import thumbs
from tuiftune.data.detect.columns import turn_style
from tuiftune.data.detect.formats import SAMPLE
from tuiftune.data.read.bytestream import LONE_SURROGATE, mend
from tuiftune.data.read.cells import is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuiftune.data.read.json_rows import Row


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


class Converter(Pairs):
    """Turns batches into frames."""

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
                add(faults, index, "bytes")
                value = mend(value)
            elif isinstance(value, list):
                if any(LONE_SURROGATE.search(turn["content"]) for turn in value):
                    add(faults, index, "bytes")
                value = [
                    {**turn, "role": mend(turn["role"]), "content": mend(turn["content"])} for turn in value
                ]
            out.append(value)
        return out

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
                add(faults, index, fault)
            made["system"].append(self.turns.both_systems(beside[index], system))
            made["messages"].append(messages)
            prompt, answer = sides(messages)
            made["prompt"].append(prompt)
            made["answer"].append(answer)
        return made

    _sharegpt = _chat

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
                add(faults, index, "missing:label")
                missing = is_missing(row.get(name))
                said = "without a label" if missing else "whose label is neither a thumb up nor a thumb down"
                self.lost[f"rows {said} are not trained on"] += 1
        return made
