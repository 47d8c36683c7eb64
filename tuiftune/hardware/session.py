"""How the user sits at this machine: over SSH, inside a multiplexer, in a container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.hardware.machine import Session
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_MULTIPLEXERS = {"TMUX": "tmux", "STY": "screen", "ZELLIJ": "zellij"}
_CONTAINERS_BY_VARIABLE = {
    "KUBERNETES_SERVICE_HOST": "kubernetes",
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "singularity",
}
_CONTAINERS_BY_FILE = {"run/.containerenv": "podman", ".dockerenv": "docker"}
# What the first process's control group is called, where neither variable nor file is left.
_CONTAINERS_BY_GROUP = {"kubepods": "kubernetes", "docker": "docker", "libpod": "podman", "lxc": "lxc"}


def read_session(environ: Mapping[str, str] | None = None, root: Path | None = None) -> Session:
    """The session from the environment and a few files. `root`: where `/proc` and `/run` hang."""
    environment = os.environ if environ is None else environ
    return Session(
        ssh=any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")),
        multiplexer=next((word for name, word in _MULTIPLEXERS.items() if environment.get(name)), None),
        container=_container(environment, Path("/") if root is None else root),
        term=printable(environment.get("TERM", "")),
    )


def _container(environment: Mapping[str, str], root: Path) -> str | None:
    for name, word in _CONTAINERS_BY_VARIABLE.items():
        if environment.get(name):
            return word
    for path, word in _CONTAINERS_BY_FILE.items():
        if paths.exists(root / path):
            return word
    if environment.get("container"):  # set by systemd-nspawn, podman and others
        return printable(environment["container"])
    try:
        group = (root / "proc/1/cgroup").read_text("utf-8", "replace")  # raw: the kernel writes it
    except OSError:  # hidden from this user: then it is not known
        return None
    return next((word for part, word in _CONTAINERS_BY_GROUP.items() if part in group), None)
