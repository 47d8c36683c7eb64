"""What FP8 costs the base model, measured before training: its eval loss in 16 bit, in FP8 and in NF4.

The 16-bit weights are read from the CPU, a layer at a time. Layers whose inputs FP8 can't hold are found on
the way, and stay in 16 bit.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from tuiftune import documents, paths
from tuiftune.engine.model import base as bases
from tuiftune.engine.model import fp8, fp8_base, nf4
from tuiftune.engine.training import optimizations, settings
from tuiftune.errors import UserError
from tuiftune.runs.state.narrate import BASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tuiftune.engine.model.fp8 import Fp8Linear
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.trainer import RunTrainer

MOST_ERROR = 0.3  # of a layer's output, beyond which it stays in 16 bit; rounding alone makes about 0.04
# Share of the loss that FP8 products over NF4 may cost untold: twice what FP8 cost SmolLM2 before it was
# trained (benchmarks/fp8).
MOST_LOST = 0.04
OVERFLOWS = "FP8 cannot represent its input"


def known(run: Path) -> dict[str, str]:
    """The layers that an earlier process of the run left in 16 bit, with why."""
    return {str(name): str(why) for name, why in _kept(run, "in_16_bit").items()}


def losses(run: Path) -> dict[str, float]:
    """The base model's loss by what it was held in: none (16 bit), fp8, nf4; empty if not measured."""
    return {str(name): float(loss) for name, loss in _kept(run, "losses").items()}


def _kept(run: Path, key: str) -> dict[str, Any]:
    try:
        found = documents.read_json(run / settings.BASE_IN_FP8)[key]
    except (UserError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def take_over(run: Path, found: Mapping[str, Any], report: Report) -> None:
    """Keep and tell what the same run measured earlier as this one's own."""
    if paths.is_file(run / settings.BASE_IN_FP8) or "in_16_bit" not in found:
        return
    _store(run, dict(found))
    if isinstance(found.get("losses"), dict):
        report.emit("base", **{name: found[name] for name in ("losses", "rows", "tokens", "held_out")})
        judge(found["losses"], report.warning)


def compares(wanted: settings.Settings, run: Path) -> bool:
    """Whether the comparison is still to come: of stages whose loss is the text's, without --no-preflight."""
    told = wanted.preflight is not False and wanted.stage.likelihood
    return told and not paths.is_file(run / settings.BASE_IN_FP8)


def compare(context: RunContext, trainer: RunTrainer) -> None:
    """Measure, tell and store it; and leave in 16 bit what overflows. Each process measures the same rows."""
    run, report = context.run.path, context.report
    if not context.wanted.fp8 or not compares(context.wanted, run):
        return
    report.phase("preflight", "the base model in 16 bit, FP8 and NF4")
    batch, rows = batch_of(trainer)
    errors: dict[str, float] = {}
    measured = {"none": loss_of(trainer, batch, _in_16_bit(trainer.model, errors))}
    far = too_far(context, errors)
    for name, layer in fp8_base.layers(trainer.model).items():
        if name in far:
            layer.in_16_bit()
    fp8_base.say(far, report)
    measured["fp8"] = loss_of(trainer, batch)
    measured["nf4"] = loss_of(trainer, batch, _in_nf4)
    fp8_base.forget_originals(trainer.model)
    conclude(context, trainer, batch, rows, measured, far, errors)


def too_far(context: RunContext, errors: Mapping[str, float]) -> dict[str, str]:
    """The layers whose output is too far off, with why they stay in 16 bit; the same in each process."""
    far = {name: OVERFLOWS for name, error in errors.items() if not error <= MOST_ERROR}
    return dict(context.group.first(far))


def conclude(
    context: RunContext,
    trainer: RunTrainer,
    batch: dict[str, Any],
    rows: int,
    measured: dict[str, float],
    far: Mapping[str, str],
    errors: Mapping[str, float],
) -> None:
    """Tell and store what was measured on a batch of so many rows, and the layers left in 16 bit."""
    if not context.group.leads:
        return
    found: dict[str, Any] = {
        "losses": measured,
        "rows": rows,
        "tokens": int(trainer.weight(batch)),
        "held_out": bool(trainer.eval_dataset),
    }
    if all(map(math.isfinite, measured.values())):  # none is where no token is trained, or training can't be
        context.report.emit("base", **found)
        judge(measured, context.report.warning)
    else:
        del found["losses"]
    _store(
        context.run.path,
        {**found, "in_16_bit": dict(far), "largest_error": max(errors.values(), default=0.0)},
    )


def judge(losses: Mapping[str, float], warn: Callable[[str, str, str], None]) -> None:
    """Warn where this model loses more to FP8 than to NF4, which FP8 is taken for the better of; or where FP8
    products over NF4 lose more than they usually do.
    """
    if "nf4_fp8" in losses:
        if losses["nf4_fp8"] > (1 + MOST_LOST) * losses["nf4"]:
            shown = f"{losses['nf4']:.4f} in NF4, and {losses['nf4_fp8']:.4f} with products in FP8"
            remedy = "set training.fp8_compute: false"
            warn("fp8_products_are_far", f"the base model's loss is {shown}", remedy)
        return
    lost = {name: abs(loss - losses["none"]) for name, loss in losses.items()}
    if lost["fp8"] > lost["nf4"]:
        shown = ", ".join(f"{losses[key]:.4f} in {name}" for key, name in BASES.items() if key in losses)
        warn(
            "fp8_is_far",
            f"the base model's loss is {shown}: NF4 is closer to 16 bit than FP8",
            "set model.quantization: nf4, or none if that fits",
        )


def _store(run: Path, found: dict[str, Any]) -> None:
    from tuiftune.runs.store.directory import write_text

    write_text(run / settings.BASE_IN_FP8, json.dumps(found, indent=1) + "\n")


def batch_of(trainer: RunTrainer) -> tuple[dict[str, Any], int]:
    """The first evaluation rows (training rows where there are none): as many as one micro batch of the
    longest training rows has tokens for. With their number.
    """
    import pyarrow.compute as compute

    def lengths(dataset: Any) -> list[int]:
        columns = dataset.select_columns(list(trainer.lengths)).with_format("arrow")[:]
        counted = sum(compute.list_value_length(columns[name]).to_numpy() for name in trainer.lengths)
        return [int(one) for one in counted]

    room = max(lengths(trainer.train_dataset)) * trainer.args.per_device_train_batch_size
    dataset = trainer.eval_dataset or trainer.train_dataset
    many = longest = 0
    for length in lengths(dataset):
        longest = max(longest, length)
        if many and longest * (many + 1) > room:
            break
        many += 1
    rows = trainer._remove_unused_columns(dataset.select(range(many)), description="training")
    batch = trainer.data_collator([rows[index] for index in range(many)])
    return dict(trainer._prepare_inputs(batch)), many


def loss_of(trainer: RunTrainer, batch: dict[str, Any], shown: Any = None) -> float:
    """Mean loss a trained token of the base model with each layer in FP8 as `shown` has it."""
    model = trainer.model
    model.eval()
    try:
        with (
            model.disable_adapter(),
            trainer.by_itself(),
            _showing(model, shown),
            torch.no_grad(),
            optimizations.eager_layers(model),
            trainer.accelerator.autocast(),
        ):
            return float(trainer.compute_loss(model, dict(batch)))
    finally:
        trainer._metrics["eval"].clear()
        model.train()


@contextmanager
def _showing(model: Any, shown: Any) -> Iterator[None]:
    layers = fp8_base.layers(model).values()
    try:
        for layer in layers:
            layer.shown = shown
        yield
    finally:
        for layer in layers:
            layer.shown = None


def _in_16_bit(model: Any, errors: dict[str, float]) -> Callable[[Fp8Linear, Any], Any]:
    """A layer with its 16-bit weight. Notes how far its output in FP8 is off, relative to its norm."""
    names = {id(layer): name for name, layer in fp8_base.layers(model).items()}

    def apply(layer: Fp8Linear, inputs: Any) -> Any:
        whole = _applied(layer, inputs, layer.original)
        flat = inputs.reshape(-1, layer.in_features)
        product = fp8.multiply(flat, layer.weight.view(fp8.E4M3), layer.scale).reshape(whole.shape)
        if bases.finite(whole):  # else it isn't FP8's fault
            off = relative_error(product, whole, layer.bias)
            errors[names[id(layer)]] = max(errors.get(names[id(layer)], 0.0), off)
        return whole

    return apply


def relative_error(found: Any, exact: Any, bias: Any) -> float:
    """How far a layer's product is off, relative to the norm of the exact one, which has the `bias` added.

    Some tokens at a time, since copies in float32 would take more memory than training does.
    """
    off = whole = torch.zeros((), device=exact.device)
    for one, other in zip(_pieces(found), _pieces(exact), strict=True):
        product = other if bias is None else other - bias.float()
        off = off + (one - product).square().sum()
        whole = whole + product.square().sum()
    return float((off / whole.clamp(min=1e-30)).sqrt())


def _pieces(output: Any) -> Iterator[Any]:
    return (one.float() for one in output.flatten(0, -2).split(fp8.TOKENS))


def _in_nf4(layer: Fp8Linear, inputs: Any) -> Any:
    weight = layer.original.to(layer.weight.device)  # type: ignore[union-attr]
    return _applied(layer, inputs, nf4.rounded(weight))


def _applied(layer: Fp8Linear, inputs: Any, weight: Any) -> Any:
    bias = layer.bias
    weight = weight.to(inputs.device, inputs.dtype)
    return torch.nn.functional.linear(inputs, weight, None if bias is None else bias.to(inputs.dtype))
