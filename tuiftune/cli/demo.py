"""`tuiftune demo`: fine-tune the built-in model on built-in data, without a network, a GPU or an account."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli.options import Runs


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Print progress lines instead of opening the dashboard.")
    ] = False,
    runs: Runs = None,
) -> None:
    """Fine-tune the built-in tiny model in a minute, without GPU or network.

    Opens the dashboard. With --headless, or without a terminal, progress lines go to standard error. The
    result, before and after, goes to standard output. The exit code is the run's, as of `tuiftune train`.
    """
    from tuiftune.cli import terminal
    from tuiftune.cli.result import show
    from tuiftune.jobs.prepare import prepare
    from tuiftune.preset import file, shipped

    run = prepare(file.load(shipped.find("demo")), runs, say=terminal.say)
    if headless or terminal.plain():
        from tuiftune.cli.follow import train_and_follow

        code = train_and_follow(run, detach=False)
    else:
        from tuiftune.jobs.backend import train
        from tuiftune.runs.state.liveness import vitals
        from tuiftune.tui.app import watch

        train(run)
        code = watch(run, alone=False)
        code = vitals(run).exit_code or code
    if code == 0 and run.result() is not None:
        show(run, terminal.out())
    raise typer.Exit(code)
