"""The preset's `method`: its stage, its technique, and the options that these two declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, create_model, field_validator, model_serializer
from pydantic_core import PydanticCustomError

from tuiftune import stages, techniques

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from tuiftune.options import Option
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

HEAD = ("stage", "technique")


def options() -> dict[str, Option]:
    """Every option of every stage and technique by key, the stages' first. One key has one declaration."""
    found: dict[str, Option] = {}
    declaring: list[Stage | Technique] = [*stages.every().values(), *techniques.every().values()]
    for entry in declaring:
        for option in entry.options:
            if found.setdefault(option.key, option) != option or option.key in HEAD:
                raise ValueError(f"{entry.key} declares option {option.key} a second time")
    return found


def taken(stage: str, technique: str) -> tuple[Option, ...]:
    """The options that a stage and a technique take."""
    return (*stages.every()[stage].options, *techniques.options_of(technique))


def fitting(method: Mapping[str, Any], given: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A `method` as it is written without the options of other stages and techniques, but those just `given`:
    what is left of a preset whose stage or technique was changed.
    """
    stage, technique = str(method.get("stage", _FIRST)), str(method.get("technique", techniques.AUTO))
    if stage not in stages.every() or technique not in (techniques.AUTO, *techniques.every()):
        return dict(method)
    kept = {*HEAD, *(option.key for option in taken(stage, technique))}
    foreign = options().keys() - kept - given
    return {key: value for key, value in method.items() if key not in foreign}


def section(base: type[BaseModel], does: str) -> type[BaseModel]:
    """The section's class: its fields are read from the registries."""
    fields: dict[str, Any] = {
        "stage": (Literal[tuple(stages.every())], Field(_FIRST, description=_each(stages.every()))),
        "technique": (
            Literal[(techniques.AUTO, *techniques.every())],
            Field(techniques.AUTO, description=_each(techniques.every())),
        ),
    }
    for option in options().values():
        said: Any = {"x-allows": option.allows} if option.allows else None
        field = Field(option.default, description=option.description, json_schema_extra=said)
        fields[option.key] = (option.kind, field)
    checks: dict[str, Any] = {
        "_stage_that_is_gone": field_validator("stage", mode="before")(_stage_that_is_gone),
        "_technique_that_is_gone": field_validator("technique", mode="before")(_technique_that_is_gone),
        "_technique_of_the_stage": field_validator("technique")(_technique_of_the_stage),
        "_own": model_serializer(mode="wrap")(_own),
    }
    if options():
        checks["_option_of_these"] = field_validator(*options(), mode="before")(_option_of_these)
    return create_model("MethodSection", __base__=base, __doc__=does, __validators__=checks, **fields)


def conditions() -> list[dict[str, Any]]:
    """What JSON Schema says of it: the options that each technique and stage does not take.

    Where the key is left out, the condition of its default holds.
    """
    takes = {
        "stage": {key: stage.options for key, stage in stages.every().items()},
        "technique": {key: techniques.options_of(key) for key in (techniques.AUTO, *techniques.every())},
    }
    found = []
    for name, default in (("stage", _FIRST), ("technique", techniques.AUTO)):
        declared = {option.key for mine in takes[name].values() for option in mine}
        for key, mine in takes[name].items():
            foreign = sorted(declared - {option.key for option in mine})
            if foreign:
                named = {"required": [name]} if key != default else {}
                found.append(
                    {
                        "if": {"properties": {name: {"const": key}}} | named,
                        "then": {"properties": dict.fromkeys(foreign, False)},
                    }
                )
    return found


def _each(every: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {entry.does}" for key, entry in every.items())


def _technique_of_the_stage(value: str, info: ValidationInfo) -> str:
    stage = stages.every().get(info.data.get("stage", ""))
    if stage is None or value == techniques.AUTO:
        return value
    why = stage.refuses(techniques.every()[value])
    if why:
        able = [key for key, one in techniques.every().items() if not stage.refuses(one)]
        raise PydanticCustomError(
            "refused", "{why}", {"why": f"is {value}: {why}", "remedy": f"use one of {', '.join(able)}"}
        )
    return value


def _stage_that_is_gone(value: Any) -> Any:
    return _not_gone(value, stages.GONE)


def _technique_that_is_gone(value: Any) -> Any:
    return _not_gone(value, techniques.GONE)


def _not_gone(value: Any, gone: Mapping[str, tuple[str, str]]) -> Any:
    if isinstance(value, str) and value in gone:
        why, remedy = gone[value]
        raise PydanticCustomError("refused", "{why}", {"why": f"is {value}: {why}", "remedy": remedy})
    return value


def _option_of_these(value: Any, info: ValidationInfo) -> Any:
    stage, technique, key = info.data.get("stage"), info.data.get("technique"), info.field_name
    if stage is None or technique is None or any(key == option.key for option in taken(stage, technique)):
        return value
    for name, every, now in (
        ("stage", stages.every(), stage),
        ("technique", techniques.every(), technique),
    ):
        owners = [one.key for one in every.values() if any(key == option.key for option in one.options)]
        if owners:
            belongs = f"is an option of the {name} {' or '.join(owners)}, not of {now}"
            remedy = f"remove it, or write {name}: {owners[0]}"
            raise PydanticCustomError("refused", "{why}", {"why": belongs, "remedy": remedy})
    return value


def _own(self: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What is written: the stage, the technique, and their own options."""
    own = {*HEAD, *(option.key for option in taken(self.stage, self.technique))}
    return {key: value for key, value in handler(self).items() if key in own}


_FIRST = next(iter(stages.every()))
