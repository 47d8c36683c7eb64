"""`tuiftune export`: the model of a run in the form that somebody else loads, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.deploy.base import Facts, Form, Target
    from tuiftune.runs.store.directory import RunDir

PHASES = {
    "loading": "loading",
    "merging": "merging adapters into the base model",
    "copying": "copying",
    "verifying": "answering evaluation rows from the export",
}


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or path of a finished run.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TARGET", help="Form to write. Without it, all forms are listed."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Directory to write. [default: RUN/exports/TARGET]"
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            "--quantize",
            metavar="FORM",
            help="Precision, such as bfloat16 or q8_0. [default: the target's first in the list]",
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="DIR", help="Where the base model is now, if it was moved."),
    ] = None,
    llama_cpp: Annotated[
        Path | None,
        typer.Option("--llama-cpp", metavar="DIR", help="llama.cpp's directory, for GGUF files."),
    ] = None,
    repo: Annotated[
        str | None, typer.Option("--repo", metavar="OWNER/NAME", help="With --to hub: the repository.")
    ] = None,
    upload: Annotated[
        bool,
        typer.Option("--upload", help="With --to hub: upload it; with --to ollama: run `ollama create`."),
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="With --to hub: make the repository public.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not answer the evaluation rows from the export.")
    ] = False,
    as_json: Json = False,
    runs: Runs = None,
) -> None:
    """Write a run's model for use elsewhere (merged, GGUF, Ollama, vLLM, …), and verify it.

    The evaluation rows are answered from the exported files by the engine that loads them, and compared with
    the run. Exit code 1 if they differ more than the precision explains.
    """
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.deploy import exporting
    from tuiftune.deploy.request import Wanted
    from tuiftune.errors import UserError
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if to is None:
        for value, option in ((quantize, "--quantize"), (output, "--output"), (repo, "--repo")):
            if value is not None:
                raise UserError("no target is named", place=option, remedy="add --to TARGET")
        _list(found, base, {} if llama_cpp is None else {"llama_cpp": str(llama_cpp)}, as_json)
        return
    given = {
        "llama_cpp": None if llama_cpp is None else str(llama_cpp),
        "repo": repo,
        "upload": "yes" if upload else None,
        "public": "yes" if public else None,
    }
    options = tuple((key, value) for key, value in given.items() if value is not None)
    wanted = Wanted(to, quantize, output, not no_verify, base, options)
    prepared = exporting.prepare(found, wanted)
    try:
        with _progress() as tell:
            document = exporting.export(prepared, tell)
    except KeyboardInterrupt:
        say(f"interrupted: the same command continues in {prepared.staged}")
        raise
    if prepared.target.upload is not None:
        document["uploaded"] = exporting.upload(prepared, document)
    if as_json:
        write_json(document, "export")
    else:
        _report(document)
    if document["state"] == "failed":
        raise typer.Exit(1)


def _list(run: RunDir, base: Path | None, options: dict[str, str], as_json: bool) -> None:
    """Print every target in the precisions that this machine can write, and why not in the others."""
    from tuiftune.cli.terminal import echo_wrapped, say, sign, write_json
    from tuiftune.deploy import every
    from tuiftune.deploy.facts import facts_of

    facts = facts_of(run, base)
    lines: list[dict[str, Any]] = []
    for target in every().values():
        lacking = {form.key: _lacking(target, facts, form, options) for form in target.forms}
        able = [key for key, why in lacking.items() if not why]
        lines.append(
            {
                "target": target.key,
                "writes": target.does,
                "quantize": able or list(lacking),
                "possible": bool(able),
                "why": next((why for why in lacking.values() if why), None),
                "not_run": target.not_run or None,
            }
        )
    if as_json:
        write_json({"run": run.name, "targets": lines}, "export-targets")
        return
    for line in lines:
        told = [f"{sign('ok' if line['possible'] else 'bad')} {line['target']:12} {line['writes']}"]
        if line["possible"] and len(line["quantize"]) > 1:
            told.append(f"{'':15}--quantize {'|'.join(line['quantize'])}")
        if line["why"]:
            told.append(f"{'':15}{'others: ' if line['possible'] else ''}{line['why']}")
        if line["not_run"]:
            told.append(f"{'':15}not run by us: {line['not_run']}")
        for words in told:
            echo_wrapped(words, 15)
    say(f"write one with `tuiftune export {run.name} --to TARGET`")


def _lacking(target: Target, facts: Facts, form: Form, options: dict[str, str]) -> str:
    """What keeps a run from leaving in a form here, and what to do; "" where nothing does."""
    from tuiftune.deploy.exporting import check_tools
    from tuiftune.errors import UserError, with_fix

    if (refused := target.refuses(facts, form)) is not None:
        return with_fix(*refused)
    try:
        check_tools(target, facts, form, options)
    except UserError as fault:
        return with_fix(fault.message, fault.remedy)
    return ""


class _progress:  # noqa: N801  (read as a noun)
    """A line of progress on standard error: redrawn on a terminal, one a phase elsewhere."""

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        from tuiftune.cli.data_progress import watching
        from tuiftune.cli.terminal import err, say

        self._watching = watching()
        watch = self._watching.__enter__()
        plain, last = not err().is_terminal, [""]

        def tell(said: dict[str, Any]) -> None:
            phase = said.get("phase")
            if phase is None:
                return
            words = PHASES.get(phase, phase)
            if plain and words != last[0]:
                say(words)
            last[0] = words
            watch(words, said["done"] / said["total"] if said.get("total") else None)

        return tell

    def __exit__(self, *fault: Any) -> None:
        self._watching.__exit__(*fault)


def _report(document: dict[str, Any]) -> None:
    """Say what was written, how it compares with the run, and how to use it."""
    from tuiftune.cli.terminal import sign
    from tuiftune.deploy.words import lines
    from tuiftune.printable import printable

    marks = {"verified": "ok", "failed": "bad", "not verified": "warn"}
    for number, line in enumerate(lines(document)):
        mark = f"{sign(marks[document['state']])} " if number == 0 else "  "  # type: ignore[arg-type]
        typer.echo(mark + printable(line))
    if "uploaded" in document:
        from tuiftune.figures import size

        for file in document["files"]:
            typer.echo(f"  {size(file['bytes']):>10}  {printable(file['name'])}")
        where = document["uploaded"]
        typer.echo(f"  sent: {where}" if where else "  nothing was sent: add --upload to send these files")
