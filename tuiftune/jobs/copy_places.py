"""Which kind of place a URL names, and whether a run can be copied there."""

from __future__ import annotations

from tuiftune.errors import UserError
from tuiftune.jobs import companion
from tuiftune.jobs.hub_place import SCHEME, HubPlace
from tuiftune.jobs.place import PRESET_KEY, Place, PlaceError, shown

RIGHTS = "check the name, your rights and the credentials in the environment"


def at(url: str) -> Place:
    """Return the place of a URL. UserError where its package is missing, or it is none."""
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
        raise UserError(
            f"{shown(url)} cannot be written to: there is no such bucket or repository",
            place=place,
            remedy="check the name, or make it first",
        ) from fault
    except Exception as fault:  # a file system's library may raise anything
        raise UserError(
            f"{shown(url)} cannot be written to: {companion.line_of(fault)}",
            place=place,
            remedy="" if isinstance(fault, PlaceError) else RIGHTS,
        ) from fault
