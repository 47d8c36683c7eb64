"""LoRA+: groups of the optimizer for the B matrices, at a multiple of the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.techniques.base import RATIO
from tuiftune.engine.techniques.lora import Lora

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class LoraPlus(Lora):
    def group(self, optimizer: Any, model: Any, settings: Settings) -> None:
        """Move the B matrices into groups behind the others, so that the rate that is logged stays A's."""
        ratio = float(settings.preset.method.loraplus_lr_ratio)
        wide = {id(one) for name, one in model.named_parameters() if "lora_B" in name}
        for group in list(optimizer.param_groups):
            moved = [one for one in group["params"] if id(one) in wide]
            if moved:
                group["params"] = [one for one in group["params"] if id(one) not in wide]
                optimizer.add_param_group({**group, "params": moved, "lr": group["lr"] * ratio, RATIO: ratio})


APPLIED = LoraPlus()
