"""The list of GPUs with the draft's plan for each: fit, technique, memory, time and cost."""

from __future__ import annotations

from tuiftune.figures import MISSING, duration, money, size
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.wizard.gpu_rows import GpuRow

NAME = 23  # the longest name without the product family
BELOW = 4  # lines under the table


class GpuList(CursorList[GpuRow]):
    def __init__(self) -> None:
        super().__init__(id="cards")
        self._wanted = ""
        self._fault = ""

    def key(self, row: GpuRow) -> str:
        return row.name

    def begin(self, wanted: str) -> None:
        """Remove all rows; the cursor will go to the GPU named `wanted` when it is added."""
        self._wanted, self._fault, self.at = wanted, "", 0
        self.show([])

    def add(self, rows: list[GpuRow], fault: str) -> None:
        """Add rows, or show the error of all of them."""
        self._fault = fault or self._fault
        self.show([*self.all, *rows], self._wanted or None)

    def move(self, by: int) -> None:
        self._wanted = ""
        super().move(by)

    def empty(self, width: int) -> list[Line]:
        if self._fault:
            return [Line(part, "error") for part in wrapped(self._fault, width)]
        return [Line("planning for every GPU …", "soft")]

    def paint(self, width: int, height: int) -> list[Line]:
        return self.empty(width) if self._fault else super().paint(width, height)

    def head(self, width: int) -> list[Line]:
        del width
        head = "    GPU".ljust(NAME + 4) + "memory".rjust(9) + " with".ljust(7) + "needs".rjust(8)
        return [Line(head + "time".rjust(12) + "cost".rjust(9), "faint")]

    def line(self, row: GpuRow, here: bool, width: int) -> Line:
        del width
        plan = row.plan
        sign, ink = (self.glyphs.ok, "good") if row.fits else (self.glyphs.error, "error")
        line = self.pointer(here).add(f"{sign} ", ink)
        name = row.name.removeprefix("GeForce ").removeprefix("Tesla ")[:NAME]
        line.add(name.ljust(NAME), "strong" if here else "").add(size(row.memory).rjust(9), "soft")
        if plan is None:
            return line.add("  no plan", "warning")
        line.add(f" {plan.resolved.method.technique}".ljust(7), "second" if row.fits else "faint")
        line.add(size(plan.memory.needs).rjust(8), "" if row.fits else "error")
        if not row.fits:
            return line
        line.add(duration(plan.seconds).rjust(12))
        return line.add((money(plan.usd) if plan.usd is not None else MISSING).rjust(9), "strong")

    def foot(self, width: int) -> list[Line]:
        """Return the facts of the GPU under the cursor, and the basis of the figures."""
        row = self.current
        assert row is not None
        if row.plan is None:
            return _padded([Line(part, "warning") for part in wrapped(row.fault, width, BELOW)])
        copies = int(row.plan.gpu.get("count") or 1)
        parts = ["1 GPU" if copies == 1 else f"{copies} GPUs (data parallel: one full copy per GPU)"]
        if row.gpu:
            price = row.plan.usd_per_hour
            parts.append(
                "price unknown" if price is None else f"{money(price)}/hour (middle of known prices)"
            )
        else:
            parts = ["the GPUs found here" if row.plan.gpu.get("kind") != "cpu" else "no GPU, so on the CPU"]
        says = f"{row.name}: {', '.join(parts)}."
        basis = f"Time and cost: {row.plan.speed.basis}."
        return _padded(
            [
                *(Line(part, "soft") for part in wrapped(says, width, 2)),
                *(Line(part, "faint") for part in wrapped(basis, width, 2)),
            ]
        )


def _padded(lines: list[Line]) -> list[Line]:
    """Return the lines padded to a fixed number, so that the table above keeps its height."""
    return lines + [Line()] * (BELOW - len(lines))
