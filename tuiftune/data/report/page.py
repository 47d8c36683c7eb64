"""The quality report as one HTML file: no script, no outside resource, readable in light and dark."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tuiftune.data import labels
from tuiftune.data.read.files import shown as as_written
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check
    from tuiftune.data.inspect import QualityReport

SIGNS = {"error": "✗", "warning": "!", "info": "·", "ok": "✓"}
MOST_LABELS = 40
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --paper: #fff; --line: #d8dee4;
  --bar: #2f6f9f; --error: #b3261e; --warning: #8a5a00; --info: #2f6f9f; --ok: #1e7a3c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --paper: #14181c;
  --line: #2f363d;
  --bar: #6fb1dd; --error: #ff8a80; --warning: #f2c14e; --info: #6fb1dd; --ok: #7fd49a; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.soft { color: var(--soft); }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; }
details { border-top: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
summary b { margin-right: .5rem; } .error { color: var(--error); } .warning { color: var(--warning); }
.info { color: var(--info); } .ok { color: var(--ok); }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; } li { margin: .2rem 0; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg rect { fill: var(--bar); } svg line { stroke: var(--line); }
"""


def page(report: QualityReport) -> str:
    """The whole document."""
    dataset = report.dataset
    names = ", ".join(as_written(path) for path in dataset.files[:5]) + (
        " …" if len(dataset.files) > 5 else ""
    )
    worst = [
        f"{sum(c.severity == level for c in report.checks)} {level}" for level in ("error", "warning", "info")
    ]
    facts = [
        ("Format", f"{dataset.format} ({dataset.confidence:.0%} sure), for {dataset.stage}"),
        ("Rows", f"{dataset.rows:,}, {int(dataset.usable.sum()):,} of them usable"),
        ("Columns", ", ".join(f"{name} ({kind})" for name, kind in dataset.source_columns.items())),
        ("Why this format", "; ".join(dataset.evidence)),
        ("Lost in conversion", "; ".join(dataset.lost) or "nothing"),
        ("Checks", ", ".join(worst)),
    ]
    body = [
        f"<h1>{_text(names)}</h1>",
        "<table>"
        + "".join(f"<tr><th>{name}</th><td>{_text(value)}</td></tr>" for name, value in facts)
        + "</table>",
        _lengths(report),
        _labels(report),
        "<h2>Checks</h2>",
        *(_check(check) for check in report.checks),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(names)} — dataset report</title><style>{_STYLE}</style></head>\n<body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _text(value: str) -> str:
    return html.escape(printable(value))


def _lengths(report: QualityReport) -> str:
    lengths = report.lengths
    if not lengths["quantiles"]:
        return ""
    edges, counts = lengths["histogram"]["edges"], lengths["histogram"]["counts"]
    named = [
        ("median" if point == "50" else f"{point}%", value) for point, value in lengths["quantiles"].items()
    ]
    rows = "".join(f"<th>{name}</th>" for name, _ in named) + "</tr><tr>"
    rows = f"<tr>{rows}" + "".join(f"<td>{value:,}</td>" for _, value in named) + "</tr>"
    return (
        f'<h2>Length</h2><p class="soft">Tokens per row, {_text(lengths["basis"])}; answers '
        f"{lengths['answer_mean']:,} on average.</p>{histogram(edges, counts)}<table>{rows}</table>"
    )


def histogram(edges: list[int], counts: list[int], width: int = 720, height: int = 180) -> str:
    """An SVG of bars over bins; `edges` has one entry more than `counts`."""
    most = max(counts, default=0) or 1
    step = width / max(1, len(counts))
    bars = "".join(
        f'<rect x="{place * step + 1:.1f}" y="{20 + height * (1 - count / most):.1f}" width="{step - 2:.1f}" '
        f'height="{height * count / most:.1f}">'
        f"<title>{edges[place]:,} to {edges[place + 1]:,}: {count:,} rows</title></rect>"
        for place, count in enumerate(counts)
    )
    ticks = "".join(
        f'<text x="{place * step:.1f}" y="{height + 36}">{edges[place]:,}</text>'
        for place in range(0, len(edges), max(1, len(edges) // 8))
    )
    return (
        f'<svg viewBox="0 0 {width} {height + 44}" role="img" aria-label="rows by length in tokens">'
        f'<text x="0" y="12">{most:,} rows</text>'
        f'<line x1="0" x2="{width}" y1="{height + 20}" y2="{height + 20}"/>{bars}{ticks}</svg>'
    )


def _labels(report: QualityReport) -> str:
    if not report.labels:
        return ""
    shown = report.labels[:MOST_LABELS]
    most = shown[0][1]
    height = 18 * len(shown)
    bars = "".join(
        f'<text x="0" y="{18 * place + 13}">{_text(label[:36])}</text>'
        f'<rect x="240" y="{18 * place + 3}" width="{420 * count / most:.1f}" height="12"/>'
        f'<text x="{246 + 420 * count / most:.1f}" y="{18 * place + 13}">{count:,}</text>'
        for place, (label, count) in enumerate(shown)
    )
    rest = (
        f'<p class="soft">and {len(report.labels) - len(shown):,} more</p>'
        if len(report.labels) > len(shown)
        else ""
    )
    head = labels.told(len(labels.counted(report.labels)), len(report.labels)).capitalize()
    return (
        f'<h2>{head}</h2><svg viewBox="0 0 720 {height}" role="img" '
        f'aria-label="rows by label">{bars}</svg>{rest}'
    )


def _check(check: Check) -> str:
    rows = ", ".join(check.places or map(str, check.rows)) + (
        " …" if check.count > len(check.rows) > 0 else ""
    )
    examples = "".join(f"<li><code>{_text(example)}</code></li>" for example in check.examples)
    opened = " open" if check.severity in ("error", "warning") else ""
    inside = "".join(
        (
            f"<p>{_text(check.why)}</p>" if check.why else "",
            f"<p>→ {_text(check.remedy)}</p>" if check.remedy else "",
            f"<ul>{examples}</ul>" if examples else "",
            f'<p class="soft">Rows {_text(rows)}</p>' if rows else "",
        )
    )
    head = f'<b class="{check.severity}">{SIGNS[check.severity]} {_text(check.title)}</b>{check.count:,}'
    if not inside:
        return f"<details><summary>{head}</summary><p class=soft>Passed.</p></details>"
    return f"<details{opened}><summary>{head}</summary>{inside}</details>"
