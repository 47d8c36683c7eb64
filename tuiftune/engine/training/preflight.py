"""Two updates, an evaluation, a save and a reload on the longest rows before training: what a run needs,
measured.

Nothing of it stays: weights, optimizer, random numbers and the order of the data are as if it had not been.
"""

from __future__ import annotations

import gc
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.engine.process import gpu
from tuiftune.engine.process.faults import ending_of
from tuiftune.engine.training import tried_step
from tuiftune.engine.training.checkpoint_size import checkpoint_bytes
from tuiftune.engine.training.measured_before import Before, note
from tuiftune.engine.training.settings import BASE_IN_FP8, preflight_of
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import size, sizes
from tuiftune.preset.sizes import GIB

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.settings import Settings
    from tuiftune.engine.training.trainer import RunTrainer

LARGEST_SAVE = 6 * GIB  # bytes; more would take a slow disk longer than a preflight check may
MEASURED = ("allocated", "reserved", "device")


class ResizeError(Exception):
    """Another micro batch is to be tried: fewer rows where memory ran out, more where it has room."""

    def __init__(self, rows: int, why: str) -> None:
        super().__init__(why)
        self.rows, self.why = rows, why


@dataclass(frozen=True, slots=True)
class Tried:
    """What one process came to: bytes it held at most, and how it failed if it did."""

    measured: dict[str, int | None]
    out_of_memory: bool = False
    broken: str = ""


class Preflight:
    """Runs at the beginning of training, where model and optimizer are as training uses them.

    Each process of a group tries by itself, without exchanging gradients, whose buckets are there already;
    then they agree: none goes on where one ran out of memory, and the fullest GPU counts.
    """

    def __init__(
        self,
        settings: Settings,
        report: Report,
        device: str,
        path: Path,
        *,
        before: Before | None = None,
        key: str = "",
    ) -> None:
        """`before` is what the same run measured earlier; `key` is what this one is remembered by."""
        self._settings, self._report, self._device, self._path = settings, report, device, path
        self._before, self._key = before, key
        self._shared = settings.sharded
        self._fitting: int | None = None  # rows that were measured to fit, while more of them are tried

    def run(self, trainer: RunTrainer) -> None:
        """Measure, tell and store it. ResizeError where another micro batch has to be tried."""
        if self._before is not None:
            self._take_over(trainer, self._before)
            return
        began = time.monotonic()
        compiles = self._settings.preset.training.compile is True
        self._report.phase("preflight", "the first step compiles the layers" if compiles else "")
        gpu.forget_peaks(self._device)
        saved: dict[str, Any] = {}
        with tried_step.nothing_stays(trainer, adapted=self._settings.adapted):
            tried = trainer.group.gather(self._try(trainer))
            out_of_memory = any(one.out_of_memory for one in tried)
            broken = next((one.broken for one in tried if one.broken), "")
            if not out_of_memory and not broken:
                try:
                    saved = _saved_and_reloaded(trainer)
                except RuntimeError as fault:
                    if trainer.group.size > 1 or ending_of(fault).state != "failed":
                        raise
                    broken = ending_of(fault).why
        gpu.forget_peaks(self._device)
        wanted: ResizeError | None = None
        if out_of_memory:
            wanted = self._fewer(trainer.args.per_device_train_batch_size)
        elif broken:  # what only the check does must not be what a run is lost for
            self._report.warning(
                "preflight_failed",
                f"the preflight check failed without a measurement: {broken}",
                "training continues without it; skip it with --no-preflight",
            )
        else:
            measured = max((one.measured for one in tried), key=lambda one: one["reserved"] or 0)
            wanted = self._take_in(trainer, measured, saved, time.monotonic() - began)
        agreed = trainer.group.first((wanted.rows, wanted.why) if wanted else None)
        if agreed is not None:
            raise ResizeError(*agreed)

    def _take_over(self, trainer: RunTrainer, before: Before) -> None:
        """Tell and store what the same run measured, as its own."""
        from tuiftune.runs.store.directory import write_text

        if not trainer.group.leads:
            return
        self._report.phase("preflight", f"measured by {before.run}, which is the same")
        measured = {name: before.check["measured"].get(name) for name in MEASURED}
        more = {"preflight": True, "seconds": 0.0, "reused": before.run}
        self._report.emit("memory", **measured, **self._settings.predictions, **more)
        document = {**before.check, "seconds": 0.0, "reused": before.run}
        write_text(self._path, json.dumps(document, indent=1))
        if saved := before.check.get("checkpoint"):
            trainer.rhythm.saved(float(saved["seconds"]))

    def _try(self, trainer: RunTrainer) -> Tried:
        try:
            with trainer.by_itself():
                tried_step.updates(trainer, paged="paged" in self._settings.preset.training.optimizer)
                if not self._settings.stage.writes:
                    tried_step.evaluation(trainer)
            return Tried(gpu.memory_of(self._device))
        except Exception as fault:
            if trainer.shared:  # the others wait for this process, which therefore has to end
                raise
            end = ending_of(fault)
            least = self._settings.stage.least
            if end.state == "oom" and trainer.args.per_device_train_batch_size >= 2 * least:
                return Tried({}, out_of_memory=True)
            if end.state == "failed" and end.exit_code == ExitCode.FAILED:
                return Tried({}, broken=end.why)
            raise

    def _take_in(
        self, trainer: RunTrainer, measured: dict[str, int | None], saved: dict[str, Any], seconds: float
    ) -> ResizeError | None:
        """Rank 0's part: tell, store, and decide whether other rows at once are to be tried."""
        if not trainer.group.leads:
            return None
        held, limit = _held(measured), self._settings.capacity
        micro = trainer.args.per_device_train_batch_size
        if self._fitting is not None and micro > self._fitting and held and limit and held > limit:
            return self._fewer(micro)
        self._report.emit(
            "memory", **measured, **self._settings.predictions, preflight=True, seconds=round(seconds, 2)
        )
        self._store(trainer, measured, saved, seconds)
        if saved:
            trainer.rhythm.saved(saved["seconds"])
        if more := self._room_for_more(micro, held):
            self._fitting = micro
        elif self._key and micro == preflight_of(self._path)["planned_micro_batch"]:
            run, base = self._path.parent, {}
            with suppress(UserError):  # not every stage over FP8 compares
                base = (
                    documents.read_json(run / BASE_IN_FP8)
                    if self._settings.fp8 or self._settings.fp8_compute
                    else {}
                )
            note(self._key, Before(run.name, preflight_of(self._path), base))
        return more

    def _fewer(self, rows: int) -> ResizeError:
        """After `rows` at once were too many: those known to fit, else the largest part of them."""
        if self._fitting is not None and self._fitting < rows:
            return ResizeError(self._fitting, f"{rows} of the longest rows at once do not fit")
        less = next(size for size in range(rows // 2, 0, -1) if rows % size == 0)
        return ResizeError(less, f"{rows} of the longest rows at once run out of GPU memory")

    def _room_for_more(self, micro: int, held: int | None) -> ResizeError | None:
        """The next larger micro batch that the plan held back, where what was measured leaves room for it.

        The plan's bounds of both are scaled by measured over predicted; tried once.
        """
        larger, needs, limit = (
            self._settings.larger,
            self._settings.predicted["needs"],
            self._settings.capacity,
        )
        if self._shared or self._fitting is not None or larger is None or not (held and needs and limit):
            return None
        planned = preflight_of(self._path).get("planned_micro_batch")
        expected = held * larger.needs / needs
        if micro != planned or larger.micro_batch <= micro or expected > limit:
            return None
        return ResizeError(
            larger.micro_batch,
            f"{micro} of the longest rows at once need {size(held)}, less than predicted: "
            f"{larger.micro_batch} should take {size(expected)} of {size(limit)}",
        )

    def _store(
        self, trainer: RunTrainer, measured: dict[str, int | None], saved: dict[str, Any], seconds: float
    ) -> None:
        from tuiftune.runs.store.directory import write_text

        predicted, limit, held = self._settings.predicted, self._settings.capacity, _held(measured)
        micro = trainer.args.per_device_train_batch_size
        planned = preflight_of(self._path).get("planned_micro_batch", micro)
        document = {
            "measured": {**measured, "needs": held},
            "predicted": predicted,
            "limit": limit,
            "micro_batch": micro,
            "planned_micro_batch": planned,
            "checkpoint": saved or None,
            "seconds": round(seconds, 2),
        }
        write_text(self._path, json.dumps(document, indent=1))
        if held is None:
            return
        if limit and held > limit:
            self._report.warning(
                "memory_above_limit",
                "the longest rows need {} of {} free GPU memory".format(*sizes(held, limit)),
                f"set training.micro_batch: {max(1, micro // 2)} or training.activation_checkpointing: true",
            )
        if micro == planned:
            self._remember(held)

    def resize(self, trainer: RunTrainer, wanted: ResizeError) -> None:
        """Other rows at once, more or less often: the effective batch stays. Kept for when the run is
        resumed.
        """
        from tuiftune.runs.store.directory import write_text

        args = trainer.args
        before, rows = args.per_device_train_batch_size, wanted.rows
        planned = preflight_of(self._path).get("planned_micro_batch", before)
        args.gradient_accumulation_steps = args.gradient_accumulation_steps * before // rows
        args.per_device_train_batch_size = args.per_device_eval_batch_size = rows
        if hasattr(args, "steps_per_generation"):
            args.steps_per_generation = args.gradient_accumulation_steps
        _begin_again(trainer)
        trainer._fingerprint["training.micro_batch"] = rows
        gc.collect()
        gpu.forget_peaks(self._device)
        trainer.group.meet()
        if not trainer.group.leads:
            return
        write_text(self._path, json.dumps({"micro_batch": rows, "planned_micro_batch": planned}))
        self._report.warning(
            "micro_batch_lowered" if rows < before else "micro_batch_raised",
            f"{wanted.why}: {rows} at once, "
            f"{args.gradient_accumulation_steps} times a step, are used; the effective batch is the same",
            "expect slightly lower speed; activation checkpointing or a smaller max length also saves memory"
            if self._fitting is None
            else "",
        )
        if planned == before and rows < before and self._settings.capacity:
            self._remember(self._settings.capacity)

    def _remember(self, held: float) -> None:
        """For the next plan on this GPU."""
        from tuiftune.hardware import experience

        if needs := self._settings.predicted["needs"]:
            experience.note(gpu.name_of(self._device), held / needs * self._settings.correction)


def _held(measured: dict[str, int | None]) -> int | None:
    """Bytes of the GPU that this process holds, to compare with a plan's `needs`; None without a GPU."""
    from tuiftune.plan.memory import CONTEXT

    reserved = measured["reserved"]
    return None if reserved is None else reserved + CONTEXT


def _saved_and_reloaded(trainer: RunTrainer) -> dict[str, Any]:
    """Bytes and seconds of one checkpoint, there and back; nothing where it would take too long.

    Raises OSError(ENOSPC) where the disk has no room for it.
    """
    if checkpoint_bytes(trainer.model) > LARGEST_SAVE:
        return {}
    began = time.monotonic()
    size = trainer.try_saving()
    return {"bytes": size, "seconds": round(time.monotonic() - began, 2)}


def _begin_again(trainer: RunTrainer) -> None:
    """Let the next call of `train` create its optimizer and data loader again."""
    trainer._train_batch_size = trainer.args.train_batch_size
    trainer.accelerator.free_memory()
    trainer.model_wrapped = trainer.model
    trainer.optimizer = trainer.lr_scheduler = None
    trainer._created_lr_scheduler = False
    trainer.is_in_train = False
