"""Before and after: eval loss, exact match, and the answers side by side."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.data.chat.reasoning import matches
from tuiftune.engine.evaluation import answers
from tuiftune.errors import UserError
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.statistics import perplexity_told, wilson

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.evaluation.contenders import ModelContender
    from tuiftune.engine.training.opening import RunContext


@dataclass(frozen=True, slots=True)
class Score:
    """How one model did on the evaluation rows. Nothing that was not measured has a value.

    `stripped` counts the answers that were compared without their `reasoning` or the template's `marks`,
    `unended` those that reached max_new_tokens.
    """

    loss: float | None
    answers: list[str]
    matched: int | None
    final_number: int | None
    stripped: dict[str, int] = field(default_factory=dict)
    unended: int = 0
    measured: dict[str, float] = field(default_factory=dict)  # what the stage tells of the held-out rows
    ranked: list[bool] = field(default_factory=list)  # a pair: whether its chosen answer was the likelier one
    sources: dict[str, dict[str, float]] = field(default_factory=dict)  # loss and exact match of each source
    likelihood: bool = True  # whether the loss is a token's, of which a perplexity can be told

    def document(self, held_out: int) -> dict[str, Any]:
        """`before` or `after` of result.json. `rows` were generated for; `held_out` rows gave the loss."""
        rows = len(self.answers)
        share = self.matched / rows if rows and self.matched is not None else None
        return {
            "loss": self.loss,
            "perplexity": perplexity_told(self.loss) if self.likelihood else None,
            "exact_match": share,
            "interval": wilson(self.matched, rows) if rows and self.matched is not None else None,
            "final_number": self.final_number / rows if rows and self.final_number is not None else None,
            "rows": rows,
            "rows_held_out": held_out,
            "stripped": self.stripped,
            "unended": self.unended,
            **({"measured": self.measured} if self.measured else {}),
            **({"sources": self.sources} if self.sources else {}),
            **({"pairs": len(self.ranked), "pairs_ranked": sum(self.ranked)} if self.ranked else {}),
        }


class Scorer:
    """The same questions for the base model and the fine-tuned one."""

    def __init__(self, context: RunContext) -> None:
        wanted, examples = context.wanted.preset.evaluation, context.examples.held_out
        self._report, self._held_out = context.report, bool(examples)
        known = context.held_out.room if context.held_out else None
        answer, self.around = known or context.stage.room(examples, context.tokenizer)
        auto = wanted.max_new_tokens == "auto"
        self.room = answer + self.around if auto else int(wanted.max_new_tokens)
        compared = context.wanted.stage.answers  # else what is generated is only shown
        self._likelihood = context.wanted.stage.likelihood
        self.compares = compared and wanted.score != "none"
        rows = wanted.rows if self.compares else 0 if compared else wanted.samples
        self.questions = context.stage.questions(examples, context.tokenizer, rows)
        self.asked_of = {
            name: context.stage.questions(given, context.tokenizer, rows)
            for name, given in context.examples.sources.items()
        }

    def score(self, contender: ModelContender, step: int) -> Score:
        """Measure a model as it is now."""
        with contender:
            loss = contender.loss() if self._held_out else None
            written = contender.answer(self.questions)
            sources = self._by_source(contender)
        pairs = [(one.answer, asked) for one, asked in zip(written, self.questions, strict=True)]
        compared = [one for one in pairs if one[1].reference.strip()] if self.compares else []
        matched = sum(matches(answer, asked.reference) for answer, asked in compared) if compared else None
        numbers = [answers.final_numbers_match(answer, question.reference) for answer, question in compared]
        known = [number for number in numbers if number is not None]
        score = Score(
            loss,
            [answer for answer, _ in pairs],
            matched,
            sum(known) if known else None,
            {
                name: count
                for name in ("reasoning", "marks")
                if (count := sum(bool(getattr(one, name)) for one in written))
            },
            sum(not one.ended for one in written),
            contender.measured if self._held_out else {},
            contender.ranked if self._held_out else [],
            sources,
            self._likelihood,
        )
        if compared:
            self._report.emit(
                "score",
                step=step,
                when=contender.key,
                exact_match=(matched or 0) / len(compared),
                matched=matched,
                rows=len(compared),
                final_number=None if score.final_number is None else score.final_number / len(compared),
            )
        return score

    def pairs(self, answers: list[str]) -> list[Pair]:
        """Answers next to what they are compared with."""
        return [
            Pair(answer, asked.reference, asked.text, asked.row)
            for answer, asked in zip(answers, self.questions, strict=True)
        ]

    def _by_source(self, contender: ModelContender) -> dict[str, dict[str, float]]:
        """Loss of each source, and the share of its answers that match if answers are compared."""
        found = {name: {"loss": loss} for name, loss in contender.sources.items()} if self._held_out else {}
        for name, asked in self.asked_of.items() if self.compares else ():
            written = contender.answer(asked)
            right = sum(
                matches(one.answer, question.reference) for one, question in zip(written, asked, strict=True)
            )
            if asked:
                found.setdefault(name, {})["exact_match"] = right / len(asked)
        return found

    def side_by_side(self, before: Score, after: Score) -> list[dict[str, Any]]:
        """Every scored row: prompt, reference, both answers, and whether they match where they should."""
        return [
            {
                "row": question.row,
                "prompt": question.text,
                "reference": question.reference,
                "before": first,
                "after": second,
            }
            | (
                {
                    "matched_before": matches(first, question.reference),
                    "matched_after": matches(second, question.reference),
                }
                if self.compares and question.reference.strip()
                else {}
            )
            for question, first, second in zip(self.questions, before.answers, after.answers, strict=True)
        ]


def save(score: Score, path: Path) -> None:
    """Keep the first score for a later process of the same run."""
    from tuiftune.runs.store.directory import write_text

    write_text(path, json.dumps(asdict(score)) + "\n")


def saved(path: Path, questions: int) -> Score | None:
    """The kept first score, or None where there is none for as many questions."""
    try:
        score = Score(**documents.read_json(path))
    except (UserError, TypeError):
        return None
    return score if len(score.answers) == questions else None
