"""The training tokens and loss mask of one row, then the training text next to the inference prompt."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from tuiftune.figures import percent
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.text_diff import differences
from tuiftune.tui.kit.wrap import flowing, wrapped

if TYPE_CHECKING:
    from textual.geometry import Size

SIDE_BY_SIDE = 100
TRAINED = ("good", "trained")  # alternating, so that the bounds of tokens are visible
CONTEXT = ("soft", "faint")


def _behind(line: Line, mark: str) -> Line:
    """Return the line with a mark before it, which shows truncated text without color."""
    line.spans.insert(0, (mark, "warning"))
    return line


class TokenView(Canvas):
    """A view of a document of `python -m tuiftune.engine tokens`, or a message."""

    def __init__(self) -> None:
        super().__init__(id="token-view")
        self._row: dict[str, Any] = {}
        self._instead = ("", "")

    def show(self, row: dict[str, Any]) -> None:
        self._row, self._instead = row, ("", "")
        self.refresh(layout=True)

    def instead(self, text: str, ink: str = "soft") -> None:
        """Show a message while there is no document."""
        self._row, self._instead = {}, (text, ink)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.paint(width, viewport.height))

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        row = self._row
        if not row:
            return [Line(part, self._instead[1]) for part in wrapped(self._instead[0], width)]
        if "fault" in row:
            return [Line(part, "error") for part in wrapped(f"{self.glyphs.error} {row['fault']}", width)]
        return [*self._head(width), Line(), *self._tokens(width), Line(), *self._compared(width)]

    def _head(self, width: int) -> list[Line]:
        row = self._row
        total, trained = len(row["tokens"]), row["trained"]
        share = trained / total if total else 0.0
        opening, closing = self._marks()
        head = Line(f"{total:,} tokens  ", "strong").bar(self.glyphs, share, min(20, width // 4))
        head.add(f"  {opening}{trained:,} trained{closing}", "good").add(f" {percent(share)}", "strong")
        how = f"loss on {row['loss_on']}, found by {row['mask_from']}"
        if not row["own_template"]:
            how += "; the model has no chat template, so a plain one is used"
        lines = [head, *(Line(part, "soft") for part in wrapped(how, width, 2))]
        if row["masked_answers"]:
            answers = (
                "1 answer is" if row["masked_answers"] == 1 else f"{row['masked_answers']:,} answers are"
            )
            muted = f"{answers} masked: the data gives them weight 0"
            lines += [Line(part, "second") for part in wrapped(muted, width, 2)]
        if row["truncated"]:
            cut = f"{self.glyphs.warning} truncated at {row['max_length']:,} of {row['length']:,} tokens"
            cut += f": {row['lost']:,} answer tokens are not trained on"
            lines += [Line(part, "warning") for part in wrapped(cut, width, 2)]
        return lines

    def _marks(self) -> tuple[str, str]:
        return ("⟦", "⟧") if self.glyphs.braille else ("[[", "]]")

    def _tokens(self, width: int) -> list[Line]:
        opening, closing = self._marks()
        pieces: list[tuple[str, str]] = []
        inside = False
        for place, token in enumerate(self._row["tokens"]):
            trained = token["trained"]
            if trained != inside:
                pieces.append((opening if trained else closing, "strong"))
                inside = trained
            pieces.append((token["text"], (TRAINED if trained else CONTEXT)[place % 2]))
        if inside:
            pieces.append((closing, "strong"))
        newline = "⏎" if self.glyphs.braille else "\\n"
        lines = flowing(pieces, width, newline)
        return [*lines, *self._beyond(width, newline)] if self._row["truncated"] else lines

    def _beyond(self, width: int, newline: str) -> list[Line]:
        """Return the tokens beyond max_length, below a line that says so."""
        row = self._row
        gone = row["length"] - row["max_length"]
        rule = Line(
            f"{self.glyphs.rule * 2} truncated here: the {gone:,} tokens below are dropped ", "warning"
        )
        rule.add(self.glyphs.rule * (width - rule.width), "warning")
        pieces = [
            (token["text"], "cut" if token["trained"] else "faint") for token in row["truncated_tokens"]
        ]
        if rest := gone - len(row["truncated_tokens"]):
            pieces.append((f" {self.glyphs.more} and {rest:,} more", "warning"))
        lines = flowing(pieces, width - 2, newline)
        return [rule, *(_behind(line, f"{self.glyphs.marker} ") for line in lines)]

    def _compared(self, width: int) -> list[Line]:
        training, sent = self._row.get("training"), self._row.get("inference")
        if training is None or sent is None:
            return [Line("Raw text has no prompt, so there is no inference prompt to compare.", "soft")]
        agrees = training.startswith(sent)
        if agrees:
            words = f"{self.glyphs.ok} The inference prompt matches the training text."
        else:
            words = (
                f"{self.glyphs.warning} The inference prompt differs from the training text. The model will "
            )
            words += "see input it was not trained on."
        lines = [Line(part, "good" if agrees else "warning") for part in wrapped(words, width, 2)]
        pieces = differences(training[: len(sent)], sent)
        left = [(self._signed(old, kind), "soft" if kind == "same" else "error") for kind, old, _ in pieces]
        left.append((training[len(sent) :], "good" if agrees else "soft"))
        right = [
            (self._signed(new, kind), "soft" if kind == "same" else "warning") for kind, _, new in pieces
        ]
        newline = "⏎" if self.glyphs.braille else "\\n"
        if width < SIDE_BY_SIDE:
            lines += [Line("training text", "title"), *flowing(left, width, newline)]
            return [*lines, Line("inference prompt", "title"), *flowing(right, width, newline)]
        half = (width - 3) // 2
        lines.append(Line("training text", "title").to(half + 3).add("inference prompt", "title"))
        for one, other in zip_longest(flowing(left, half, newline), flowing(right, half, newline)):
            line = (one or Line()).to(half + 1).add(self.glyphs.marker + " ", "faint")
            line.spans += other.spans if other else []
            lines.append(line)
        return lines

    @staticmethod
    def _signed(text: str, kind: str) -> str:
        return f"{{{text}}}" if kind == "differs" and text else text
