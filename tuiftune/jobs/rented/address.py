"""The address of a machine: `ssh:USER@HOST:PORT`, or a name of the user's ssh configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuiftune.errors import UserError
from tuiftune.printable import printable

PREFIX = "ssh:"
_FORM = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where ssh goes; `port` None: ssh's own choice, by the user's configuration."""

    host: str
    user: str = ""
    port: int | None = None

    @property
    def target(self) -> str:
        """What ssh and rsync are told; rsync needs the brackets of an IPv6 address."""
        return f"{self.user}@{self.host}" if self.user else self.host

    def __str__(self) -> str:
        return self.target + ("" if self.port is None else f":{self.port}")


def parse(text: str) -> Address:
    """Return the address in `ssh:USER@HOST:PORT`. Raises UserError if it is none."""
    found = _FORM.fullmatch(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port < 65536):
        raise UserError(
            f"{printable(text)[:80]} is not an address",
            place="--on",
            remedy="write it as ssh:USER@HOST or ssh:USER@HOST:PORT",
        )
    return Address(found["host"], found["user"] or "", port)
