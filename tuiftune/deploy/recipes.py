"""Recipes that go with a served model: a systemd unit and a container, for one command line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNIT = """\
# systemctl enable --now {name}, as /etc/systemd/system/{name}.service
[Unit]
Description={about}
After=network.target

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
COMPOSE = """\
# docker compose up -d
services:
  {name}:
    image: {image}
    command: {command}
    volumes: ["./:/model:ro"]
    ports: ["127.0.0.1:{port}:{port}"]
    ipc: host
    restart: unless-stopped
    deploy:
      resources:
        reservations:
          devices: [{{driver: nvidia, count: all, capabilities: [gpu]}}]
"""
CONTAINED = "/model"  # where the container sees the directory


def write(
    directory: Path,
    name: str,
    about: str,
    command: Sequence[str],
    image: str,
    contained: Sequence[str],
    port: int,
) -> None:
    """Write `NAME.service` and `compose.yaml` into a directory.

    Args:
        command: starts the server on this machine; its program is looked for on the PATH.
        contained: arguments of the container's own command, with the model in `CONTAINED`.
    """
    import json

    line = " ".join(["/usr/bin/env", *(_unit(word) for word in command)])
    unit = UNIT.format(name=name, about=about.replace("%", "%%"), command=line)
    compose = COMPOSE.format(name=name, image=image, command=json.dumps(list(contained)), port=port)
    (directory / f"{name}.service").write_text(unit, encoding="utf-8")
    (directory / "compose.yaml").write_text(compose, encoding="utf-8")


def line(command: Sequence[str]) -> str:
    """A command as a shell takes it."""
    return " ".join(shlex.quote(word) for word in command)


def _unit(word: str) -> str:
    """A word as systemd reads it: percent and dollar signs doubled, blanks quoted."""
    word = word.replace("%", "%%").replace("$", "$$")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' if set(word) & set(" \t\"'\\") else word
