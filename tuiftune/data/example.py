"""One training row in the form that everything else uses."""

from __future__ import annotations

from dataclasses import dataclass, replace

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `weight` 0 keeps an assistant turn out of the loss (the source said so); None: not said."""

    role: str  # one of ROLES, unless the source used a role nobody knows
    content: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A row after conversion: either `messages` or `text`.

    For preference rows `messages` is the prompt alone and `chosen`/`rejected` are the two answers;
    `chosen_turns`/`rejected_turns` hold one that takes several turns, whose texts the other joins. For KTO
    rows the answer is the last message and `label` is "true" or "false". For classification `label`
    repeats the answer. `row` counts from 1 in `file` (the line for JSONL, the data row for CSV, the
    element for JSON arrays).
    """

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    chosen_turns: tuple[Message, ...] | None = None
    rejected_turns: tuple[Message, ...] | None = None
    label: str | None = None
    row: int = 0
    file: str = ""

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The messages before the last assistant turn: what inference will send."""
        messages = self.messages or ()
        if messages and messages[-1].role == "assistant":
            return messages[:-1]
        return messages

    @property
    def reference(self) -> str:
        """The last answer, or the text; empty where the source keeps that answer out of the loss."""
        if self.chosen is not None:
            return self.chosen
        if self.messages and self.messages[-1].role == "assistant":
            return "" if self.messages[-1].weight == 0 else self.messages[-1].content
        return self.text or ""

    def parts(self) -> list[tuple[str, str]]:
        """Return what the row holds, by role, to be shown: messages or text, both answers, a label."""
        parts = [(message.role, message.content) for message in self.messages or ()]
        if self.text is not None:
            parts = [("text", self.text)]
        if self.chosen is not None:
            parts += [("chosen", self.chosen), ("rejected", self.rejected or "")]
        if self.label is not None and self.label != self.reference:
            parts.append(("label", self.label))
        return parts

    @property
    def compares(self) -> bool:
        """Return False for a comparison of two equal answers, which says of neither that it is better."""
        equal = (self.chosen, self.chosen_turns) == (self.rejected, self.rejected_turns)
        return self.chosen is None or not equal

    @property
    def disliked(self) -> bool:
        """Return True for an answer that is judged bad. A class called false is its own label."""
        return self.label == "false" and self.reference != self.label

    def sides(self) -> tuple[Example, Example]:
        """A comparison as two rows: the prompt with the chosen answer, and with the rejected one.

        What the prompt holds of earlier answers is context, and not trained on.
        """
        asked = tuple(
            replace(message, weight=0.0) if message.role == "assistant" else message
            for message in self.messages or ()
        )

        def row(turns: tuple[Message, ...] | None, answer: str | None) -> Example:
            said = turns or (Message("assistant", answer or ""),)
            return Example((*asked, *said), row=self.row, file=self.file)

        return row(self.chosen_turns, self.chosen), row(self.rejected_turns, self.rejected)
