"""Last layers: copies of what the last decoder layers hold, trained in place of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter
from tuiftune.engine.training import optimizations

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Last(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        layers = optimizations.decoder_layers(model)
        asked = int(settings.preset.method.trained_layers)
        if asked > len(layers):
            raise ValueError(f"is asked for {asked} layers, and the model has {len(layers)}")
        inside = {id(module) for layer in layers[-asked:] for module in layer.modules()}
        found = [path for path, module in adapters.holders(model).items() if id(module) in inside]
        return adapters.in_full(model, modules_to_save=found)


APPLIED = Last()
