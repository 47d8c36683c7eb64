"""`tuiftune status`: how a run stands, as a line, a JSON document and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.5


def status(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Print the state of a run, and exit with its code: 0 done, 4 stopped, 10 not ended yet, and so on."""
    from tuiftune.cli.terminal import write_json
    from tuiftune.jobs import backend
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    backend.attend(found)
    document = standing(found)
    while wait and document["state"] in ("running", "queued"):
        import time

        time.sleep(POLL_SECONDS)
        document = standing(found)
    if json:
        write_json(document, "status")
    else:
        from tuiftune.cli.terminal import say
        from tuiftune.printable import printable
        from tuiftune.runs.store.companions import troubles

        typer.echo(printable(in_words(document)))
        for line in troubles(found):
            say(f"warning: {line}")
    raise typer.Exit(exit_code(document))


def standing(run: RunDir) -> dict[str, Any]:
    """Return a run at a glance, as `status`, `train` and `stop` give it with --json."""
    from tuiftune.runs.state.summary import summarize
    from tuiftune.runs.store import keeper

    seen = summarize(run)
    document = {**seen.document(), "resumable": seen.vitals.resumable}
    if keeper.restarting(run, seen.vitals.state):  # between two processes it has not ended
        again = {"state": "running", "exit_code": None, "resumable": False}
        return document | again | {"why": f"restarting (--keep-alive) after: {seen.vitals.state}"}
    return document


def in_words(document: dict[str, Any]) -> str:
    """Return the state on one line."""
    total = document["total_steps"]
    steps = f", step {document['step']:,}" + (f" of {total:,}" if total else "")
    why = f": {document['why']}" if document["why"] else ""
    return f"{document['name']}: {document['state']}{steps}{why}"


def exit_code(document: dict[str, Any]) -> int:
    """Return the exit code of a state: that of the run, 10 where it has not ended or never began."""
    from tuiftune.errors import ExitCode

    code = document["exit_code"]
    return int(ExitCode.NOT_ENDED) if code is None else int(code)
