"""`tuiftune queue`: the runs that wait for their turn on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli.options import Json, Quiet


def queue(
    start: Annotated[
        bool, typer.Option("--start", help="Take the queue up again, such as after a reboot.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Start queued runs from this command, until the queue is empty.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """List the runs that wait for a free GPU, the next one first."""
    from tuiftune.cli import terminal
    from tuiftune.jobs import queueing
    from tuiftune.printable import printable
    from tuiftune.runs.store import queue as store

    if serve:
        if not queueing.serve(terminal.say):
            terminal.say("The queue is empty, or another process serves it already.")
        return
    entries = store.waiting()
    if start and entries:
        queueing.start_server()
    served = store.served() or (start and bool(entries))
    if json:
        waiting = [
            {
                "name": entry.run.name,
                "path": str(entry.run.path),
                "position": number,
                "keep_alive": entry.keep_alive,
            }
            for number, entry in enumerate(entries, 1)
        ]
        terminal.write_json({"waiting": waiting, "served": served}, "queue")
        return
    for number, entry in enumerate(entries, 1):
        typer.echo(f"{number}  {printable(entry.run.name)}  {printable(str(entry.run.path))}")
    if not entries:
        terminal.say("The queue is empty. Add a run: `tuiftune train PRESET --queue`")
    elif not served:
        terminal.say("No process serves the queue. Take it up again: `tuiftune queue --start`")
