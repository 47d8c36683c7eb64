"""Which of the engine's libraries are installed, and what torch was built for; none of them is imported."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Library:
    """One library: the least version that is known to work, and the installed one (None: not installed)."""

    name: str
    floor: str
    version: str | None
    needed_for: str
    essential: bool

    @property
    def sound(self) -> bool:
        """Installed, and not older than the floor."""
        return self.version is not None and release(self.version) >= release(self.floor)


# (name, floor, what it is for, essential). The floors are pyproject.toml's; a test holds them together.
FLOORS: tuple[tuple[str, str, str, bool], ...] = (
    ("torch", "2.10", "training", True),
    ("transformers", "5.10", "models", True),
    ("trl", "1.16", "the trainer", True),
    ("peft", "0.21", "adapters", True),
    ("datasets", "4.7", "loading data", True),
    ("accelerate", "1.12", "devices", True),
    ("safetensors", "0.6", "weights", True),
    ("tokenizers", "0.22", "tokens", True),
    ("bitsandbytes", "0.50", "QLoRA and 8-bit optimizers", False),
)
# Those of an extra: nobody who doesn't use them is told to install them.
EXTRAS: tuple[tuple[str, str, str], ...] = (("deepspeed", "0.19", "hardware.parallel: zero2"),)


def read_libraries() -> tuple[Library, ...]:
    """Return every library that the engine uses, as installed in this environment."""
    own = [Library(name, floor, _version(name), use, essential) for name, floor, use, essential in FLOORS]
    more = [Library(name, floor, _version(name), use, essential=False) for name, floor, use in EXTRAS]
    return (*own, *(library for library in more if library.version is not None))


def release(version: str) -> tuple[int, ...]:
    """The release numbers of a version, for comparing: `2.13.0+cpu` → (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[+a-z]", version, maxsplit=1)[0])[:3])


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """What torch was built for: `cuda` is e.g. "13.0", or None in a build for CPUs only."""

    version: str
    cuda: str | None


def torch_build() -> TorchBuild | None:
    """The installed torch's build, from its own `version.py` as text; None without torch."""
    try:
        distribution = importlib.metadata.distribution("torch")
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        with open(
            str(distribution.locate_file("torch/version.py")), encoding="utf-8"
        ) as file:  # raw: installed
            return build_of(distribution.version, file.read())
    except OSError:  # an unusual installation: its version's suffix must do
        return build_of(distribution.version, "")


def build_of(version: str, source: str) -> TorchBuild:
    """The build told by the text of `torch/version.py`, or else by the version's `+cu128` suffix."""
    found = re.search(r"^cuda\b[^=]*=\s*'(\d+\.\d+)'", source, re.MULTILINE)
    if found:
        return TorchBuild(version, found.group(1))
    suffix = re.search(r"\+cu(\d+)(\d)$", version)
    return TorchBuild(version, f"{suffix.group(1)}.{suffix.group(2)}" if suffix else None)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
