"""Shared by stages and techniques: the options they declare for a preset, and the registry of their files."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field

from tuiftune.sources import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

Auto = Literal["auto"]
Text = Annotated[str, Field(min_length=1)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]


def at_most(most: int) -> AfterValidator:
    """Return a validator that rejects values that are surely typos, and would make planning take hours."""

    def check(value: float) -> float:
        if value > most:
            raise ValueError(f"{value:.10g} is too large; at most {most:,}")
        return value

    return AfterValidator(check)


PositiveInt = Annotated[int, Field(gt=0), at_most(1_000_000)]


@dataclass(frozen=True, slots=True)
class Quality:
    """The effect of a value on quality, compared with the usual values.

    Attributes:
        leans: better, worse, same or unsure.
    """

    leans: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Option:
    """One key that a stage or a technique adds to the preset's `method`.

    `kind` is its type with bounds, as pydantic takes it. Entries that share a key share one Option: where
    they want different defaults, the default is `auto` and the plan asks the entry. The wizard offers the
    options that have a `label`, in steps through `choices`, below the setting `after` (the option before
    it, where that is empty). `source` names who published the default, in `tuiftune.sources`' short form.
    """

    key: str
    kind: Any
    default: Any
    description: str
    label: str = ""
    choices: tuple[Any, ...] = ()
    after: str = ""
    allows: str = ""  # in words, where the type alone does not say it
    source: str = DEFAULT
    quality: Callable[[Any], Quality] | None = None  # what a value of it does to the result


class Entry(Protocol):
    """An entry of a registry."""

    @property
    def key(self) -> str: ...

    @property
    def order(self) -> int: ...


E = TypeVar("E", bound=Entry)


def entries(room: str, kind: type[E]) -> dict[str, E]:
    """Return the values of a kind in the files of `tuiftune.<room>`, by key, sorted by `order`."""
    package = importlib.import_module(f"tuiftune.{room}")
    found: dict[str, E] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(value, kind):
                found[value.key] = value
    return dict(sorted(found.items(), key=lambda pair: pair[1].order))
