"""What a metric is: a number that runs log, and where it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuiftune.figures import count, real

Event = Literal["step", "eval", "score", "memory", "gpu", "card"]  # `card`: an entry of a gpu event's `gpus`
BY_STEP = ("step", "eval")  # their curves go over the steps, the others' over the seconds of the run
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Metric:
    """An entry of the registry: what is drawn names a `chart`, which the first one with that name opens."""

    name: str  # unique; its column in the table
    event: Event = "step"
    field: str = ""  # its key in the event, where that is not its name
    words: str = ""  # on the dashboard and at the cursor of a chart, where they are not its name
    unit: str = ""  # B, s, %, W, °C, tokens, tokens/s; "" for none
    logged: str = ""  # its key in the trainer's logs, where every step tells it, known or not
    better: Literal["lower", "higher", ""] = ""
    vital: bool = False  # a run in which it is NaN or infinite has failed
    whole: bool = False  # a whole number
    digits: int = 4
    points: int = 0  # buckets of its curve, two points each; 0: as many as the event suggests
    smoothed: bool = False  # drawn as a moving average over its points

    chart: str = ""
    title: str = ""  # of the chart that it opens, where that is not its label
    floor: float | None = None  # what the scale of its chart reaches down to
    ink: str = "c0"
    spark: str = ""  # the ink of its course next to the number, where that is another
    dashboard: bool = False  # has a row among the numbers of the dashboard
    compared: bool = False  # has a row of its own in a comparison
    scored: bool = False  # of an evaluation: has a row among the scores before and after
    always: bool = True  # its chart and its row are there before its first value
    registered: bool = True

    @property
    def key(self) -> str:
        return self.field or self.name

    @property
    def label(self) -> str:
        return self.words or self.name.replace("_", " ")

    @property
    def heading(self) -> str:
        return self.title or self.label

    @property
    def buckets(self) -> int:
        return self.points or (1000 if self.event in BY_STEP else 150)

    @property
    def scale(self) -> float:
        """What its values are divided by in a chart: bytes are drawn in GiB."""
        return float(GIB) if self.unit == "B" else 1.0

    @property
    def drawn_unit(self) -> str:
        return "GiB" if self.unit == "B" else self.unit

    def written(self, value: float | None, digits: int = 4) -> str:
        """A value as people read it: tokens are counted, all else has so many digits."""
        return count(value) if self.unit.startswith("tokens") else real(value, digits)
