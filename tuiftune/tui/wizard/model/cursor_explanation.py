"""The explanation of the model or setting under the cursor of the model step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.advice.quality import Circumstances
from tuiftune.tui.wizard.model.memory_bar import MemoryBar
from tuiftune.tui.wizard.model.model_list import ModelList
from tuiftune.tui.wizard.model.settings_list import SettingsList
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard.effect import quality_of, setting_in_depth
from tuiftune.wizard.planning import Outcome
from tuiftune.wizard.settings import written

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan


class ExplainsCursor(WizardStep):
    """Base of a step with models, settings and a memory bar. `last` is the most recent plan."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self.last: Plan | None = None
        self.outcome = Outcome()

    def explain(self) -> None:
        """Explain the model or setting under the cursor, below the memory bar."""
        self.explain_setting() if self._settings.has_focus else self.explain_model()

    def explain_model(self) -> None:
        """Explain the model under the cursor: why it is listed, and its memory."""
        row = self._models.current
        if row is None:
            return
        words = row.described(self._models.fit_of(row.reference))
        self._memory.judge(None)
        self._memory.explain(row.short, words, "")

    def explain_setting(self) -> None:
        """Explain the setting under the cursor: its effect on quality, its reason, the recommended value."""
        setting = self._settings.setting
        reason = self.outcome.reason(setting.key, self.draft, self.plan)
        if self.last is not None:
            model = self._models.current
            parameters = model.parameters if model and model.parameters else None
            self._memory.judge(quality_of(self.last, setting.key, parameters, self.outcome.facts))
        advised = self.outcome.advised(setting.key)
        if advised is not None and setting.key in self.draft.overrides:
            whose = f"From the {self.draft.source}" if self.draft.inherited(setting.key) else "Your value"
            why = f"{whose}. Recommended: {written(advised.value)}, {advised.why}"
            self._memory.explain(setting.name, why, advised.source)
        elif reason is not None:
            self._memory.explain(setting.name, reason.why, reason.source)
        else:
            from tuiftune.preset.words import keys

            known = keys().get(setting.key)
            self._memory.explain(setting.name, known.does if known else "", setting.source)

    def help_topic(self) -> str:
        """Return the help on the step, or on the setting under the cursor."""
        if not self._settings.has_focus:
            return super().help_topic()
        setting = self._settings.setting
        model = self._models.current
        known = model.parameters if model else None
        method = self.last.resolved.method.technique if self.last else techniques.automatic(tiny=False)[0].key
        usual = self.last.usual_rate if self.last else None
        around = Circumstances(techniques.find(method), known or 10**9, self.outcome.facts, usual)
        key, outcome = setting.key, self.outcome
        return setting_in_depth(
            setting, around, outcome.advised(key) or outcome.reason(key, self.draft, self.plan)
        )

    @property
    def _models(self) -> ModelList:
        return self.query_one(ModelList)

    @property
    def _settings(self) -> SettingsList:
        return self.query_one(SettingsList)

    @property
    def _memory(self) -> MemoryBar:
        return self.query_one(MemoryBar)
