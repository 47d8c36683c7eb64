"""The model step in plain prompts: base model, settings, alternatives, GPUs."""

from __future__ import annotations

from tuiftune.cli.plain.walk import Walk
from tuiftune.cli.terminal import err
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.errors import UserError
from tuiftune.figures import count, duration, money, size
from tuiftune.wizard.planning import advised
from tuiftune.wizard.settings import changed, resolved, settings_of, typed, written

MODELS = 12  # of the list
ADVICE = 3  # lines of advice with a plan; all of them with its reasons
LEANS = {"better": "higher", "same": "about the same", "worse": "lower", "unsure": "unclear"}


class Model(Walk):
    """A base model and values with which a plan can be made."""

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
                fits = dict(fits_of(self._findings, advised(self._findings, draft).apply(draft), rows))
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
        choices = {"": "none of these"} | {str(at): other.says for at, other in enumerate(others)}
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
