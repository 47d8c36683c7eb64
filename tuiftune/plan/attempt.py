"""One technique searched on so many GPUs, and the choice among such attempts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune import stages
from tuiftune.plan import attention, cost, hyperparameters, offloading, parallelism, search, teacher
from tuiftune.plan.model import Larger
from tuiftune.plan.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.plan.model import Reason
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.parallelism import Spread
    from tuiftune.plan.search import Candidate
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

_DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
WORTH_TRYING = 1.03  # times as fast; a smaller gain is not worth a second preflight check


@dataclass(frozen=True, slots=True)
class Attempt:
    """One technique searched: what was found for it, and the values it goes with."""

    technique: Technique
    way: Spread
    dtype: Reason
    rank: Reason
    base: Settings
    found: tuple[Candidate, ...]
    best: Candidate | None
    steps: int | None  # that it was judged over


def attempt(
    preset: Preset,
    model: BaseModel,
    way: Spread,
    lengths: Lengths,
    facts: DataFacts | None,
    technique: Technique,
) -> Attempt:
    """Search one technique on so many GPUs over every lever the preset leaves open."""
    device, copies = way.device, way.copies
    dtype = hyperparameters.precision(preset, technique, device)
    rank = hyperparameters.rank(preset, technique, facts, model.architecture)
    packing = hyperparameters.packs(preset, model.architecture)
    base = base_settings(preset, packing, device, lengths, technique, dtype.value, rank.value, copies)
    if head_saved(preset, model.architecture):
        base = replace(base, head_once=False)
    if way.sharded:
        base = replace(base, shards=copies, offload=way.parallel == parallelism.OFFLOADED)
    elif way.parallel == parallelism.ZERO:
        base = replace(base, divided=copies)
    kernel = attention.kernel(preset, model.architecture, device, base.compute_bytes)
    base = replace(base, attention=kernel)
    space = search.space_of(preset, model.architecture, base, device, lengths)
    effective = preset.training.effective_batch
    found = tuple(search.candidates(model.architecture, base, space, device, lengths, effective))
    if not found:
        least = replace(base, checkpointing=space.checkpointing[-1], micro_batch=space.micro_batches[0])
        offloading.refuse(model.architecture, search.joined_in(least, lengths), device)
    steps = cost.amount(preset, lengths, 1, copies, base.packing).steps
    if steps is not None and preset.training.max_steps is not None:
        # A run cut short by hand tries out a longer one: it is judged, and set up, as that would be.
        steps = max(steps, search.TRIAL_STEPS)
    return Attempt(technique, way, dtype, rank, base, found, search.fastest(found, steps), steps)


def head_saved(preset: Preset, arch: Architecture) -> bool:
    """Whether the head is among the modules that are trained next to adapters and saved whole."""
    of_head = {"lm_head", "embeddings"} if arch.tie_embeddings else {"lm_head"}
    return not of_head.isdisjoint(preset.method.modules_to_save)


def base_settings(
    preset: Preset,
    packing: bool,
    device: Device,
    lengths: Lengths,
    technique: Technique,
    dtype: str,
    rank: int,
    copies: int,
) -> Settings:
    """The settings before the search: the micro batch is 1, `length` the longest row that can come."""
    targets = preset.method.target_modules
    stage = stages.every()[preset.method.stage]
    # All weights are trained in float32: 16 bits round most of an update away.
    weight_bytes = _DTYPE_BYTES[dtype if technique.adapters else "float32"]
    own, taught = options_of(preset, technique), teacher.of(preset)
    return Settings(
        technique=technique.key,
        quantization=technique.base,
        micro_batch=1,
        length=preset.data.max_length if packing else lengths.bound,
        rank=rank,
        targets=targets if isinstance(targets, str) else tuple(targets),
        dropout=preset.method.dropout if technique.counts is None else 0.0,
        packing=packing,
        weight_bytes=weight_bytes,
        autocast=weight_bytes > _DTYPE_BYTES[dtype],
        saved=tuple(preset.method.modules_to_save) if technique.ranked else (),
        options=own,
        adapter_bytes=_DTYPE_BYTES[hyperparameters.adapter_dtype(preset, technique).value],
        device=device.kind,
        copies=copies,
        sequences=stage.sequences,
        reference=_reference(stage, technique, preset),
        scores=stage.scores,
        head_once=stage.likelihood and technique.adapters,
        logits=stage.logits,
        rollouts=preset.method.max_completion_length if stage.writes else 0,
        teacher=None if taught is None else taught.architecture,
    )


def options_of(preset: Preset, technique: Technique) -> tuple[tuple[str, Any], ...]:
    """The options that a technique counts its own parameters from."""
    if technique.counts is None:
        return ()
    values = ((option.key, getattr(preset.method, option.key)) for option in technique.options)
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in values)


def _reference(stage: Stage, technique: Technique, preset: Preset) -> float:
    """Forward passes a step beyond the trained one: of the reference, with adapters in each step, else once
    for all rows before training; and of the model itself.
    """
    often = 1.0 if technique.adapters else 1.0 / max(1.0, preset.training.epochs)
    return stage.again + stage.reference * often


def fastest(tried: Sequence[Attempt]) -> Attempt:
    """On the fewest GPUs that none is much faster than; the first where nothing fits."""
    fitting = [(one, one.best.seconds(one.steps)) for one in tried if one.best is not None]
    if not fitting:
        return tried[0]
    least = min(seconds for _, seconds in fitting)
    return next(one for one, seconds in fitting if seconds <= least * parallelism.WORTH)


def gain(chosen: Attempt, others: Sequence[Attempt]) -> float | None:
    """Times as fast as on one GPU, where both fit."""
    one = next((other.best for other in others if other.way.copies == 1), None)
    if one is None or chosen.best is None:
        return None
    return chosen.best.tokens_per_second / one.tokens_per_second


def larger_of(preset: Preset, found: Sequence[Candidate], best: Candidate) -> Larger | None:
    """The next larger micro batch of the chosen way, where it is worth trying: faster, bound too large."""
    if preset.training.micro_batch != "auto" or not best.fits:
        return None
    more = [
        other
        for other in found
        if other.settings.micro_batch > best.settings.micro_batch
        and _lever(other.settings) == _lever(best.settings)
    ]
    if not more:
        return None
    other = min(more, key=lambda one: one.settings.micro_batch)
    if other.fits or other.tokens_per_second < WORTH_TRYING * best.tokens_per_second:
        return None
    return Larger(other.settings.micro_batch, other.memory.needs, other.tokens_per_second)


def _lever(settings: Settings) -> tuple[Any, ...]:
    return (
        settings.checkpointing,
        settings.activation_offloading,
        settings.kernels,
        settings.compile,
        settings.fp8_compute,
        settings.optimizer,
        settings.padding_free,
    )
