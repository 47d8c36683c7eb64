"""Where a run comes from: everything that its numbers depend on, so that it can be made again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

import tuiftune
from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.data_files import digest_of_file, files_of
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tuiftune.hardware.machine import Machine
    from tuiftune.plan.inputs import Inputs

LIBRARIES = frozenset(
    [
        "accelerate",
        "bitsandbytes",
        "datasets",
        "deepspeed",
        "flash-attn",
        "jinja2",
        "kernels",
        "liger-kernel",
        "numpy",
        "peft",
        "polars",
        "safetensors",
        "tokenizers",
        "torch",
        "torchao",
        "transformers",
        "triton",
        "trl",
    ]
)
DRIVERS = "nvidia-"  # the packages of CUDA, cuDNN, cuBLAS and NCCL
VARIABLES = (
    "CUDA",
    "CUBLAS",
    "NVIDIA",
    "NCCL",
    "TORCH",
    "PYTORCH",
    "OMP",
    "MKL",
    "OPENBLAS",
    "ACCELERATE",
    "TUIFTUNE",
)
ALSO = ("HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM", "WORLD_SIZE")
GIT_SECONDS = 5.0
INPUTS = ("data", "model", "seed")  # another value of these makes another run


class File(TypedDict):
    path: str
    bytes: int
    sha256: str


class Model(TypedDict):
    """`weights` and `tokenizer`: the digests that a resumed run is compared by; null before they are here."""

    reference: str
    revision: str | None
    weights: str | None
    tokenizer: str | None
    template: str | None


class Software(TypedDict):
    """`commit` of a checkout, with `-dirty` where files of it were changed; null for a release."""

    tuiftune: str
    commit: str | None
    python: str
    libraries: dict[str, str]


class Hardware(TypedDict):
    system: str
    cpu: str
    gpus: list[str]
    driver: str | None
    cuda: str | None
    torch_cuda: str | None


class Provenance(TypedDict):
    data: list[File]
    model: Model
    software: Software
    machine: Hardware
    command: list[str]
    environment: dict[str, str]
    directory: str
    seed: int


class Difference(TypedDict):
    """`what` is a dotted path into the provenance."""

    what: str
    then: Any
    now: Any


def of_inputs(inputs: Inputs) -> Provenance:
    """Of a run that is being prepared. Reads all of its data once. UserError where a file can't be read."""
    from tuiftune.models import weights

    model, preset = inputs.model, inputs.preset
    there = model.path if model.weights else None
    return {
        "data": [_file(path) for path in files_of(preset)],
        "model": {
            "reference": str(model.path) if model.source == "directory" else model.reference,
            "revision": model.revision,
            "weights": None if there is None else weights.digest(there),
            "tokenizer": None if model.path is None else weights.tokenizer_digest(model.path),
            "template": None if model.path is None else _template(model.path),
        },
        "software": software(),
        "machine": hardware(inputs.machine),
        "command": command(),
        "environment": environment(os.environ),
        "directory": str(paths.here()),
        "seed": preset.training.seed,
    }


def of_result(
    planned: Mapping[str, Any], directory: Path | None, template: str | None, seed: int
) -> Provenance:
    """Of a run that has trained: as it was planned, with the files and libraries that it was trained by.

    `directory` holds the base model; `template` is its own chat template.
    """
    from tuiftune.hardware.detect import detect
    from tuiftune.models import weights

    planned_model = planned.get("model") or {}
    return {
        "data": planned.get("data") or [],
        "model": {
            "reference": planned_model.get("reference") or "",
            "revision": planned_model.get("revision"),
            "weights": planned_model.get("weights") if directory is None else weights.digest(directory),
            "tokenizer": planned_model.get("tokenizer")
            if directory is None
            else weights.tokenizer_digest(directory),
            "template": None if template is None else _short(template),
        },
        "software": software(),
        "machine": hardware(detect()),
        "command": planned.get("command") or [],
        # As the run was started with: the training process sets more for its libraries.
        "environment": planned.get("environment") or environment(os.environ),
        "directory": planned.get("directory") or "",
        "seed": seed,
    }


def lines(provenance: Mapping[str, Any]) -> list[str]:
    """Return it as lines for a person, one fact each; [] where a run of an earlier version has none."""
    if not provenance:
        return []
    model, made, machine = provenance["model"], provenance["software"], provenance["machine"]
    revision = f" at {model['revision']}" if model["revision"] else ""
    libraries = ", ".join(f"{name} {version}" for name, version in made["libraries"].items())
    return [
        *(f"data: {one['path']}, sha256 {one['sha256']}" for one in provenance["data"]),
        f"base model: {model['reference']}{revision}, weights {model['weights']}, "
        f"tokenizer {model['tokenizer']}, chat template {model['template']}",
        f"tuiftune {made['tuiftune']}"
        + (f" (commit {made['commit']})" if made["commit"] else "")
        + f", Python {made['python']}, {libraries}",
        f"machine: {machine['system']}, {machine['cpu']}, "
        + (", ".join(machine["gpus"]) or "no GPU")
        + (f", driver {machine['driver']}, CUDA {machine['cuda']}" if machine["driver"] else ""),
        f"seed: {provenance['seed']}",
        f"command: {shlex.join(provenance['command'])}",
        *(f"environment: {name}={value}" for name, value in provenance["environment"].items()),
    ]


def software() -> Software:
    """What this program and its libraries are, without importing one of them."""
    return {
        "tuiftune": tuiftune.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "libraries": _libraries(),
    }


def hardware(machine: Machine) -> Hardware:
    """What it computes on."""
    from tuiftune.hardware.libraries import torch_build

    built = torch_build()
    return {
        "system": machine.host.system,
        "cpu": machine.host.cpu,
        "gpus": [gpu.name for gpu in machine.gpus],
        "driver": machine.driver,
        "cuda": machine.cuda,
        "torch_cuda": None if built is None else built.cuda,
    }


def command() -> list[str]:
    """The command line of this process, tokens hidden."""
    return [without_secrets(word) for word in ("tuiftune", *sys.argv[1:])]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables that change how a run computes, by name; never a token."""
    chosen = {name: value for name, value in given.items() if name.split("_")[0] in VARIABLES or name in ALSO}
    hidden = {name: without_secrets(value) for name, value in sorted(chosen.items())}
    return {name: value for name, value in hidden.items() if not _secret_name(name)}


def commit() -> str | None:
    """The git commit of the source that runs; None where it is neither a checkout nor installed from one."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(tuiftune.__file__)))
    if paths.exists(os.path.join(home, ".git")):
        head = _git(home, "rev-parse", "HEAD")
        changed = _git(home, "status", "--porcelain", "--untracked-files=no", "--", "tuiftune")
        return head + "-dirty" if head and changed else head or None
    try:
        origin = importlib.metadata.distribution("tuiftune").read_text("direct_url.json")  # raw: installed
        return str(documents.loads(origin or "{}")["vcs_info"]["commit_id"])
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        return None


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs, leaf by leaf. Command line and directory decide nothing, and are left out; so is what is
    not known of a model that has to be downloaded.
    """
    before, after = _leaves(_keyed(then)), _leaves(_keyed(now))
    return [
        {"what": what, "then": before.get(what), "now": after.get(what)}
        for what in dict.fromkeys((*before, *after))
        if before.get(what) != after.get(what)
        and not what.startswith(("command", "directory"))
        and not (what.startswith("model.") and after.get(what) is None)
    ]


def of_inputs_differ(found: Iterable[Difference]) -> list[Difference]:
    """Those after which the same run can't be made."""
    return [one for one in found if one["what"].split(".")[0] in INPUTS]


def _keyed(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Data files under their path: a file more is one difference."""
    files = {one["path"]: one["sha256"] for one in provenance.get("data") or ()}
    return {**{key: value for key, value in provenance.items() if key != "command"}, "data": files}


def _leaves(node: Any, at: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {at: node}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= _leaves(value, f"{at}.{key}" if at else str(key))
    return found


def _file(path: Path) -> File:
    from tuiftune.data.read.files import shown

    return {"path": shown(path), "bytes": paths.size(path), "sha256": digest_of_file(path)}


def _template(directory: Path) -> str | None:
    """SHA-256 of the chat template in 16 hex digits; None where the model has none."""
    from tuiftune.data.chat.local import template_of

    try:
        source = template_of(directory)
    except UserError:
        return None
    return None if source is None else _short(source)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _libraries() -> dict[str, str]:
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        name = (one.metadata["Name"] or "").lower().replace("_", "-")
        if name in LIBRARIES or name.startswith(DRIVERS):
            found.setdefault(name, one.version)
    return dict(sorted(found.items()))


def _secret_name(name: str) -> bool:
    return any(word in name for word in ("TOKEN_", "_KEY", "SECRET", "PASSW")) or name.endswith("TOKEN")


def _git(home: str, *words: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", home, *words], capture_output=True, text=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
