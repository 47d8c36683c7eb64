"""One observation on a run, and one rule that makes such observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Remark:
    """`code` is stable; `title` is two or three words; `words` say what is seen, `remedy` what can be done,
    `why` by which rule it was noticed."""

    code: str
    severity: Literal["info", "warning", "error"]
    title: str
    words: str
    remedy: str
    why: str


def _always(state: RunState, planned: Planned) -> bool:
    return True


def _running(state: RunState, planned: Planned) -> bool:
    return state.end is None


@dataclass(frozen=True, slots=True)
class Rule:
    """`ready`: there is enough to go by. `pending`: there may be later."""

    looks_at: str
    find: Callable[[RunState, Planned], Iterator[Remark]]
    ready: Callable[[RunState, Planned], bool] = _always
    pending: Callable[[RunState, Planned], bool] = _running
