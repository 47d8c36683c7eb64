"""The trainer's arguments, from the settings.

Every one that matters is given; no default of a library decides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune import trackers
from tuiftune.engine.distributed import zero
from tuiftune.engine.training import optimizations
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.settings import Settings


def arrange(context: RunContext) -> Any:
    """The arguments for the stage's trainer. UserError for a name that the trainer doesn't know."""
    settings, device = context.wanted, context.device
    preset = settings.preset
    training = preset.training
    micro = int(training.micro_batch)
    processes = settings.processes
    accumulation = max(1, round(training.effective_batch / micro / processes))
    if (used := accumulation * micro * processes) != training.effective_batch:
        among = f", with {processes} processes" if processes > 1 else ""
        context.report.warning(
            "batch_rounded",
            f"an effective batch of {training.effective_batch} is not a multiple of the micro-batch size "
            f"{micro}"
            f"{among}; {used} rows per step are used",
            "choose a micro-batch size that divides it",
        )
    # FSDP2 has its own, and ZeRO-2's is that of its trainer.
    precision = None if settings.sharded or settings.divided else optimizations.autocast_dtype(settings)
    common = {
        "output_dir": str(context.store.directory),
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": accumulation,
        "num_train_epochs": float(training.epochs),
        "max_steps": training.max_steps or -1,
        "learning_rate": float(training.learning_rate),
        "lr_scheduler_type": training.schedule,
        "optim": training.optimizer,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "seed": training.seed,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "gradient_checkpointing": False,  # set on the layers by optimizations.checkpoint_activations
        "use_liger_kernel": training.kernels == "liger",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",  # tuiftune.engine.training.callback decides
        "eval_strategy": "no",
        # Those of the registry are fed from the log (`jobs.tracking`); others are the Trainer's own.
        "report_to": [name for name in preset.run.report_to if name not in trackers.every()] or "none",
        "disable_tqdm": True,
        "average_tokens_across_devices": True,  # every trained token counts the same, wherever it is
        "ddp_backend": "gloo" if device == "cpu" and processes > 1 else None,
        "ddp_broadcast_buffers": False,  # all have loaded the same, and none changes
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device == "cuda",
        "accelerator_config": {"non_blocking": device == "cuda"},  # or the next rows would wait for this step
        "use_cpu": device == "cpu",
    }
    if settings.divided:
        zero.prepare(device)
        common["deepspeed"] = zero.config()
    try:
        return context.stage.arguments(settings, common)
    except (ValueError, ImportError, RuntimeError) as fault:
        raise UserError(
            f"the trainer rejects the settings: {str(fault).splitlines()[0]}", place="training"
        ) from fault


def settle_steps(trainer: Any, settings: Settings, report: Report) -> None:
    """Fix the number of steps and of warm-up steps, now that the (packed) rows can be counted.

    The last step at least is trained at the full rate: warm-up starts at 0, and would be all of a short run.
    """
    args = trainer.args
    rows = len(trainer.train_dataset)
    if settings.stage.rollouts:
        rows *= settings.preset.method.generations
    batches = math.ceil(rows / (args.per_device_train_batch_size * args.world_size))
    updates = max(1, math.ceil(batches / args.gradient_accumulation_steps))
    training = settings.preset.training
    args.max_steps = training.max_steps or math.ceil(float(training.epochs) * updates)
    asked = math.ceil(training.warmup_ratio * args.max_steps)
    args.warmup_steps = min(asked, args.max_steps - 1)
    if args.warmup_steps < asked and training.schedule != "constant":
        steps = "step" if args.max_steps == 1 else "steps"
        report.warning(
            "warmup_shortened",
            f"a warmup of {asked} of {args.max_steps} {steps} would leave no step at the full learning rate; "
            f"{args.warmup_steps} are used",
            "train for more steps, or set training.warmup_ratio: 0",
        )
