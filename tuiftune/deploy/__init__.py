"""The targets that a result can leave for: every file of this directory that holds a `TARGET`."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tuiftune.deploy import targets
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.deploy.base import Target


@cache
def every() -> dict[str, Target]:
    """All targets by key, in their order."""
    modules = (import_module(f"{targets.__name__}.{one.name}") for one in iter_modules(targets.__path__))
    found: list[Target] = [module.TARGET for module in modules]
    return {one.key: one for one in sorted(found, key=lambda one: one.order)}


def find(key: str) -> Target:
    """The target of a key. UserError names the nearest where it has no such target."""
    if (found := every().get(key.lower())) is not None:
        return found
    near = difflib.get_close_matches(key.lower(), every(), 1)
    raise UserError(
        f"{printable(key)} is not a target",
        place="--to",
        remedy=f"did you mean {near[0]}?" if near else f"one of {', '.join(every())}",
    )
