"""Memory, time and cost of a draft on other GPUs. Call in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings

NUMBERS = (1, 2, 4, 8)  # of equal GPUs


@dataclass(frozen=True, slots=True)
class GpuRow:
    """The plan for one kind of GPU.

    Attributes:
        gpu: value for `Draft.gpu` ("" for this machine).
        name: of the GPU.
        memory: bytes of one GPU.
        plan: None if there is none; then `fault` says why.
    """

    gpu: str
    name: str
    memory: int
    plan: Plan | None
    fault: str = ""

    @property
    def fits(self) -> bool:
        return self.plan is not None and self.plan.fits


def rows_of(findings: Findings, draft: Draft, number: int) -> Iterator[GpuRow]:
    """Yield this machine, then every known GPU, smallest first, `number` of each. Raises UserError.

    Each is one plan, about 10 ms; plans are not cached.
    """
    from tuiftune.hardware import known_gpus
    from tuiftune.plan.resolve import make_plan
    from tuiftune.wizard.planning import advised

    model = findings.model_of(draft)

    def planned(gpu: str, name: str, memory: int) -> GpuRow:
        there = draft.with_(gpu=gpu)
        machine = findings.machine_of(there)
        try:
            preset = advised(findings, there).apply(there).preset()
            known = findings.planned_facts(there, preset)
            plan = make_plan(preset, machine, model, known, gpu=gpu or None)
        except UserError as error:
            return GpuRow(gpu, name, memory, None, str(error))
        return GpuRow(gpu, name, memory or int(plan.gpu["memory_total"]), plan)

    machine = findings.machine()
    yield planned("", "this machine", (machine.gpus[0].memory_total or 0) if machine.gpus else machine.memory)
    known = sorted(known_gpus.GPUS, key=lambda gpu: (gpu.memory_bytes, gpu.bf16_tflops))
    for gpu in known:
        yield planned(gpu.name if number == 1 else f"{gpu.name}:{number}", gpu.name, gpu.memory_bytes)
