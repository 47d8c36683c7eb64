"""What `decide`, `benchmark` and `ship` concluded about a run, for its report and its model card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store import conclusions
from tuiftune.runs.store.conclusions import kept
from tuiftune.runs.store.directory import write_text

if TYPE_CHECKING:
    from tuiftune.runs.store.conclusions import Name
    from tuiftune.runs.store.directory import RunDir

HEADING = "## Decided"
OLD = re.compile(rf"^{HEADING}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CARD = "README.md"


def keep(run: RunDir, name: Name, document: dict[str, Any]) -> None:
    """Keep what was concluded with the result, and say it in the model card, in place of what it said before.

    Raises:
        UserError: if a file cannot be written.
    """
    conclusions.keep(run, name, document)
    path = run.result_path / CARD
    try:
        card = documents.read_text(path)
    except UserError:
        return  # a result of an earlier version, or a card that the user took away
    text = OLD.sub("", card).rstrip() + "\n\n" + "\n\n".join(section(run)) + "\n"
    try:
        write_text(path, text)
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None


def section(run: RunDir) -> list[str]:
    """Return Markdown; nothing if none of the commands was run."""
    lines = []
    if decision := _part(kept(run, "decision"), "decision"):
        lines.append(f"**Decision** ({_text(decision, 'rows_used')}): {_text(decision, 'says')}")
    benchmark = kept(run, "benchmark")
    if forgetting := _part(benchmark, "forgetting"):
        lines.append(f"**Benchmark** (built-in probe set): {_text(forgetting, 'says')}")
    told = [_text(_part(benchmark, key), "says") for key in ("safety", "memorization")]
    lines += [says for says in told if says]
    ship = kept(run, "ship")
    if ship is not None:
        lines.append("**SHIP**" if ship.get("ship") is True else "**DON'T SHIP**")
        conditions = ship.get("conditions")
        for one in conditions if isinstance(conditions, list) else []:
            if isinstance(one, dict):
                met = "met" if one.get("met") is True else "not met"
                lines.append(f"- {_text(one, 'wanted')}: {met}. {_text(one, 'measured')}")
    return [HEADING, "\n\n".join(lines)] if lines else []


def _part(document: dict[str, Any] | None, key: str) -> dict[str, Any]:
    found = (document or {}).get(key)
    return found if isinstance(found, dict) else {}


def _text(document: dict[str, Any], key: str) -> str:
    return printable(str(document.get(key) or "")).replace("|", "\\|")
