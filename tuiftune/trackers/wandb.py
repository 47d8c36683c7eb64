"""Weights & Biases: online with a key, or offline files that `wandb sync` sends later."""

from __future__ import annotations

import netrc
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune.trackers.base import Ended, Sending, Tracker

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "https://api.wandb.ai"


class _Wandb:
    def __init__(self, sending: Sending) -> None:
        wandb: Any = import_module("wandb")
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or sending.project,
            name=sending.name,
            id=sending.id,
            dir=str(sending.directory),
            config=dict(sending.config),
            resume="allow",
            # Neither code, command line, environment nor output of the process leaves this machine.
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_stats=True,
                x_disable_meta=True,
            ),
        )
        # Its own step counter refuses steps that a resume repeats.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, when: float, values: Mapping[str, float]) -> None:
        self._run.log({"step": step, "_timestamp": when, **values})

    def flush(self) -> None:
        """It sends from a process of its own."""

    def end(self, ended: Ended | None) -> None:
        if ended is not None:
            self._run.summary.update({**ended.scores, "state": ended.state})
            if ended.result:
                self._run.summary["result"] = ended.result
        self._run.finish(exit_code=0 if ended is None else ended.exit_code)


def _ready() -> tuple[str, str] | None:
    mode = os.environ.get("WANDB_MODE", "online")
    if mode != "online" or os.environ.get("WANDB_API_KEY") or _logged_in():
        return None
    return ("Weights & Biases has no API key", "log in: wandb login; or set WANDB_MODE=offline")


def _logged_in() -> bool:
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or HOST).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):  # no such file, or not one that can be read: not logged in
        return False


TRACKER = Tracker(
    "wandb", "Weights & Biases", "wandb", "wandb sync {directory}/wandb/offline-run-*", _ready, _Wandb
)
