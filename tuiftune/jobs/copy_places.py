"""Which kind of place a URL names, and whether a run can be copied there."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tuiftune.errors import UserError
from tuiftune.jobs import companion
from tuiftune.jobs.hub_place import SCHEME, HubPlace
from tuiftune.jobs.place import PRESET_KEY, Place, PlaceError, shown
from tuiftune.printable import printable

FLEETING = {"memory"}  # protocols of file systems that end with their process
MISTAKEN = re.compile(r"(hf|s3a?|gc?s|sftp|ssh|ftp|https?):(?!//)", re.IGNORECASE)
RIGHTS = "check the name, your rights and the credentials in the environment"


def at(url: str) -> Place:
    """Return the place of a URL. UserError where its package is missing, it is none, or it has a password."""
    if (mistaken := MISTAKEN.match(url)) is not None:
        raise UserError(
            f"{shown(url)} has no // after {printable(mistaken[1])}:",
            place=PRESET_KEY,
            remedy=f"write it like {mistaken[1].lower()}://…",
        )
    parts = urlsplit(url) if "://" in url else None
    if parts is not None and parts.password:
        raise UserError(
            f"a {printable(parts.scheme)}:// URL may not have a password",
            place=PRESET_KEY,
            remedy="leave it out: credentials come from the environment",
        )
    if parts is not None and parts.scheme in FLEETING:
        raise UserError(
            f"{printable(parts.scheme)}:// keeps nothing after its process",
            place=PRESET_KEY,
            remedy="use a directory, s3://, gs:// or hf://",
        )
    scheme, separator, rest = url.partition("://")
    url = f"{scheme.lower()}{separator}{rest}" if separator else url
    return HubPlace(url) if url.startswith(SCHEME) else Place(url)


def check(url: str | None, place: str = PRESET_KEY) -> None:
    """Write and remove a small file there. Raises UserError if that cannot be done."""
    if url is None:
        return
    try:
        at(url).check()
    except UserError:
        raise
    except FileNotFoundError as fault:  # whose words are a URL, or the name again
        what = "bucket or repository" if "://" in url and not url.startswith("file:") else "directory"
        raise UserError(
            f"{shown(url)} cannot be written to: there is no such {what}",
            place=place,
            remedy="check the name, or make it first",
        ) from fault
    except Exception as fault:  # a file system's library may raise anything
        raise UserError(
            f"{shown(url)} cannot be written to: {companion.line_of(fault)}",
            place=place,
            remedy="" if isinstance(fault, PlaceError) else RIGHTS,
        ) from fault
