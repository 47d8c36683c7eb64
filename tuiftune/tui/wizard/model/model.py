"""Step 4: the base model and the settings. Every change makes a new plan, in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.tui.kit.cursor_list import PAGE, FilterField
from tuiftune.tui.wizard.model.cursor_explanation import ExplainsCursor
from tuiftune.tui.wizard.model.memory_bar import MemoryBar
from tuiftune.tui.wizard.model.model_list import ModelList
from tuiftune.tui.wizard.model.settings_list import SettingsList
from tuiftune.wizard.effect import against
from tuiftune.wizard.model_rows import Fit, rows_of
from tuiftune.wizard.planning import Outcome, fits_by_few, planned
from tuiftune.wizard.settings import changed, stepped, typed, written

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.model_rows import ModelRow

DEBOUNCE_SECONDS = 0.05  # a plan takes about 10 ms, so the bar can follow a key that is held down


@dataclass
class Offered(Message):
    """The models to choose from, the recommended one first."""

    rows: list[ModelRow]
    error: str = ""


@dataclass
class Planned(Message):
    """The outcome of planning `draft`."""

    draft: Draft
    outcome: Outcome


@dataclass
class Fitted(Message):
    """Whether models of the list fit, for the `about` (length, technique, GPU) that it depends on."""

    about: Hashable
    found: dict[str, Fit]


class ModelStep(ExplainsCursor):
    KEY: ClassVar[str] = "model"
    SCOPES = ("wizard", "model")

    def __init__(self) -> None:
        super().__init__()
        self._fitted_for: Hashable = None
        self._rows: list[ModelRow] = []
        self._timer: Timer | None = None
        self._planning = False
        self._next: Callable[[], None] | None = None  # what was asked for while a plan is being made

    def body(self) -> ComposeResult:
        with Container(id="method"):
            with Horizontal(id="choices"):
                with Vertical(id="models-side"):
                    yield ModelList(classes="panel")
                    yield FilterField(ModelList, "filter", "filter")
                yield SettingsList(classes="panel")
            yield MemoryBar(classes="panel")

    def on_mount(self) -> None:
        self._models.border_title = "base model"
        self._models.focus()
        self._settings.judge(self.draft, None)
        self._offer_models()

    def _offer_models(self) -> None:
        self.in_thread("offer", self._offer, exclusive=True)

    def _offer(self) -> None:
        try:
            rows = rows_of(self.app.findings, self.draft)
            self.post_message(Offered(rows))
        except UserError as error:
            self.post_message(Offered([], str(error)))

    @on(Offered)
    def _offered(self, message: Offered) -> None:
        if message.error:
            self.say(message.error, "error")
            return
        self._rows = message.rows
        if not self.draft.model and message.rows:
            self.draft = self.draft.with_(model=message.rows[0].reference)
        self._models.show(message.rows, self.draft.model)
        self.explain_model()
        self._replan(0.0)

    def _replan(self, after: float = DEBOUNCE_SECONDS) -> None:
        """Make a plan after `after` seconds without another change."""
        self.plan, self._planning = None, True
        self._settings.judge(self.draft, self.last)
        self._memory.planning()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(max(0.001, after), self._start_planning)

    def _start_planning(self) -> None:
        self.in_thread("plan", self._make_plan, self.draft, exclusive=True)

    def _make_plan(self, draft: Draft) -> None:
        self.post_message(Planned(draft, planned(self.app.findings, draft)))

    def _look_for_fits(self, about: Hashable, draft: Draft) -> None:
        worker = get_current_worker()
        for found in fits_by_few(self.app.findings, draft, self._rows):
            if worker.is_cancelled:
                return
            self.post_message(Fitted(about, found))

    @on(Fitted)
    def _fitted(self, message: Fitted) -> None:
        if message.about == self._fitted_for:
            self._models.fitted(message.found)
            self.explain()

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        if message.draft != self.draft:
            return  # the draft has changed since; its plan will arrive
        self._planning = False
        outcome = self.outcome = message.outcome
        self.plan, self.last = outcome.plan, outcome.plan or self.last
        if outcome.advice is not None:
            self.draft = outcome.advice.apply(self.draft)
        self._settings.judge(self.draft, self.plan)
        self._memory.show(self.plan, against(self.plan, outcome.alone) if self.plan else "")
        self.explain()
        if outcome.error:
            self.say(outcome.error, "error")
        elif self.plan is not None:
            self._mark_fits(self.plan)
            advice = outcome.advice.advice if outcome.advice else ()
            fit = next((other.says for other in self.plan.alternatives if other.fits), "")
            if not self.plan.fits:
                self.say(f"Does not fit: {fit or 'use a smaller model'} (a shows alternatives)", "error")
            else:
                self.say(advice[0] if advice else "", "warning" if advice else "info")
        asked, self._next = self._next, None
        if asked is not None:
            asked()

    def _mark_fits(self, plan: Plan) -> None:
        """Update the fit of the planned model, and of all others if what they depend on has changed."""
        method, need = plan.resolved.method, plan.memory.needs
        about = (self.draft.gpu, plan.resolved.data.max_length, self.draft.value("method.technique"))
        if about != self._fitted_for:
            self._fitted_for = about
            self.in_thread("fits", self._look_for_fits, about, self.draft, exclusive=True)
        elif not plan.fits:
            mark = {self.draft.model: Fit(False, str(method.technique), need)}
            self._models.fitted(mark)

    @on(ModelList.Moved, "#models")
    def _model_pointed(self) -> None:
        row = self._models.current
        if row is not None and row.reference != self.draft.model:
            self.draft = self.draft.with_(model=row.reference)
            self.explain_model()
            self._replan()

    @on(SettingsList.Moved, "#settings")
    def _setting_pointed(self) -> None:
        self.explain()

    def _change(self, draft: Draft) -> None:
        if draft != self.draft:
            self.draft = draft
            self._replan()

    def on_descendant_focus(self) -> None:
        if self._settings.has_focus or self._models.has_focus:
            self.explain()

    def action_forward(self) -> None:
        if self.query_one(FilterField).has_focus:
            self._models.focus()
        elif self._planning and self._next is None:
            self._next = self.action_forward
        else:
            super().action_forward()

    def may_leave(self) -> bool:
        if self.plan is None:
            self.say("No plan yet. See the error above, or wait a moment.", "warning")
        return self.plan is not None

    def action_down(self) -> None:
        self._list().move(1)

    def action_up(self) -> None:
        self._list().move(-1)

    def action_page(self, by: int) -> None:
        self._list().move(by * PAGE)

    def _list(self) -> ModelList | SettingsList:
        settings = self._settings
        return settings if settings.has_focus else self._models

    def action_switch_list(self) -> None:
        (self._models if self._settings.has_focus else self._settings).focus()

    def action_more(self) -> None:
        self._step(1)

    def action_less(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        settings = self._settings
        if not settings.has_focus:
            settings.focus()
            return
        self._change(stepped(self.draft, settings.setting, by))

    @on(SettingsList.Chosen, "#settings")
    def _clicked(self) -> None:
        self._step(1)

    def action_give_back(self) -> None:
        """Reset the setting under the cursor to its recommended value."""
        self._change(self.draft.override(self._settings.setting.key, None))

    def action_type_value(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask
        from tuiftune.wizard.settings import wanted

        setting = self._settings.setting
        now = written(wanted(self.draft, setting))
        self.app.push_screen(
            Ask(setting.key, now, "A value, or auto if the setting allows it"), self._typed_value
        )

    def _typed_value(self, text: str | None) -> None:
        if not text:
            return
        try:
            self._change(typed(self.draft, self._settings.setting.key, text))
        except UserError as error:
            self.say(str(error), "error")

    def action_type_model(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask

        self.app.push_screen(
            Ask(
                "Base model",
                self.draft.model,
                "A Hugging Face model ID such as Qwen/Qwen3-0.6B, or a directory",
                paths=True,
            ),
            self._typed_model,
        )

    def _typed_model(self, text: str | None) -> None:
        if text:
            self.draft = self.draft.with_(model=text.strip())
            self._offer_models()

    def action_filter(self) -> None:
        self.query_one(FilterField).open()

    def action_back(self) -> None:
        field = self.query_one(FilterField)
        if field.has_focus or field.value:
            field.clear()
        else:
            super().action_back()

    def action_why(self) -> None:
        from tuiftune.tui.wizard.model.plan_dialogs import Reasons

        if self.plan is None:
            self._once_planned(self.action_why)
        else:
            at = self._settings.setting.key if self._settings.has_focus else ""
            self.app.push_screen(Reasons(self.plan, self.outcome.advice, at))

    def action_alternatives(self) -> None:
        from tuiftune.tui.wizard.model.plan_dialogs import Alternatives

        if self.plan is None:
            self._once_planned(self.action_alternatives)
        else:
            self.app.push_screen(Alternatives(self.plan), self._take_alternative)

    def _once_planned(self, action: Callable[[], None]) -> None:
        """Do it as soon as the plan is there, if one is being made."""
        if self._planning:
            self._next = action

    def _take_alternative(self, index: int | None) -> None:
        if index is None or self.plan is None:
            return
        self._take(changed(self.draft, self.plan.alternatives[index].changes))

    def _take(self, draft: Draft) -> None:
        """Use a draft whose model or GPU may have changed, and update the list."""
        if draft.gpu != self.draft.gpu:
            self.draft = draft
            self._offer_models()
        elif draft.model != self.draft.model:
            self.draft = draft
            self._models.show(self._rows, draft.model)
            self.explain_model()
            self._replan()
        else:
            self._change(draft)

    def action_gpu(self) -> None:
        """Open the dialog to plan for another GPU."""
        from tuiftune.tui.wizard.model.gpus import Gpus

        if self.plan is None:
            self._once_planned(self.action_gpu)
        else:
            self.app.push_screen(Gpus(self.draft), self._take_gpu)

    def _take_gpu(self, gpu: str | None) -> None:
        if gpu is not None:
            self._take(self.draft.with_(gpu=gpu))
