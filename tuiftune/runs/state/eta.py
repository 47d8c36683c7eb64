"""How long it will still take, from step times that were measured, and how that was arrived at."""

from __future__ import annotations

from collections import deque

from tuiftune.runs.state.readings import Eta

WINDOW = 200  # steps; long enough to hold evaluations and checkpoints, which cost time too
ENOUGH = 3  # steps before a figure is given
SETTLED = 20  # steps after which what is measured takes the place of what was predicted
BEFORE_TRAINING = ("", "loading", "tokenising", "preflight", "scoring_before")
AFTER_TRAINING = ("scoring_after", "exporting")


class Pace:
    """Times of the latest steps, evaluations and checkpoints among them. One number for each step."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=WINDOW + 1)  # (seconds of the run, step)

    def note(self, seconds: float, step: int) -> None:
        self._marks.append((seconds, step))

    @property
    def seconds_per_step(self) -> float | None:
        """Mean over the window; None before `ENOUGH` steps."""
        if len(self._marks) < 2:
            return None
        (start, first), (stop, last) = self._marks[0], self._marks[-1]
        return (stop - start) / (last - first) if last - first >= ENOUGH and stop > start else None

    def eta(
        self, step: int, total: int | None, phase: str, scoring: float, predicted: float | None = None
    ) -> Eta:
        """Seconds for the steps after `step`, plus `scoring` once more at the end (what it took before).

        `predicted`: the plan's seconds for all steps, which hold until `SETTLED` steps are measured.
        """
        each = self.seconds_per_step
        left = None if total is None else max(0, total - step)
        if left is not None and (phase in AFTER_TRAINING or (left == 0 and step)):
            return Eta(None, "training is done; evaluation and saving remain")
        measured = self._marks[-1][1] - self._marks[0][1] if self._marks else 0
        if left is not None and total and predicted and measured < SETTLED:
            return Eta(predicted * left / total + scoring, f"predicted; measured after {SETTLED} steps")
        if left is None or each is None:
            waiting = phase in BEFORE_TRAINING
            return Eta(None, "training has not started" if waiting else f"after {ENOUGH} steps are measured")
        basis = f"mean of the last {measured} steps" + (
            ", plus the time of the evaluation before" if scoring else ""
        )
        return Eta(each * left + scoring, basis)
