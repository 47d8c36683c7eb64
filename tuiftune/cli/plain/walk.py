"""One walk through the wizard in plain prompts: its draft, its plan, and how it asks."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.prompts import Choice, Prompts
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.wizard.findings import Findings
from tuiftune.wizard.planning import Outcome, planned
from tuiftune.wizard.proposals import data_offers, first_data
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.wizard.draft import Draft


WHY = {  # the answer to `?` at a question, in addition to those of the steps
    "way": "The recommended step comes first. A prompt or a search index is made from your own rows or "
    "documents, then you return here. Training continues with the data.",
    "rows": "Few-shot examples are chosen from your own rows, because they show the task better than a "
    "description.",
    "prompt": "Two files that you can try with any model before training. Existing files are never "
    "overwritten.",
    "documents": "They are split into passages and indexed by their words (BM25). No model and no network "
    "is needed.",
    "question": "If the passage with the answer is not found, a model that reads the passages cannot answer "
    "either.",
    "whole": "The copy has all rows that could be read, without exact duplicates; secrets are redacted. Your "
    "file stays as it is.",
    "labels": "Merging writes a clean copy of the data, in which each of these labels has its most frequent "
    "spelling. Exact duplicates and empty rows are dropped and secrets redacted, as by `data clean`.",
    "other": "Only the model's config.json is read now. The weights are downloaded when the run starts.",
    "values": "Each value has a reason and a source: `why` lists them all. When you change one, the plan is "
    "made again and compared with the recommended one: memory, time and quality.",
    "setting": "You do not have to change anything. A value that you set is kept, whatever is recommended "
    "later.",
    "alternative": "Each alternative was planned for your rows and this machine. Choosing one changes the "
    "settings it names.",
    "gpu": "Only the plan is made for another GPU. The preset stays portable, and the run uses the GPUs it "
    "finds.",
    "name": "The name of the run's directory, and of the run in `tuiftune watch`, `resume` and `compare`.",
    "report": "A process of its own sends the metrics, and training never waits for it.",
    "where": "The preset is saved, and the command that submits it there is named: `tuiftune train --on`.",
    "save": "A preset is one YAML config file. You can edit it, share it, and run it with `tuiftune train`.",
    "over": "The present content of the file would be lost.",
    **{step.key: step.deeper for step in STEPS},
}


class Walk:
    """What every step has."""

    def __init__(self, draft: Draft, root: Path | None, asks: Prompts) -> None:
        self.draft = draft
        self._root = root
        self._asks = asks
        self._findings = Findings(root)
        self._outcome = Outcome()
        self._notes: dict[str, str] = {}  # comments for the preset, by key

    def _text(self, asks: str, default: str, why: str) -> str:
        return self._asks.text(asks, default, why=WHY[why])

    def _choose(self, asks: str, choices: dict[str, str], default: str, why: str) -> str:
        options = [Choice(key, says) for key, says in choices.items()]
        return self._asks.choose(asks, options, default, why=WHY[why])

    def _which_data(self, asks: str, why: str) -> str:
        """Ask for data: with the known or only file as default, else with a list to choose from."""
        if given := shlex.join(self.draft.data) or first_data():
            return self._text(asks, given, why)
        offers = data_offers()
        choices = {str(at): f"{one.name}. {one.says}" for at, one in enumerate(offers)}
        chosen = offers[int(self._choose("Which data should the model be trained on?", choices, "0", why))]
        while not (text := chosen.text or self._text(asks, "", why)):
            say("  Enter a path, or press Ctrl-C to quit.")
        return text

    def _planned(self, draft: Draft) -> bool:
        """Accept a draft, with its recommended values, if a plan can be made; else print the error."""
        outcome = planned(self._findings, draft)
        if outcome.error or outcome.advice is None:
            say(f"  {outcome.error}")
            return False
        self._outcome, self.draft = outcome, outcome.advice.apply(draft)
        return True


def sources(text: str) -> tuple[str, ...]:
    """Split what was typed into sources, unless it is the name of one existing file."""
    return (text,) if paths.names_one(text) else tuple(shlex.split(text))
