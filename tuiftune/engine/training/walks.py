"""Steps without a walk through every module of the model.

An 8B model with adapters on all its layers has 2,700 modules, and transformers walks them several times a
step: for the mode, the operations, the norm of the gradients and their removal. An H200 waited 50 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.training.optimizations import decoder_layers

if TYPE_CHECKING:
    from transformers import Trainer as Mixin

    from tuiftune.engine.distributed.group import Group
else:
    Mixin = object  # before a stage's trainer (see `trainer.over`), whose methods `super()` finds

SHORTENED = ("train", "zero_grad")


class ShortWalks(Mixin):
    """A trainer that knows, while it trains, which parameters are trained and what mode its layers are in."""

    group: Group
    _trained: list[Any] | None = None

    def train(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().train(*args, **kwargs)
        finally:
            self._trained = None
            for model in (self.model, self.model_wrapped):
                for name in SHORTENED:
                    model.__dict__.pop(name, None)

    def shorten(self) -> None:
        """From now on to the end of training. DeepSpeed keeps gradients in its own way, and is left alone."""
        if self.is_deepspeed_enabled:
            return
        trained = self._trained = [one for one in self.model.parameters() if one.requires_grad]
        layers = decoder_layers(self.model)

        def train(mode: bool = True) -> Any:
            known = layers and all(one.training is mode for one in (self.model, *layers))
            return self.model if known else type(self.model).train(self.model, mode)

        def zero_grad(set_to_none: bool = True) -> None:
            del set_to_none  # always: the next step would add to zeros what it can put in their place
            for one in trained:
                one.grad = None

        self.model.train = train
        self.model_wrapped.zero_grad = zero_grad

    def clipped(self, parameters: Any) -> Any:
        """What is trained, in place of all `parameters`: the others have no gradient."""
        return parameters if self._trained is None else self._trained

    def floating_point_ops(self, inputs: Any) -> int:
        """None: nothing shows the sum, and counting walks all parameters for each batch."""
        del inputs
        return 0
