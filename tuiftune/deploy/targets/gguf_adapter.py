"""The adapter as a GGUF file, which llama.cpp loads on the GGUF file of its base model."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy import llama_cpp
from tuiftune.deploy.base import Facts, Form, Target
from tuiftune.deploy.targets import adapter, gguf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "adapter.gguf"


def refuses(facts: Facts, form: Form) -> tuple[str, str] | None:
    """What llama.cpp has no place for in an adapter."""
    refused = adapter.refuses(facts, form)
    if refused is None:
        return None
    what = refused[0].replace("servers refuse", "llama.cpp refuses").replace("servers do", "llama.cpp does")
    what = what.replace("servers take", "llama.cpp takes")
    return what.replace(": their magnitudes have no place in vLLM or SGLang", ""), gguf_instead(refused[1])


def gguf_instead(remedy: str) -> str:
    """The same advice, for who wants a GGUF file."""
    return remedy.replace("--to merged", "--to gguf")


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where llama.cpp's converters are not here, or do not know the architecture."""
    gguf.tools(facts, form, options)
    llama_cpp.converter(options, llama_cpp.ADAPTERS)


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that load the adapter."""
    del form, facts
    return [f"llama-server -m BASE.gguf --lora {shlex.quote(str(directory / FILE))} --jinja"]


TARGET = Target(
    key="gguf-adapter",
    name="GGUF adapter",
    order=35,
    does="the adapter alone, for llama.cpp on the base model's GGUF file",
    writer="gguf_adapter",
    forms=(Form("f16", 16, "float16"), Form("f32", 16, "float32")),
    answers="gguf_adapter",
    loader="gguf",
    use=use,
    needs=gguf.NEEDS,
    refuses=refuses,
    tools=tools,
    options=gguf.TARGET.options,
    share=1.1,
)
