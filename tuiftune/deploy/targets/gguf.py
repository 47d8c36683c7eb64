"""A GGUF file, as llama.cpp and all that is built on it load it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy import llama_cpp
from tuiftune.deploy.base import Facts, Form, Need, Target, merges
from tuiftune.deploy.gguf_forms import FORMS, FTYPES, file_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NEEDS = (
    Need("gguf", "gguf", "it reads GGUF files"),
    Need("sentencepiece", "gguf", "llama.cpp's converter imports it"),
    Need("xllamacpp", "gguf", "it runs llama.cpp"),
)
SHARE = 2.1  # the merged model and a file of 16 bits lie on the disk together


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where llama.cpp's converter or quantizer is not here, or does not know the architecture."""
    llama_cpp.check_family(facts, llama_cpp.converter(options))
    if form.key in FTYPES:
        llama_cpp.quantizer(options)


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that run the file."""
    here = shlex.quote(str(directory / file_name(facts.name, form.key)))
    return [f"llama-server -m {here} --jinja", f"llama-cli -m {here} --jinja -cnv"]


TARGET = Target(
    key="gguf",
    name="GGUF",
    order=30,
    does="one file of the whole model for llama.cpp and what is built on it",
    writer="gguf",
    forms=FORMS,
    answers="gguf",
    loader="gguf",
    use=use,
    needs=NEEDS,
    refuses=merges,
    tools=tools,
    options=(llama_cpp.OPTION,),
    share=SHARE,
)
