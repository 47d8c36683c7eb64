"""`tuiftune serve`: an OpenAI-compatible server of a run, an adapter, a model or a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Runs

if TYPE_CHECKING:
    import subprocess

    from tuiftune.chat.serving import Serving

PORT = 8001


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="[NAME=]MODEL", help="Runs, adapters, a model or a .gguf file, by name."),
    ],
    host: Annotated[str, typer.Option(help="Address; other than this machine needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="Port.")] = PORT,
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", metavar="NAME", help="Variable with the key of requests.")
    ] = "",
    engine: Annotated[
        str, typer.Option(help="transformers, llama.cpp or vllm. [default: what suits the model]")
    ] = "",
    log_requests: Annotated[
        Path | None,
        typer.Option(
            "--log-requests",
            metavar="FILE",
            help="Add chat requests with their answers to a file, as chat rows; secrets are redacted.",
        ),
    ] = None,
    runs: Runs = None,
) -> None:
    """Serve a model with an OpenAI-compatible API; needs `pip install 'tuiftune[serve]'`.

    Adapters of one base model share it, and are asked by name. Answers are greedy unless a request sets a
    temperature, and end where the context does. Nothing is logged unless asked for; what was is reviewed
    with `tuiftune data review FILE`. vLLM is not run by us. Press Ctrl-C to stop. Exit codes: 0 stopped,
    1 failed, 2 bad input.
    """
    from tuiftune.chat import serving
    from tuiftune.chat.source import bring

    found = serving.serving(models, host, port, api_key_env, engine, runs, log_requests)
    for one in found.models:
        bring(one.given)
    raise typer.Exit(_vllm(found) if found.engine == serving.VLLM else _own(found))


def _own(found: Serving) -> int:
    """Start the server, print how it is asked, and wait for it."""
    import signal
    import subprocess
    import tempfile

    from tuiftune import documents, interpreter
    from tuiftune.chat import serving
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.engine_call import refusal

    with tempfile.TemporaryFile() as said:
        signal.signal(signal.SIGTERM, _interrupted)  # the server is a session of its own, and would go on
        process = interpreter.start(found.job().command(), stdout=subprocess.PIPE, stderr=said, session=True)
        try:
            assert process.stdout is not None
            with busy("loading"):
                ready = process.stdout.readline()
            if ready:
                say(f"Serving {', '.join(one.name for one in found.models)} at {found.url}. Ctrl-C stops it.")
                say(found.curl())
                say(found.python())
                _facts(found, documents.loads(ready)["ready"])
            code = process.wait()
        except KeyboardInterrupt:
            return _ended(process)
        finally:
            _ended(process)
            said.seek(0)
            for line in said.read().decode("utf-8", "replace").splitlines():
                if line.startswith(serving.UNWRITTEN):
                    say(line)
        said.seek(0)
        if code != 0:
            raise refusal(said.read().decode("utf-8", "replace"), code, "serve")
    return 0


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _facts(found: Serving, ready: dict[str, dict[str, Any]]) -> None:
    """Say how long a conversation may be, how a model is loaded otherwise than planned, what is logged."""
    from tuiftune.cli.terminal import say

    for name, told in ready.items():
        if told["context"] is not None:
            say(f"{name}: context of {told['context']:,} tokens, prompt and answer together")
        if told["note"]:
            say(f"{name}: {told['note']}")
    if found.log is not None:
        say(f"Requests and answers are added to {found.log}, secrets redacted.")


def _ended(process: subprocess.Popen[bytes]) -> int:
    import subprocess

    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return 0


def _vllm(found: Serving) -> int:
    import os
    import subprocess

    from tuiftune.chat import serving
    from tuiftune.cli.terminal import say

    command = serving.vllm(found)
    say(f"run: {' '.join(command)} (vLLM is not run by our tests)")
    key = {"VLLM_API_KEY": os.environ[found.key_from]} if found.key_from else {}
    try:
        return subprocess.run(command, env={**os.environ, **key}, check=False).returncode
    except KeyboardInterrupt:
        return 0
