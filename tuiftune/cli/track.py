"""`tuiftune track`: a run's metrics in a tracker, while it runs or afterwards."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Runs


def track(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="TRACKER", help="tensorboard, trackio, wandb or mlflow.")
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Continue until the run ends.")] = False,
    project: Annotated[
        str, typer.Option("--project", metavar="NAME", help="Project or experiment there.")
    ] = "tuiftune",
    runs: Runs = None,
) -> None:
    """Send a run's metrics to TensorBoard, Trackio, Weights & Biases or MLflow.

    `run.report_to` in a preset does it while the run trains. Sent again, only what is new is sent. Exit
    codes: 0 sent, 1 the tracker failed, 2 bad input.
    """
    from tuiftune import trackers
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.figures import plural
    from tuiftune.jobs import tracking
    from tuiftune.runs.store.find import find

    tracker = trackers.find(to, "--to")
    trackers.check([to], "--to")
    found = find(run, runs)
    with busy("events") as count:
        sent = tracking.send(found, tracker, project=project, follow=follow, watch=count)
    say(f"{tracker.title} has {plural(sent.values, 'value')}, up to step {sent.step}")
    look = tracker.look.format(directory=found.path / tracking.DIRECTORY / tracker.key)
    say(f"Look at them: {look}")
