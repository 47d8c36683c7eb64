"""`python -m tuiftune.engine score RUN`: a finished run's scores measured again, in a process of its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse

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

    if run.result() is None:
        raise UserError("has no result yet", place=run.name, remedy=f"`tuiftune watch {run.name}` shows it")
    quiet, stopping = Report(Silence()), Stopping(lambda: None)
    context = open_run(run, quiet, stopping, Group(), resume=False, force=True, ground=None)
    from tuiftune.engine.evaluation.contenders import AFTER, BEFORE, ModelContender
    from tuiftune.engine.evaluation.score import Scorer
    from tuiftune.engine.training.assembly import assemble

    trainer, _ = assemble(context)
    scorer = Scorer(context)
    found = {}
    for key in (BEFORE, AFTER):
        if key == AFTER:
            trainer.load_weights(run.result_path / "model")
        score = scorer.score(ModelContender(context, trainer, key, scorer.room), 0)
        found[key] = score.document(context.rows_held_out)
    return found
