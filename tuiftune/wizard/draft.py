"""The draft of a preset: one immutable value that the app and the plain prompts edit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.preset.naming import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

Value = Any  # any YAML value: text, number, boolean, list or mapping


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything the user entered in the wizard. It is validated by `preset()`; a change is a new draft.

    Attributes:
        answers: to the questions of `advice.questions`, by question.
        recommended: values by dotted preset key, such as `training.epochs`.
        overrides: the user's own values by dotted preset key; they win over `recommended`.
        taken: those of `overrides` that came from `source`, a built-in preset.
        suggested: the last `name` that was suggested and not typed. Not in the preset.
        gpu: another GPU to plan for (`NAME[:COUNT]`); "" for this machine. Not in the preset.
        save_as: path of the preset file. Not in the preset.
    """

    model: str = ""
    data: tuple[str, ...] = ()
    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    recommended: Mapping[str, Value] = field(default_factory=dict)
    overrides: Mapping[str, Value] = field(default_factory=dict)
    taken: Mapping[str, Value] = field(default_factory=dict)
    source: str = ""
    name: str = ""
    suggested: str = ""
    gpu: str = ""
    save_as: str = ""

    def with_(self, **changes: Any) -> Draft:
        """Return a copy with fields replaced: `draft.with_(model="builtin:tiny")`."""
        return replace(self, **changes)

    def answer(self, question: str, option: str | None) -> Draft:
        """Return a copy with one question answered; None removes the answer."""
        return replace(self, answers=_put(self.answers, question, option))

    def override(self, key: str, value: Value | None) -> Draft:
        """Return a copy with one dotted preset key set by the user; None resets it."""
        return replace(self, overrides=_put(self.overrides, key, value))

    def value(self, key: str) -> Value | None:
        """Return the user's value, else the recommended one, else None (the preset's default applies)."""
        return self.overrides.get(key, self.recommended.get(key))

    def missing(self) -> tuple[str, ...]:
        """Return the required preset keys that are not set yet, in the order of the steps."""
        missing = []
        if not self.data:
            missing.append("data.train")
        if not self.model.strip():
            missing.append("model.base")
        return tuple(missing)

    def preset(self) -> Preset:
        """Return the preset to save and run. Raises UserError for the first missing or invalid key."""
        from pydantic import ValidationError

        from tuiftune.preset.explain import faults, raise_first
        from tuiftune.preset.schema import Preset

        for key in self.missing():
            remedy = "choose a base model" if key == "model.base" else "choose a data file in the data step"
            raise UserError("not set yet", place=key, remedy=remedy)
        try:
            preset = Preset.model_validate(self._document())
        except ValidationError as error:
            raise_first(faults(error, "the wizard's answers", {}))
            raise  # never reached: a ValidationError has at least one fault
        advised = dict.fromkeys(self.recommended, "recommended")
        taken = {key: self.source for key in self.overrides if self.inherited(key)}
        return preset.from_others(
            {**{key: by for key, by in advised.items() if key not in self.overrides}, **taken}
        )

    def inherited(self, key: str) -> bool:
        """Return True if the value is that of the built-in preset the draft began with."""
        return key in self.taken and self.overrides.get(key) == self.taken[key]

    @classmethod
    def of(cls, preset: Preset) -> Draft:
        """Return a draft that edits a preset; its values that are not defaults become overrides."""
        data = preset.data
        document = preset.model_dump(mode="json", exclude_defaults=True)
        for section, key in (("model", "base"), ("data", "train"), ("data", "format"), ("data", "columns")):
            document.get(section, {}).pop(key, None)
        document.get("data", {}).pop("system", None)
        given = set(preset.given())
        overrides = {
            f"{section}.{key}": value
            for section, values in document.items()
            if isinstance(values, dict)
            for key, value in values.items()
            if f"{section}.{key}" in given  # others are defaults of the stage, which it brings again
        }
        others = preset.others()
        taken = {key: value for key, value in overrides.items() if key in others}
        return cls(
            taken=taken,
            source=next(iter(others.values()), ""),
            model=preset.model.base,
            data=(data.train,) if isinstance(data.train, str) else tuple(data.train),
            format=data.format,
            columns=dict(data.columns),
            system=data.system,
            overrides=overrides,
            name="" if preset.name == UNNAMED else preset.name,
        )

    def _recommended(self) -> dict[str, Value]:
        """What was recommended for the stage of the rows, without what another one has a default of its own
        for.
        """
        from tuiftune import stages

        chosen = stages.every().get(str(self.overrides.get("method.stage", "")))
        if chosen is None or chosen.key == self.recommended.get("method.stage", stages.usual().key):
            return dict(self.recommended)
        own = {*chosen.defaults, *(() if chosen.answers else ("evaluation.score",))}
        return {key: value for key, value in self.recommended.items() if key not in own}

    def _document(self) -> dict[str, Any]:
        from tuiftune.preset import method
        from tuiftune.preset.explain import unknown_key
        from tuiftune.preset.words import keys

        document: dict[str, Any] = {
            "version": 1,
            "model": {"base": self.model.strip()},
            "data": {
                "train": self.data[0] if len(self.data) == 1 else list(self.data),
                "format": self.format,
                "columns": dict(self.columns),
                "system": self.system,
            },
        }
        if self.name:
            document["name"] = self.name
        for dotted, value in {**self._recommended(), **self.overrides}.items():
            section, _, key = dotted.partition(".")
            if not key or dotted not in keys():
                message, remedy = unknown_key(tuple(dotted.split(".")))
                raise UserError(message, place=dotted, remedy=remedy)
            document.setdefault(section, {})[key] = value
        # Options of another technique stay in the draft, in case it is chosen again.
        document["method"] = method.fitting(document.get("method", {}))
        return document


def checked_with(draft: Draft) -> tuple[int, float | str, int]:
    """Return `data.max_length`, `data.eval` and `training.seed` of the draft, to check its data with."""
    from tuiftune.preset.schema import DataSection, TrainingSection

    def value(section: type[DataSection | TrainingSection], key: str, name: str) -> Any:
        chosen = draft.value(key)
        return section.model_fields[name].default if chosen is None else chosen

    return (
        value(DataSection, "data.max_length", "max_length"),
        value(DataSection, "data.eval", "eval"),
        value(TrainingSection, "training.seed", "seed"),
    )


def clone(run: RunDir, root: Path) -> Draft:
    """Return a draft that edits a run's preset, under a name that is unused in `root`.

    The paths in a run's preset are absolute. Raises UserError if the run has no preset.
    """
    from tuiftune.runs.store.directory import free_name

    draft = Draft.of(run.preset)
    name = free_name(root, run.preset.name)
    return draft.with_(name=free_name(root, f"{name}-2") if name == run.preset.name else name)


def _put(values: Mapping[str, Value], key: str, value: Value | None) -> dict[str, Value]:
    kept = {name: old for name, old in values.items() if name != key}
    return kept if value is None else {**kept, key: value}
