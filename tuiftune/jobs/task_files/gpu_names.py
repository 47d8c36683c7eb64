"""What other programs call the GPUs of our table.

Sources: SkyPilot 0.14.1 (`sky.utils.gpu_names`, `sky.catalog`, the fetchers and providers of RunPod), gpuhunt
of dstack 0.22.5 (`KNOWN_NVIDIA_GPUS`); a test compares them where these programs can be installed.
"""

from __future__ import annotations

import re

from tuiftune.errors import UserError
from tuiftune.hardware.known_gpus import find

# The same GPU has several names in SkyPilot's catalogs, by its cloud.
SKY = {
    "Tesla T4": ("T4",),
    "Tesla V100-SXM2-16GB": ("V100",),
    "Tesla V100-SXM2-32GB": ("V100-32GB",),
    "A100-SXM4-40GB": ("A100",),
    "A100-SXM4-80GB": ("A100-80GB", "A100-80GB-SXM"),
    "A100 80GB PCIe": ("A100-80GB",),
    "H100 80GB HBM3": ("H100", "H100-SXM"),
    "H100 PCIe": ("H100",),
    "H100 NVL": ("H100-NVL",),
    "H200": ("H200", "H200-SXM"),
    "GH200 480GB": ("GH200",),
    "RTX 6000 Ada Generation": ("RTX6000-Ada",),
    "RTX PRO 6000 Blackwell": ("RTXPRO6000",),
}
DSTACK = {
    "Tesla T4": "T4",
    "Tesla V100-SXM2-16GB": "V100",
    "Tesla V100-SXM2-32GB": "V100",
    "A100-SXM4-40GB": "A100",
    "A100-SXM4-80GB": "A100",
    "A100 80GB PCIe": "A100",
    "H100 80GB HBM3": "H100",
    "H100 PCIe": "H100",
    "H100 NVL": "H100NVL",
    "GH200 480GB": "GH200",
    "RTX A5000": "A5000",
    "RTX A6000": "A6000",
    "RTX 6000 Ada Generation": "RTX6000Ada",
    "RTX PRO 6000 Blackwell": "RTXPRO6000",
}
NOT_IN_DSTACK = ("A30",)
GB = 1000**3


def for_sky(name: str) -> tuple[str, ...]:
    """SkyPilot's names of a GPU of ours; one of them is taken, whichever a cloud has."""
    return SKY.get(name) or (_plain(name),)


def for_dstack(name: str) -> str:
    """dstack's name of a GPU of ours, which its memory belongs to (`memory_gb`). UserError if it has none."""
    if name in NOT_IN_DSTACK:
        raise UserError(f"dstack does not know the {name}", place="--gpu", remedy="name another GPU")
    return DSTACK.get(name) or _plain(name)


def memory_gb(name: str) -> int:
    """The memory in the name of a GPU, in GB, a tenth below: catalogs round it up or down."""
    return int(find(name).memory_bytes / GB * 0.9)


def for_kubernetes(name: str) -> str:
    """The label that NVIDIA's GPU feature discovery gives a node: the driver's name, hyphenated."""
    full = name if name.startswith("Tesla") else f"NVIDIA {name}"
    return re.sub(r"\s+", "-", full)


def _plain(name: str) -> str:
    return name.removeprefix("GeForce ").replace(" ", "")
