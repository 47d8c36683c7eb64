"""The table of cards: found by NVML's names and by short ones, and consistent in itself."""

from __future__ import annotations

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.hardware.known_gpus import GPUS, _key, find


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 80GB HBM3"),
        ("h100", "H100 80GB HBM3"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA B200", "B200"),
        ("4090", "GeForce RTX 4090"),
        ("rtx4090", "GeForce RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "GeForce RTX 4090"),
        ("NVIDIA GeForce RTX 3080 Ti", "GeForce RTX 3080 Ti"),
        ("RTX 3080", "GeForce RTX 3080"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"),
        ("A100-80GB", "A100-SXM4-80GB"),
        ("a100 40gb", "A100-SXM4-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80GB PCIe"),
        ("Tesla T4", "Tesla T4"),
        ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-16GB"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada Generation"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 Blackwell"),
    ],
)
def test_names_people_and_drivers_use(asked: str, found: str) -> None:
    assert find(asked).name == found


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("h10", "H100"),
        ("RTX 4909", "RTX 4090"),
        ("A100-90GB", "A100"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX 4090"),  # other silicon: never taken for its namesake
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "A100"),
        ("banana", "H100"),
        ("", "H100"),
    ],
)
def test_an_unknown_gpu_names_the_nearest(asked: str, nearest: str) -> None:
    with pytest.raises(UserError) as caught:
        find(asked)
    assert nearest in caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE


def test_no_two_gpus_share_a_name() -> None:
    names = [_key(name) for gpu in GPUS for name in (gpu.name, *gpu.aliases)]
    assert len(set(names)) == len(names)


def test_the_table_is_plausible() -> None:
    assert len(GPUS) >= 25
    for gpu in GPUS:
        assert 8 * 1024**3 <= gpu.memory_bytes <= 200 * 1024**3, gpu.name
        assert 25 <= gpu.bf16_tflops <= 2500, gpu.name
        assert 2.5e11 <= gpu.bandwidth <= 8e12, gpu.name
        assert (gpu.usd_per_hour_low is None) == (gpu.price_date == ""), gpu.name
        assert (gpu.usd_per_hour_low or 0) <= (gpu.usd_per_hour_high or 0), gpu.name


def test_the_h200_is_the_one_that_was_measured() -> None:
    """143,771 MiB, as read on the card."""
    assert find("H200").memory_bytes == 143_771 * 1024**2


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("3090", 23.5, 23.7),
        ("4090", 23.5, 23.7),
        ("A5000", 23.5, 23.7),
        ("5090", 31.3, 31.5),
        ("4080", 15.5, 15.75),
        ("T4", 14.5, 14.8),
        ("V100", 15.7, 15.8),
        ("A10G", 22.0, 22.2),
        ("L4", 22.0, 22.2),
        ("L40S", 44.3, 44.5),
        ("A6000", 47.3, 47.6),
        ("A100-40GB", 39.3, 39.6),
        ("A100", 79.1, 79.4),
        ("H100", 79.1, 79.7),
        ("H200", 139.8, 139.81),  # read on a card: 150,109,880,320 bytes
        ("B200", 178.3, 178.4),
    ],
)
def test_gpus_have_the_memory_that_cuda_gives(name: str, low: float, high: float) -> None:
    assert low <= find(name).usable_bytes / 2**30 <= high


def test_no_gpu_gives_more_than_it_has() -> None:
    for gpu in GPUS:
        assert 0.935 < gpu.usable_bytes / gpu.memory_bytes < 0.998, gpu.name
