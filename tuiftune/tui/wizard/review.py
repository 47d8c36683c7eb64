"""Step 5: the summary, the preset as it will be saved, the command that runs it, and the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Input, Label

from tuiftune.errors import UserError
from tuiftune.figures import gpus_named, roughly, short
from tuiftune.tui.kit.field import Field
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.wizard.preset_saving import SavesPreset
from tuiftune.tui.wizard.review_views import CommandLine, SummaryView, YamlView
from tuiftune.wizard import proposals
from tuiftune.wizard.planning import settled
from tuiftune.wizard.probing import offer
from tuiftune.wizard.proposals import suggested_name
from tuiftune.wizard.summary import length_note, summary

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.checks.check import Check
    from tuiftune.models.download import Download
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.probing import Offer
    from tuiftune.wizard.summary import Line as SummaryLine


RESTART = {False: "Restart automatically: off", True: "Restart automatically: on"}
WHERE_TIP = "Where the run is trained (--on): started there, and watched from here"
REPORT_TIP = "Send the run's metrics to a tracker that is installed here (run.report_to)"
START = "Start training"
RESTART_TIP = "Restart after a crash, a preemption or a lack of GPU memory (--keep-alive)"


@dataclass
class Summed(Message):
    """The five lines of the summary and the comments for the preset; or why there are none."""

    lines: tuple[SummaryLine, ...]
    notes: dict[str, str]
    error: str = ""
    offer: Offer | None = None  # a probe of the learning rate, where there is time for one


@dataclass
class Settled(Message):
    """The draft with recommendations from counted token lengths, which were estimated before."""

    draft: Draft


@dataclass
class Doing(Message):
    """The current task while a run is being prepared."""

    what: str


@dataclass
class Started(Message):
    """The run was started, or why it was not."""

    run: RunDir | None
    error: str


class ReviewStep(SavesPreset):
    KEY: ClassVar[str] = "review"
    SCOPES = ("wizard", "review")
    SCROLLS = "#preset"
    AUTO_FOCUS = "#start"
    not_in_bar = ("forward",)  # `start` is the same

    def __init__(self) -> None:
        super().__init__()
        self._starting = False
        self._offer: Offer | None = None
        self._places, self._reporting = proposals.places(), proposals.reporting()

    def body(self) -> ComposeResult:
        if self.draft.name in ("", self.draft.suggested):  # data or model may have changed since
            name = suggested_name(self.draft)
            self.draft = self.draft.with_(name=name, suggested=name)
        yield SummaryView()
        with VerticalScroll(id="preset", classes="panel") as box:
            box.border_title = "the preset"
            box.can_focus = True
            yield YamlView()
        with Horizontal(classes="field"):
            yield Label(" Name    ")
            yield Field(
                self.draft.name, id="name", placeholder="name of the run and the preset", max_length=64
            )
        with Horizontal(classes="field"):
            yield Label(" Save as ")
            yield Field(self.draft.save_as or f"{self.draft.name}.yaml", id="save-as")
            yield Button("Save", id="save", compact=True)
        yield CommandLine()
        with Horizontal(id="go"):
            yield Button(START, id="start", variant="primary", compact=True)
            yield Button(RESTART[False], id="restart", compact=True, tooltip=RESTART_TIP)
            yield Label("  Esc goes back, nothing is lost", id="hint")
        if len(self._places) > 1 or self._reporting:
            with Horizontal(id="also"):
                if len(self._places) > 1:
                    yield Button(self._where(), id="where", compact=True, tooltip=WHERE_TIP)
                if self._reporting:
                    yield Button(self._reports(), id="report", compact=True, tooltip=REPORT_TIP)

    def on_mount(self) -> None:
        self._show()
        self.in_thread("sum", self._sum)

    def _where(self) -> str:
        return f"Train on: {self._on or 'this machine'}"

    def _reports(self) -> str:
        chosen = self.draft.value("run.report_to") or []
        return f"Report to: {', '.join(map(str, chosen)) or 'nothing'}"

    def _sum(self) -> None:
        """In a thread: the plan first, then the checks, which may take some seconds."""
        findings, draft = self.app.findings, self.draft

        def tell(checks: tuple[Check, ...] | None, download: Download | UserError | None) -> None:
            model = findings.model_of(draft)
            facts = findings.planned_facts(draft)
            plan = findings.plan(draft)
            lines = summary(draft, model, facts, plan, checks, download)
            probe = None if "training.learning_rate" in draft.overrides else offer(plan, facts)
            self.post_message(Summed(lines, length_note(draft, facts), offer=probe))

        try:
            tell(None, None)
            download: Download | UserError | None
            try:
                fresh = settled(findings, draft, self._tell)
                download = findings.download_of(fresh)
            except UserError as error:
                download = error
            else:
                if fresh is not draft:
                    draft = fresh
                    self.post_message(Settled(draft))
            tell(findings.checks(draft), download)
        except UserError as error:
            self.post_message(Summed((), {}, str(error)))

    @on(Settled)
    def _settled(self, message: Settled) -> None:
        self.draft = message.draft.with_(name=self.draft.name, save_as=self.draft.save_as)
        self._show()
        length = self.draft.value("data.max_length")
        self.say(f"Max length {length:,}: counted with the model's tokenizer, no longer estimated.", "ok")

    @on(Summed)
    def _summed(self, message: Summed) -> None:
        if message.error:
            self.say(message.error, "error")
            return
        self.query_one(SummaryView).show(message.lines)
        if message.offer is not None and message.offer != self._offer:
            minutes = roughly(60 * message.offer.minutes)
            self.say(f"There is time to measure the learning rate on your rows first: press p ({minutes}).")
        self._offer = message.offer
        self.query_one(KeyBar).redraw()
        if message.notes != self._notes:
            self._notes = message.notes
            self._show()

    @on(Input.Submitted)
    def _entered(self, message: Input.Submitted) -> None:
        if message.input.id == "save-as":
            self.action_save()
        else:
            self.query_one("#start").focus()

    @on(Button.Pressed, "#start")
    def _start_pressed(self) -> None:
        self.action_start()

    @on(Button.Pressed, "#restart")
    def _restart_pressed(self, message: Button.Pressed) -> None:
        self._restarts = not self._restarts
        message.button.label = RESTART[self._restarts]
        self._show()

    @on(Button.Pressed, "#where")
    def _where_pressed(self, message: Button.Pressed) -> None:
        self._on = proposals.after(self._on, self._places)
        message.button.label = self._where()
        self._show()

    @on(Button.Pressed, "#report")
    def _report_pressed(self, message: Button.Pressed) -> None:
        chosen = self.draft.value("run.report_to") or []
        key = proposals.after(str(chosen[0]) if chosen else "", ["", *self._reporting])
        self.draft = self.draft.override("run.report_to", [key] if key else None)
        message.button.label = self._reports()
        self._show()

    def action_start(self) -> None:
        """Start the run; ask first if the plan was made for another GPU, or the machine may cost money."""
        if self._starting or self._preset is None:
            return
        from tuiftune.jobs.starting import costs
        from tuiftune.tui.kit.dialogs import Confirm

        if detail := costs(self._on):
            self.app.push_screen(
                Confirm(f"Start on {self._on}?", detail, "Start there", "Cancel"), self._begin
            )
        elif self.draft.gpu and not self._on:
            detail = (
                f"This plan is for {gpus_named(self.draft.gpu)}. tuiftune will make a new plan for this "
                "machine; it may not fit."
            )
            self.app.push_screen(
                Confirm("Start on this machine?", detail, "Start here", "Cancel", harmful=True), self._begin
            )
        else:
            self._begin(True)

    def _begin(self, confirmed: bool | None) -> None:
        if not confirmed or self._preset is None:
            return
        self._starting = True
        self.query_one("#start", Button).label = "Starting …"
        self.in_thread("start", self._prepare, self._preset, exclusive=True)

    def _prepare(self, preset: Preset) -> None:
        from tuiftune.jobs.starting import start

        try:
            run = start(
                preset,
                self.app.runs_root,
                self._on,
                gpu=self.draft.gpu,
                keep_alive=self._restarts and not self._on,
                say=self._tell,
            )
        except UserError as error:
            self.post_message(Started(None, str(error)))
        else:
            self.post_message(Started(run, ""))

    def _tell(self, what: str) -> None:
        self.post_message(Doing(what))

    @on(Doing)
    def _doing(self, message: Doing) -> None:
        self._tell_user(f"{message.what} …", "info")

    @on(Started)
    def _started(self, message: Started) -> None:
        self._starting = False
        self.query_one("#start", Button).label = START
        if message.run is None:
            self._tell_user(message.error, "error")
            return
        self.app.leave_wizard(message.run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return self._offer is not None if action == "probe" else True

    def action_probe(self) -> None:
        """Measure the learning rate by short runs."""
        from tuiftune.tui.wizard.probe import ProbeScreen

        if self._preset is not None and self._offer is not None:
            self.app.push_screen(ProbeScreen(self._preset, self._offer), self._probed)

    def _probed(self, values: dict[str, Any] | None) -> None:
        for key, value in (values or {}).items():
            self.draft = self.draft.override(key, value)
        if values:
            self._show()
            rate = next(iter(values.values()))
            self._tell_user(f"Learning rate {short(rate)}, measured on your rows.", "ok")
            self.in_thread("sum", self._sum)

    def action_forward(self) -> None:
        self.action_start()
