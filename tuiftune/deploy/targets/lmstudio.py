"""A GGUF file in the directories that LM Studio looks for models in: PUBLISHER/MODEL/FILE."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy.base import Facts, Form, Target, merges
from tuiftune.deploy.gguf_forms import FORMS, file_name
from tuiftune.deploy.targets import gguf

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHER = "tuiftune"
MODELS = "~/.lmstudio/models"


def finish(directory: Path, facts: Facts, form: Form) -> None:
    """Move the file to where LM Studio expects it."""
    place = directory / PUBLISHER / facts.name
    place.mkdir(parents=True, exist_ok=True)
    name = file_name(facts.name, form.key)
    os.replace(directory / name, place / name)


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that bring the model to LM Studio."""
    here = shlex.quote(str(directory / PUBLISHER))
    file = shlex.quote(str(directory / PUBLISHER / facts.name / file_name(facts.name, form.key)))
    return [f"cp -r {here} {MODELS}/", f"lms import {file}"]


TARGET = Target(
    key="lmstudio",
    name="LM Studio",
    order=50,
    does="a GGUF file in the directories that LM Studio looks in",
    writer="gguf",
    forms=FORMS,
    answers="gguf",
    loader="gguf",
    use=use,
    not_run="LM Studio itself; its GGUF file is verified with llama.cpp, which it is built on",
    needs=gguf.NEEDS,
    refuses=merges,
    tools=gguf.tools,
    finish=finish,
    options=gguf.TARGET.options,
    share=gguf.SHARE,
)
