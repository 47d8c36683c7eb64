"""What a machine is and has: system, Python, rsync, disk, NVIDIA driver and GPUs, clock."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import size
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.jobs.rented.address import Address
    from tuiftune.jobs.rented.line import Line

HOME = "tuiftune"  # directory below the home there, if none is named
OLDEST = (3, 11)
SKEW_SECONDS = 30.0  # from which a clock is told as wrong
SPARE_BYTES = 512 * 2**20  # for log, checkpoints of a small model, result
SAFE = re.compile(r"/[A-Za-z0-9._/+@-]*")  # no character that a shell there could take for another
MOST_GPUS = 64
SCRIPT = r"""
PATH=$HOME/.local/bin:$PATH:/usr/local/bin:/usr/bin:/bin
say() { printf '%s=%s\n' "$1" "$2"; }
say system "$(uname -s)"
say host "$(uname -n)"
say clock "$(date +%s)"
place=PLACE
fault=$( { mkdir -p "$place/runs" && : >"$place/.write" && rm "$place/.write"; } 2>&1 ) || say fault "$fault"
place=$(cd "$place" 2>/dev/null && pwd -P)
say place "$place"
set -- $(df -Pk "${place:-$HOME}" 2>/dev/null | tail -n 1)
say free "$4"
for program in rsync uv curl wget; do
    command -v $program >/dev/null 2>&1 && say has $program
done
for python in PYTHONS; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    say python "$version $(command -v "$python")"
done
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits 2>/dev/null |
    while IFS= read -r gpu; do say gpu "$gpu"; done
for plan in "$place"/runs/*/plan.json; do
    [ -e "$plan" ] && run=${plan%/plan.json} && say run "${run##*/}"
done
exit 0
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """`memory` in MiB, as the driver tells it."""

    name: str
    memory: int
    driver: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as it was found. `place`: our directory there. `skew`: seconds its clock is ahead of ours.

    `python`: a command there that is new enough; "" if there is none.
    """

    host: str
    place: str
    free: int
    python: str
    python_version: str
    programs: frozenset[str]
    gpus: tuple[Gpu, ...]
    runs: tuple[str, ...]
    skew: float

    def lines(self) -> list[str]:
        """Return what a person is told of it."""
        kinds = dict.fromkeys(gpu.name for gpu in self.gpus)
        count = {kind: sum(gpu.name == kind for gpu in self.gpus) for kind in kinds}
        named = ", ".join(f"{count[kind]} × {printable(kind)}" for kind in kinds)
        gpus = f"{named}, driver {printable(self.gpus[0].driver)}" if self.gpus else "no NVIDIA GPU"
        python = f"Python {self.python_version}" if self.python else "Python comes with uv"
        told = [f"{self.host}: {gpus}; {size(self.free)} free in {self.place}; {python}"]
        if abs(self.skew) >= SKEW_SECONDS:
            ahead = "ahead of" if self.skew > 0 else "behind"
            told.append(
                f"warning: the clock of {self.host} is {abs(self.skew):.0f} s {ahead} this machine's. Times "
                "in the log are its own"
            )
        return told


def examine(line: Line, directory: str | None, python: str | None) -> Machine:
    """Look at a machine, and make our directory there.

    Args:
        directory: where on it; None: `tuiftune` below the home.
        python: an interpreter there that already has the packages; None: whichever is new enough.

    Raises:
        UserError: if it cannot be reached, or lacks what every run needs: one line each.
    """
    if directory is not None and not SAFE.fullmatch(directory):
        raise UserError(
            f"{printable(directory)!r} is not a directory that can be used there",
            place="--remote-dir",
            remedy="write it from / on, in letters, digits and . _ + @ -",
        )
    if python is not None and not SAFE.fullmatch(python):
        raise UserError(
            f"{printable(python)!r} is not an interpreter's path there",
            place="--remote-python",
            remedy="write it from / on",
        )
    place = f'"$HOME"/{HOME}' if directory is None else f"'{directory}'"
    pythons = "python3.13 python3.12 python3.11 python3" if python is None else f"'{python}'"
    before = time.time()
    said = line.ask(
        SCRIPT.replace("PLACE", place).replace("PYTHONS", pythons), doing="looking at the machine"
    )
    between = (before + time.time()) / 2
    found: dict[str, list[str]] = {}
    for text in said.decode("utf-8", "replace").splitlines():
        key, _, value = text.partition("=")
        found.setdefault(key, []).append(value.strip())
    return _machine(found, line.address, between, python)


def require_space(machine: Machine, needed: int, address: Address) -> None:
    """Raise UserError (exit code 3) if what is to be copied does not fit on its disk."""
    if needed + SPARE_BYTES > machine.free:
        raise UserError(
            f"not enough disk space: {size(needed)} to copy and {size(SPARE_BYTES)} for the run, "
            f"{size(machine.free)} free in {machine.place}",
            place=str(address),
            remedy="free some space there, or use another disk: --remote-dir DIR",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _machine(found: dict[str, list[str]], address: Address, now: float, asked: str | None) -> Machine:
    def first(key: str) -> str:
        return found.get(key, [""])[0]

    where = str(address)
    if first("system") != "Linux":
        system = printable(first("system")) or "a system that did not answer"
        raise UserError(f"runs {system}, and training needs Linux", place=where, remedy="use another machine")
    fault = printable(first("fault"))
    if fault:
        full = "space" in fault or "quota" in fault
        raise UserError(
            f"its directory cannot be used ({fault[:200]})",
            place=where,
            remedy="name another one there: --remote-dir DIR",
            exit_code=ExitCode.DISK_FULL if full else ExitCode.USAGE,
        )
    if not SAFE.fullmatch(first("place")):
        raise UserError(
            f"the directory {printable(first('place'))!r} cannot be used",
            place=where,
            remedy="name one of letters, digits and . _ + @ - : --remote-dir DIR",
        )
    programs = frozenset(found.get("has", []))
    if "rsync" not in programs:
        raise UserError(
            "rsync is not installed there", place=where, remedy="install it there: apt-get install rsync"
        )
    version, python = _python(found.get("python", []), programs, where, asked)
    clock, free = first("clock"), first("free")
    return Machine(
        host=printable(first("host")) or address.host,
        place=first("place"),
        free=int(free) * 1024 if free.isdigit() else 0,
        python=python,
        python_version=version,
        programs=programs,
        gpus=tuple(_gpus(found.get("gpu", []))),
        runs=tuple(found.get("run", [])),
        skew=float(clock) - now if clock.isdigit() else 0.0,
    )


def _python(answers: list[str], programs: frozenset[str], where: str, asked: str | None) -> tuple[str, str]:
    """The version and path of an interpreter that is new enough; empty where uv is to bring one."""
    seen = []
    for answer in answers:
        version, _, path = answer.partition(" ")
        major, _, minor = version.partition(".")
        if major.isdigit() and minor.isdigit():
            seen.append(version)
            if (int(major), int(minor)) >= OLDEST and SAFE.fullmatch(path):
                return version, path
    oldest = ".".join(map(str, OLDEST))
    if asked is not None:
        why = f"is Python {seen[0]}, and {oldest} or later is needed" if seen else "is not a Python there"
        raise UserError(
            f"{printable(asked)} {why}", place=where, remedy="name another interpreter: --remote-python PATH"
        )
    if programs & {"uv", "curl", "wget"}:
        return "", ""
    have = f"only Python {', '.join(dict.fromkeys(seen))}" if seen else "no Python"
    raise UserError(
        f"has {have}, {oldest} or later is needed, and nothing to install it with (uv, curl or wget)",
        place=where,
        remedy="install curl there: apt-get install curl",
    )


def _gpus(lines: list[str]) -> list[Gpu]:
    found = []
    for line in lines[:MOST_GPUS]:
        name, _, rest = line.partition(",")
        memory, _, driver = rest.partition(",")
        if name.strip() and memory.strip().isdigit():
            found.append(Gpu(name.strip(), int(memory), driver.strip()))
    return found
