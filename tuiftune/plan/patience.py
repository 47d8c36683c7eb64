"""How many steps in a row a run may look as if it diverged before it is stopped."""

from __future__ import annotations

SHARE = 0.05  # of the steps …
BOUNDS = (5, 100)  # … within these: Chowdhery et al. 2022 (PaLM, 5.1) go back about 100 steps from a spike


def patience(wanted: int | str | None, total_steps: int | None) -> int:
    """The steps that were asked for, 0 for never; else 5% of the run's, from 5 to 100."""
    if isinstance(wanted, int):
        return wanted
    return max(BOUNDS[0], min(BOUNDS[1], round(SHARE * (total_steps or 0))))
