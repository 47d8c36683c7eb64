"""What `decide`, `benchmark` and `ship` concluded about a run, for its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.printable import printable
from tuiftune.runs.store.conclusions import kept

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


def section(run: RunDir) -> list[str]:
    """Return Markdown; nothing if none of the commands was run."""
    lines = []
    if decision := _part(kept(run, "decision"), "decision"):
        lines.append(f"**Decision** ({_text(decision, 'rows_used')}): {_text(decision, 'says')}")
    if forgetting := _part(kept(run, "benchmark"), "forgetting"):
        lines.append(f"**Benchmark** (built-in probe set): {_text(forgetting, 'says')}")
    ship = kept(run, "ship")
    if ship is not None:
        lines.append("**SHIP**" if ship.get("ship") is True else "**DON'T SHIP**")
        conditions = ship.get("conditions")
        for one in conditions if isinstance(conditions, list) else []:
            if isinstance(one, dict):
                met = "met" if one.get("met") is True else "not met"
                lines.append(f"- {_text(one, 'wanted')}: {met}. {_text(one, 'measured')}")
    return ["## Decided", "\n\n".join(lines)] if lines else []


def _part(document: dict[str, Any] | None, key: str) -> dict[str, Any]:
    found = (document or {}).get(key)
    return found if isinstance(found, dict) else {}


def _text(document: dict[str, Any], key: str) -> str:
    return printable(str(document.get(key) or "")).replace("|", "\\|")
