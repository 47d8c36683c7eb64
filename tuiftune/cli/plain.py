"""The wizard as plain prompts, with the steps and settings of the app: for screen readers and scripts."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.advice.questions import QUESTIONS, detected
from tuiftune.cli.prompts import Choice, Prompts, prompts, question
from tuiftune.cli.terminal import err
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.errors import UserError
from tuiftune.figures import count, duration, money, roughly, size
from tuiftune.wizard import cleaning, labels
from tuiftune.wizard.findings import Findings, trainable
from tuiftune.wizard.planning import Outcome, planned, settled
from tuiftune.wizard.proposals import (
    data_offers,
    decide_command,
    first_data,
    first_documents,
    places,
    reporting,
    suggested_name,
    train_command,
    train_command_from_anywhere,
)
from tuiftune.wizard.settings import changed, resolved, settings_of, typed, written
from tuiftune.wizard.steps import STEPS
from tuiftune.wizard.summary import length_note, summary

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.clean.run import Settings
    from tuiftune.data.dataset import Dataset
    from tuiftune.models.download import Download
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.summary import Line

MODELS = 12  # of the list
PASSAGES = 5
ADVICE = 3  # lines of advice with a plan; all of them with its reasons
NOWHERE = "-"
SEVERITIES = {"": "", "warning": "warning: ", "error": "error: "}
LEANS = {"better": "higher", "same": "about the same", "worse": "lower", "unsure": "unclear"}
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


def ask(draft: Draft, root: Path | None) -> int:
    """Ask the steps, start the run and follow it.

    Returns its exit code; 130 after Ctrl-C, with nothing written.
    """
    say("Press Enter to accept the default, ? for help, Ctrl-C to quit without saving.")
    try:
        return Plain(draft, root, prompts()).walk()
    except (KeyboardInterrupt, EOFError):
        say("")  # end the line of the unanswered question
        say("Quit: nothing was written or started.")
        return 130


class Plain:
    """One walk through the wizard."""

    def __init__(self, draft: Draft, root: Path | None, asks: Prompts) -> None:
        self.draft = draft
        self._root = root
        self._asks = asks
        self._findings = Findings(root)
        self._outcome = Outcome()
        self._notes: dict[str, str] = {}  # comments for the preset, by key

    def walk(self) -> int:
        """Every step in order; the review, which is last, can lead back to any of them."""
        chosen = ""
        for step in STEPS:
            chosen = self._step(step.key)
        while chosen not in {"start", "leave"}:
            self._step(chosen)
            chosen = self._step("review")
        if chosen == "leave":
            say("Quit: nothing was started.")
            return 0
        return self._start()

    def _step(self, key: str) -> str:
        """Ask one step, or do another choice of the review. Returns what was chosen."""
        for at, step in enumerate(STEPS, 1):
            if step.key == key:
                say("")
                say(f"Step {at} of {len(STEPS)}: {step.title}. {step.asks}")
        return getattr(self, f"_{key}")() or ""

    def _text(self, asks: str, default: str, why: str) -> str:
        return self._asks.text(asks, default, why=WHY[why])

    def _choose(self, asks: str, choices: dict[str, str], default: str, why: str) -> str:
        options = [Choice(key, says) for key, says in choices.items()]
        return self._asks.choose(asks, options, default, why=WHY[why])

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

        tiny = self._findings.model("builtin:tiny")
        known = detected(self._findings.facts(self.draft, tiny)) if self.draft.data else {}
        for each in QUESTIONS:
            default = self.draft.answers.get(each.key) or known.get(each.key, "")
            self.draft = self.draft.answer(each.key, question(self._asks, each, default) or None)
        verdict = decide(self.draft.answers)
        advise_view.show(verdict, known, shlex.join(self.draft.data), [], None, err())
        if all(known.get(key) == option for key, option in self.draft.answers.items()):
            if not self.draft.answers:
                say("  Nothing was answered. The next steps are those of fine-tuning.")
            return
        begun = {way.key: f"{way.title}. {way.says}" for way in ways(verdict.approach)}
        while (chosen := self._choose("Next step?", begun, next(iter(begun)), "way")) != TUNE:
            (self._prompt if chosen == PROMPT else self._retrieval)()
            begun = {TUNE: begun[TUNE]} | begun  # training, which is still to do, comes first

    def _prompt(self) -> None:
        """Choose few-shot examples, show the prompt, and write it to a new directory."""
        from tuiftune.advice import prompting

        rows = self._which_data("Rows: a file, directory or glob", "rows")
        try:
            examples = self._findings.dataset(self.draft.with_(data=_sources(rows))).examples()
            made = prompting.starter(examples, task=self.draft.answers.get("task", ""))
            for line in made.template.splitlines():
                say(f"  | {line}")
            directory = self._text(
                f"Directory for prompt.md and few-shot.jsonl ({NOWHERE} to skip)", "prompt-starter", "prompt"
            )
            if directory != NOWHERE:
                text, shots = prompting.write(made, paths.given(directory))
                say(f"  Wrote {text} and {shots}.")
                command = decide_command(_sources(rows), model=self.draft.model, prompt=text)
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

    def _data(self) -> None:
        while True:
            draft = self.draft.with_(data=_sources(self._which_data("File, directory or glob", "data")))
            try:
                if (read := self._readable(draft)) is None:
                    continue
                self._inspected(read)
                draft = self._one_spelling(read)
            except UserError as error:
                say(f"  {error}")
                continue
            if self._outcome.plan is None or self._planned(draft):
                fresh = cleaning.with_sources(self.draft, draft.data)
                self.draft = fresh.with_(format=draft.format, columns=draft.columns)
                return

    def _readable(self, draft: Draft) -> Draft | None:
        """Ask for the roles of the columns where they can't be detected. Returns the draft to use; None: ask
        for other data.

        Raises UserError for data that nothing can be trained on.
        """
        from tuiftune.cli.plain_columns import mapped
        from tuiftune.data.detect.formats import ColumnsError

        try:
            return self._whole(draft)
        except ColumnsError as error:
            say(f"  {error.place}: {error.message}")
            found = mapped(self._asks, draft)
            return None if found is None else self._whole(found)

    def _whole(self, draft: Draft) -> Draft:
        """Ask whether malformed lines are left out, in a new file. Returns the draft to use.

        Raises UserError for data that nothing can be trained on.
        """
        from tuiftune.data.clean.run import Settings
        from tuiftune.data.read.malformed import MalformedError

        try:
            trainable(self._findings.dataset(draft))
        except MalformedError as error:
            say(f"  {error.place}: {error.message}")
            if not self._asks.yes(
                "Write a clean copy without malformed lines, and use it?", True, why=WHY["whole"]
            ):
                raise
            from tuiftune.data.read.load import load

            columns = dict(draft.columns) or None
            read = load(
                list(draft.data), format=draft.format, columns=columns, system=draft.system, keep_going=True
            )
            draft = self._cleaned(draft, read, Settings())
            trainable(self._findings.dataset(draft))
        return draft

    def _one_spelling(self, draft: Draft) -> Draft:
        """Ask whether near-identical labels are merged, into a new file. Returns the draft to use."""
        from tuiftune.data.clean.run import Settings

        dataset = self._findings.dataset(draft)
        found = labels.similar(dataset)
        if not found.pairs:
            return draft
        say(f"  {found}")
        if not self._asks.yes(labels.ASKS, True, why=WHY["labels"]):
            return draft
        return self._cleaned(draft, dataset, Settings(labels="merge"))

    def _cleaned(self, draft: Draft, dataset: Dataset, how: Settings) -> Draft:
        """Write a clean copy of the data. Returns the draft that uses it."""
        from tuiftune.data.clean.run import clean

        output = cleaning.output_of(draft.data, dataset.files)
        done = clean(dataset, output, how)
        written = ", ".join(f"{path} ({rows:,} rows)" for path, (rows, _) in done.written.items())
        say(f"  Wrote {written}; {output.stem}.changes.jsonl lists every change. Your file is unchanged.")
        return cleaning.repaired(draft, list(done.written))

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

    def _inspected(self, draft: Draft) -> None:
        """Print what `tuiftune data inspect` reports, and two rows as the model will see them."""
        from tuiftune.data.inspect import inspect
        from tuiftune.data.report.terminal import render
        from tuiftune.wizard.draft import checked_with

        dataset = self._findings.dataset(draft)
        limit, held_out, seed = checked_with(draft)
        tokenizer = self._findings.model_of(draft).path
        render(inspect(dataset, tokenizer=tokenizer, max_length=limit, eval_spec=held_out, seed=seed), err())
        for example in dataset.head(2):
            for message in example.messages or ():
                say(f"  row {example.row} {message.role}: {message.content[:200]}")

    def _model(self) -> None:
        self._base()
        self._tell()
        choices = {
            "": "continue with these values",
            "setting": "change a setting",
            "alternative": "compare alternatives",
            "gpu": "plan for another GPU",
            "why": "show every value with its reason and source",
        }
        while chosen := self._choose("Use these values?", choices, "", "values"):
            getattr(self, f"_{chosen}")()

    def _why(self) -> None:
        """Print every value of the plan with its reason and source, and its memory by component."""
        from tuiftune.cli import plan_view

        assert self._outcome.plan is not None
        for line in self._outcome.advice.advice if self._outcome.advice is not None else ():
            say(f"  {line}")
        plan_view.show(self._outcome.plan, err(), linear=True)

    def _base(self) -> None:
        """Ask for the base model until a plan can be made with it."""
        from tuiftune.wizard.model_rows import fits_of, rows_of

        while True:
            try:
                rows = rows_of(self._findings, self.draft)[:MODELS]
                draft = self.draft.with_(model=self.draft.model or rows[0].reference)
                fits = dict(fits_of(self._findings, draft, rows))
            except UserError as error:
                if not self.draft.model:
                    raise
                say(f"  {error}")
                self.draft = self.draft.with_(model="")
                continue
            choices = {
                row.reference: f"{row.reference}, {count(row.parameters)} parameters. "
                + row.described(fits.get(row.reference))
                for row in rows
            }
            choices["other"] = "another: a Hugging Face model ID or a directory"
            chosen = self._choose("Base model", choices, draft.model, "model")
            if chosen == "other":
                chosen = self._text("Model ID or directory", draft.model, "other")
            if self._planned(draft.with_(model=chosen)):
                return

    def _planned(self, draft: Draft) -> bool:
        """Accept a draft, with its recommended values, if a plan can be made; else print the error."""
        outcome = planned(self._findings, draft)
        if outcome.error or outcome.advice is None:
            say(f"  {outcome.error}")
            return False
        self._outcome, self.draft = outcome, outcome.advice.apply(draft)
        return True

    def _tell(self) -> None:
        """Print the plan in a dozen lines, with what the user's own values changed; `_why` prints all."""
        from tuiftune.cli import plan_view
        from tuiftune.wizard.effect import against

        assert self._outcome.plan is not None
        if self.draft.gpu:
            say(f"  planned for {self.draft.gpu}, not for this machine:")
        for line in plan_view.briefly(self._outcome.plan):
            say(f"  {line}")
        advised = self._outcome.advice.advice if self._outcome.advice is not None else ()
        for line in advised[:ADVICE]:
            say(f"  {line}")
        if self.draft.overrides and (says := against(self._outcome.plan, self._outcome.alone)):
            say(f"  {says}")

    def _setting(self) -> None:
        """Ask for values, each with its effect. An invalid one prints an error and changes nothing."""
        from tuiftune.wizard.effect import quality_of

        for setting in settings_of(self.draft):
            says = ", ".join(written(choice) for choice in setting.choices)
            now = written(resolved(self._outcome.plan, setting.key))
            say(f"  {setting.key} = {now} ({setting.name}: {says})")
        while text := self._text("KEY=VALUE, such as method.rank=8 (empty when done)", "", "setting"):
            key, _, value = text.partition("=")
            try:
                draft = typed(self.draft, key.strip(), value.strip())
            except UserError as error:
                say(f"  {error}")
                continue
            if self._planned(draft) and self._outcome.plan is not None:
                self._tell()
                base = self._findings.model_of(self.draft)
                found = quality_of(self._outcome.plan, key.strip(), base.parameters, self._outcome.facts)
                if found is not None:
                    say(f"  quality {LEANS[found.leans]}: {found.says} ({found.source})")

    def _alternative(self) -> None:
        assert self._outcome.plan is not None
        others = self._outcome.plan.alternatives
        choices = {"": "none of these"} | {
            str(at): other.says + ("" if other.fits else " (does not fit)") for at, other in enumerate(others)
        }
        chosen = self._choose("Alternatives", choices, "", "alternative")
        if chosen and self._planned(changed(self.draft, others[int(chosen)].changes)):
            self._tell()

    def _gpu(self) -> None:
        """Print the plan for every known GPU, and ask for one of them, with a count."""
        from tuiftune.hardware import known_gpus
        from tuiftune.plan.device import parse_gpu
        from tuiftune.wizard.gpu_rows import rows_of

        for row in rows_of(self._findings, self.draft, 1):
            plan = row.plan
            if plan is None:
                says = row.fault
            elif plan.fits:
                cost = f", {money(plan.usd)}" if plan.usd is not None else ""
                says = (
                    f"fits with {plan.resolved.method.technique}, {duration(plan.seconds)}{cost} (predicted)"
                )
            else:
                says = f"does not fit, needs {size(plan.memory.needs)}"
            say(f"  {row.name}, {size(row.memory)}: {says}")
        while True:
            now = self.draft.gpu or "here"
            text = self._text("GPU as NAME or NAME:COUNT, or 'here' for this machine", now, "gpu")
            try:
                gpu = "" if text == "here" else text
                if gpu:
                    known_gpus.find(parse_gpu(gpu)[0])
            except UserError as error:
                say(f"  {error}")
                continue
            if self._planned(self.draft.with_(gpu=gpu)):
                self._tell()
                return

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
        facts = self._findings.facts(self.draft, model)
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
        facts = self._findings.facts(self.draft, self._findings.model_of(self.draft))
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


def _sources(text: str) -> tuple[str, ...]:
    """Split what was typed into sources, unless it is the name of one existing file."""
    return (text,) if paths.names_one(text) else tuple(shlex.split(text))
