"""A whole model for SGLang, with the command that serves it, a systemd unit and a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.deploy import recipes
from tuiftune.deploy.base import SIXTEEN, Facts, Form, Target, merges

if TYPE_CHECKING:
    from pathlib import Path

PORT = 30000


def command(model: str, facts: Facts, host: str = "127.0.0.1") -> list[str]:
    """The command that serves a directory."""
    length = ["--context-length", str(facts.positions)] if facts.positions else []
    return [
        *("python3", "-m", "sglang.launch_server", "--model-path", model, "--served-model-name", facts.name),
        *("--host", host, "--port", str(PORT), *length),
    ]


def finish(directory: Path, facts: Facts, form: Form) -> None:
    """Write the recipes next to the model."""
    del form
    place = directory.with_name(directory.name.removeprefix(".").removesuffix(".partial"))
    recipes.write(
        directory,
        "sglang",
        f"SGLang serving {facts.name}",
        command(str(place), facts),
        "lmsysorg/sglang:latest",
        command(recipes.CONTAINED, facts, "0.0.0.0"),
        PORT,
    )


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the model."""
    del form
    here = str(directory)
    return [recipes.line(command(here, facts)), f"cd {recipes.line([here])} && docker compose up -d"]


TARGET = Target(
    key="sglang",
    name="SGLang",
    order=70,
    does="the whole model in 16 bits, with SGLang's command, a systemd unit and a container",
    writer="merged",
    forms=SIXTEEN,
    answers="whole",
    use=use,
    not_run="SGLang pins another PyTorch; the files are verified with transformers, as SGLang reads them",
    refuses=merges,
    finish=finish,
)
