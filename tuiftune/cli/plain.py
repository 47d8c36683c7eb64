"""The wizard in plain lines: the same draft, steps and questions as the app, for screen readers, dumb
terminals, scripts."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.advice.approach import decide, swings
from tuiftune.advice.questions import QUESTIONS, detected
from tuiftune.advice.recommendation import TITLES, ways
from tuiftune.advice.signals import PROMPT, TUNE
from tuiftune.cli import plain_model
from tuiftune.cli.prompts import Choice, Prompts, prompts
from tuiftune.cli.terminal import say
from tuiftune.errors import UserError
from tuiftune.figures import count, percent, size
from tuiftune.wizard import proposals
from tuiftune.wizard.findings import Findings, trainable
from tuiftune.wizard.proposals import first_data
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.hardware.machine import Machine
    from tuiftune.wizard.draft import Draft


WAYS = (
    "What is advised comes first. A prompt or an index is made at once from your own rows or documents and "
    "brings you back here; training goes on to the data."
)
NAME = "The run's directory, and what `tuiftune watch`, `resume` and `compare` know it by."
SAVE = "A preset is one YAML file: kept beside the code, changed by hand, and run again by `tuiftune train`."
OVER = "What the file holds now would be lost."


def ask(draft: Draft, root: Path | None) -> int:
    """Walk the steps, start the run and follow it. Returns its exit code; 130 after Ctrl-C, with nothing
    written."""
    say("Enter takes what is offered; ? tells why something is asked; Ctrl-C leaves with nothing written.")
    try:
        return Plain(draft, root, prompts()).walk()
    except (KeyboardInterrupt, EOFError):
        say("")  # the question that was broken off stands on a line of its own
        say("left: nothing was written or started")
        return 130


class Plain:
    """One walk through the wizard."""

    def __init__(self, draft: Draft, root: Path | None, asks: Prompts) -> None:
        self.draft = draft
        self._root = root
        self._asks = asks
        self._findings = Findings(root)

    def walk(self) -> int:
        """Every step in order; the review can lead back to any of them."""
        walks = {"machine": self._machine, "goal": self._goal, "data": self._data, "model": self._model}
        for step in STEPS:
            if step.key in walks:
                self._heading(step.key)
                walks[step.key]()
        while True:
            self._heading("review")
            chosen = self._review()
            if chosen in walks:
                self._heading(chosen)
                walks[chosen]()
                if chosen == "data":
                    self.draft = plain_model.recommended(self._findings, self.draft)
                continue
            if chosen in {"save", "show"}:
                self._save() if chosen == "save" else self._show()
                continue
            if chosen == "leave":
                say("left: nothing was started")
                return 0
            return self._start()

    def _heading(self, key: str) -> None:
        at = next(index for index, step in enumerate(STEPS, 1) if step.key == key)
        step = STEPS[at - 1]
        say("")
        say(f"Step {at} of {len(STEPS)}: {step.title}. {step.asks}")

    def _machine(self) -> None:
        machine = self._findings.machine()
        for line in _machine_lines(machine):
            say(f"  {line}")

    def _goal(self) -> None:
        if not self._asks.yes(
            "Weigh fine-tuning against retrieval and prompting first? (a few short questions)",
            True,
            why=_deeper("goal"),
        ):
            return
        known = (
            detected(self._findings.facts(self.draft, self._findings.model("builtin:tiny")))
            if self.draft.data
            else {}
        )
        for question in QUESTIONS:
            choices = [Choice("", "not sure, or it does not matter")]
            choices += [Choice(option.key, option.says) for option in question.options]
            say(f"  {question.why}")
            default = self.draft.answers.get(question.key) or known.get(question.key, "")
            self.draft = self.draft.answer(
                question.key, self._asks.choose(question.asks, choices, default, why=question.deeper) or None
            )
        verdict = decide(self.draft.answers)
        say(f"  Verdict: {verdict.title} ({verdict.confidence}). {verdict.summary}")
        for name, score in sorted(verdict.scores.items(), key=lambda item: -item[1]):
            say(f"    {name}: {score:+.1f}")
        for one in verdict.contributions:
            moved = ", ".join(f"{points:+g} {name}" for name, points in one.points.items())
            say(f"    {moved}: {one.says} (guides {', '.join(one.guides)})")
        for dispute in verdict.disagreements:
            if dispute.matters:
                say(f"    the guides disagree on {dispute.topic}: the verdict depends on whom you follow")
        for key, without in swings(self.draft.answers).items():
            say(f"    '{key}' decides: without that answer, {TITLES[without].lower()}")
        for step in verdict.steps:
            say(f"    next: {step.says}" + (f" ({step.command})" if step.command else ""))
        if any(known.get(key) != option for key, option in self.draft.answers.items()):
            self._ways(verdict.approach)

    def _ways(self, approach: str) -> None:
        """The same ways on as the app's: what is advised first; training ends the asking."""
        from tuiftune.cli import plain_starters

        choices = [Choice(way.key, f"{way.title}. {way.says}") for way in ways(approach)]
        while True:
            chosen = self._asks.choose("Where to go from here?", choices, choices[0].key, why=WAYS)
            if chosen == TUNE:
                return
            begin = plain_starters.prompt if chosen == PROMPT else plain_starters.retrieval
            begin(self._asks, self._findings, self.draft)
            choices.sort(key=lambda choice: choice.key != TUNE)  # what is left to do

    def _data(self) -> None:
        while True:
            now = shlex.join(self.draft.data) if self.draft.data else first_data()
            text = self._asks.text("File, folder or glob", now, why=_deeper("data"))
            given = (text,) if paths.names_one(text) else tuple(shlex.split(text))
            draft = self.draft.with_(data=given)
            try:
                dataset = self._findings.dataset(draft)
                trainable(dataset)
                self._judge(draft)
            except UserError as error:
                say(f"  {error}")
                if not self._asks.again:
                    raise
                continue
            self.draft = draft
            return

    def _judge(self, draft: Draft) -> None:
        from tuiftune.data.inspect import inspect
        from tuiftune.wizard.draft import checked_with

        dataset = self._findings.dataset(draft)
        say(f"  {dataset.rows:,} rows of {dataset.format}, {percent(dataset.confidence)} sure")
        limit, held_out, seed = checked_with(draft)
        report = inspect(
            dataset,
            tokenizer=self._findings.model_of(draft).path,
            max_length=limit,
            eval_spec=held_out,
            seed=seed,
        )
        quantiles = report.lengths.get("quantiles") or {}
        if quantiles:
            say(f"  tokens a row: half below {count(quantiles['50'])}, longest {count(quantiles['100'])}")
        for check in report.checks:
            if check.severity in ("error", "warning"):
                say(f"  {check.severity}: {check.title}, {check.count:,} rows. {check.remedy}")
        passed = sum(check.severity == "ok" for check in report.checks)
        say(f"  {passed} checks in order")
        for example in dataset.head(2):
            for message in example.messages or ():
                say(f"  row {example.row} {message.role}: {message.content[:200]}")

    def _model(self) -> None:
        self.draft = plain_model.model(self._asks, self._findings, self.draft)

    def _review(self) -> str:
        from tuiftune.wizard.proposals import suggested_name

        if not self.draft.name:
            self.draft = self.draft.with_(
                name=self._asks.text("Name of the run", suggested_name(self.draft), why=NAME)
            )
        preset = self.draft.preset()
        for section, values in preset.model_dump(mode="json", exclude_defaults=True).items():
            for key, value in values.items() if isinstance(values, dict) else [("", values)]:
                say(f"  {section}.{key}: {value}" if key else f"  {section}: {value}")
        say("  everything else is at its default")
        for line in plain_model.plan_lines(self._findings.plan(self.draft)):
            say(f"  {line}")
        choices = [
            Choice("start", "start training"),
            Choice("show", "show the whole preset with its comments"),
            Choice("save", "save the preset, and go on here"),
            *(Choice(step.key, f"back to: {step.title}") for step in STEPS if step.key != "review"),
            Choice("leave", "leave without starting"),
        ]
        return self._asks.choose("Is this what should run?", choices, "start", why=_deeper("review"))

    def _show(self) -> None:
        from tuiftune.preset.file import dump

        for line in dump(self.draft.preset(), header=f"{self.draft.name}: {self._command()}").splitlines():
            say(line)

    def _command(self) -> str:
        return proposals.train_command(f"{self.draft.name}.yaml", self._root)

    def _save(self) -> None:
        from tuiftune.preset.file import save

        path = paths.given(self._asks.text("Save as", f"{self.draft.name}.yaml", why=SAVE))
        if paths.exists(path) and not self._asks.yes(f"Write over {path}?", False, why=OVER):
            return
        try:
            save(self.draft.preset(), path)
        except UserError as error:
            say(f"  {error}")
        else:
            command = proposals.train_command_from_anywhere(str(path), self._root)
            say(f"  saved; the same run from a script: {command}")

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


def _deeper(key: str) -> str:
    return next(step.deeper for step in STEPS if step.key == key)


def _machine_lines(machine: Machine) -> list[str]:
    lines = []
    for gpu in machine.gpus:
        facts = [gpu.name, f"{size(gpu.memory_free)} free of {size(gpu.memory_total)}"]
        if gpu.utilisation is not None:
            facts.append(f"load {gpu.utilisation} %")
        if gpu.bf16 is not None:
            facts.append("bfloat16" if gpu.bf16 else "float16 only")
        lines.append(f"GPU {gpu.index}: " + ", ".join(facts))
    if not machine.gpus:
        lines.append(f"no GPU: {machine.nvml_fault or 'none was found'}")
        lines.append("the built-in tiny model trains on the processor in a minute or two")
    lines.append(f"memory: {size(machine.host.memory_available)} free of {size(machine.memory)}")
    lines += [f"disk for {disk.path}: {size(disk.free)} free of {size(disk.total)}" for disk in machine.disks]
    lines.append(f"processor: {machine.host.cpu}, {machine.host.cores} cores")
    return lines
