"""A run as another machine is to train it: what every task file says in its own way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tuiftune import paths
from tuiftune.jobs.place import EXTRAS

INPUTS = "inputs"  # next to the preset: this machine's files, under their whole paths
ENVIRONMENT = ("HF_TOKEN", "WANDB_API_KEY")  # taken along by their names, never their values
CREDENTIALS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"),
    "hf": ("HF_TOKEN",),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the preset does not say. `region`: CLOUD[/REGION[/ZONE]], "" for any; `spot` machines; `image`."""

    region: str = ""
    spot: bool = True
    image: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """`preset` is its text, `files` are those of this machine that it needs. `gpu`: None for a CPU.

    `bucket`: where the run is copied to, "" for nowhere. `hours`: the preset's limit of the whole run.
    `hourly`: dollars an hour for all GPUs, as the plan counts them; None where no price is known.
    """

    name: str
    preset: str
    files: tuple[str, ...]
    gpu: str | None
    count: int
    disk_gib: int
    bucket: str
    hours: float | None
    hourly: float | None
    options: Options = Options()
    trackers: tuple[str, ...] = ()

    @property
    def extra(self) -> str:
        """The extras of tuiftune that bucket and trackers need, in brackets."""
        bucket = EXTRAS.get(urlsplit(self.bucket).scheme)
        extras = [*([bucket] if bucket else []), *self.trackers]
        return f"[{','.join(extras)}]" if extras else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the environment variables that the run may need."""
        own = CREDENTIALS.get(urlsplit(self.bucket).scheme, ())
        return tuple(dict.fromkeys((*own, *ENVIRONMENT)))

    @property
    def where(self) -> tuple[str, str, str]:
        """Cloud, region and zone; "" for any."""
        cloud, region, zone = (*self.options.region.split("/"), "", "", "")[:3]
        return cloud, region, zone

    @property
    def slug(self) -> str:
        """The name as clouds take one: small letters, digits and hyphens, at most 50."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:50].strip("-") or "run"


def size_of(file: str) -> int:
    """Bytes of a file, or of all files of a directory."""
    path = paths.absolute(file)
    if paths.is_dir(path):
        return sum(paths.size(one) for one in paths.below(path, hidden=()))
    paths.require(path)
    return paths.size(path)
