"""What one run is to do, read from the plan that was frozen into its directory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tuiftune import documents, stages, techniques
from tuiftune.errors import UserError
from tuiftune.plan import parallelism
from tuiftune.techniques.base import FP8, NF4

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.model import Larger
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

PREFLIGHT = "preflight.json"
OLD_PREFLIGHT = "rehearsal.json"  # in runs of earlier versions
RECORD = "downsized.json"
BASE_IN_FP8 = "fp8.json"  # what was found of the base in FP8, and the layers that stay in 16 bit
AdapterDtype = Literal["auto", "float32", "bfloat16"]

# The engine resolves these itself, from what only it knows (the data, the tokenizer, the GPUs it may use).
OWN_AUTOS = frozenset(
    {
        "data.format",
        "data.padding_free",
        "evaluation.score",
        "evaluation.every",
        "evaluation.max_new_tokens",
        "hardware.gpus",
        "hardware.parallel",
        "hardware.processes",
        "method.adapter_dtype",
        "model.attention",
        "model.quantization",
        "training.divergence_patience",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A resolved preset and what the plan expects of it.

    `predicted` holds bytes: allocated, reserved, device, needs.
    """

    preset: Preset
    predicted: dict[str, float | None]
    gpu: str | None  # the GPU planned for, "cpu", or None where the plan doesn't say
    usd_per_hour: float | None
    adapter_dtype: AdapterDtype
    planned_micro_batch: int | None = None  # the preset's may be smaller, once the GPU ran out of memory
    capacity: int | None = None  # bytes of the GPU that the run may hold
    correction: float = 1.0  # what the plan multiplied its bound by, from earlier preflight checks here
    predicted_seconds: float | None = None  # of all steps
    preflight: bool | None = None  # None: where there is a GPU
    larger: Larger | None = None
    usual_rate: float | None = None  # learning rate for this technique and number of parameters
    changed: frozenset[str] = frozenset()  # keys that a resume has changed

    @property
    def stage(self) -> Stage:
        return stages.every()[self.preset.method.stage]

    @property
    def technique(self) -> str:
        return str(self.preset.method.technique)

    @property
    def traits(self) -> Technique:
        """What its technique, over its base, is like."""
        return techniques.find(self.technique, self.preset.model.quantization)

    @property
    def predictions(self) -> dict[str, float | None]:
        """What a memory event says of the plan: `predicted` is the whole GPU's, the others PyTorch's."""
        predicted = self.predicted
        return {
            "predicted": predicted["device"],
            "predicted_allocated": predicted["allocated"],
            "predicted_reserved": predicted["reserved"],
        }

    @property
    def four_bit(self) -> bool:
        return self.traits.base == NF4

    @property
    def fp8(self) -> bool:
        return self.traits.base == FP8

    @property
    def fp8_compute(self) -> bool:
        """Whether the products of a base in NF4 run in FP8."""
        return self.four_bit and self.preset.training.fp8_compute is True

    @property
    def adapted(self) -> bool:
        return self.traits.adapters

    @property
    def held_in(self) -> str:
        """The precision the base's weights are held in: float32 where they are trained, since 16 bits round
        most of an update away. Products still run in `model.dtype`.
        """
        return str(self.preset.model.dtype) if self.adapted else "float32"

    @property
    def processes(self) -> int:
        """Data-parallel processes: one a GPU, or as many as were asked for."""
        hardware = self.preset.hardware
        if hardware.processes != "auto":
            return hardware.processes
        if hardware.gpus == "auto" or self.gpu == "cpu":
            return 1
        return len(hardware.gpus) if isinstance(hardware.gpus, list) else hardware.gpus

    @property
    def may_differ(self) -> frozenset[str]:
        """What of the fingerprint a resume has changed on purpose."""
        return self.changed | ({"processes"} if "hardware.processes" in self.changed else set())

    @property
    def sharded(self) -> bool:
        """Return True if its processes share one model (FSDP2) instead of holding a copy each."""
        return self.preset.hardware.parallel in parallelism.SHARDED and self.processes > 1

    @property
    def divided(self) -> bool:
        """Return True if its processes divide gradients and optimizer states (ZeRO-2), not the weights."""
        return self.preset.hardware.parallel == parallelism.ZERO and self.processes > 1

    @property
    def offloaded(self) -> bool:
        """Return True if the shards are in RAM between the steps."""
        return self.sharded and self.preset.hardware.parallel == parallelism.OFFLOADED

    @property
    def checkpoint_every(self) -> int:
        """Every how many decoder layers activations are recomputed; 0: never."""
        wanted = self.preset.training.activation_checkpointing
        return int(wanted) if not isinstance(wanted, bool) else int(wanted is True)

    @property
    def offloads_activations(self) -> bool:
        """Return True if the inputs of recomputed layers are kept in RAM."""
        asked = self.preset.training.activation_offloading is True
        return asked and self.checkpoint_every > 0 and not (self.sharded or self.divided)


def read(run: RunDir) -> Settings:
    """The run's settings. UserError where the plan is damaged, isn't a preset, or left a value open."""
    plan = run.plan()
    place = str(run.plan_path)
    preset = plan.preset(place)
    if left := sorted(_autos(dict(plan.resolved)) - OWN_AUTOS):
        raise UserError(
            f"the plan left {', '.join(left)} at auto",
            place=place,
            remedy="start a new run with `tuiftune train`",
        )
    if micro := preflight_of(run.path / PREFLIGHT).get("micro_batch"):
        preset = preset.with_values({"training.micro_batch": micro})
    as_planned = int(preset.training.micro_batch)
    if (rows := recorded(run)) and rows < as_planned:
        preset = preset.with_values({"training.micro_batch": rows})
    return Settings(
        preset=preset,
        predicted={
            "allocated": _whole(plan.allocated),
            "reserved": _whole(plan.reserved),
            "device": _whole(plan.device),
            "needs": _whole(plan.needs),
        },
        gpu=plan.gpu or None,
        usd_per_hour=plan.usd_per_hour,
        adapter_dtype=preset.method.adapter_dtype,
        planned_micro_batch=as_planned,
        capacity=_whole(plan.available),
        correction=plan.correction,
        predicted_seconds=plan.seconds,
        preflight=plan.preflight,
        larger=plan.larger,
        usual_rate=plan.usual_rate,
        changed=plan.changed,
    )


def preflight_of(path: Path) -> dict[str, Any]:
    """What a run's preflight check found, or nothing where there was none."""
    for name in (path.name, OLD_PREFLIGHT):
        with suppress(UserError):
            return documents.read_json(path.with_name(name))
    return {}


def recorded(run: RunDir) -> int | None:
    """The micro batch that an earlier process of the run settled on, in rows; None for the plan's."""
    try:
        rows = int(documents.read_json(run.path / RECORD)["micro_batch"])
    except (UserError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return rows if rows > 0 else None


def _autos(node: Any, path: str = "") -> set[str]:
    if isinstance(node, dict):
        return {
            key
            for name, value in node.items()
            for key in _autos(value, f"{path}.{name}" if path else str(name))
        }
    return {path} if node == "auto" else set()


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
