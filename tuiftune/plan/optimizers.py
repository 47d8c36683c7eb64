"""Optimizers by their names at transformers' Trainer: which there are, and what each needs besides."""

from __future__ import annotations

import difflib
import functools
import re
from importlib.util import find_spec
from pathlib import Path

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.models.kinds import version
from tuiftune.printable import printable

PLACE = "training.optimizer"
# Beginnings of names, and the packages that the Trainer of transformers 5.24 imports for them.
NEEDS = {
    "adamw_torch_4bit": "torchao",
    "adamw_torch_8bit": "torchao",
    "adamw_anyprecision": "torchdistx",
    "adamw_torch_xla": "torch_xla",
    "adamw_torch_npu": "torch_npu",
    "lomo": "lomo_optim",
    "adalomo": "lomo_optim",
    "grokadamw": "grokadamw",
    "schedule_free": "schedulefree",
    "stable_adamw": "optimi",
}
TARGETED = ("galore", "apollo")  # are told the modules that they project, which no key of ours does
_NAMES = re.compile(r"^class OptimizerNames\b.*?(?=^\S)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r'^\s+[A-Z0-9_]+ = "([a-z0-9_]+)"', re.MULTILINE)


@functools.cache
def names() -> frozenset[str]:
    """The optimizers of the installed transformers, from its source, which is not run; empty where it cannot
    be read.
    """
    found = find_spec("transformers")
    places = [] if found is None else list(found.submodule_search_locations or ())
    if not places or not paths.is_file(place := Path(places[0]) / "training_args.py"):
        return frozenset()
    listed = _NAMES.search(place.read_text(encoding="utf-8", errors="replace"))  # raw: a library's source
    return frozenset(_NAME.findall(listed[0])) if listed else frozenset()


def check(name: str, *, here: bool) -> None:
    """UserError for an optimizer that the Trainer does not have, or cannot use as it is called. `here`: it
    trains on this machine, with its packages.
    """
    if name == "auto" or not names():
        return
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        raise UserError(
            f"transformers {version()} has no optimizer {printable(name)[:60]}",
            place=PLACE,
            remedy=f"did you mean {near[0]}?"
            if near
            else "auto, or one such as adamw_torch_fused, adafactor",
        )
    if name.startswith(TARGETED):
        raise UserError(
            f"{name} projects the gradients of modules that it is told, which tuiftune has no key for",
            place=PLACE,
            remedy="auto, or one such as adamw_8bit, which takes little memory too",
        )
    package = next((module for begin, module in NEEDS.items() if name.startswith(begin)), None)
    if here and package is not None and find_spec(package) is None:
        raise UserError(
            f"{name} needs the package {package}, which is not installed here",
            place=PLACE,
            remedy="install it, or use auto",
        )
