"""Well-known GPUs: what they hold, how fast they are, what an hour costs. For plans made without the GPU.

Memory: MiB as `nvidia-smi` totals it; a driver or ECC may move it by some 2 %. The H200's was read on a GPU.
What CUDA gives of it is less: the driver keeps a part for itself (`nvidia-smi -q`: Reserved).
Speed: dense 16-bit matrix operations with 32-bit accumulation, and memory bandwidth, from NVIDIA's data
sheets and architecture papers; bfloat16 where the GPU has it, else float16.
Prices: US dollars per GPU and hour, on demand. "practitioners' guides" have no public address. "price lists":
those
of Akash, Gcore, Lambda, OpenRelay, RunPod and Verda, read September to November 2026 (yuan at 7.2 to the
dollar). They move: a preset's budget overrides them.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass

from tuiftune.errors import UserError
from tuiftune.printable import printable

_MIB = 1024**2
FP8_SINCE = (8, 9)  # compute capability: Ada, Hopper and later


@dataclass(frozen=True, slots=True)
class KnownGpu:
    """Bytes, TFLOP/s (10¹², dense, 16 bit), bytes a second, US dollars an hour. No price known: None."""

    name: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    bf16_tflops: float
    bandwidth: float
    usd_per_hour_low: float | None
    usd_per_hour_high: float | None
    price_date: str  # "autumn 2026 (price lists)"; empty without a price
    aliases: tuple[str, ...]

    @property
    def fp8(self) -> bool:
        """Whether it multiplies in FP8 (at twice the 16-bit rate, by NVIDIA's data sheets)."""
        return self.compute_capability >= FP8_SINCE

    @property
    def exchange(self) -> float:
        """Bytes a second that an all-reduce moves from GPU to GPU: over NVLink where the part has it."""
        return _NVLINK.get(self.name, _PCIE)

    @property
    def usable_bytes(self) -> int:
        """What CUDA gives of `memory_bytes`, before anybody holds any of it."""
        known = _USABLE.get(self.name)
        return int(known * 1024**3) if known else int(self.memory_bytes * (1 - _RESERVED))


# GiB that PyTorch names as a GPU's "total capacity" where memory ran out: the lowest of the readings that
# agree within 0.2 GiB, from public reports on Linux (drivers 535 to 580); Windows reports more, and gives
# less. The H200's was read on a GPU: 143,156 of 143,771 MiB.
_USABLE = {
    "GeForce RTX 3060": 11.63,
    "GeForce RTX 3070": 7.66,
    "GeForce RTX 3080": 9.65,
    "GeForce RTX 3080 Ti": 11.63,
    "GeForce RTX 3090": 23.56,
    "GeForce RTX 3090 Ti": 23.54,
    "GeForce RTX 4060 Ti": 15.57,
    "GeForce RTX 4070": 11.56,
    "GeForce RTX 4070 Ti": 11.56,
    "GeForce RTX 4070 Ti SUPER": 15.57,
    "GeForce RTX 4080": 15.57,
    "GeForce RTX 4080 SUPER": 15.57,
    "GeForce RTX 4090": 23.52,
    "GeForce RTX 5070 Ti": 15.47,
    "GeForce RTX 5080": 15.47,
    "GeForce RTX 5090": 31.36,
    "RTX A5000": 23.54,
    "RTX A6000": 47.4,
    "RTX 6000 Ada Generation": 47.37,
    "RTX PRO 6000 Blackwell": 94.96,
    "Tesla T4": 14.56,
    "Tesla V100-SXM2-16GB": 15.77,
    "Tesla V100-SXM2-32GB": 31.73,
    "A10": 22.03,
    "A10G": 22.03,
    "A40": 44.34,
    "L4": 22.03,
    "L40": 44.39,
    "L40S": 44.39,
    "A100-SXM4-40GB": 39.38,
    "A100-SXM4-80GB": 79.14,
    "A100 80GB PCIe": 79.14,
    "H100 80GB HBM3": 79.18,
    "H100 PCIe": 79.18,
    "H200": 143_156 / 1024,
    "GH200 480GB": 94.5,
    "B200": 178.35,
}
_RESERVED = 0.02  # of a GPU that nobody has reported: as much as any of these keeps, but small ones
_PCIE = 2.0e10  # what PCIe 4 sustains
# Three quarters of a direction of the part's NVLink, by its data sheet: what NCCL makes of it.
_NVLINK = {
    "Tesla V100-SXM2-16GB": 1.1e11,
    "Tesla V100-SXM2-32GB": 1.1e11,
    "A100-SXM4-40GB": 2.2e11,
    "A100-SXM4-80GB": 2.2e11,
    "H100 80GB HBM3": 3.4e11,
    "H200": 3.4e11,
    "GH200 480GB": 3.4e11,
    "B200": 6.8e11,
}
_GUIDES, _LISTS = "2025 (practitioners' guides)", "autumn 2026 (price lists)"
_Price = tuple[float, float, str] | None


def _gpu(
    name: str,
    mib: int,
    capability: tuple[int, int],
    tflops: float,
    gigabytes_a_second: float,
    price: _Price,
    *aliases: str,
) -> KnownGpu:
    low, high, date = price or (None, None, "")
    return KnownGpu(name, mib * _MIB, capability, tflops, gigabytes_a_second * 1e9, low, high, date, aliases)


# fmt: off
GPUS: tuple[KnownGpu, ...] = (
    _gpu("GeForce RTX 2080 Ti", 11264, (7, 5), 53.8, 616, None),
    _gpu("GeForce RTX 3060", 12288, (8, 6), 25.5, 360, (0.14, 0.14, _LISTS), "3060 12GB"),
    _gpu("GeForce RTX 3070", 8192, (8, 6), 40.6, 448, None),
    _gpu("GeForce RTX 3080", 10240, (8, 6), 59.5, 760, None, "3080 10GB"),
    _gpu("GeForce RTX 3080 Ti", 12288, (8, 6), 68.2, 912, None),
    _gpu("GeForce RTX 3090", 24576, (8, 6), 71.2, 936, (0.16, 0.18, _LISTS)),
    _gpu("GeForce RTX 3090 Ti", 24564, (8, 6), 80.0, 1008, (0.25, 0.25, _LISTS)),
    _gpu("GeForce RTX 4060 Ti", 16380, (8, 9), 44.1, 288, None, "4060 Ti 16GB"),
    _gpu("GeForce RTX 4070", 12282, (8, 9), 58.3, 504, None),
    _gpu("GeForce RTX 4070 Ti", 12282, (8, 9), 80.2, 504, None),
    _gpu("GeForce RTX 4070 Ti SUPER", 16376, (8, 9), 88.2, 672, None),
    _gpu("GeForce RTX 4080", 16376, (8, 9), 97.5, 717, (0.15, 0.15, _LISTS)),
    _gpu("GeForce RTX 4080 SUPER", 16376, (8, 9), 104.4, 736, None),
    _gpu("GeForce RTX 4090", 24564, (8, 9), 165.2, 1008, (0.40, 0.80, _GUIDES)),
    _gpu("GeForce RTX 5060 Ti", 16311, (12, 0), 47.4, 448, None, "5060 Ti 16GB"),
    _gpu("GeForce RTX 5070", 12227, (12, 0), 61.7, 672, None),
    _gpu("GeForce RTX 5070 Ti", 16303, (12, 0), 87.9, 896, None),
    _gpu("GeForce RTX 5080", 16303, (12, 0), 112.6, 960, None),
    _gpu("GeForce RTX 5090", 32607, (12, 0), 209.5, 1792, (0.37, 0.67, _LISTS)),
    _gpu("RTX A5000", 24564, (8, 6), 111.1, 768, None),
    _gpu("RTX A6000", 49140, (8, 6), 154.8, 768, (0.82, 1.09, _LISTS)),
    _gpu("RTX 6000 Ada Generation", 49140, (8, 9), 364.2, 960, (0.73, 0.73, _LISTS), "6000 Ada"),
    _gpu("RTX PRO 6000 Blackwell", 97887, (12, 0), 503.8, 1792, (1.45, 2.04, _LISTS), "PRO 6000",
          "RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell Server Edition"),
    _gpu("Tesla T4", 15360, (7, 5), 65.0, 320, (0.15, 0.19, _LISTS)),
    _gpu("Tesla V100-SXM2-16GB", 16384, (7, 0), 125.0, 900, (0.36, 0.79, _LISTS), "V100", "V100-16GB",
          "V100-PCIE-16GB"),
    _gpu("Tesla V100-SXM2-32GB", 32768, (7, 0), 125.0, 900, None, "V100-32GB", "V100-PCIE-32GB"),
    _gpu("A10", 23028, (8, 6), 125.0, 600, (1.29, 1.29, _LISTS)),
    _gpu("A10G", 23028, (8, 6), 70.0, 600, None),
    _gpu("A30", 24576, (8, 0), 165.0, 933, None),
    _gpu("A40", 46068, (8, 6), 149.7, 696, (0.35, 0.35, _LISTS)),
    _gpu("L4", 23034, (8, 9), 121.0, 300, (0.44, 0.44, _LISTS)),
    _gpu("L40", 46068, (8, 9), 181.0, 864, (0.79, 0.79, _LISTS)),
    _gpu("L40S", 46068, (8, 9), 362.0, 864, (1.38, 1.38, _LISTS)),
    _gpu("A100-SXM4-40GB", 40960, (8, 0), 312.0, 1555, (0.80, 1.99, _LISTS), "A100-40GB", "A100-PCIE-40GB"),
    _gpu("A100-SXM4-80GB", 81920, (8, 0), 312.0, 2039, (1.00, 3.50, _GUIDES), "A100", "A100-80GB",
          "A100-SXM"),
    _gpu("A100 80GB PCIe", 81920, (8, 0), 312.0, 1935, (1.00, 3.50, _GUIDES), "A100-PCIE", "A100-PCIE-80GB"),
    _gpu("H100 80GB HBM3", 81559, (9, 0), 989.4, 3350, (2.00, 4.00, _GUIDES), "H100", "H100-SXM",
          "H100-80GB", "H100-SXM5", "H100 SXM5 80GB"),
    _gpu("H100 PCIe", 81559, (9, 0), 756.0, 2000, (1.99, 3.29, _LISTS), "H100 80GB PCIe"),
    _gpu("H100 NVL", 95830, (9, 0), 835.0, 3900, (2.59, 3.19, _LISTS), "H100 NVL 94GB"),
    _gpu("H200", 143771, (9, 0), 989.4, 4800, (3.44, 4.59, _LISTS), "H200-SXM", "H200 141GB", "H200-SXM5"),
    _gpu("GH200 480GB", 97871, (9, 0), 989.4, 4000, (2.29, 2.29, _LISTS), "GH200", "GH200 96GB"),
    _gpu("B200", 183359, (10, 0), 2250.0, 8000, (5.00, 6.99, _LISTS), "B200-SXM", "B200 180GB"),
)
# fmt: on

_NOISE = re.compile(r"nvidia|geforce|tesla|quadro|rtx|\bgpu\b|[^a-z0-9]+")


def find(name: str) -> KnownGpu:
    """The GPU meant by NVML's name (`NVIDIA H100 80GB HBM3`) or a short one (`h100`, `4090`).

    Raises UserError that names the nearest known GPU. A laptop's GPU or a MIG slice is not its namesake.
    """
    key = _key(name)
    known = _index()
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, 1, 0.5)
    some = "use a name such as 4090, L4, A10G, A100-80GB, H100 or H200"
    remedy = f"did you mean `{known[near[0]].name}`?" if near else some
    raise UserError(f"unknown GPU `{printable(name)}`", place="--gpu", remedy=remedy)


def _key(name: str) -> str:
    return _NOISE.sub("", name.lower())


@functools.cache
def _index() -> dict[str, KnownGpu]:
    return {_key(alias): gpu for gpu in GPUS for alias in (gpu.name, *gpu.aliases)}
