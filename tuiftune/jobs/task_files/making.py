"""From a plan to the task that another machine is to do, and what keeps it from being done there."""

from __future__ import annotations

import glob
import math
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune.errors import UserError
from tuiftune.jobs.place import EXTRAS, PRESET_KEY, shown
from tuiftune.jobs.prepare import disk_needed
from tuiftune.jobs.task_files.task import INPUTS, Options, Task, size_of
from tuiftune.preset import places
from tuiftune.preset.file import dump
from tuiftune.preset.naming import run_name
from tuiftune.printable import printable
from tuiftune.runs.store.directory import check_name

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.base import TaskFile
    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

GIB = 1024**3
SYSTEM_GIB = 64  # the image of a cloud with CUDA, and an environment with PyTorch
SMALLEST_GIB = 100
STEP_GIB = 10
SPARE_HOURS = 0.5  # of a time limit, for loading and scoring
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")  # S3: 3 to 63; GCS: up to 222 with dots
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9][a-z0-9._/-]*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_REGION = re.compile(r"[a-z][a-z0-9]*(?:/[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)?")


def of(inputs: Inputs, plan: Plan, kind: TaskFile, options: Options, name: str | None = None) -> Task:
    """Return the task of a preset. UserError for what another machine could not read, or would refuse."""
    preset, gpu = inputs.preset, plan.gpu
    name = name or run_name(preset)
    check_name(name)
    if inputs.dataset is None:
        raise UserError(inputs.missing or "no data", place="data.train", remedy="--set data.train=FILE")
    if options.region:
        check_region(options.region)
    if options.image:
        check_image(options.image)
    if kind.image and not options.image:
        raise UserError(
            f"{kind.title} needs a container image that has tuiftune",
            place="--image",
            remedy="build one as docs/gpus.md shows, push it, and name it: --image REGISTRY/tuiftune:TAG",
        )
    bucket = preset.run.sync_to or ""
    if kind.bucket:
        check_bucket(bucket)
    moved, files = _carried(preset) if kind.carries or kind.bucket else (places.absolute(preset), ())
    on_gpu = gpu.get("kind") == "cuda"
    if kind.bucket and not on_gpu:
        raise UserError("no GPU is named", place="--gpu", remedy="name the one to rent, such as --gpu H100:2")
    processes = plan.resolved.hardware.processes  # one a GPU, and as many as make it faster
    count = processes if isinstance(processes, int) and on_gpu else 1
    return Task(
        name,
        dump(moved),
        files,
        str(gpu.get("name")) if on_gpu else None,
        count,
        _disk(inputs, plan, files),
        bucket,
        _hours(plan),
        plan.usd_per_hour,
        options,
        tuple(preset.run.report_to),
    )


def check_bucket(url: str) -> None:
    """UserError where a URL names no bucket of an object store."""
    example = f"--set {PRESET_KEY}=s3://BUCKET/runs"
    if not url:
        raise UserError(
            "a rented machine loses its disk, and no bucket is named for the run and its checkpoints",
            place=PRESET_KEY,
            remedy=example,
        )
    parts = urlsplit(url) if "://" in url else None
    if parts is None or parts.scheme not in (*EXTRAS, "hf"):
        raise UserError(f"{shown(url)} is not a bucket", place=PRESET_KEY, remedy=f"write it like {example}")
    if parts.username or parts.password or parts.query:
        raise UserError(
            "a bucket's URL has no user, password or query",
            place=PRESET_KEY,
            remedy="leave them out: credentials come from the environment",
        )
    if parts.scheme == "hf" and not (parts.netloc and parts.path.strip("/")):
        raise UserError(
            f"{shown(url)} names no repository",
            place=PRESET_KEY,
            remedy="write it like hf://datasets/USER/NAME",
        )
    if parts.scheme != "hf" and not _BUCKET.fullmatch(parts.netloc):
        raise UserError(
            f"{printable(parts.netloc) or 'nothing'} is not a valid name of a bucket",
            place=PRESET_KEY,
            remedy=f"write it like {example}",
        )


def check_region(region: str) -> None:
    """UserError for what is not CLOUD[/REGION[/ZONE]]."""
    if not _REGION.fullmatch(region):
        raise UserError(
            f"{printable(region) or repr(region)} is not a region",
            place="--region",
            remedy="write it like aws, aws/us-east-1 or gcp/us-central1/us-central1-a",
        )


def check_image(image: str) -> None:
    """UserError for what no container registry takes as the reference of an image."""
    if not _IMAGE.fullmatch(image):
        raise UserError(
            f"{printable(image)!r} is not a container image",
            place="--image",
            remedy="write it like REGISTRY/tuiftune:TAG",
        )


def _carried(preset: Preset) -> tuple[Preset, tuple[str, ...]]:
    """The preset with this machine's files below `INPUTS`, and those files."""
    files: list[str] = []

    def moved(key: str, text: str) -> str:
        if text.startswith("run:"):
            name = printable(text.removeprefix("run:"))
            raise UserError(
                "another run cannot be taken along",
                place=f"{key}: {printable(text)}",
                remedy=f"export it, and name the directory: tuiftune export {name} --to merged",
            )
        if key == PRESET_KEY or not os.path.isabs(text):
            return text
        found = [text] if os.path.lexists(text) else sorted(glob.glob(text, recursive=True))
        if not found:
            raise UserError("no such file", place=f"{key}: {printable(text)}", remedy="check the path")
        files.extend(found)
        return INPUTS + text

    changed = places.with_paths(places.absolute(preset), moved)
    return changed, tuple(dict.fromkeys(files))


def _disk(inputs: Inputs, plan: Plan, files: tuple[str, ...]) -> int:
    """GiB of disk: the system, the files, the model, and what the run writes, rounded up."""
    from tuiftune.models.download import BY_NAME, roughly

    model = roughly(inputs.model) if inputs.model.source in BY_NAME else 0
    needed = disk_needed(plan, inputs) + sum(map(size_of, files)) + model
    gib = SYSTEM_GIB + 1.2 * needed / GIB
    return max(SMALLEST_GIB, math.ceil(gib / STEP_GIB) * STEP_GIB)


def _hours(plan: Plan) -> float | None:
    budget: Any = plan.resolved.budget
    caps = [budget.max_hours] if budget.max_hours is not None else []
    if budget.max_usd is not None and plan.usd_per_hour:
        caps.append(budget.max_usd / plan.usd_per_hour)
    return min(caps) + SPARE_HOURS if caps else None
