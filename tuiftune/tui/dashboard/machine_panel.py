"""The machine during training: load, memory, power and temperature of each GPU, then CPU and RAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import MISSING, size, sizes
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from tuiftune.runs.state.readings import GpuReading
    from tuiftune.runs.state.run_state import RunState

HOT_CELSIUS = 85.0


class MachinePanel(Canvas):
    """Shows the readings from the log, so that a replay and a remote run look the same."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._state: RunState | None = None

    def show(self, state: RunState) -> None:
        self._state = state
        if state.gpus:
            gpus = f"{len(state.gpus)} GPUs" if len(state.gpus) > 1 else state.gpus[0].name or "GPU"
            self.entitle(f"machine: {gpus}")
        else:
            self.entitle("machine: no GPU in use")
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        state = self._state
        if state is None:
            return []
        if len(state.gpus) > height:
            return self._packed(state, width, height)
        lines: list[Line] = []
        roomy = len(state.gpus) * 2 + 2 <= height
        for gpu in state.gpus:
            lines += self._gpu(gpu, width, roomy)
        lines += self._host(state, width, height - len(lines))
        return lines

    def _gpu(self, gpu: GpuReading, width: int, roomy: bool) -> list[Line]:
        heat = self._heat(gpu)
        if roomy:
            bar = max(6, width - 31)
            load = Line(f"GPU {gpu.index} load ", "soft").bar(
                self.glyphs, None if gpu.utilisation is None else gpu.utilisation / 100, bar, "good"
            )
            load.add(f" {self._per_cent(gpu.utilisation):>5}", "strong")
            load.right(heat[0], heat[1], width)
            used = self._share(gpu.memory_used, gpu.memory_total)
            memory = Line("    memory ", "soft").bar(self.glyphs, used, bar, "c0")
            memory.add(f" {size(gpu.memory_used)} of {size(gpu.memory_total)}", "strong")
            return [load, memory]
        bar = max(4, (width - 44) // 2)
        line = Line(f"{gpu.index} ", "soft").bar(
            self.glyphs, None if gpu.utilisation is None else gpu.utilisation / 100, bar, "good"
        )
        line.add(f" {self._per_cent(gpu.utilisation):>5} ", "strong")
        line.bar(self.glyphs, self._share(gpu.memory_used, gpu.memory_total), bar, "c0")
        line.add(f" {size(gpu.memory_used):>8}", "strong")
        return [line.right(heat[0], heat[1], width)]

    def _packed(self, state: RunState, width: int, height: int) -> list[Line]:
        """Return columns of load and memory share, for more GPUs than lines; power and heat if they fit."""
        columns = -(-len(state.gpus) // max(1, height))
        rows = -(-len(state.gpus) // columns)
        column = width // columns
        heated = column >= 36
        bar = max(2, (column - (28 if heated else 14)) // 2)
        lines = [Line() for _ in range(rows)]
        for at, gpu in enumerate(state.gpus):
            line = lines[at % rows]
            line.to(at // rows * column)
            line.add(f"{gpu.index:>2} ", "warning" if gpu.throttle else "soft")
            line.bar(self.glyphs, None if gpu.utilisation is None else gpu.utilisation / 100, bar, "good")
            line.add(f"{self._per_cent(gpu.utilisation):>5} ", "strong")
            line.bar(self.glyphs, self._share(gpu.memory_used, gpu.memory_total), bar, "c0")
            if gpu.throttle:
                line.add(self.glyphs.warning, "warning")
            elif heated:
                line.add(f" {self._heat(gpu)[0]}", "soft")
        return lines + self._host(state, width, height - rows)

    def _heat(self, gpu: GpuReading) -> tuple[str, str]:
        power = MISSING if gpu.power_w is None else f"{gpu.power_w:.0f} W"
        warmth = MISSING if gpu.temperature_c is None else f"{gpu.temperature_c:.0f} °C"
        if gpu.throttle:
            return f"{self.glyphs.warning} {gpu.throttle[0]} {power} {warmth}", "warning"
        hot = gpu.temperature_c is not None and gpu.temperature_c >= HOT_CELSIUS
        return f"{power}  {warmth}", "warning" if hot else "soft"

    def _host(self, state: RunState, width: int, room: int) -> list[Line]:
        host = state.host
        bar = max(6, width - 31)
        lines = []
        cpu = Line("CPU        ", "soft")
        cpu.bar(self.glyphs, None if host.cpu is None else host.cpu / 100, bar, "good")
        lines.append(cpu.add(f" {self._per_cent(host.cpu):>5}", "strong"))
        memory = Line("RAM        ", "soft").bar(
            self.glyphs, self._share(host.memory_used, host.memory_total), bar, "c0"
        )
        lines.append(memory.add(f" {size(host.memory_used)} of {size(host.memory_total)}", "strong"))
        if state.memory.predicted is not None or state.memory.device is not None:
            seen = state.memory.device if state.memory.device is not None else state.memory.reserved
            predicted, measured = sizes(state.memory.predicted, seen)
            planned = Line("predicted  ", "soft").add(predicted, "strong")
            planned.add(", measured ", "soft").add(measured, self._verdict(state.memory.predicted, seen))
            lines.insert(0, planned)
        lines.append(Line("disk free  ", "soft").add(size(host.disk_free), "strong"))
        return lines[: max(room, 0)]

    @staticmethod
    def _verdict(predicted: float | None, seen: float | None) -> str:
        return "warning" if predicted is not None and seen is not None and seen > predicted else "strong"

    @staticmethod
    def _share(part: float | None, whole: float | None) -> float | None:
        return part / whole if part is not None and whole else None

    @staticmethod
    def _per_cent(value: float | None) -> str:
        return MISSING if value is None else f"{value:.0f}%"
