"""Kubernetes: a Job with the preset in a ConfigMap, started again where its node is taken away.

Its fields are those of the batch/v1 API of Kubernetes 1.37.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.jobs.task_files.base import TaskFile
from tuiftune.jobs.task_files.gpu_names import for_kubernetes
from tuiftune.jobs.task_files.layout import yaml
from tuiftune.jobs.task_files.script import script
from tuiftune.jobs.task_files.task import INPUTS, size_of

if TYPE_CHECKING:
    from tuiftune.jobs.task_files.task import Task

MOST_BYTES = 900 * 1024  # of files: a ConfigMap has at most 1 MiB
TRIES = 6
GRACE_SECONDS = 300  # for a checkpoint and its copy
FINAL = [2, 3, 4, 5, 7, 8, 9]  # exit codes that another try would only repeat; 4: asked to stop
HERE, ROOM, SECRET = "/task", "/training", "tuiftune"


def text(task: Task) -> str:
    """Return a ConfigMap and a Job as YAML. UserError where the data is too large for the former."""
    assert task.gpu is not None
    name = f"tuiftune-{task.slug}"
    data, binary, items = _inputs(task)
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": data,
        **({"binaryData": binary} if binary else {}),
    }
    container: dict[str, Any] = {
        "name": "train",
        "image": task.options.image,
        "workingDir": ROOM,
        "command": ["sh", "-c", f"cp -rL {HERE}/. {ROOM}/ && {{\n{script(task)}}}\n"],
        "envFrom": [{"secretRef": {"name": SECRET, "optional": True}}],
        "resources": {
            "limits": {"nvidia.com/gpu": task.count, "ephemeral-storage": f"{task.disk_gib}Gi"},
            "requests": {"nvidia.com/gpu": task.count, "ephemeral-storage": f"{task.disk_gib}Gi"},
        },
        "volumeMounts": [
            {"name": "task", "mountPath": HERE},
            {"name": "work", "mountPath": ROOM},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "nodeSelector": _nodes(task),
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [container],
        "volumes": [
            {"name": "task", "configMap": {"name": name, "items": items}},
            {"name": "work", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
        ],
    }
    job: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "tuiftune"}},
        "spec": {
            "backoffLimit": TRIES,
            **({"activeDeadlineSeconds": round(task.hours * 3600)} if task.hours is not None else {}),
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": FINAL}},
                ]
            },
            "template": {"spec": pod},
        },
    }
    secrets = ", ".join(task.secrets)
    head = (
        f"# Written by tuiftune. Start it: {TASK_FILE.command}\n"
        f"# Keys, if it needs any, such as {secrets}: put NAME=VALUE lines into a file of yours,\n"
        f"# since others can see command lines: kubectl create secret generic {SECRET} --from-env-file=FILE\n"
        "# The node selector is by NVIDIA's GPU feature discovery: change it if your cluster has none.\n"
    )
    return f"{head}{yaml(config)}---\n{yaml(job)}"


def _inputs(task: Task) -> tuple[dict[str, str], dict[str, str], list[dict[str, str]]]:
    """Texts and base64 of the ConfigMap, and where its entries are to be."""
    files = [path for file in task.files for path in _each(file)]
    total = sum(size_of(str(path)) for path in files)
    if total > MOST_BYTES:
        raise UserError(
            f"{size(total)} of files are too large for a ConfigMap (at most {size(MOST_BYTES)})",
            place="data.train",
            remedy="upload the rows to the Hugging Face Hub, and name them as hf:NAME",
        )
    data, binary = {"preset.yaml": task.preset}, {}
    items = [{"key": "preset.yaml", "path": "preset.yaml"}]
    for number, path in enumerate(files):
        content = path.read_bytes()  # raw: its size was looked at
        key = f"file-{number}"
        try:
            data[key] = content.decode("utf-8")
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(content).decode()
        items.append({"key": key, "path": f"{INPUTS}{path}"})
    return data, binary, items


def _each(file: str) -> list[Any]:
    path = paths.absolute(file)
    return sorted(paths.below(path, hidden=())) if paths.is_dir(path) else [path]


def _nodes(task: Task) -> dict[str, str]:
    assert task.gpu is not None
    _, region, zone = task.where
    found = {"nvidia.com/gpu.product": for_kubernetes(task.gpu)}
    if region:
        found["topology.kubernetes.io/region"] = region
    if zone:
        found["topology.kubernetes.io/zone"] = zone
    return found


TASK_FILE = TaskFile(
    "k8s",
    "Kubernetes",
    "job.yaml",
    "kubectl apply -f job.yaml",
    text,
    "Kubernetes 1.37",
    carries=False,
    image=True,
    aliases=("kubernetes",),
)
