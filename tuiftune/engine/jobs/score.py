"""`python -m tuiftune.engine score RUN`: a finished run's scores measured again, in a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tuiftune.engine.training.opening import RunContext
    from tuiftune.runs.store.directory import RunDir


def main(given: argparse.Namespace) -> ExitCode:
    """Print `{"before": …, "after": …}` as in result.json. UserError for a run without a result."""
    from tuiftune.runs.store.directory import RunDir

    sys.stdout.write(json.dumps(scores(RunDir.open(given.run)), ensure_ascii=False) + "\n")
    return ExitCode.DONE


def scores(run: RunDir) -> dict[str, Any]:
    """The scores of the base model and of the fine-tuned one, on the run's own evaluation rows.

    They are those of the run to the bit where it had one process.
    """
    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training.opening import open_run
    from tuiftune.runs.log.writer import Silence

    result = run.result()
    if result is None:
        raise UserError("has no result yet", place=run.name, remedy=f"follow it: tuiftune watch {run.name}")
    quiet, stopping = Report(Silence()), Stopping(lambda: None)
    context = open_run(run, quiet, stopping, Group(), resume=False, force=True, ground=None)
    from tuiftune.engine.evaluation.contenders import AFTER, BEFORE, ModelContender
    from tuiftune.engine.evaluation.score import Scorer
    from tuiftune.engine.export.result import round_to
    from tuiftune.engine.training.assembly import assemble

    sharded = context.wanted.sharded
    if context.wanted.processes > 1:  # here it is one, and a sharded run's result is a whole model, as any
        alone = context.wanted.preset.with_values({"hardware.parallel": "none", "hardware.processes": 1})
        context = replace(context, wanted=replace(context.wanted, preset=alone))
    trainer, _ = assemble(context)
    scorer = Scorer(context)

    def score(key: str) -> dict[str, Any]:
        return scorer.score(ModelContender(context, trainer, key, scorer.room), 0).document(
            context.rows_held_out
        )

    before = score(BEFORE)
    try:
        trainer.load_weights(_weights(context, None if sharded else result.get("result_step")))
    except RuntimeError as fault:  # PiSSA's adapter is written as one of another rank
        raise UserError(
            "the checkpoint of its result is missing, and the model in result/ has another format",
            place=run.name,
        ) from fault
    if not context.wanted.adapted:
        round_to(trainer.model, trainer.written_in)
    return {BEFORE: before, AFTER: score(AFTER)}


def _weights(context: RunContext, step: int | None) -> Path:
    """The checkpoint that the result was taken from; the result itself where it is gone."""
    from tuiftune.runs.store.checkpoints import fault_of

    kept = [one for one in context.store.all() if one.step == step and not fault_of(one)]
    return kept[0].path if kept else context.run.result_path / "model"
