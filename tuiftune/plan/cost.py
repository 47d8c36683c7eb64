"""Steps and tokens of a run, the interval of checkpoints, and how long it may diverge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.plan import static

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.settings import Settings
    from tuiftune.preset.schema import Preset

LOST_SECONDS = 300.0
LOST_SHARE = 0.02
# Evaluations a run, about so many at most: three without a gain, the usual patience, are then a seventh of
# the run and not a few steps of its warm-up. Judgment.
EVALUATIONS = 20
SHORTEST_INTERVAL = 10.0  # seconds; more frequent checkpoints cost more than they can save
SAVING_SHARE = 0.05  # of the time may go into checkpoints of large models …
CHECKPOINTS, MOST_SHARE = 5, 0.2  # … or this, where a run would have fewer than so many. Judgment.
WRITTEN = 1.0e9  # bytes a second of a checkpoint: an 8B model took 17 s on an H200's disk
STATES = 8  # bytes that an optimizer keeps of a trained weight
DIVERGED_SHARE = (
    0.05  # of the steps: so long in a row may a run look as if it diverged before it is stopped …
)
DIVERGED_BOUNDS = (
    5,
    100,
)  # … within these: Chowdhery et al. 2022 (PaLM, 5.1) go back about 100 steps from a spike


@dataclass(frozen=True, slots=True)
class Amount:
    """Optimizer steps, tokens without padding, and rows of a run. None without data."""

    steps: int | None
    tokens: int | None
    rows: int | None


def amount(preset: Preset, lengths: Lengths, micro_batch: int, copies: int, packed: bool) -> Amount:
    """Return the steps, tokens and rows of a preset, counted as transformers' Trainer counts them."""
    training = preset.training
    effective = training.effective_batch
    rows = lengths.rows
    length = lengths.mean
    if rows is not None and packed:
        rows = max(1, math.ceil(rows * lengths.mean / preset.data.max_length))
        length = float(preset.data.max_length)
    if training.max_steps is not None:
        steps = training.max_steps
    elif rows is None:
        return Amount(None, None, None)
    else:
        accumulation = max(1, effective // (micro_batch * copies))
        batches = math.ceil(rows / (micro_batch * copies))
        steps = max(1, math.ceil(training.epochs * max(1, math.ceil(batches / accumulation))))
    length *= stages.every()[preset.method.stage].sequences
    seen = steps * effective
    if rows is not None and training.max_steps is None:
        seen = min(seen, math.ceil(rows * training.epochs))
    return Amount(steps, int(seen * length), rows)


def save_seconds(arch: Architecture, settings: Settings) -> float:
    """Return the seconds of one checkpoint: the trained weights and an optimizer's states of each."""
    each = settings.adapter_bytes if settings.adapted else settings.weight_bytes
    return static.trainable(arch, settings) * (each + STATES) / WRITTEN


def save_every(steps: int | None, step_seconds: float, saving: float = 0.0) -> tuple[int, str]:
    """Return steps between checkpoints, and why: 5 minutes or 2% of the run, at least 10 s, and so that
    `saving`, the seconds of one, is at most 5% of the time, or 20% of that of a short run.
    """
    limit = LOST_SECONDS
    why = "at most 5 minutes of work can be lost"
    if steps is not None and steps * step_seconds * LOST_SHARE < limit:
        limit, why = steps * step_seconds * LOST_SHARE, "at most 2% of the work can be lost"
    if limit < SHORTEST_INTERVAL:
        limit, why = SHORTEST_INTERVAL, "at most about 10 s of work can be lost"
    share, rare = SAVING_SHARE, saving / SAVING_SHARE
    if steps is not None and steps * step_seconds / CHECKPOINTS < rare:
        rare = max(steps * step_seconds / CHECKPOINTS, saving / MOST_SHARE)
        share = saving / max(rare, 1e-9)
    if limit < rare:
        limit = rare
        why = f"a checkpoint takes about {saving:.0f} s, and all of them at most {share:.0%} of the time"
    every = max(1, int(limit / max(step_seconds, 1e-9)))
    return (min(every, steps) if steps else every), why


def evaluate_every(saved: int, steps: int | None) -> tuple[int, str]:
    """Return steps between evaluations, and why: at a checkpoint each, about 20 a run at most."""
    nth = max(1, math.ceil((steps or 0) / (saved * EVALUATIONS)))
    if nth == 1:
        return saved, "at each checkpoint"
    return saved * nth, f"at one of {nth} checkpoints: about {EVALUATIONS} evaluations in all"


def patience(wanted: int | str | None, total_steps: int | None) -> int:
    """Return how many steps in a row a run may look as if it diverged before it is stopped.

    As many as the preset sets, 0 for never; else 5% of the steps, from 5 to 100.
    """
    if isinstance(wanted, int):
        return wanted
    return max(DIVERGED_BOUNDS[0], min(DIVERGED_BOUNDS[1], round(DIVERGED_SHARE * (total_steps or 0))))
