"""`tuiftune chat`: a conversation with a run, a model or an adapter, in the app or in plain lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli.options import Runs


def chat(
    model: Annotated[
        str,
        typer.Argument(metavar="RUN|MODEL", help="Run, model ID, or the directory of a model or adapter."),
    ],
    others: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="OTHER", help="Also answer with another; base: the run's base model."),
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="System message. [default: the run's data.system]")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="0 always picks the most likely token.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option("--top-p", min=0.01, max=1.0, help="Sample from this probability mass.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of sampling.")] = 0,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", min=1, max=1_000_000, help="Longest answer, in tokens.")
    ] = 512,
    votes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Preference rows of your votes. [default: in the run's result]"),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of the app.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Answer the prompt on standard input as one JSON document.")
    ] = False,
    runs: Runs = None,
) -> None:
    """Chat with a run, next to its base model or another model.

    A prompt on standard input is answered once: `echo "hi" | tuiftune chat RUN`. Exit codes: 0 answered,
    1 failed, 2 bad input, 6 out of GPU memory.
    """
    import sys

    from tuiftune.chat.conversation import Conversation, Settings
    from tuiftune.chat.record import Record
    from tuiftune.chat.source import BASE, source
    from tuiftune.cli import terminal
    from tuiftune.errors import UserError

    first = source(model, runs)
    sources = [first, *(first.base if one == BASE else source(one, runs) for one in others or ())]
    settings = Settings(temperature, top_p, seed, max_new_tokens)
    begun = Conversation((first.system or "") if system is None else system)
    if json or not sys.stdin.isatty():
        from tuiftune.cli.chat_lines import once

        raise typer.Exit(once(sources, settings, begun, as_json=json))
    record = Record.of(sources, votes)
    try:
        record.check()
    except UserError as fault:
        if votes is not None:
            raise
        terminal.say(f"warning: this chat and its votes cannot be kept: {fault}")
    if plain or terminal.plain():
        from tuiftune.cli.chat_lines import talk

        raise typer.Exit(talk(sources, settings, begun, record))
    from tuiftune.tui.app import chat as app

    raise typer.Exit(app(sources, settings, begun, record))
