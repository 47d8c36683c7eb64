"""What the NVIDIA driver and CUDA report when a GPU fails, in words: Xid numbers and CUDA error strings."""

from __future__ import annotations

import re

# NVIDIA's catalog: docs.nvidia.com/deploy/xid-errors (2025). Number: (what happened, what to do).
RESTART = "resume the run; if it comes back, another card or machine"
REPLACE = "the card needs its operator: move to another one, then resume"
XIDS: dict[int, tuple[str, str]] = {
    8: ("the card stopped answering in time", RESTART),
    13: ("a program on the card failed (graphics engine exception)", RESTART),
    31: ("a program touched memory of the card that isn't its own", RESTART),
    32: ("commands to the card arrived damaged; PCIe or driver", RESTART),
    43: ("the card stopped processing this program", RESTART),
    45: ("the card's work was swept away after an earlier fault", RESTART),
    48: ("an uncorrectable memory error on the card (double-bit ECC)", REPLACE),
    61: ("the card's micro-controller halted", REPLACE),
    62: ("the card's micro-controller halted", REPLACE),
    63: ("a bad memory row was remapped; it takes effect after a reset of the card", REPLACE),
    64: ("a bad memory row couldn't be remapped", REPLACE),
    68: ("the card's video processor failed", RESTART),
    69: ("a program on the card failed (graphics engine class error)", RESTART),
    74: ("an NVLink connection failed", REPLACE),
    79: ("the card has fallen off the bus: power, heat or the slot", REPLACE),
    92: ("many corrected memory errors on the card", REPLACE),
    94: ("an uncorrectable memory error, contained to this program", RESTART),
    95: ("an uncorrectable memory error, not contained", REPLACE),
    109: ("a program on the card took too long to be switched", RESTART),
    119: ("the card's system processor (GSP) doesn't answer", REPLACE),
    120: ("the card's system processor (GSP) failed", REPLACE),
    140: ("an uncorrectable memory error on the card", REPLACE),
    143: ("the card could not be set up again", REPLACE),
}
XID = re.compile(r"NVRM: Xid \((?P<card>[^)]*)\): (?P<number>\d+)")

# Strings of cudaGetErrorString and of NCCL, in lower case, most telling first.
CUDA: tuple[tuple[str, str, str], ...] = (
    ("uncorrectable ecc error", "an uncorrectable memory error on the card", REPLACE),
    ("uncorrectable nvlink error", "an NVLink connection failed", REPLACE),
    ("gpu is lost", "the card has fallen off the bus: power, heat or the slot", REPLACE),
    ("illegal memory access", "a program touched memory of the card that isn't its own", RESTART),
    (
        "device-side assert",
        "an index was out of range on the card: often a token id beyond the vocabulary",
        "`tuiftune data tokens` shows the ids",
    ),
    ("unspecified launch failure", "a program on the card failed", RESTART),
    ("launch timed out", "a program on the card took too long", "no display on the card that trains"),
    (
        "no kernel image is available",
        "this PyTorch was not built for the card",
        "`tuiftune doctor` names the build that fits",
    ),
    (
        "driver version is insufficient",
        "the driver is older than this PyTorch's CUDA",
        "`tuiftune doctor` names the versions",
    ),
    (
        "system not yet initialized",
        "the fabric between the cards isn't up",
        "the operator starts nvidia-fabricmanager",
    ),
    (
        "devices are busy or unavailable",
        "the card is taken by another process",
        "end it, or choose another with hardware.gpus",
    ),
    ("cublas_status_not_initialized", "no memory was left for cuBLAS", "a smaller micro batch needs less"),
    (
        "cannot open shared object file",
        "a library that this PyTorch needs is missing, or is another version's",
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
    words, remedy = XIDS.get(number, ("the driver reports a fault", RESTART))
    return f"{words} (Xid {number} of {found['card']}); {remedy}"


def of_message(text: str) -> str | None:
    """The message of a CUDA or NCCL error in words; None for any other text."""
    lowered = text.lower()
    if not any(sign in lowered for sign in ("cuda", "cublas", "cudnn", "nccl", "gpu is lost")):
        return None
    for sign, words, remedy in CUDA:
        if sign in lowered:
            return f"{words}; {remedy}"
    return None
