"""SkyPilot: a managed job on a spot machine, recovered wherever there is one.

Its fields are those of SkyPilot 0.14.1 (`sky.utils.schemas.get_task_schema`, `get_resources_schema`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.jobs.task_files.base import TaskFile
from tuiftune.jobs.task_files.gpu_names import for_sky
from tuiftune.jobs.task_files.layout import yaml
from tuiftune.jobs.task_files.script import script

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.task import Task

CLOUDS = (
    "aws", "azure", "gcp", "ibm", "lambda", "scp", "oci", "kubernetes", "k8s", "runpod", "vast", "vsphere",
    "cudo", "fluidstack", "paperspace", "primeintellect", "do", "nebius", "ssh", "slurm", "hyperbolic",
    "seeweb", "shadeform", "yotta", "mithril", "verda",
)  # fmt: skip
IDLE_MINUTES = 10  # after which a machine is given back
HOURLY_ROOM = 1.5  # times the price that the plan counts on: clouds and regions differ
PLACE = "$HOME/tuiftune-env"


def text(task: Task) -> str:
    """Return the task as YAML. UserError for a cloud that SkyPilot does not know."""
    cloud = task.where[0]
    if cloud and cloud not in CLOUDS:
        known = ", ".join(CLOUDS[:5])
        raise UserError(f"SkyPilot does not know {cloud}", place="--region", remedy=f"use {known} or another")
    assert task.gpu is not None
    names = [f"{name}:{task.count}" for name in for_sky(task.gpu)]
    resources: dict[str, Any] = {"accelerators": names[0] if len(names) == 1 else names}
    if task.options.region:
        resources["infra"] = task.options.region
    resources["use_spot"] = task.options.spot
    resources["disk_size"] = task.disk_gib
    if task.hourly is not None:
        resources["max_hourly_cost"] = round(HOURLY_ROOM * task.hourly, 2)
    resources["autostop"] = {"idle_minutes": IDLE_MINUTES, "down": True}
    if task.options.image:
        resources["image_id"] = f"docker:{task.options.image}"
    document: dict[str, Any] = {"name": task.slug, "resources": resources, "workdir": "."}
    install = f'sh install.sh --into "{PLACE}" --no-prove --from "$(ls "$PWD"/tuiftune-*.whl){task.extra}"\n'
    if not task.options.image:
        document["setup"] = install
    path = "" if task.options.image else f'export PATH="{PLACE}/bin:$PATH"\n'
    document["run"] = path + script(task)
    head = (
        f"# Written by tuiftune. Start it in this directory: {TASK_FILE.command}\n"
        f"# Keys of your environment that it needs: --secret NAME, such as {', '.join(task.secrets)}\n"
    )
    return head + yaml(document)


TASK_FILE = TaskFile(
    "sky", "SkyPilot", "sky.yaml", "sky jobs launch sky.yaml", text, "SkyPilot 0.14.1", aliases=("skypilot",)
)
