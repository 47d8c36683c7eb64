"""What the NVIDIA driver and CUDA report when a GPU fails, in words: Xid numbers and CUDA error strings."""

from __future__ import annotations

import re

# NVIDIA's catalog: docs.nvidia.com/deploy/xid-errors (2025). Number: (what happened, what to do).
RESTART = "resume the run; if it happens again, use another GPU or machine"
REPLACE = "use another GPU, report this one to the machine's operator, and resume"
XIDS: dict[int, tuple[str, str]] = {
    8: ("the GPU did not respond in time", RESTART),
    13: ("a program on the GPU failed (graphics engine exception)", RESTART),
    31: ("a program accessed GPU memory outside its own (illegal address)", RESTART),
    32: ("commands to the GPU were corrupted (PCIe or driver)", RESTART),
    43: ("the GPU stopped processing this program", RESTART),
    45: ("the GPU discarded its work after an earlier error", RESTART),
    48: ("an uncorrectable memory error on the GPU (double-bit ECC)", REPLACE),
    61: ("the GPU's micro-controller halted", REPLACE),
    62: ("the GPU's micro-controller halted", REPLACE),
    63: ("a faulty memory row was remapped, effective after a GPU reset", REPLACE),
    64: ("a faulty memory row could not be remapped", REPLACE),
    68: ("the GPU's video engine failed", RESTART),
    69: ("a program on the GPU failed (graphics engine class error)", RESTART),
    74: ("an NVLink connection failed", REPLACE),
    79: ("the GPU has fallen off the PCIe bus (power, heat or slot)", REPLACE),
    92: ("many corrected memory errors on the GPU", REPLACE),
    94: ("an uncorrectable memory error, contained to this program", RESTART),
    95: ("an uncorrectable memory error, not contained", REPLACE),
    109: ("a program on the GPU could not be switched in time", RESTART),
    119: ("the GPU's firmware controller (GSP) does not respond", REPLACE),
    120: ("the GPU's firmware controller (GSP) failed", REPLACE),
    140: ("an uncorrectable memory error on the GPU", REPLACE),
    143: ("the GPU could not be reinitialized", REPLACE),
}
XID = re.compile(r"NVRM: Xid \((?P<gpu>[^)]*)\): (?P<number>\d+)")

# Strings of cudaGetErrorString and of NCCL, in lower case, most telling first.
CUDA: tuple[tuple[str, str, str], ...] = (
    ("uncorrectable ecc error", "an uncorrectable memory error on the GPU", REPLACE),
    ("uncorrectable nvlink error", "an NVLink connection failed", REPLACE),
    ("gpu is lost", "the GPU has fallen off the PCIe bus (power, heat or slot)", REPLACE),
    ("illegal memory access", "a program accessed GPU memory outside its own (illegal address)", RESTART),
    (
        "device-side assert",
        "an index was out of range on the GPU, often a token ID outside the vocabulary",
        "check the token IDs: `tuiftune data tokens`",
    ),
    ("unspecified launch failure", "a program on the GPU failed", RESTART),
    ("launch timed out", "a program on the GPU took too long", "train on a GPU without a display"),
    (
        "no kernel image is available",
        "this PyTorch was not built for the GPU",
        "find the right build: `tuiftune doctor`",
    ),
    (
        "driver version is insufficient",
        "the driver is older than this PyTorch's CUDA",
        "compare the versions: `tuiftune doctor`",
    ),
    (
        "system not yet initialized",
        "the NVLink fabric between the GPUs is not running",
        "ask the machine's operator to start nvidia-fabricmanager",
    ),
    (
        "devices are busy or unavailable",
        "another process uses this GPU exclusively",
        "stop that process, or choose another GPU with hardware.gpus",
    ),
    ("cublas_status_not_initialized", "no memory was left for cuBLAS", "use a smaller micro-batch size"),
    (
        "cannot open shared object file",
        "a library that this PyTorch build needs is missing, or has the wrong version",
        "install PyTorch again: `uv pip install --reinstall torch`",
    ),
    ("nccl", "the connection between the processes failed", RESTART),
)


def of_kernel_line(line: str) -> str | None:
    """An Xid line of the kernel log in words; None for any other line."""
    found = XID.search(line)
    if not found:
        return None
    number = int(found["number"])
    words, remedy = XIDS.get(number, ("the driver reports an error", RESTART))
    return f"{words} (Xid {number} of {found['gpu']}); {remedy}"


def of_message(text: str) -> str | None:
    """The message of a CUDA or NCCL error in words; None for any other text."""
    lowered = text.lower()
    if not any(sign in lowered for sign in ("cuda", "cublas", "cudnn", "nccl", "gpu is lost")):
        return None
    for sign, words, remedy in CUDA:
        if sign in lowered:
            return f"{words}; {remedy}"
    return None
