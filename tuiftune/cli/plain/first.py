"""The first steps in plain prompts: the machine, and whether to fine-tune at all."""

from __future__ import annotations

import shlex

from tuiftune import paths
from tuiftune.advice.questions import QUESTIONS, detected
from tuiftune.cli.plain.walk import WHY, Walk, sources
from tuiftune.cli.prompts import question
from tuiftune.cli.terminal import err
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.errors import UserError
from tuiftune.wizard.proposals import (
    decide_command,
    first_documents,
)

PASSAGES = 5
NOWHERE = "-"


class First(Walk):
    """Machine and goal."""

    def _machine(self) -> None:
        from tuiftune.cli.doctor import TITLES
        from tuiftune.hardware.diagnosis import diagnose
        from tuiftune.runs.store.directory import default_root

        for found in diagnose(self._findings.machine(), (), None, self._root or default_root()):
            say(f"  {TITLES[found.topic]}: {found.what}")

    def _goal(self) -> None:
        weigh = "Check first whether you need fine-tuning, retrieval (RAG) or a prompt? (a few questions)"
        if not self._asks.yes(weigh, True, why=WHY["goal"]):
            return
        from tuiftune.advice.approach import decide
        from tuiftune.advice.recommendation import ways
        from tuiftune.advice.signals import PROMPT, TUNE
        from tuiftune.cli import advise_view

        known = self._known()
        for each in QUESTIONS:
            default = self.draft.answers.get(each.key) or known.get(each.key, "")
            self.draft = self.draft.answer(each.key, question(self._asks, each, default) or None)
        verdict = decide(self.draft.answers)
        advise_view.show(verdict, known, shlex.join(self.draft.data), [], None, err())
        if all(known.get(key) == option for key, option in self.draft.answers.items()):
            if not self.draft.answers:
                say("  Nothing was answered, so the next step is fine-tuning.")
            return
        begun = {way.key: f"{way.title}. {way.says}" for way in ways(verdict.approach)}
        while (chosen := self._choose("Next step?", begun, next(iter(begun)), "way")) != TUNE:
            (self._prompt if chosen == PROMPT else self._retrieval)()
            begun = {TUNE: begun[TUNE]} | begun  # training, which is still to do, comes first

    def _known(self) -> dict[str, str]:
        """Return the answers that the data gives; none while it cannot be read, which the data step tells."""
        if not self.draft.data:
            return {}
        try:
            return detected(self._findings.facts(self.draft, self._findings.model("builtin:tiny")))
        except UserError:
            return {}

    def _prompt(self) -> None:
        """Choose few-shot examples, show the prompt, and write it to a new directory."""
        from tuiftune.advice import prompting

        rows = self._which_data("Rows: a file, directory or glob", "rows")
        try:
            examples = self._findings.dataset(self.draft.with_(data=sources(rows))).examples()
            made = prompting.starter(examples, task=self.draft.answers.get("task", ""))
            for line in made.template.splitlines():
                say(f"  | {line}")
            directory = self._text(
                f"Directory for prompt.md and few-shot.jsonl ({NOWHERE} to skip)", "prompt-starter", "prompt"
            )
            if directory != NOWHERE:
                text, shots = prompting.write(made, paths.given(directory))
                say(f"  Wrote {text} and {shots}.")
                command = decide_command(sources(rows), model=self.draft.model, prompt=text)
                say(f"  Measure it on your rows: {command}")
        except UserError as error:
            say(f"  {error}")

    def _retrieval(self) -> None:
        """Index documents, and show the passages found for the rows' prompts, then for typed questions."""
        from tuiftune.advice import retrieval
        from tuiftune.cli.advise_view import show_retrieved

        asks = f"Documents: a directory or a file ({NOWHERE} to skip)"
        path = self._text(asks, first_documents() or NOWHERE, "documents")
        if path == NOWHERE:
            return
        try:
            built = retrieval.index(paths.given(path))
            examples = self._findings.dataset(self.draft).examples() if self.draft.data else ()
            show_retrieved(
                built, retrieval.ask(built, retrieval.sample_questions(examples), 1), console=err()
            )
        except UserError as error:
            say(f"  {error}")
            return
        while asked := self._text("A question, as a user would ask it (empty when done)", "", "question"):
            show_retrieved(built, retrieval.ask(built, [asked], PASSAGES), console=err())
        command = decide_command(self.draft.data, model=self.draft.model, documents=path)
        say(f"  Measure RAG on your rows: {command}")
