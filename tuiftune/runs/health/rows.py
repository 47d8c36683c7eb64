"""Rules on the rows: what was left out, and whether evaluation rows are in training, or unlike it.

These hold beside whatever explains the curves: they say what the eval loss is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.runs.health import course as courses
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

LOST_SHARE = 0.1  # of the rows; less is an ordinary blemish of a file


def _lost(state: RunState, planned: Planned) -> Iterator[Remark]:
    lost, read = planned.rows.unusable, planned.rows.read
    if lost and read and lost >= LOST_SHARE * read:
        yield Remark(
            "rows_lost",
            "warning",
            "rows left out",
            f"{lost:,} of {read:,} rows are not trained on: they have no answer, or no prompt",
            "see which with `tuiftune data inspect`, and check data.columns",
            f"more than {percent(LOST_SHARE)} of the rows that were read could not be used",
        )


def _leaked(state: RunState, planned: Planned) -> Iterator[Remark]:
    if state.rows_leaked and state.rows_eval:
        yield Remark(
            "leaking",
            "warning",
            "data leakage",
            f"{state.rows_leaked:,} of {state.rows_eval:,} evaluation rows are training rows too: eval loss "
            "and exact match are too good",
            "drop them from the training rows, or hold other rows out with data.eval",
            "rows were compared token by token, prompt and answer",
        )


def _unlike(state: RunState, planned: Planned) -> Iterator[Remark]:
    seen = courses.of(state, planned)
    if seen.base is None or planned.rollouts or not seen.unlike:
        return
    easier, train = seen.base < seen.first, seen.first
    yield Remark(
        "unlike",
        "warning",
        "evaluation too easy" if easier else "evaluation too hard",
        f"the base model's loss is {seen.base:.4g} on evaluation rows and {train:.4g} on training rows",
        "hold out rows of the same kind: data.eval=0.1 draws them from the training rows",
        f"before training, one loss is below {percent(courses.UNLIKE)} of the other, beyond the noise: "
        "the rows are not of one kind, and the eval loss says little about the training rows",
    )


def _begun(state: RunState, planned: Planned) -> bool:
    return state.step > 0


RULES = (
    Rule("rows", _lost, _begun),
    Rule("rows", _leaked, _begun),
    Rule("rows", _unlike, _begun),
)
