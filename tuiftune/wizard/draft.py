"""The run that is being put together: one value that the app and the plain prompts both edit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

Value = Any  # what YAML can say: text, number, boolean, list or mapping


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything the wizard has been told. Nothing is validated before `preset()`; a change is a new draft.

    `recommended` and `overrides` are values by dotted preset key (`training.epochs`); what the user sets in
    `overrides` wins over what was recommended. `taken` are those of them that came from `source`, a built-in
    preset. `answers` are those of `advice.questions`. `card` plans for another card (`NAME[:COUNT]`) and
    `save_as` is where the preset goes: neither is in the preset.
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
    card: str = ""
    save_as: str = ""

    def with_(self, **changes: Any) -> Draft:
        """A copy with fields replaced: `draft.with_(model="builtin:tiny")`."""
        return replace(self, **changes)

    def answer(self, question: str, option: str | None) -> Draft:
        """A copy with one question answered; None takes the answer back."""
        return replace(self, answers=_put(self.answers, question, option))

    def override(self, key: str, value: Value | None) -> Draft:
        """A copy with one dotted preset key set by the user; None gives it back to the recommendation."""
        return replace(self, overrides=_put(self.overrides, key, value))

    def value(self, key: str) -> Value | None:
        """What the user set, else what was recommended, else None (the preset's default holds)."""
        return self.overrides.get(key, self.recommended.get(key))

    def missing(self) -> tuple[str, ...]:
        """Keys without which there is no preset, in the order they are asked for."""
        missing = []
        if not self.data:
            missing.append("data.train")
        if not self.model.strip():
            missing.append("model.base")
        return tuple(missing)

    def preset(self) -> Preset:
        """The preset that will be saved and run. UserError names the first key that is missing or wrong."""
        from pydantic import ValidationError

        from tuiftune.preset.explain import faults, raise_first
        from tuiftune.preset.schema import Preset

        for key in self.missing():
            remedy = "choose a base model" if key == "model.base" else "choose the file to learn from"
            raise UserError("is not chosen yet", place=key, remedy=remedy)
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
        """Whether the value is that of the built-in preset the draft began with."""
        return key in self.taken and self.overrides.get(key) == self.taken[key]

    @classmethod
    def of(cls, preset: Preset) -> Draft:
        """A draft that edits an existing preset: what differs from the defaults is the preset's choice."""
        data = preset.data
        document = preset.model_dump(mode="json", exclude_defaults=True)
        for section, key in (("model", "base"), ("data", "train"), ("data", "format"), ("data", "columns")):
            document.get(section, {}).pop(key, None)
        document.get("data", {}).pop("system", None)
        overrides = {
            f"{section}.{key}": value
            for section, values in document.items()
            if isinstance(values, dict)
            for key, value in values.items()
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
            name="" if preset.name == "untitled" else preset.name,
        )

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
        for dotted, value in {**self.recommended, **self.overrides}.items():
            section, _, key = dotted.partition(".")
            if not key or dotted not in keys():
                message, remedy = unknown_key(tuple(dotted.split(".")))
                raise UserError(message, place=dotted, remedy=remedy)
            document.setdefault(section, {})[key] = value
        # What was set for another technique is kept in the draft, for when that is chosen again.
        document["method"] = method.fitting(document.get("method", {}))
        return document


def checked_with(draft: Draft) -> tuple[int, float | str, int]:
    """What its data is checked with: the run's own `data.max_length`, `data.eval` and `training.seed`."""
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
    """A draft that edits the run's preset, under a name that is free in `root`. UserError without a preset.

    Data named relative to where the run was started is found there when it is not here.
    """
    from tuiftune.runs.store.directory import free_name

    draft = Draft.of(run.preset)
    home = run.path.parent.parent  # runs/ lies where the run was started, unless it was put elsewhere
    data = tuple(_found(source, home) for source in draft.data)
    name = free_name(root, run.preset.name)
    return draft.with_(data=data, name=free_name(root, f"{name}-2") if name == run.preset.name else name)


def _found(source: str, home: Path) -> str:
    path = Path(os.path.expanduser(source))
    if path.is_absolute() or paths.exists(path) or not paths.exists(home / path):
        return source
    return paths.from_here(home / path)


def _put(values: Mapping[str, Value], key: str, value: Value | None) -> dict[str, Value]:
    kept = {name: old for name, old in values.items() if name != key}
    return kept if value is None else {**kept, key: value}
