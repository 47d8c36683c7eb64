"""The last step in plain prompts: the review, from which everything is saved or started."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.plain.walk import WHY, Walk
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.errors import UserError
from tuiftune.figures import roughly
from tuiftune.wizard.planning import settled
from tuiftune.wizard.proposals import (
    places,
    reporting,
    suggested_name,
    train_command,
    train_command_from_anywhere,
)
from tuiftune.wizard.steps import STEPS
from tuiftune.wizard.summary import length_note, summary

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.models.download import Download
    from tuiftune.wizard.summary import Line


SEVERITIES = {"": "", "warning": "warning: ", "error": "error: "}


class Review(Walk):
    """Five lines, the preset, and what to do with it."""

    def _review(self) -> str:
        if not self.draft.name:
            name = self._text("Name of the run", suggested_name(self.draft), "name")
            self.draft = self.draft.with_(name=name)
        for line in self._summary():
            sign = "" if line.name == "checks" else SEVERITIES[line.level]  # the checks say it themselves
            say(f"  {line.name}: {sign}{line.text}")
        preset = self.draft.preset()
        for section, values in preset.model_dump(mode="json", exclude_defaults=True).items():
            for key, value in values.items() if isinstance(values, dict) else [("", values)]:
                say(f"  {section}.{key}: {value}" if key else f"  {section}: {value}")
        say("  All other keys have their defaults.")
        choices = {
            "start": "start training",
            "show": "show the whole preset with its comments",
            "save": "save the preset, then return here",
            **{step.key: f"back to: {step.title}" for step in STEPS if step.key != "review"},
            "leave": "quit without starting",
        }
        if reporting():
            chosen = ", ".join(map(str, self.draft.value("run.report_to") or ())) or "nothing"
            choices["report"] = f"report metrics to a tracker (now: {chosen})"
        if len(places()) > 1:
            choices["where"] = f"train on another machine ({', '.join(places()[1:])})"
        return self._choose("Start this run?", choices, "start", "review")

    def _report(self) -> None:
        """Choose the tracker that metrics are sent to."""
        choices = {"": "nothing", **{key: key for key in reporting()}}
        chosen = self._choose("Report metrics to", choices, "", "report")
        self.draft = self.draft.override("run.report_to", [chosen] if chosen else None)

    def _where(self) -> None:
        """Say the command that trains on another machine, after the preset was saved."""
        on = self._choose("Train on", {one: one for one in places()[1:]}, places()[1], "where")
        self._save(on)

    def _summary(self) -> tuple[Line, ...]:
        """Return the five lines of the review, after the checks have run."""
        from tuiftune.cli.data_progress import watching

        assert self._outcome.plan is not None
        download: Download | UserError | None = None
        try:
            fresh = settled(self._findings, self.draft, say)
            if fresh is not self.draft:
                self._planned(fresh)
            download = self._findings.download_of(self.draft)
        except UserError as error:
            download = error
        model = self._findings.model_of(self.draft)
        facts = self._findings.planned_facts(self.draft)
        self._notes = length_note(self.draft, facts)
        with watching() as watch:
            checks = self._findings.checks(self.draft, watch)
        return summary(self.draft, model, facts, self._outcome.plan, checks, download)

    def _show(self) -> None:
        from tuiftune.preset.file import dump

        command = train_command(f"{self.draft.name}.yaml", self._root)
        header = f"{self.draft.name}: {command}"
        for line in dump(self.draft.preset(), header=header, notes=self._notes).splitlines():
            say(line)

    def _offer_probe(self, path: Path) -> None:
        """Name the command that measures the learning rate, where there is time for it."""
        from tuiftune.wizard.probing import offer

        assert self._outcome.plan is not None
        facts = self._findings.planned_facts(self.draft)
        found = offer(self._outcome.plan, facts)
        if found is not None and "training.learning_rate" not in self.draft.overrides:
            minutes = roughly(60 * found.minutes)
            say(f"  To measure the learning rate first ({minutes}): tuiftune probe {shlex.quote(str(path))}")

    def _save(self, on: str = "") -> None:
        from tuiftune.preset.file import save

        path = paths.given(self._text("Save as", f"{self.draft.name}.yaml", "save"))
        if paths.exists(path) and not self._asks.yes(f"Overwrite {path}?", False, why=WHY["over"]):
            return
        try:
            save(self.draft.preset(), path, notes=self._notes)
        except UserError as error:
            say(f"  {error}")
        else:
            command = train_command_from_anywhere(str(path), self._root, on)
            say(f"  Saved. To start this run from a script: {command}")
            self._offer_probe(path)

    def _start(self) -> int:
        import sys

        from tuiftune.cli.follow import closing, train_and_follow
        from tuiftune.jobs.prepare import prepare
        from tuiftune.runs.state.liveness import status

        run = prepare(self.draft.preset(), self._root, say=say)
        sys.stdout.write(f"{run.path}\n")
        code = train_and_follow(run, detach=False)
        if status(run) == "done":
            for line in closing(run):
                say(line)
        return code
