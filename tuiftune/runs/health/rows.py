"""Rules on the rows: dropped rows, data leakage, and evaluation rows that differ from training rows.

They apply whatever explains the curves, because they say how reliable the eval loss is.
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
            "rows dropped",
            f"{lost:,} of {read:,} rows are not trained on because their answer or prompt is missing",
            "find them with `tuiftune data inspect`, and check data.columns",
            f"more than {percent(LOST_SHARE)} of the rows that were read could not be used",
        )


def _leaked(state: RunState, planned: Planned) -> Iterator[Remark]:
    if state.rows_leaked and state.rows_eval:
        yield Remark(
            "leaking",
            "warning",
            "data leakage",
            f"{state.rows_leaked:,} of {state.rows_eval:,} evaluation rows are also training rows: eval loss "
            "and exact match are too good",
            "drop them from the training rows, or use other evaluation rows (data.eval)",
            "rows were compared token by token, prompt and answer",
        )


def _unlike(state: RunState, planned: Planned) -> Iterator[Remark]:
    seen = courses.of(state, planned)
    if seen.base is None or planned.samples or not seen.unlike:
        return
    easier, train = seen.base < seen.first, seen.first
    yield Remark(
        "unlike",
        "warning",
        "evaluation too easy" if easier else "evaluation too hard",
        f"the base model's loss is {seen.base:.4g} on evaluation rows and {train:.4g} on training rows",
        "use evaluation rows of the same kind: data.eval=0.1 takes them from the training data",
        f"before training, one loss is below {percent(courses.UNLIKE)} of the other, beyond the noise: "
        "the rows differ in kind, so the eval loss says little about the training rows",
    )


def _begun(state: RunState, planned: Planned) -> bool:
    return state.step > 0


RULES = (
    Rule("rows", _lost, _begun),
    Rule("rows", _leaked, _begun),
    Rule("rows", _unlike, _begun),
)
