"""What stages and techniques share: the options they declare for a preset, and how their files are found."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field

if TYPE_CHECKING:
    from collections.abc import Callable

Auto = Literal["auto"]
Text = Annotated[str, Field(min_length=1)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]


def at_most(most: int) -> AfterValidator:
    """Refuses what nobody trains with: a slip of the pen, that the plan would calculate with for hours."""

    def check(value: float) -> float:
        if value > most:
            raise ValueError(f"{value:.10g} is far beyond what can be trained with; at most {most:,}")
        return value

    return AfterValidator(check)


PositiveInt = Annotated[int, Field(gt=0), at_most(1_000_000)]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a value does to the result. `leans`: better, worse, same or unsure, next to the guides' values."""

    leans: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Option:
    """One key that a stage or a technique adds to the preset's `method`.

    `kind` is its type with bounds, as pydantic takes it. Entries that share a key share one Option: where
    they want different defaults, the default is `auto` and the plan asks the entry. The wizard offers the
    options that have a `label`, in steps through `choices`, below the setting `after` (the option before
    it, where that is empty).
    """

    key: str
    kind: Any
    default: Any
    description: str
    label: str = ""
    choices: tuple[Any, ...] = ()
    after: str = ""
    allows: str = ""  # in words, where the type alone does not say it
    quality: Callable[[Any], Quality] | None = None  # what a value of it does to the result


class Entry(Protocol):
    """What a registry can hold."""

    @property
    def key(self) -> str: ...

    @property
    def order(self) -> int: ...


E = TypeVar("E", bound=Entry)


def entries(room: str, kind: type[E]) -> dict[str, E]:
    """The values of a kind that the files of `tuiftune.<room>` hold, by key, in the order of their lists."""
    package = importlib.import_module(f"tuiftune.{room}")
    found: dict[str, E] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(value, kind):
                found[value.key] = value
    return dict(sorted(found.items(), key=lambda pair: pair[1].order))
