"""Answers to a few fixed evaluation rows at each evaluation, so that one sees what is being learned.

Greedy, short and bounded in time; training goes on as if they had not been: random numbers and weights are
left alone, and what fails here only ends the samples.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria

from tuiftune.engine.process.faults import ending_of
from tuiftune.runs.store import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.engine.evaluation.contenders import ModelContender
    from tuiftune.engine.evaluation.score import Score, Scorer
    from tuiftune.engine.training.opening import RunContext

LONGEST = 64  # new tokens
MOST_SECONDS = 15.0  # for all rows of one evaluation
FREE_SECONDS = 10.0  # in all that samples may always take …
SHARE = 0.02  # … and beyond, of the time since training began


class Bound(StoppingCriteria):
    """Ends a generation at a time, or as soon as the run is asked to stop."""

    def __init__(self, until: float, asked: Callable[[], object]) -> None:
        self._until, self._asked = until, asked
        self.asked = self.late = False

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.asked = self.asked or self._asked() is not None
        self.late = self.late or time.monotonic() >= self._until
        return torch.full((input_ids.shape[0],), self.asked or self.late, device=input_ids.device)


class Samples:
    """The first rows of those that are scored before and after. None of them: off."""

    def __init__(self, context: RunContext, scorer: Scorer, contender: ModelContender) -> None:
        """`contender`: the model while it is trained."""
        self._questions = scorer.questions[: context.wanted.preset.evaluation.samples]
        self._tokenizer, self._report, self._asked = context.tokenizer, context.report, context.stopping.asked
        self._path, self._contender = context.run.path / samples.FILE, contender
        self._group = context.group
        self._room = min(scorer.room, LONGEST + scorer.around)
        self._shown = min(max(scorer.room - scorer.around, 1), LONGEST)
        self._began, self._spent = time.monotonic(), 0.0

    def begin(self, before: Score) -> None:
        """Say what is asked, and what the base model answers."""
        asked = [
            {"row": question.row, "prompt": question.text, "reference": question.reference}
            for question in self._questions
        ]
        if asked and self._write({"questions": asked}):
            self._write_score(before, 0, "before")
        self._began = time.monotonic()

    def finish(self, after: Score, step: int) -> None:
        """What the result answers."""
        if self._questions:
            self._write_score(after, step, "after")

    def take(self, step: int) -> None:
        """Answer the questions with the weights as they are now, unless that would take too much time."""
        allowed = max(FREE_SECONDS, SHARE * (time.monotonic() - self._began))
        with self._together(bool(self._questions) and self._spent <= allowed) as alone:
            if alone is not None and (self._group.leads or not alone):
                self._answer(step, alone)

    @contextmanager
    def _together(self, wanted: bool) -> Iterator[bool | None]:
        """Whether rank 0 answers by itself; None where nobody does."""
        if not self._contender.shared:
            yield True if wanted else None
        elif not self._group.first(wanted):
            yield None
        else:
            with self._contender.answering() as alone:
                yield alone

    def _answer(self, step: int, alone: bool) -> None:
        began = time.monotonic()
        bound = Bound(began + MOST_SECONDS, self._asked)
        total = len(self._questions)
        self._report.phase("evaluating", "answers", done=0, total=total)
        try:
            with torch.random.fork_rng(devices=[]):
                written = self._contender.write(
                    self._questions, self._room, criteria=[bound], together=not alone
                )
        except Exception as fault:  # what only the samples do must not be what a run is lost for
            if not alone:
                raise
            self._off(ending_of(fault).why)
            return
        seconds = time.monotonic() - began
        self._spent += seconds
        if bound.asked:
            return
        cut = [bound.late or not answer.ended for answer in written]
        document = {
            "step": step,
            "when": "during",
            "answers": [answer.answer for answer in written],
            "cut": cut,
            "seconds": round(seconds, 3),
        }
        if self._write(document):
            self._report.emit(
                "samples",
                step=step,
                when="during",
                file=samples.FILE,
                count=total,
                seconds=round(seconds, 3),
            )

    def _write_score(self, score: Score, step: int, when: str) -> None:
        """Answers of a score, cut to the length of the others so that they can be compared."""
        whole = score.answers[: len(self._questions)]
        short = [self._shortened(answer) for answer in whole]
        cut = [one != other or self._full(other) for one, other in zip(whole, short, strict=True)]
        self._write({"step": step, "when": when, "answers": short, "cut": cut})

    def _shortened(self, answer: str) -> str:
        ids = self._tokens(answer)
        if len(ids) <= self._shown:
            return answer
        return str(self._tokenizer.tokenizer.decode(ids[: self._shown], skip_special_tokens=True))

    def _full(self, answer: str) -> bool:
        return len(self._tokens(answer)) >= self._shown

    def _tokens(self, answer: str) -> list[int]:
        return list(self._tokenizer.tokenizer(answer, add_special_tokens=False)["input_ids"])

    def _write(self, document: dict[str, Any]) -> bool:
        if not self._group.leads:
            return True
        try:
            samples.append(self._path, document)
        except OSError as fault:
            self._off(f"{samples.FILE} cannot be written ({fault.strerror})")
            return False
        return True

    def _off(self, why: str) -> None:
        self._questions = []
        self._report.warning(
            "samples_off",
            f"no more sample answers are generated during training: {why}",
            "training continues without them; the evaluation before and after is not affected",
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
