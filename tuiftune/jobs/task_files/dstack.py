"""dstack: a task on a spot machine, tried again after an interruption.

Its fields are those of dstack 0.22.5 (`dstack._internal.core.models.configurations.TaskConfiguration`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.jobs.task_files.base import TaskFile
from tuiftune.jobs.task_files.gpu_names import for_dstack, memory_gb
from tuiftune.jobs.task_files.layout import yaml
from tuiftune.jobs.task_files.script import script

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.task import Task

BACKENDS = (
    "amddevcloud", "aws", "azure", "cloudrift", "crusoe", "cudo", "datacrunch", "daytona", "digitalocean",
    "dstack", "gcp", "hotaisle", "jarvislabs", "kubernetes", "lambda", "lium", "remote", "nebius", "oci",
    "runpod", "seeweb", "tensordock", "vastai", "verda", "vultr", "slurm",
)  # fmt: skip
RETRY = "12h"  # in which a spot machine is looked for again
STOP_SECONDS = 300  # for a checkpoint and its copy
HOURLY_ROOM = 1.5  # times the price that the plan counts on: clouds and regions differ
PLACE = "$HOME/tuiftune-env"
HERE = "/task"


def text(task: Task) -> str:
    """Return the task as YAML. UserError for a cloud that dstack does not know."""
    assert task.gpu is not None
    cloud, region, _ = task.where
    if cloud and cloud not in BACKENDS:
        known = ", ".join(BACKENDS[1:5])
        raise UserError(f"dstack does not know {cloud}", place="--region", remedy=f"use {known} or another")
    document: dict[str, Any] = {"type": "task", "name": task.slug[:40].rstrip("-")}
    if task.options.image:
        document["image"] = task.options.image
    # Only what is set where `dstack apply` is called: a name without a value must have one there.
    if names := [name for name in task.secrets if name in os.environ]:
        document["env"] = names
    document["files"] = [f".:{HERE}"]
    path = f'export PATH="{PLACE}/bin:$PATH"\n'
    source = f"$(ls {HERE}/tuiftune-*.whl){task.extra}"
    install = f'sh install.sh --into "{PLACE}" --no-prove --from "{source}" || exit 1\n'
    body = "" if task.options.image else install + path
    document["commands"] = [f"cd {HERE}\n{body}{script(task)}"]
    document["resources"] = {
        "gpu": {
            "name": [for_dstack(task.gpu)],
            "count": task.count,
            "memory": f"{memory_gb(task.gpu)}GB..",
        },
        "disk": {"size": f"{task.disk_gib}GB.."},
        "shm_size": "8GB",
    }
    if cloud:
        document["backends"] = [cloud]
    if region:
        document["regions"] = [region]
    document["spot_policy"] = "spot" if task.options.spot else "on-demand"
    if task.hourly is not None:
        document["max_price"] = round(HOURLY_ROOM * task.hourly, 2)
    if task.hours is not None:
        document["max_duration"] = f"{round(task.hours * 60)}m"
    document["stop_duration"] = STOP_SECONDS
    document["retry"] = {"on_events": ["no-capacity", "interruption"], "duration": RETRY}
    return f"# Written by tuiftune. Start it in this directory: {TASK_FILE.command}\n" + yaml(document)


TASK_FILE = TaskFile(
    "dstack", "dstack", "task.dstack.yml", "dstack apply -f task.dstack.yml", text, "dstack 0.22.5"
)
