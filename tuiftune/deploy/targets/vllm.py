"""A whole model for vLLM, with the command that serves it, a systemd unit and a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.deploy import recipes
from tuiftune.deploy.base import SIXTEEN, Facts, Form, Target, merges

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8000


def command(model: str, facts: Facts) -> list[str]:
    """The command that serves a directory on the loopback interface."""
    length = ["--max-model-len", str(facts.positions)] if facts.positions else []
    return [
        *("vllm", "serve", model, "--served-model-name", facts.name),
        *("--host", "127.0.0.1", "--port", str(PORT), *length),
    ]


def finish(directory: Path, facts: Facts, form: Form) -> None:
    """Write the recipes next to the model."""
    del form
    place = directory.with_name(directory.name.removeprefix(".").removesuffix(".partial"))
    contained = command(recipes.CONTAINED, facts)[2:]
    contained[contained.index("127.0.0.1")] = "0.0.0.0"  # of the container, whose port is on the loopback
    recipes.write(
        directory,
        "vllm",
        f"vLLM serving {facts.name}",
        command(str(place), facts),
        "vllm/vllm-openai:latest",
        ["--model", *contained],
        PORT,
    )


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the model."""
    del form
    return [
        recipes.line(command(str(directory), facts)),
        f"cd {recipes.line([str(directory)])} && docker compose up -d",
    ]


TARGET = Target(
    key="vllm",
    name="vLLM",
    order=60,
    does="the whole model in 16 bits, with vLLM's command, a systemd unit and a container",
    writer="merged",
    forms=SIXTEEN,
    answers="whole",
    use=use,
    not_run="vLLM pins another PyTorch; the files are verified with transformers, as vLLM reads them",
    refuses=merges,
    finish=finish,
)
