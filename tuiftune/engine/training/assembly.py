"""A trainer put together: model, adapters, levers, rhythm and preflight check, from where the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import set_seed

from tuiftune.engine.model import base as bases
from tuiftune.engine.model import fp8_base
from tuiftune.engine.model.empty import empty_model, places_itself
from tuiftune.engine.techniques import applied
from tuiftune.engine.training import (
    arguments,
    base_in_fp8,
    measured_before,
    optimizations,
    settings,
)
from tuiftune.engine.training.callback import Progress, Rhythm
from tuiftune.engine.training.fingerprint import WEIGHTS, compare, fingerprint, of_base
from tuiftune.engine.training.preflight import Preflight
from tuiftune.engine.training.trainer import over
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.measured_before import Before
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.settings import Settings
    from tuiftune.engine.training.trainer import RunTrainer

UNASKED = ("cuda",)  # devices on which the preflight check is made unasked
EVAL_GROUPS = 8  # batches of a small evaluation set at least, from whose losses its interval is computed


def assemble(context: RunContext) -> tuple[RunTrainer, Preflight | None]:
    """The model with its adapters and levers, in a trainer that knows where it goes on from."""
    wanted, base, report, group = context.wanted, context.base, context.report, context.group
    training, held_out, device = context.training, context.held_out, context.device
    start, store = context.start, context.store
    args = arguments.arrange(context)
    if held_out is not None:
        share = -(-held_out.rows // group.size)
        args.per_device_eval_batch_size = max(
            wanted.stage.least, min(int(wanted.preset.training.micro_batch), share // EVAL_GROUPS)
        )
    print_ = fingerprint(wanted, base, training, held_out, group.size)
    if group.first(print_) != print_:
        raise UserError(
            "the files changed while its processes read them", place="data", remedy="start it again"
        )
    known_base = _know_base(print_, base, group)
    saved = {} if context.force else start.saved.get("fingerprint", {})
    place = str(start.checkpoint.path if start.checkpoint else "")
    if saved:
        compare(saved, print_, place, but=wanted.may_differ)
    checks = _checks(context)
    key = measured_before.key(print_, wanted, device) if checks and known_base else ""
    before = _measured_before(context, key)
    report.phase("loading", "weights")
    set_seed(wanted.preset.training.seed)
    model = _load(base, wanted, device, group)
    if wanted.fp8:
        run = store.directory.parent
        report.phase("loading", "weights in FP8")
        again = group.first(base_in_fp8.known(run))
        keep = base_in_fp8.compares(wanted, run)
        fp8_base.say(fp8_base.hold(model, base, device, again, keep=keep), report)
    if wanted.fp8_compute:
        from tuiftune.engine.training import products_in_fp8  # and with it bitsandbytes

        products_in_fp8.switch(model, group.first(base_in_fp8.known(store.directory.parent)), report)
    if _know_base(print_, base, group) and saved:
        compare(saved, print_, place, but=wanted.may_differ)
    if warning := bases.check_fit(model, context.tokenizer.tokenizer, wanted, base):
        report.warning(
            "long_rows", warning, "the model may not use tokens beyond that; lower data.max_length"
        )
    parameters = model.num_parameters()
    technique = applied(wanted.technique)
    if wanted.adapted:
        report.phase("loading", "adapters")
    model = technique.prepare(model, wanted, store.directory.parent)
    compiled = wanted.preset.training.compile is True
    offloading = optimizations.offloading_of(wanted, device, report)
    optimizations.checkpoint_activations(model, wanted.checkpoint_every, None if compiled else offloading)
    args.ddp_find_unused_parameters = optimizations.may_leave_out(model)
    known = {key: value for key, value in start.saved.items() if key in Progress.__dataclass_fields__}
    rhythm = Rhythm(context, Progress(**known))
    report.phase("loading", "trainer")
    own: tuple[type, ...] = ()
    if wanted.sharded:
        from tuiftune.engine.training.sharded import ShardedTrainer

        own = (ShardedTrainer,)
        places_itself(model)
    more: dict[str, Any] = {}
    if wanted.divided:
        from tuiftune.engine.training.divided import ZeroTrainer

        own, more = (ZeroTrainer,), {"products": optimizations.products_in(wanted)}
    trainer = over(context.stage.trainer(), *own)(
        context=context,
        rhythm=rhythm,
        fingerprint=print_,
        parameters=parameters,
        model=model,
        args=args,
        train_dataset=training.dataset,
        eval_dataset=held_out.dataset if held_out else None,
        processing_class=context.tokenizer.tokenizer,
        **more,
    )
    trainer.sources = {name: one.dataset for name, one in context.sources.items()}
    if not wanted.adapted:
        whole = wanted.preset.method.result_dtype
        trainer.written_in = bases.stored_dtype(base) if whole == "base" else whole
    arguments.settle_steps(trainer, wanted, report)
    preflight = None
    if checks:
        kept = store.directory.parent / settings.PREFLIGHT
        preflight = Preflight(wanted, report, device, kept, before=before, key=key)
        rhythm.before_training = preflight.run
    technique.restore(trainer.model, wanted)
    if wanted.sharded:
        trainer.shard(wanted, device)
    if compiled:
        optimizations.compile_layers(trainer.model, offloading)
    return trainer, preflight


def _checks(context: RunContext) -> bool:
    """Whether a preflight check comes first, as asked or because there is a GPU."""
    wanted = context.wanted
    asked = context.device in UNASKED if wanted.preflight is None else wanted.preflight
    # Sampling waits for the other processes, and so does DeepSpeed's backward pass.
    alone = context.group.size == 1 or not (wanted.stage.writes or wanted.divided)
    return asked and context.start.checkpoint is None and alone


def _measured_before(context: RunContext, key: str) -> Before | None:
    """What the same run measured earlier, unless a check was asked for by name."""
    wanted, group = context.wanted, context.group
    found = measured_before.find(key, wanted.capacity) if key and wanted.preflight is None else None
    found = group.first(found)
    if found is not None and group.leads:
        base_in_fp8.take_over(context.run.path, found.base, context.report)
    group.meet()  # before any reads what is kept of FP8
    return found


def _load(base: Base, wanted: Settings, device: str, group: Group) -> Any:
    """The base model on its device. Of one that is to be sharded, rank 0 has the weights, in RAM.

    What is quantized on a GPU is loaded there by each process.
    """
    if not wanted.sharded or wanted.four_bit:
        return bases.load_model(base, wanted, device)
    return bases.load_model(base, wanted, "cpu") if group.leads else empty_model(base, wanted)


def plain_model(context: RunContext) -> Any:
    """A sharded run's model as one process has it, without any weights."""
    wanted = context.wanted
    model = empty_model(context.base, wanted)
    return applied(wanted.technique).prepare(model, wanted, context.store.directory.parent)


def _know_base(print_: dict[str, Any], base: Base, group: Group) -> bool:
    """Add what the base's files hold, once they are here. Whether that is news."""
    if WEIGHTS in print_:
        return False
    directory = bases.files_of(base) if group.leads else None
    print_ |= group.first({} if directory is None else of_base(directory))
    return WEIGHTS in print_
