"""NVML's error codes in the user's words, each with its remedy."""

from __future__ import annotations

from tuiftune.errors import with_fix
from tuiftune.printable import printable

_UNINITIALISED, _NO_PERMISSION, _NOT_LOADED, _NO_LIBRARY, _OPERATING_SYSTEM, _MISMATCH = 1, 4, 9, 12, 17, 18

# After these no call will answer, so the connection is opened again.
GONE = frozenset({_UNINITIALISED, _NOT_LOADED, _NO_LIBRARY, _MISMATCH})

_WORDS = {
    _UNINITIALISED: ("the connection to it was closed", "read again"),
    _NO_PERMISSION: ("no permission to use the NVIDIA driver", "check the permissions of /dev/nvidia*"),
    _NOT_LOADED: (
        "the NVIDIA driver is installed but not loaded",
        "`sudo modprobe nvidia`, or restart the machine",
    ),
    _NO_LIBRARY: (
        "no NVIDIA driver found",
        "install the driver if there is a GPU; start a container with --gpus all",
    ),
    _OPERATING_SYSTEM: ("the operating system refused the NVIDIA driver", "see `dmesg` for the reason"),
    _MISMATCH: (
        "the NVIDIA driver was updated, but its old kernel module is still loaded",
        "restart the machine",
    ),
}


def in_words(code: int | None, text: str) -> str:
    """Return what an NVML error means, and what to do: `no NVIDIA driver found. Install the driver …`."""
    if code in _WORDS:
        what, remedy = _WORDS[code]
        return with_fix(what, remedy)
    return f"NVML failed: {printable(text)}. See `nvidia-smi`"


def missing_package() -> str:
    """When `pynvml` itself cannot be imported."""
    return "the package nvidia-ml-py is missing. Reinstall tuiftune, or `pip install nvidia-ml-py`"
