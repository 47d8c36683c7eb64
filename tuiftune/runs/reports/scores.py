"""Before and after in a table, with how sure the figures are, and whether the rows support the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import metrics
from tuiftune.data.similar.twins import leakage_told
from tuiftune.evaluate.statistics import in_words, mcnemar, wilson
from tuiftune.figures import interval, percent
from tuiftune.runs.reports.verdict import of
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.state.readings import number, part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.runs.reports.verdict import Verdict
    from tuiftune.runs.state.run_state import RunState

FEW_ROWS = 200  # below, a gain of five points is seen one time in three at best (paired test, 20 % changing)


def section(state: RunState, result: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Markdown: the table of scores, and below it what the paired test says of the answers."""
    before, after = _scores(state, result, "before"), _scores(state, result, "after")
    table = [
        line
        for line in (
            _line("eval loss", figure(before.get("loss")), figure(after.get("loss"))),
            _line("eval perplexity", figure(before.get("perplexity")), figure(after.get("perplexity"))),
            _line("exact match", _rate(before), _rate(after)),
            *(
                _line(name, percent(first, 1), percent(second, 1))
                for name, first, second in measured(before, after)
            ),
            *_by_source(before, after),
        )
        if line
    ]
    if not table:
        return "Not measured yet."
    lines = ["\n".join(["| | before | after |", "|---|---|---|", *table])]
    verdict = of(result)
    if verdict is not None and verdict.says:
        sure = "" if verdict.interval is None else f" {_change(verdict)}"
        lines.append(f"**{verdict.says}**{sure} {verdict.fix}".rstrip())
    lines += _paired(rows)
    lines += how_compared(before, after)
    counted = int(after.get("rows") or before.get("rows") or 0)
    if 0 < counted < FEW_ROWS and after.get("exact_match") is not None:
        lines.append(
            f"{counted} rows were answered: enough to detect a large change, but not one of a few points."
        )
    return "\n\n".join(lines)


def _by_source(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The lines of what is mixed in: each source's own rows, which show what training on the others costs."""
    first, second = part(before, "sources"), part(after, "sources")
    lines = []
    for name in second:
        old, new = part(first, name), part(second, name)
        lines.append(_line(f"{name}: loss", figure(old.get("loss")), figure(new.get("loss"))))
        if "exact_match" in new:
            shares = percent(old.get("exact_match", 0.0), 1), percent(new["exact_match"], 1)
            lines.append(_line(f"{name}: exact match", *shares))
    return lines


def measured(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return (name, before, after) of each share that the stage measured on the evaluation rows."""
    found = []
    for metric in metrics.scored():
        first, second = (number(part(score, "measured"), metric.key) for score in (before, after))
        if first is not None and second is not None:
            found.append((metric.label, first, second))
    return found


def how_compared(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What was taken off the answers before they were compared, how many of the rows training knew, and how
    many answers didn't come to their end."""
    lines = []
    names = {
        "reasoning": "their reasoning (a thinking block, empty or not)",
        "marks": "special tokens of the template",
    }
    found = [name for name in names if any(_taken_off(part, name) for part in (before, after))]
    if found:
        counts = "; ".join(
            f"{name}: {_taken_off(before, name)} of {before.get('rows') or 0} before, "
            f"{_taken_off(after, name)} of {after.get('rows') or 0} after"
            for name in found
        )
        words = " and ".join(names[name] for name in found)
        lines.append(f"Answers were compared without {words}, removed by rule ({counts}).")
    if words := leakage_told(part(after, "leakage")):
        lines.append(f"{words}.")
    if isinstance(cut := after.get("unended"), int) and cut > 0:
        lines.append(f"{cut} of {after.get('rows') or 0} answers after training reached max_new_tokens.")
    return lines


def _taken_off(score: dict[str, Any], name: str) -> int:
    found = score.get("stripped")
    count = found.get(name) if isinstance(found, dict) else None
    return count if isinstance(count, int) else 0


def _change(verdict: Verdict) -> str:
    low, high = verdict.interval or (0.0, 0.0)
    return f"Eval loss changed by {verdict.change:+.4g} (95% CI {low:+.4g} to {high:+.4g}, paired by rows)."


def _scores(state: RunState, result: dict[str, Any], when: str) -> dict[str, Any]:
    """From result.json where there is one, else from the events so far."""
    found = result.get(when)
    if isinstance(found, dict):
        return {**found, "matched": _matched(found)}
    evaluation = state.eval_before if when == "before" else state.eval_after
    score = state.score_before if when == "before" else state.score_after
    return {
        "loss": evaluation.loss if evaluation else None,
        "perplexity": evaluation.perplexity if evaluation else None,
        "exact_match": score.exact_match if score else None,
        "matched": score.matched if score else None,
        "rows": score.rows if score else None,
    }


def _matched(found: dict[str, Any]) -> int | None:
    share, rows = found.get("exact_match"), found.get("rows")
    return round(share * rows) if isinstance(share, int | float) and isinstance(rows, int) else None


def _line(name: str, before: str, after: str) -> str:
    return "" if before == after == "—" else f"| {name} | {before} | {after} |"


def _rate(score: dict[str, Any]) -> str:
    matched, rows = score.get("matched"), score.get("rows")
    if not isinstance(matched, int) or not isinstance(rows, int) or not 0 <= matched <= rows or not rows:
        return "—"
    low, high = wilson(matched, rows)
    return f"{percent(matched / rows, 1)} ({matched} of {rows}; 95% CI {interval(low, high)})"


def _paired(rows: list[dict[str, Any]]) -> list[str]:
    pairs = [(row["matched_before"], row["matched_after"]) for row in rows if _is_pair(row)]
    if not pairs:
        return []
    gained = sum(not before and after for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    words = (
        f"Of the same {len(pairs)} rows, {gained} turned from wrong to right and {lost} from right to wrong: "
    )
    return [words + f"{in_words(mcnemar(gained, lost))}, by McNemar's exact test. Intervals are Wilson's."]


def _is_pair(row: dict[str, Any]) -> bool:
    return isinstance(row.get("matched_before"), bool) and isinstance(row.get("matched_after"), bool)
