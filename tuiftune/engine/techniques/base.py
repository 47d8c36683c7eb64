"""What the engine asks of a technique."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.training.settings import Settings


RATIO = "rate_ratio"  # key of an optimizer's group: its learning rate, as a multiple of the run's


class Applied:
    """How a technique is applied. Each method does nothing where a technique has nothing to do there."""

    def prepare(self, model: Any, settings: Settings, run: Path) -> Any:
        """The model as it is trained, its answers unchanged. What a resumed run needs is kept in `run`."""
        raise NotImplementedError

    def restore(self, model: Any, settings: Settings) -> None:
        """Put right what a load of weights changed."""

    def group(self, optimizer: Any, model: Any, settings: Settings) -> None:
        """Arrange the parameters of a new optimizer."""

    def save(self, model: Any, directory: Path) -> None:
        """Write what a result holds of the model."""
        model.save_pretrained(directory)


class Adapter(Applied):
    """A technique that PEFT has: `config` is its configuration, which leaves the model's weights alone."""

    def config(self, model: Any, settings: Settings) -> Any:
        """PEFT's configuration. ValueError, in words that follow the technique's name, where it has none."""
        raise NotImplementedError

    def prepare(self, model: Any, settings: Settings, run: Path) -> Any:
        from peft import get_peft_model

        try:
            made = self.config(model, settings)
        except ValueError as fault:
            raise UserError(f"{settings.traits.name} {fault}", place="method.technique") from fault
        adapted = get_peft_model(model, made)
        self.restore(adapted, settings)
        return adapted

    def restore(self, model: Any, settings: Settings) -> None:
        """Bring the adapters to their precision, since PEFT raises them to float32."""
        adapters.cast(model, settings)
