"""`python -m tuiftune.engine serve NAME=KIND:WHERE …`: an OpenAI-compatible server of models.

It prints `{"ready": {NAME: {"context", "note"}}}` when it listens: the tokens of prompt and answer that a
model takes, and how it is loaded otherwise than planned. The key of its requests comes from the environment
variable that `--key-from` names; `--log` names the file that answered requests are written to.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> ExitCode:
    """Serve until the process is asked to end. UserError for what cannot be loaded."""
    from tuiftune.engine.serving.place import Place

    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not look like the line below
    key = os.environ.get(given.key_from, "") if given.key_from else ""
    if given.key_from and not key:
        raise UserError(f"the environment has no {given.key_from}", place="--api-key-env", remedy="export it")
    place = Place(given.host, given.port, key, Path(given.log) if given.log else None)

    def ready(models: dict[str, Any]) -> None:
        os.write(out, json.dumps({"ready": models}).encode() + b"\n")

    name, _, first = given.models[0].partition("=")
    if first.startswith("gguf:"):
        from tuiftune.engine.serving import gguf_server

        file = Path(first.removeprefix("gguf:"))
        told = {name: {"context": gguf_server.context_of(file), "note": ""}}
        gguf_server.serve(name, file, place, lambda: ready(told))
        return ExitCode.DONE
    from tuiftune.engine.process import libraries

    with libraries.quickly():
        from tuiftune.engine.serving import transformers_server
    models = transformers_server.load(given.models)
    sys.stderr.flush()
    told = {name: {"context": one.context, "note": one.note} for name, one in models.items()}
    transformers_server.serve(models, place, lambda: ready(told))
    return ExitCode.DONE
