"""`python -m tuiftune.engine serve NAME=KIND:WHERE …`: an OpenAI-compatible server of models.

It prints `{"ready": true}` when it listens. The key of its requests comes from the environment variable that
`--key-from` names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> ExitCode:
    """Serve until the process is asked to end. UserError for what cannot be loaded."""
    from tuiftune.engine.serving.transformers_server import Place

    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not look like the line below
    key = os.environ.get(given.key_from, "") if given.key_from else ""
    if given.key_from and not key:
        raise UserError(f"the environment has no {given.key_from}", place="--api-key-env", remedy="export it")
    place = Place(given.host, given.port, key)

    def ready() -> None:
        os.write(out, b'{"ready": true}\n')

    name, _, first = given.models[0].partition("=")
    if first.startswith("gguf:"):
        from tuiftune.engine.serving import gguf_server

        gguf_server.serve(name, Path(first.removeprefix("gguf:")), place, ready)
        return ExitCode.DONE
    from tuiftune.engine.process import libraries

    with libraries.quickly():
        from tuiftune.engine.serving import transformers_server
    models = transformers_server.load(given.models)
    sys.stderr.flush()
    transformers_server.serve(models, place, ready)
    return ExitCode.DONE
