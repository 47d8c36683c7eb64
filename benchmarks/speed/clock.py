"""When each step of another library's trainer ended, by one clock for all of them."""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import TrainerCallback


class Clock(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        torch.cuda.synchronize()
        self.times.append(time.monotonic())
