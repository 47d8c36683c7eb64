"""The home screen before the first run: ways to begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.seen import seen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from textual.events import Click


@dataclass(frozen=True, slots=True)
class Offer:
    action: str
    key: str
    title: str
    says: tuple[str, ...]


OFFERS = (
    Offer(
        "new",
        "n",
        "New run",
        ("Five steps from your data to a training run. Enter accepts what is recommended.",),
    ),
    Offer(
        "demo",
        "d",
        "Demo",
        (
            "Fine-tune the built-in tiny model on built-in support tickets, and see what changed.",
            "A minute or two. No GPU, network or account needed.",
        ),
    ),
    Offer("preset", "p", "Built-in preset", ("Start from tested settings, and change them.",)),
    Offer("tour", "t", "Tour", ("All screens in two minutes, with a recorded run. Esc closes it.",)),
)


class Welcome(CursorList[Offer]):
    WRAPS = True

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        # The tour is first until it was started or closed once.
        self.all = self.rows = OFFERS if seen("tour") else (OFFERS[-1], *OFFERS[:-1])

    def refresh_offers(self) -> None:
        """Move the tour to the end of the list once it was seen."""
        if seen("tour") and self.rows[0].action == "tour":
            self.at = 0
            self.show(OFFERS, id(OFFERS[0]))

    def chosen_by(self, event: Click, again: bool) -> bool:
        del event, again
        return True

    def paint(self, width: int, height: int) -> list[Line]:
        glyphs = self.glyphs
        roomy = height >= 25
        lines = [Line()] * (1 if not roomy else max(1, (height - 28) // 3))
        lines += [
            Line("   Fine-tune a language model on your data, and measure the improvement.", "title"),
            Line(),
        ]
        lines += [Line("   No runs yet. Start with", "soft"), Line()]
        self.places = [None] * len(lines)
        for index, offer in enumerate(self.rows):
            here = index == self.at
            start = len(lines)
            lines.append(
                Line(f"   {glyphs.pointer if here else ' '} ", "accent")
                .add(f" {offer.key} ", "cursor" if here else "key")
                .add(f"  {offer.title}", "title")
            )
            for text in offer.says:
                lines += [Line("         ").add(part, "soft") for part in wrapped(text, width - 11)]
            self.places += [index] * (len(lines) - start)
            if roomy:
                lines.append(Line())
                self.places.append(None)
        lines += [Line()] if not roomy else []
        lines += [
            Line("   From the command line", "soft"),
            Line("     tuiftune train preset.yaml     ", "c1").add("run a preset without this app", "faint"),
            Line("     tuiftune doctor                ", "c1").add("check this machine", "faint"),
            Line("     tuiftune advise                ", "c1").add("fine-tuning, RAG or prompting?", "faint"),
        ]
        return lines
