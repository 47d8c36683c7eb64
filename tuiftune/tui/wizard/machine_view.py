"""A machine as bars: GPUs, RAM, disks, and the models that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.figures import MISSING, size
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.advice.suggest import Suggestion
    from tuiftune.hardware.machine import Gpu, Machine

LABEL = 11


class MachineView(Canvas):
    can_focus = True

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._machine: Machine | None = None
        self._suggested: list[Suggestion] | None = None

    def show(self, machine: Machine) -> None:
        self._machine = machine
        self.entitle(machine.host.hostname)
        self.redraw()

    def suggest(self, suggested: list[Suggestion]) -> None:
        """Show the models that are recommended for this machine."""
        self._suggested = suggested
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        machine = self._machine
        if machine is None:
            return [Line("detecting GPUs, memory and disks …", "soft")]
        bar = max(10, min(60, width - LABEL - 30))
        lines: list[Line] = []
        for gpu in machine.gpus:
            lines += self._gpu(gpu, bar, width, len(machine.gpus) * 3 + 12 <= height)
        if not machine.gpus:
            lines.append(
                Line("GPU".ljust(LABEL), "soft").add(f"{self.glyphs.warning} no GPU found", "warning")
            )
            for part in wrapped(machine.nvml_fault or "", width - LABEL - 2):
                lines.append(Line(" " * (LABEL + 2)).add(part, "soft"))
        elif machine.driver or machine.cuda:
            words = f"{machine.driver or MISSING}, CUDA up to {machine.cuda or MISSING}"
            lines.append(Line("driver".ljust(LABEL), "soft").add(words))
        lines.append(Line())
        host = machine.host
        used = machine.memory - host.memory_available
        memory = Line("RAM".ljust(LABEL), "soft").bar(self.glyphs, used / max(1, machine.memory), bar, "c0")
        lines.append(memory.add(f" {size(host.memory_available)} free of {size(machine.memory)}", "strong"))
        if host.memory_limit is not None and host.memory_limit < host.memory_total:
            says = f"limited by the container; the machine has {size(host.memory_total)}"
            lines.append(Line(" " * LABEL).add(says, "faint"))
        for disk in machine.disks:
            share = (disk.total - disk.free) / max(1, disk.total)
            line = Line("disk".ljust(LABEL), "soft").bar(self.glyphs, share, bar, "c1")
            lines.append(line.add(f" {size(disk.free)} free of {size(disk.total)}", "strong"))
            lines.append(Line(" " * LABEL).add(f"{disk.mount} ({disk.filesystem}), for {disk.path}", "faint"))
        lines.append(Line("CPU".ljust(LABEL), "soft").add(f"{host.cpu}, {host.cores} cores"))
        lines.append(Line("system".ljust(LABEL), "soft").add(f"{host.system}, Python {host.python}"))
        for row, part in enumerate(wrapped(self._session(machine), width - LABEL)):
            lines.append(Line(("" if row else "session").ljust(LABEL), "soft").add(part))
        lines.append(Line())
        return lines + self._fitting(machine, bar, width)

    def _fitting(self, machine: Machine, bar: int, width: int) -> list[Line]:
        """Return the models that can be trained here, each with its least memory as a bar."""
        if self._suggested is None:
            return [Line("can train".ljust(LABEL), "soft").add("checking which models fit …", "faint")]
        lines = []
        for index, one in enumerate(self._suggested):
            sign, ink = (self.glyphs.ok, "good") if one.fits else (self.glyphs.error, "error")
            name = one.reference.rsplit("/", 1)[-1]
            line = (
                Line(("" if index else "can train").ljust(LABEL), "soft")
                .add(f"{sign} ", ink)
                .add(name, "strong")
            )
            line.add(f" {techniques.every()[one.technique].name}", "second").to(LABEL + 36)
            room = width - line.width - 22
            if room >= 8:
                line.bar(
                    self.glyphs,
                    one.needs / max(1, one.capacity),
                    min(bar, room),
                    "c0" if one.fits else "error",
                )
            lines.append(line.add(f" {size(one.needs)} of {size(one.capacity)}", "soft"))
        if not machine.gpus:
            says = "For larger models, plan for a GPU that you could rent (g in the model step)."
            lines += [Line(" " * LABEL).add(part, "faint") for part in wrapped(says, width - LABEL)]
        return lines

    def _gpu(self, gpu: Gpu, bar: int, width: int, roomy: bool) -> list[Line]:
        used = (
            gpu.memory_used / gpu.memory_total if gpu.memory_used is not None and gpu.memory_total else None
        )
        first = Line(f"GPU {gpu.index}".ljust(LABEL), "soft").add(gpu.name, "strong")
        facts = []
        if gpu.compute_capability:
            facts.append(f"compute capability {gpu.compute_capability[0]}.{gpu.compute_capability[1]}")
        facts.append({True: "bfloat16", False: "float16 only", None: ""}[gpu.bf16])
        if gpu.mig:
            facts.append("MIG")
        first.add("  " + f" {self.glyphs.dot} ".join(fact for fact in facts if fact), "soft")
        heat = []
        if gpu.power_w is not None:
            heat.append(f"{gpu.power_w:.0f} W")
        if gpu.temperature_c is not None:
            heat.append(f"{gpu.temperature_c} °C")
        first.right("  ".join(heat), "soft", width)
        memory = Line("  memory".ljust(LABEL), "soft").bar(self.glyphs, used, bar, "c0")
        memory.add(f" {size(gpu.memory_free)} free of {size(gpu.memory_total)}", "strong")
        load = Line("  load".ljust(LABEL), "soft").bar(
            self.glyphs, None if gpu.utilisation is None else gpu.utilisation / 100, bar, "good"
        )
        load.add(f" {MISSING if gpu.utilisation is None else f'{gpu.utilisation}%'}", "strong")
        return [first, memory, load] if roomy else [first, memory]

    def _session(self, machine: Machine) -> str:
        session = machine.session
        parts = ["over SSH" if session.ssh else "local terminal"]
        parts.append(f"in {session.multiplexer}" if session.multiplexer else "")
        parts.append(f"in a container ({session.container})" if session.container else "")
        tail = "; runs continue if the connection drops" if session.ssh else "; runs continue when you quit"
        return ", ".join(part for part in parts if part) + tail
