"""Step 4: the base model and how to train it. Every change makes a new plan, in a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker

from tuiftune.advice.quality import Circumstances
from tuiftune.errors import UserError
from tuiftune.tui.effect import against, quality_of
from tuiftune.tui.keys import bindings
from tuiftune.tui.modelrows import Fit, rows_of
from tuiftune.tui.screens.wizard import WizardStep
from tuiftune.tui.settings import stepped, written
from tuiftune.tui.units import size
from tuiftune.tui.widgets.memorybar import MemoryBar
from tuiftune.tui.widgets.modellist import ModelList
from tuiftune.tui.widgets.settingslist import SettingsList

if TYPE_CHECKING:
    from collections.abc import Hashable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from tuiftune.advice.draft import Draft
    from tuiftune.advice.recommend import Recommendation
    from tuiftune.data.facts import DataFacts
    from tuiftune.plan.model import Plan, Reason
    from tuiftune.tui.modelrows import ModelRow

DEBOUNCE_SECONDS = 0.05  # a plan takes some 10 ms: the bar follows a key that is held down
FITS_AT_ONCE = 20


class Offered(Message):
    """The models to choose from, the recommended one first."""

    def __init__(self, rows: list[ModelRow], error: str = "") -> None:
        super().__init__()
        self.rows, self.error = rows, error


class Planned(Message):
    """A plan of `draft` (or why there is none), what was recommended for it, and the plan of that alone."""

    def __init__(
        self,
        draft: Draft,
        plan: Plan | None,
        advice: Recommendation | None,
        error: str,
        recommended: Plan | None = None,
        facts: DataFacts | None = None,
    ) -> None:
        super().__init__()
        self.draft, self.plan, self.advice, self.error = draft, plan, advice, error
        self.recommended, self.facts = recommended, facts


class Fitted(Message):
    """Whether models of the list fit, as far as `about` (length, technique, card) goes."""

    def __init__(self, about: Hashable, found: dict[str, Fit]) -> None:
        super().__init__()
        self.about, self.found = about, found


class ModelStep(WizardStep):
    KEY: ClassVar[str] = "model"
    SCOPES = ("wizard", "model")
    BINDINGS: ClassVar[list[BindingType]] = bindings("model")

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self._alone: Plan | None = None  # without the user's own values
        self._last: Plan | None = None  # shown until the next one is made
        self._facts: DataFacts | None = None
        self._fitted_for: Hashable = None
        self._rows: list[ModelRow] = []
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
        self._rows = message.rows
        if not self.draft.model and message.rows:
            self.draft = self.draft.with_(model=message.rows[0].reference)
        self.query_one(ModelList).show(message.rows, self.draft.model)
        self._explain_model()
        self._replan(0.0)

    def _replan(self, after: float = DEBOUNCE_SECONDS) -> None:
        """Make a plan once nothing has changed for a moment."""
        self.plan = None
        self.query_one(SettingsList).show(self.draft, self._last)
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
            advice = recommend(draft.answers, findings.machine_of(draft), model, facts)
            plan = findings.plan(advice.apply(draft))
        except UserError as error:
            self.post_message(Planned(draft, None, advice, str(error)))
        else:
            alone = self._recommended(advice.apply(draft.with_(overrides={}))) if draft.overrides else None
            self.post_message(Planned(draft, plan, advice, "", alone, facts))

    def _recommended(self, draft: Draft) -> Plan | None:
        """The plan without the user's own values; None where there is none to compare with."""
        try:
            return self.app.findings.plan(draft)
        except UserError:
            return None

    def _look_for_fits(self, about: Hashable, draft: Draft) -> None:
        """Mark every model of the list: a few at a time, so that the first ones do not wait for the last."""
        from tuiftune.tui.modelrows import fits_of

        worker = get_current_worker()
        found: dict[str, Fit] = {}
        try:
            for reference, fit in fits_of(self.app.findings, draft, self._rows):
                if worker.is_cancelled:
                    return
                found[reference] = fit
                if len(found) == FITS_AT_ONCE:
                    self.post_message(Fitted(about, found))
                    found = {}
        except UserError:
            return  # the plan says what is wrong with the draft
        self.post_message(Fitted(about, found))

    @on(Fitted)
    def _fitted(self, message: Fitted) -> None:
        if message.about == self._fitted_for:
            self.query_one(ModelList).fitted(message.found)
            self._explain()

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        if message.draft != self.draft:
            return  # something changed meanwhile; its plan is on the way
        self._advice, self.plan, self._facts = message.advice, message.plan, message.facts
        self._alone, self._last = message.recommended, message.plan or self._last
        if message.advice is not None:
            self.draft = message.advice.apply(self.draft)
        self.query_one(SettingsList).show(self.draft, self.plan)
        self.query_one(MemoryBar).show(
            self.plan, against(self.plan, message.recommended) if self.plan else ""
        )
        self._explain()
        if message.error:
            self.say(message.error, "error")
        elif self.plan is not None:
            self._mark_fits(self.plan)
            advice = message.advice.advice if message.advice else ()
            fit = next((other.says for other in self.plan.alternatives if other.fits), "")
            if not self.plan.fits:
                self.say(f"does not fit: {fit or 'take a smaller model'} (a shows what would)", "error")
            else:
                self.say(advice[0] if advice else "", "warning" if advice else "info")
        if self._go_on:
            self._go_on = False
            self.action_forward()

    def _mark_fits(self, plan: Plan) -> None:
        """The planned model's own mark, and all others' when what they depend on has changed."""
        method, need = plan.resolved.method, plan.memory.needs
        about = (self.draft.card, plan.resolved.data.max_length, self.draft.value("method.technique"))
        if about != self._fitted_for:
            self._fitted_for = about
            self.run_worker(
                partial(self._look_for_fits, about, self.draft),
                thread=True,
                exclusive=True,
                exit_on_error=False,
                group="fits",
            )
        elif not plan.fits:
            mark = {self.draft.model: Fit(False, str(method.technique), need)}
            self.query_one(ModelList).fitted(mark)

    def _explain(self) -> None:
        """What stands under the cursor, below the memory."""
        self._explain_setting() if self.query_one(SettingsList).has_focus else self._explain_model()

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
        fit = self.query_one(ModelList).fit_of(row.reference)
        least = ""
        if fit is not None:
            least = f"{fit.technique} from {size(fit.needs)} on: {'fits' if fit.fits else 'does not fit'}"
        facts = [
            row.why,
            least,
            f"licence {row.licence}" if row.licence else "",
            "gated: accept its terms first" if row.gated else "",
        ]
        self.query_one(MemoryBar).judge(None)
        self.query_one(MemoryBar).explain(row.short, "; ".join(fact for fact in facts if fact), "")

    @on(SettingsList.Pointed)
    def _setting_pointed(self) -> None:
        self._explain_setting()

    def _explain_setting(self) -> None:
        setting = self.query_one(SettingsList).current
        reason = self._reason(setting.key)
        if self._last is not None:
            model = self.query_one(ModelList).current
            parameters = model.parameters if model and model.parameters else None
            self.query_one(MemoryBar).judge(quality_of(self._last, setting.key, parameters, self._facts))
        advised = self._advised(setting.key)
        if advised is not None and setting.key in self.draft.overrides:
            why = f"yours; recommended is {written(advised.value)}: {advised.why}"
            self.query_one(MemoryBar).explain(setting.name, why, advised.source)
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

    def _advised(self, key: str) -> Reason | None:
        """What would be taken without the user's own value, and why."""
        found = [
            *(self._advice.reasons if self._advice else ()),
            *(self._alone.reasons if self._alone else ()),
        ]
        return next((reason for reason in found if reason.key == key), None)

    def _change(self, draft: Draft) -> None:
        if draft != self.draft:
            self.draft = draft
            self._replan()

    def on_descendant_focus(self) -> None:
        if self.query_one(SettingsList).has_focus or self.query_one(ModelList).has_focus:
            self._explain()

    def help_topic(self) -> str:
        """The step, or in depth the setting under the cursor."""
        from tuiftune.tui.explain import setting_in_depth

        if not self.query_one(SettingsList).has_focus:
            return super().help_topic()
        setting = self.query_one(SettingsList).current
        model = self.query_one(ModelList).current
        known = model.parameters if model else None
        around = Circumstances(
            str(self._last.resolved.method.technique) if self._last else "lora", known or 10**9, self._facts
        )
        return setting_in_depth(setting, around, self._advised(setting.key) or self._reason(setting.key))

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
            if key in ("model.base", "--gpu"):
                draft = draft.with_(**{"model" if key == "model.base" else "card": value})
            else:
                draft = draft.override(key, value)
        self._take(draft)

    def _take(self, draft: Draft) -> None:
        """A draft whose model or card may be another: the list follows."""
        if draft.card != self.draft.card:
            self.draft = draft
            self.run_worker(self._offer, thread=True, exit_on_error=False, group="offer", exclusive=True)
        elif draft.model != self.draft.model:
            self.draft = draft
            self.query_one(ModelList).show(self._rows, draft.model)
            self._explain_model()
            self._replan()
        else:
            self._change(draft)

    def action_card(self) -> None:
        """What if another card was rented: fit, time and money on each."""
        from tuiftune.tui.screens.cards import Cards

        if self.plan is not None:
            self.app.push_screen(Cards(self.draft), self._take_card)

    def _take_card(self, card: str | None) -> None:
        if card is not None:
            self._take(self.draft.with_(card=card))
