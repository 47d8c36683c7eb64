"""The result of a finished run: scores before and after, and sample answers side by side."""

from __future__ import annotations

import shlex
from functools import cached_property
from typing import TYPE_CHECKING, Any

from textual.containers import VerticalScroll

from tuiftune import techniques
from tuiftune.data.chat.reasoning import matches
from tuiftune.data.similar.twins import leakage_told
from tuiftune.errors import UserError
from tuiftune.figures import count, duration, percent, plural, real
from tuiftune.runs.reports.scores import measured
from tuiftune.runs.reports.verdict import of
from tuiftune.runs.state.readings import part
from tuiftune.runs.store.result_rows import result_rows
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import RESULT
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.result_rows import ResultRow


MOST = 6  # lines of one text


class Answers(Canvas):
    """Sample answers: `{"prompt", "reference", "before", "after"}`. In two columns from 100 cells on."""

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        super().__init__()
        self._samples = samples

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        if not self._samples:
            return [Line("This run has no sample answers.", "faint")]
        for number, sample in enumerate(self._samples, 1):
            rule = self.glyphs.rule * max(0, width - 12)
            lines.append(Line(f"answer {number} ", "title").add(rule, "faint"))
            lines += self._block("prompt", str(sample.get("prompt", "")), "soft", width)
            reference = str(sample.get("reference", ""))
            lines += self._block("reference", reference, "strong", width)
            before = self._judged(
                "before", sample.get("before"), reference, (width - 2) // 2 if width >= 100 else width
            )
            after = self._judged(
                "after", sample.get("after"), reference, (width - 2) // 2 if width >= 100 else width
            )
            lines += _beside(before, after, width) if width >= 100 else [*before, *after]
            lines.append(Line())
        return lines

    def _judged(self, label: str, answer: Any, reference: str, width: int) -> list[Line]:
        if answer is None:
            return self._block(label, self.glyphs.missing, "faint", width)
        same = matches(str(answer), reference)
        sign, ink = (self.glyphs.ok, "good") if same else (self.glyphs.error, "warning")
        lines = self._block(label, str(answer) if str(answer).strip() else "(empty)", ink, width - 2)
        lines[0].right(sign, ink, width)
        return lines

    def _block(self, label: str, text: str, ink: str, width: int) -> list[Line]:
        parts = wrapped(text, width - 11, MOST, self.glyphs.more)
        return [
            Line((label if row == 0 else "").ljust(10), "faint").add(part, ink)
            for row, part in enumerate(parts)
        ]


def _beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    lines = []
    for row in range(max(len(left), len(right))):
        line = left[row] if row < len(left) else Line()
        line.to((width - 2) // 2 + 2)
        if row < len(right):
            line.spans += right[row].spans
        lines.append(line)
    return lines


LABEL = 13
ONWARD = (
    ("tuiftune report {run}", "write all of it as Markdown"),
    ("tuiftune ship {run} --min-gain 0.05", "5 points better? exit 0 or 8"),
    ("tuiftune serve {run}", "an OpenAI-compatible API"),
)


def _basis(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The evaluation rows of the figures: where no answer has a score, those of the loss and the pairs."""
    scored = after.get("exact_match") is not None or before.get("exact_match") is not None
    keys = ("rows",) if scored else ("rows_held_out", "rows")
    rows = next((found for key in keys for found in (after.get(key), before.get(key)) if found), None)
    return f"on {rows:,} evaluation rows" if isinstance(rows, int) else ""


class Changes(Canvas):
    """A view of `result.json`; absent values are written as missing."""

    def __init__(self, name: str, result: dict[str, Any], fault: str = "") -> None:
        super().__init__()
        self._run_name, self._result = name, result
        self._fault = fault

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if self._fault:
            return [Line(line, "warning") for line in wrapped(self._fault, width)]
        before, after = self._result.get("before") or {}, self._result.get("after") or {}
        lines = [Line()]
        for key, name, write, top in (
            ("loss", "eval loss", real, None),
            ("perplexity", "perplexity", real, None),
            ("exact_match", "exact match", percent, 1.0),
        ):
            if key == "loss" or before.get(key) is not None or after.get(key) is not None:
                lines += self._pair(name, before.get(key), after.get(key), write, top, width)
        for name, first, second in measured(before, after):
            lines += self._pair(name, first, second, percent, 1.0, width)
        lines.append(Line(" " * LABEL).add(_basis(before, after), "faint"))
        if known := leakage_told(part(after, "leakage")):
            lines += [Line(" " * LABEL).add(words, "warning") for words in wrapped(known, width - LABEL)]
        lines += [Line(), *self._judged(width)]
        seconds, steps = self._result.get("seconds"), self._result.get("steps")
        total = self._result.get("total_steps")
        early = f"{count(steps)} of {count(total)} steps, stopped early"
        facts = [
            "" if not steps else early if total and total > steps else plural(steps, "step"),
            duration(seconds) if seconds else "",
            f"{count(self._result.get('tokens'))} tokens" if self._result.get("tokens") else "",
            self._best(),
        ]
        dot = f" {self.glyphs.dot} "
        lines.append(Line("training".ljust(LABEL), "soft").add(dot.join(fact for fact in facts if fact)))
        lines += self._course()
        trainable, parameters = self._result.get("trainable"), self._result.get("parameters")
        if trainable and parameters:
            technique = self._result.get("technique", "")
            every = techniques.all_parameters(technique, parameters, trainable)
            share = percent(trainable / every, 1)
            words = f"{technique}: {count(trainable)} of {count(every)} parameters ({share})"
            lines.append(Line("trainable".ljust(LABEL), "soft").add(words))
        if self._result.get("model"):
            lines.append(Line("saved in".ljust(LABEL), "soft").add(str(self._result["model"])))
        return [*lines, Line(), *self._onward(width), Line()]

    def _onward(self, width: int) -> list[Line]:
        """Return the commands that go on from here and have no key."""
        commands = [command.format(run=shlex.quote(self._run_name)) for command, _ in ONWARD]
        longest = max(map(len, commands))
        lines = []
        for at, (command, (_, says)) in enumerate(zip(commands, ONWARD, strict=True)):
            line = Line(("in a shell" if at == 0 else "").ljust(LABEL), "soft")
            line.add(command.ljust(longest + 2))
            lines.append(line.add(says, "faint") if len(says) <= width - line.width else line)
        return lines

    def _course(self) -> list[Line]:
        """The metric that chose the best checkpoint, at each evaluation; at most `MOST` of them."""
        found = self._result.get("course")
        points = [
            (int(point[0]), float(point[1]))
            for point in (found if isinstance(found, list) else ())
            if isinstance(point, list)
            and len(point) == 2
            and all(isinstance(one, int | float) for one in point)
        ]
        if not points:
            return []
        name = str(self._result.get("best_by", "")).replace("_", " ")
        every = -(-len(points) // MOST)
        best = self._result.get("best_step")
        shown = [point for at, point in enumerate(points) if at % every == 0 or point[0] == best]
        most = max(abs(value) for _, value in points) or 1.0
        lines = []
        for at, (step, value) in enumerate(shown):
            line = Line((name if not at else "").ljust(LABEL), "soft").add(f"step {step:>7,}  ", "soft")
            line.bar(self.glyphs, abs(value) / most, 16, "good" if step == best else "c0")
            lines.append(line.add(f"  {real(value, 3)}", "strong" if step == best else "soft"))
            if step == best:
                lines[-1].add(f" {self.glyphs.best}", "accent")
        return lines

    def _best(self) -> str:
        if not self._result.get("best_step"):
            return ""
        words = f"best at step {self._result['best_step']:,}"
        by, value = self._result.get("best_by"), self._result.get("best_value")
        return (
            f"{words} by {str(by).replace('_', ' ')} ({real(value, 3)})"
            if by and value is not None
            else words
        )

    def _judged(self, width: int) -> list[Line]:
        """Return whether the model is better than its base model, and what to try if it is not."""
        verdict = of(self._result)
        if verdict is None or not verdict.says:
            return []
        sign, ink = (self.glyphs.ok, "good") if verdict.better else (self.glyphs.warning, "warning")
        lines = [Line(part, ink) for part in wrapped(f"{sign} {verdict.says}", width)]
        lines += [Line(f"  {part}", "soft") for part in wrapped(verdict.fix, width - 2) if part]
        return [*lines, Line()]

    def _pair(
        self,
        name: str,
        before: Any,
        after: Any,
        write: Callable[[float | None], str],
        top: float | None,
        width: int,
    ) -> list[Line]:
        first = float(before) if isinstance(before, int | float) else None
        second = float(after) if isinstance(after, int | float) else None
        scale = top or max(first or 0.0, second or 0.0) or 1.0
        bar = max(8, width - LABEL - 20)
        better = first is not None and second is not None and (second > first if top else second < first)
        after_ink = "good" if better else "soft" if first == second else "warning"
        lines = []
        for label, value, ink in (("before", first, "c7"), ("after", second, after_ink)):
            line = Line(name.ljust(LABEL) if label == "before" else " " * LABEL, "soft")
            line.add(label.ljust(7), "faint").bar(
                self.glyphs, None if value is None else value / scale, bar, ink
            )
            lines.append(line.add(f" {write(value):>8}", "strong" if label == "before" else ink))
        return lines


class ResultScreen(FullScreen[None]):
    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (RESULT,)
    SCROLLS = "#result"

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run

    def compose(self) -> ComposeResult:
        result: dict[str, Any] = {}
        fault = ""
        try:
            result = self.run.result() or {}
        except UserError as error:
            fault = str(error)
        if not result and not fault:
            fault = "No result yet. It is written after the last step."
        yield TitleBar(f"{self.run.name}: result")
        with VerticalScroll(id="result"):
            yield Changes(self.run.name, result, fault)
            yield Answers(result.get("samples") or [])
        yield KeyBar(RESULT)

    def on_mount(self) -> None:
        self.query_one("#result").focus()

    @cached_property
    def _rows(self) -> list[ResultRow]:
        return result_rows(self.run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        if action == "labels":
            from tuiftune.tui.dashboard.wrong_rows import labels_of

            return bool(labels_of(self._rows))
        return bool(self._rows) if action == "wrong_rows" else True

    def action_wrong_rows(self) -> None:
        from tuiftune.tui.dashboard.wrong_rows import WrongRows

        self.app.push_screen(WrongRows(self.run.name, self._rows))

    def action_labels(self) -> None:
        from tuiftune.tui.dashboard.label_scores import LabelScores

        self.app.push_screen(LabelScores(self.run.name, self._rows))

    def action_export(self) -> None:
        self.app.open("export", run=self.run)

    def action_decide(self) -> None:
        from tuiftune.jobs.decision_request import Wanted

        self.app.open("decide", Wanted(run=self.run))

    def action_blind(self) -> None:
        self.app.open("blind", self.run)

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)

    def action_chat(self) -> None:
        self.app.open_chat(self.run)
