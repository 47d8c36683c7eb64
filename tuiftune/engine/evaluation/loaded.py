"""A base model with what was fine-tuned from it, loaded once and asked under either name."""

from __future__ import annotations

from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.data.chat.local import read_document
from tuiftune.engine.model import base as bases
from tuiftune.engine.process import libraries
from tuiftune.engine.training import settings as plans
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.runs.store.directory import RunDir

BASE, TUNED = "base", "tuned"
ADAPTER = "adapter_config.json"
NO_DATA = "-"


class Loaded:
    """Models by name. Each is loaded when it is first asked; an adapter shares its base model's weights.

    Attributes:
        names: `base`, and `tuned` if there is a fine-tuned model.
        `tokenizer`: renders, ends and strips answers, for both.
        note: in words, how they are loaded otherwise than planned; "" where they are not.
    """

    def __init__(
        self,
        base: Base,
        settings: Settings,
        tuned: Path | None,
        tokenizer: RowTokenizer,
        device: str,
        note: str = "",
    ) -> None:
        self.base, self.settings, self.tokenizer, self.device = base, settings, tokenizer, device
        self.note = note
        self.names = (BASE,) if tuned is None else (BASE, TUNED)
        self._tuned = tuned
        self._adapted = tuned is not None and paths.exists(tuned / ADAPTER)
        self._models: dict[str, Any] = {}

    @contextmanager
    def model(self, name: str) -> Iterator[Any]:
        """Yield the model of a name, in evaluation mode. UserError if it cannot be loaded."""
        if name not in self.names:
            raise UserError(f"has no model named {printable(name)}", place=self.base.reference)
        with self._adapter_off(name), self.autocast():
            yield self._models[name]

    @property
    def context(self) -> int | None:
        """Return the tokens of prompt and answer that the model takes; None if its config says none."""
        config = bases.config_of(self.base).get_text_config()
        limit = getattr(config, "max_position_embeddings", None)
        return limit if isinstance(limit, int) and limit > 0 else None

    def _adapter_off(self, name: str) -> Any:
        if not self._adapted:
            if name not in self._models:
                source = self.base
                if name == TUNED and self._tuned is not None:
                    source = _whole(self.base, self._tuned)
                self._models[name] = bases.load_model(source, self.settings, self.device).eval()
            return nullcontext()
        if BASE not in self._models:
            from peft import PeftModel

            model = bases.load_model(self.base, self.settings, self.device)
            try:
                model = PeftModel.from_pretrained(model, str(self._tuned)).eval()
            except (RuntimeError, ValueError, OSError) as fault:
                why = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
                raise UserError(
                    f"the adapter cannot be loaded: {why}",
                    place=printable(str(self._tuned)),
                    remedy="check that it belongs to this base model",
                ) from fault
            self._models = {BASE: model, TUNED: model}
        return self._models[BASE].disable_adapter() if name == BASE else nullcontext()

    def autocast(self) -> Any:
        """Return the context that products run in: in lower precision where adapters are held in a higher."""
        import torch

        from tuiftune.engine.training.optimizations import autocast_dtype

        precision = autocast_dtype(self.settings)
        if precision is None:
            return nullcontext()
        dtype = torch.bfloat16 if precision == "bf16" else torch.float16
        return torch.autocast(self.device, dtype=dtype)


def of_run(run: RunDir) -> Loaded:
    """Return the base model and the result of a run, in the precision that fits this machine.

    UserError if the run has no result, or nothing fits.
    """
    from tuiftune.engine.evaluation.on_this_machine import fitting
    from tuiftune.engine.training.opening import began

    tuned = run.result_path / "model"
    if not paths.is_dir(tuned):
        raise UserError("has no result yet", place=run.name, remedy=f"follow it: tuiftune watch {run.name}")
    wanted = plans.read(run)
    base = bases.find(wanted)
    here, note = fitting(wanted, base)
    return _opened(base, here, tuned, began(run), note)


def of_model(reference: str, revision: str | None) -> Loaded:
    """Return a model, or a directory with an adapter and the base model that it names."""
    path = paths.given(reference)
    if paths.exists(path / ADAPTER):
        named = read_document(path / ADAPTER).get("base_model_name_or_path")
        if not isinstance(named, str) or not named:
            raise UserError("names no base model", place=printable(str(path / ADAPTER)))
        return _of_model(named, None, path)
    return _of_model(reference, revision, None)


def _of_model(reference: str, revision: str | None, tuned: Path | None) -> Loaded:
    import torch

    from tuiftune.preset.schema import Preset
    from tuiftune.techniques import automatic

    cuda = torch.cuda.is_available()
    half = "bfloat16" if cuda and torch.cuda.is_bf16_supported() else "float16"
    model = {"base": reference, "revision": revision, "dtype": half if cuda else "float32"}
    preset = Preset.model_validate({"model": model, "data": {"train": NO_DATA}})
    preset = preset.with_values({"method.technique": automatic(tiny=False, over=False)[0].key})
    adapter: Any = "float32"
    wanted = plans.Settings(preset, {}, None, None, adapter)
    return _opened(bases.find(wanted), wanted, tuned, None)


def _opened(base: Base, wanted: Settings, tuned: Path | None, now: Any, note: str = "") -> Loaded:
    libraries.leave_out(wanted, base)
    libraries.quieten(base, data=False)
    from tuiftune.engine.model.foreign import behind_fence
    from tuiftune.engine.model.tokenizer import RowTokenizer

    data = wanted.preset.data

    def make() -> RowTokenizer:
        return RowTokenizer(
            bases.load_tokenizer(base),
            max_length=data.max_length,
            loss_on="completion",
            place=base.reference,
            base_stops=bases.stop_ids(base),
            now=now,
            reasoning=data.reasoning,
        )

    with closing(behind_fence(base, RowTokenizer.rows, make, {})):
        pass  # it can be read and probed within its limits: only then is it used in this process
    return Loaded(base, wanted, tuned, make(), bases.choose_device(wanted), note)


def _whole(base: Base, directory: Path) -> Base:
    """Return a base that is loaded from the directory of a whole fine-tuned model."""
    return replace(base, reference=str(directory), source=str(directory), revision=None, quantized=False)
