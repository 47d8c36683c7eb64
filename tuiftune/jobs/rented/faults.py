"""What ssh and rsync say when they fail, as one line with its remedy, and whether trying again can help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from tuiftune.jobs.rented.address import Address

LONGEST = 200  # characters of another program's line
_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_CALLED = re.compile(r"^ssh: connect to host \S+ port \d+: ")
_NOISE = re.compile(r"^(\s*|@+|Warning: .*|rsync error: .*|Connection to .* closed.*)$")


class LineLostError(UserError):
    """The machine cannot be reached at the moment; the same may succeed later."""


class RefusedError(UserError):
    """The machine, or ssh here, does not accept the login: only the user can change that."""


def of_ssh(said: str, address: Address) -> UserError:
    """Return the error for what ssh itself said: a LineLostError unless only the user can change it."""
    place, text = str(address), said.lower()
    port = "" if address.port is None else f" -p {address.port}"
    if "identification has changed" in text or ("host key for" in text and "has changed" in text):
        known = address.host if address.port is None else f"[{address.host.strip('[]')}]:{address.port}"
        return RefusedError(
            "its host key has changed since the last connection: another machine has this address now, or "
            "somebody is in between",
            place=place,
            remedy=f"if your provider confirms the new key: ssh-keygen -R '{known}'",
        )
    if "host key verification failed" in text or "no host key is known" in text:
        return RefusedError(
            "its host key is not known on this machine yet",
            place=place,
            remedy=f"connect once and compare the key with your provider's: ssh{port} {address.target}",
        )
    if "permission denied" in text or "too many authentication failures" in text:
        return RefusedError(
            "permission denied",
            place=place,
            remedy=f"load a key that it accepts (ssh-add, or IdentityFile in ~/.ssh/config); test it: "
            f"ssh -o BatchMode=yes{port} {address.target} true",
        )
    if "could not resolve hostname" in text or "name or service not known" in text:
        return LineLostError("the host is unknown", place=place, remedy="check its name and the network")
    why = _CALLED.sub("", last_line(said)) or "ssh gave no reason"
    return LineLostError(
        f"cannot be reached ({why})",
        place=place,
        remedy="check that the machine runs, and its address and port",
        exit_code=ExitCode.FAILED,
    )


def of_command(said: str, code: int, address: Address, doing: str, *, to_here: bool = False) -> UserError:
    """Return the error for a command there, or a copy, that failed with `code`. `doing`: as "copying …"."""
    if _FULL.search(said) and to_here:
        return UserError(
            f"the disk is full while {doing} from {address}",
            place="this machine",
            remedy="free some space",
            exit_code=ExitCode.DISK_FULL,
        )
    if _FULL.search(said):
        return UserError(
            f"its disk is full while {doing}",
            place=str(address),
            remedy="free some space there, or use another disk: --remote-dir DIR",
            exit_code=ExitCode.DISK_FULL,
        )
    why = last_line(said) or f"exit code {code}"
    return UserError(f"{doing} failed ({why})", place=str(address), exit_code=ExitCode.FAILED)


def last_line(said: str) -> str:
    """Return the last line that says something, safe to show."""
    lines = [line.strip() for line in said.splitlines() if not _NOISE.match(line.strip())]
    return without_secrets(printable(lines[-1]))[:LONGEST] if lines else ""
