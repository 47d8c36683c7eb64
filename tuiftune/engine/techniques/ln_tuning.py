"""LN tuning: copies of the norms, trained in place of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Norms(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        del settings
        found = [path for path, module in adapters.holders(model).items() if _is_norm(module)]
        if not found:
            raise ValueError("finds no norm in this model that holds weights")
        return adapters.in_full(model, modules_to_save=found)


def _is_norm(module: Any) -> bool:
    return "norm" in type(module).__name__.lower()


APPLIED = Norms()
