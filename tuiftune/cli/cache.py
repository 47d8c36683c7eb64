"""`tuiftune cache`: the rows that were read and tokenized, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json

if TYPE_CHECKING:
    from tuiftune.cache.clearing import Held


def show(json: Json = False) -> None:
    """Show where rows are kept, and how much disk space they take."""
    import time

    from tuiftune.cache import clearing, place
    from tuiftune.cli import terminal
    from tuiftune.figures import ago, plural, size
    from tuiftune.printable import printable

    entries, limit = clearing.held(), place.limit()
    taken = sum(one.bytes for one in entries)
    if json:
        terminal.write_json(
            {
                "directory": str(place.root()),
                "limit": limit,
                "bytes": taken,
                "entries": [_document(one) for one in entries],
            },
            "cache-show",
        )
        return
    allowed = f"at most {size(limit)} are kept" if limit else "nothing is kept"
    terminal.say(f"{printable(str(place.root()))}: {size(taken)}, {allowed} ({place.LIMIT})")
    for one in entries:
        used = ago(time.time() - one.used)
        unfinished = "" if one.complete else ", unfinished"
        terminal.say(f"  {one.kind} {one.key[:12]}: {size(one.bytes)}, last used: {used}{unfinished}")
    if entries:
        terminal.say(f"Remove {plural(len(entries), 'entry', 'entries')}: tuiftune cache clear")


def clear(
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than", metavar="DAYS", min=0.0, help="Remove only what was not used for so long; 0: all."
        ),
    ] = 0.0,
    json: Json = False,
) -> None:
    """Remove kept rows. Runs that use them now keep theirs."""
    from tuiftune.cache import clearing
    from tuiftune.cli import terminal
    from tuiftune.figures import plural, size

    gone = clearing.clear(older_than * 86400)
    freed = sum(one.bytes for one in gone)
    if json:
        document = {"removed": [_document(one) for one in gone], "bytes": freed}
        terminal.write_json(document, "cache-clear")
        return
    terminal.say(f"Removed {plural(len(gone), 'entry', 'entries')} ({size(freed)})")


def _document(entry: Held) -> dict[str, Any]:
    told = ("kind", "key", "bytes", "used", "complete")
    return {name: getattr(entry, name) for name in told}
