"""Step 4: the base model and how to train it. Every change makes a new plan, in a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from tuiftune.errors import UserError
from tuiftune.tui.keys import bindings
from tuiftune.tui.modelrows import rows_of
from tuiftune.tui.screens.wizard import WizardStep
from tuiftune.tui.settings import stepped, written
from tuiftune.tui.widgets.memorybar import MemoryBar
from tuiftune.tui.widgets.modellist import ModelList
from tuiftune.tui.widgets.settingslist import SettingsList

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from tuiftune.advice.draft import Draft
    from tuiftune.advice.recommend import Recommendation
    from tuiftune.plan.model import Plan, Reason
    from tuiftune.tui.modelrows import ModelRow

DEBOUNCE_SECONDS = 0.2


class Offered(Message):
    """The models to choose from, the recommended one first."""

    def __init__(self, rows: list[ModelRow], error: str = "") -> None:
        super().__init__()
        self.rows, self.error = rows, error


class Planned(Message):
    """A plan of `draft` (or why there is none), and what was recommended for it."""

    def __init__(self, draft: Draft, plan: Plan | None, advice: Recommendation | None, error: str) -> None:
        super().__init__()
        self.draft, self.plan, self.advice, self.error = draft, plan, advice, error


class ModelStep(WizardStep):
    KEY: ClassVar[str] = "model"
    SCOPES = ("wizard", "model")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("model"),
        ("down", "down", "Down"),
        ("up", "up", "Up"),
        ("pagedown", "page(1)", "Page down"),
        ("pageup", "page(-1)", "Page up"),
        ("shift+tab", "switch_list", "Switch"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self._advice: Recommendation | None = None
        self._timer: Timer | None = None
        self._go_on = False

    def body(self) -> ComposeResult:
        with Container(id="method"):
            with Horizontal(id="choices"):
                with Vertical(id="models-side"):
                    yield ModelList(classes="panel")
                    yield Input(placeholder="filter", id="filter")
                yield SettingsList(classes="panel")
            yield MemoryBar(classes="panel")

    def on_mount(self) -> None:
        self.query_one(ModelList).border_title = "base model"
        self.query_one(SettingsList).border_title = "method"
        self.query_one("#filter").display = False
        self.query_one(ModelList).focus()
        self.query_one(SettingsList).show(self.draft, None)
        self.run_worker(self._offer, thread=True, exit_on_error=False, group="offer")

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
        if not self.draft.model and message.rows:
            self.draft = self.draft.with_(model=message.rows[0].reference)
        self.query_one(ModelList).show(message.rows, self.draft.model)
        self._explain_model()
        self._replan(0.0)

    def _replan(self, after: float = DEBOUNCE_SECONDS) -> None:
        """Make a plan once nothing has changed for a moment."""
        self.plan = None
        self.query_one(SettingsList).show(self.draft, None)
        self.query_one(MemoryBar).planning()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(max(0.001, after), self._start_planning)

    def _start_planning(self) -> None:
        self.run_worker(
            partial(self._make_plan, self.draft),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            group="plan",
        )

    def _make_plan(self, draft: Draft) -> None:
        from tuiftune.advice.recommend import recommend

        findings = self.app.findings
        advice = None
        try:
            model = findings.model(draft.model)
            facts = findings.facts(draft, model)
            advice = recommend(draft.answers, findings.machine(), model, facts)
            plan = findings.plan(advice.apply(draft))
        except UserError as error:
            self.post_message(Planned(draft, None, advice, str(error)))
        else:
            self.post_message(Planned(draft, plan, advice, ""))

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        if message.draft != self.draft:
            return  # something changed meanwhile; its plan is on the way
        self._advice, self.plan = message.advice, message.plan
        if message.advice is not None:
            self.draft = message.advice.apply(self.draft)
        self.query_one(SettingsList).show(self.draft, self.plan)
        self.query_one(MemoryBar).show(self.plan)
        if message.error:
            self.say(message.error, "error")
        elif self.plan is not None:
            self.query_one(ModelList).fitted(self.draft.model, self.plan.fits)
            advice = message.advice.advice if message.advice else ()
            fit = next((other.says for other in self.plan.alternatives if other.fits), "")
            if not self.plan.fits:
                self.say(f"does not fit: {fit or 'take a smaller model'} (a shows what would)", "error")
            else:
                self.say(advice[0] if advice else "", "warning" if advice else "info")
        if self._go_on:
            self._go_on = False
            self.action_forward()

    @on(ModelList.Pointed)
    def _model_pointed(self, message: ModelList.Pointed) -> None:
        if message.row.reference != self.draft.model:
            self.draft = self.draft.with_(model=message.row.reference)
            self._explain_model()
            self._replan()

    def _explain_model(self) -> None:
        row = self.query_one(ModelList).current
        if row is None:
            return
        facts = [
            row.why,
            f"licence {row.licence}" if row.licence else "",
            "gated: accept its terms first" if row.gated else "",
        ]
        self.query_one(MemoryBar).explain(row.short, "; ".join(fact for fact in facts if fact), "")

    @on(SettingsList.Pointed)
    def _setting_pointed(self) -> None:
        self._explain_setting()

    def _explain_setting(self) -> None:
        setting = self.query_one(SettingsList).current
        reason = self._reason(setting.key)
        if (
            reason is not None
            and setting.key in self.draft.overrides
            and setting.key in self.draft.recommended
        ):
            why = f"yours; recommended is {written(self.draft.recommended[setting.key])}: {reason.why}"
            self.query_one(MemoryBar).explain(setting.name, why, reason.source)
        elif reason is not None:
            self.query_one(MemoryBar).explain(setting.name, reason.why, reason.source)
        else:
            from tuiftune.preset.words import keys

            known = keys().get(setting.key)
            self.query_one(MemoryBar).explain(setting.name, known.does if known else "", "preset")

    def _reason(self, key: str) -> Reason | None:
        reasons = [*(self.plan.reasons if self.plan else ()), *(self._advice.reasons if self._advice else ())]
        if key in self.draft.recommended and key not in self.draft.overrides:
            reasons.reverse()
        return next((reason for reason in reasons if reason.key == key), None)

    def _change(self, draft: Draft) -> None:
        if draft != self.draft:
            self.draft = draft
            self._replan()

    def on_descendant_focus(self) -> None:
        if self.query_one(SettingsList).has_focus:
            self._explain_setting()
        elif self.query_one(ModelList).has_focus:
            self._explain_model()

    def action_forward(self) -> None:
        if self.query_one("#filter").has_focus:
            self.query_one(ModelList).focus()
        elif self.plan is None and any(w.is_running for w in self.workers) and not self._go_on:
            self._go_on = True  # as soon as the plan is there
        else:
            super().action_forward()

    def may_leave(self) -> bool:
        if self.plan is None:
            self.say("There is no plan for this yet.", "warning")
        return self.plan is not None

    def action_down(self) -> None:
        self._list().move(1)

    def action_up(self) -> None:
        self._list().move(-1)

    def action_page(self, by: int) -> None:
        self._list().move(by * 8)

    def _list(self) -> ModelList | SettingsList:
        settings = self.query_one(SettingsList)
        return settings if settings.has_focus else self.query_one(ModelList)

    def action_switch_list(self) -> None:
        (
            self.query_one(ModelList)
            if self.query_one(SettingsList).has_focus
            else self.query_one(SettingsList)
        ).focus()

    def action_more(self) -> None:
        self._step(1)

    def action_less(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        settings = self.query_one(SettingsList)
        if not settings.has_focus:
            settings.focus()
            return
        self._change(stepped(self.draft, settings.current, by))

    @on(SettingsList.Stepped)
    def _clicked(self) -> None:
        self._step(1)

    def action_give_back(self) -> None:
        """The setting under the cursor goes back to what is recommended."""
        self._change(self.draft.override(self.query_one(SettingsList).current.key, None))

    def action_type_value(self) -> None:
        from tuiftune.tui.screens.ask import Ask
        from tuiftune.tui.settings import wanted

        setting = self.query_one(SettingsList).current
        now = written(wanted(self.draft, setting))
        self.app.push_screen(
            Ask(setting.key, now, "A value, or auto where that is possible"), self._typed_value
        )

    def _typed_value(self, text: str | None) -> None:
        if not text:
            return
        from tuiftune.preset.file import override

        key = self.query_one(SettingsList).current.key
        try:
            made = override(self.draft.preset(), [f"{key}={text}"])
        except UserError as error:
            self.say(str(error), "error")
            return
        section, _, name = key.partition(".")
        self._change(self.draft.override(key, getattr(getattr(made, section), name)))

    def action_type_model(self) -> None:
        from tuiftune.tui.screens.ask import Ask

        self.app.push_screen(
            Ask(
                "model.base", self.draft.model, "A hub id such as Qwen/Qwen3-0.6B, or a directory", paths=True
            ),
            self._typed_model,
        )

    def _typed_model(self, text: str | None) -> None:
        if text:
            self.draft = self.draft.with_(model=text.strip())
            self.run_worker(self._offer, thread=True, exit_on_error=False, group="offer", exclusive=True)

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter(self, message: Input.Changed) -> None:
        self.query_one(ModelList).filter(message.value)

    @on(Input.Submitted, "#filter")
    def _filtered(self, message: Input.Submitted) -> None:
        message.input.display = bool(message.value)
        self.query_one(ModelList).focus()

    def action_back(self) -> None:
        field = self.query_one("#filter", Input)
        if field.has_focus or field.value:
            field.value = ""
            field.display = False
            self.query_one(ModelList).focus()
        else:
            super().action_back()

    def action_why(self) -> None:
        from tuiftune.tui.screens.reasons import Reasons

        if self.plan is not None:
            self.app.push_screen(Reasons(self.plan, self._advice))

    def action_alternatives(self) -> None:
        from tuiftune.tui.screens.alternatives import Alternatives

        if self.plan is not None:
            self.app.push_screen(Alternatives(self.plan), self._take_alternative)

    def _take_alternative(self, index: int | None) -> None:
        if index is None or self.plan is None:
            return
        draft = self.draft
        for key, value in self.plan.alternatives[index].changes.items():
            draft = draft.with_(model=value) if key == "model.base" else draft.override(key, value)
        self._change(draft)
