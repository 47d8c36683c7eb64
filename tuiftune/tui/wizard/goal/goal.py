"""Step 2: questions about the task, and the recommendation: fine-tuning, RAG or prompting."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container
from textual.message import Message

from tuiftune.advice.approach import decide, swings
from tuiftune.advice.questions import QUESTIONS, detected
from tuiftune.advice.signals import PROMPT, RAG, TUNE
from tuiftune.errors import UserError
from tuiftune.tui.kit.dialogs import Ask
from tuiftune.tui.wizard.goal.question_view import QuestionView
from tuiftune.tui.wizard.goal.verdict_view import VerdictView
from tuiftune.tui.wizard.step_screen import WizardStep

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.advice.questions import Question


@dataclass
class FromData(Message):
    """Answers that were found in the data."""

    answers: dict[str, str]


class GoalStep(WizardStep):
    KEY: ClassVar[str] = "goal"
    SCOPES = ("wizard", "goal")

    def __init__(self) -> None:
        super().__init__()
        self._at = next(
            (index for index, question in enumerate(QUESTIONS) if question.key not in self.app.draft.answers),
            0,
        )
        self._detected: dict[str, str] = {}

    def body(self) -> ComposeResult:
        with Container(id="goal"):
            yield QuestionView(classes="panel")
            yield VerdictView(classes="panel")

    def on_mount(self) -> None:
        self.query_one(QuestionView).border_title = "question"
        self.query_one(QuestionView).focus()
        self._show()
        if self.draft.data:
            self.in_thread("goal", self._look_at_data)

    def _look_at_data(self) -> None:
        try:
            facts = self.app.findings.facts(self.draft, self.app.findings.model_of(self.draft))
        except UserError:
            return  # the data step reports what is wrong with the data
        self.post_message(FromData(detected(facts)))

    @on(FromData)
    def _from_data(self, message: FromData) -> None:
        self._detected = message.answers
        for key, option in message.answers.items():
            if key not in self.draft.answers:
                self.draft = self.draft.answer(key, option)
        self._show()

    @property
    def question(self) -> Question:
        return QUESTIONS[self._at]

    def _show(self) -> None:
        answers = self.draft.answers
        self.query_one(QuestionView).ask(self.question, self._at, QUESTIONS, answers, self._detected)
        self.query_one(VerdictView).show(decide(answers), self.question.key)

    def help_topic(self) -> str:
        return f"{self.question.asks}\n{self.question.deeper}"

    def action_down(self) -> None:
        self.query_one(QuestionView).move(1)

    def action_up(self) -> None:
        self.query_one(QuestionView).move(-1)

    def action_previous_question(self) -> None:
        self._go(-1)

    def action_next_question(self) -> None:
        self._go(1)

    def _go(self, by: int) -> None:
        self._at = max(0, min(len(QUESTIONS) - 1, self._at + by))
        self._show()

    def action_answer(self, number: int) -> None:
        if number <= len(self.question.options):
            self.query_one(QuestionView).at = number
            self._take()

    @on(QuestionView.Chosen)
    def _clicked(self) -> None:
        self._take()

    def _take(self) -> bool:
        """Accept the answer under the cursor and show the next question. Returns False after the last."""
        self.draft = self.draft.answer(self.question.key, self.query_one(QuestionView).chosen)
        last = self._at == len(QUESTIONS) - 1
        if not last:
            self._at += 1
        self._show()
        return not last

    def action_forward(self) -> None:
        """Accept the selected answer; after the last question, show the next steps.

        If nothing was answered, continue with the data.
        """
        if self._take():
            return
        if any(self._detected.get(key) != option for key, option in self.draft.answers.items()):
            self.action_ways()
        else:
            super().action_forward()

    def action_ways(self) -> None:
        """Show the next steps: a prompt, retrieval, or training."""
        from tuiftune.tui.wizard.goal.next_steps import Ways

        self.app.push_screen(Ways(decide(self.draft.answers)), self._go_way)

    def _go_way(self, way: str | None) -> None:
        if way == PROMPT:
            from tuiftune.tui.wizard.goal.prompt_starter import PromptStarter

            self.app.push_screen(PromptStarter(self.draft))
        elif way == RAG:
            from tuiftune.tui.wizard.goal.retrieval_starter import RetrievalStarter

            self.app.push_screen(RetrievalStarter(self.draft))
        elif way == TUNE:
            super().action_forward()

    def action_skip_all(self) -> None:
        super().action_forward()

    def action_measure(self) -> None:
        """Ask for rows and a model, then measure what needs no training on them."""
        from tuiftune.wizard.proposals import first_data

        rows = shlex.join(self.draft.data) if self.draft.data else first_data() or "builtin:tickets"
        hint = "Prompting, few-shot and RAG are measured on rows that are held out."
        self.app.push_screen(Ask("Which rows?", rows, hint, files=True), self._measure_with)

    def _measure_with(self, rows: str | None) -> None:
        def measure(model: str | None) -> None:
            if rows and model:
                from tuiftune.jobs.decision_request import Wanted

                self.app.open("decide", Wanted(rows, model=model))

        if rows:
            model = self.draft.model or "builtin:tiny"
            self.app.push_screen(
                Ask("Which model is prompted?", model, "A Hugging Face model ID or a directory.", files=True),
                measure,
            )

    def action_weighing(self) -> None:
        from tuiftune.tui.wizard.goal.recommendation import Weighing

        answers = self.draft.answers
        self.app.push_screen(Weighing(decide(answers), swings(answers)), self._weighed)

    def _weighed(self, begin: bool | None) -> None:
        if begin:
            self.action_ways()
