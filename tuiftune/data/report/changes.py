"""What a clean run did, in a terminal: counts by reason, a few changes as a diff, the files."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from tuiftune.data.clean.run import MALFORMED, rows_of
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.data.clean.repair import Change
    from tuiftune.data.clean.run import Account

SHOWN = 3
CONTEXT = 18


def render(account: Account, console: Console) -> None:
    """Print the account."""
    left = sum(rows for rows, _ in account.written.values())
    console.print(
        Text(f"{account.rows:,} rows read, {account.rows - left:,} dropped, {left:,} written", "bold")
    )
    bad = account.dataset.malformed
    if bad.count:
        where = bad.first[0].place
        console.print(Text(f"  - {bad.count:>7,} {MALFORMED}", "red").append(f"  first {where}", "dim"))
    for removal in account.removed:
        rows = rows_of(removal.indices, account.dataset, partner=removal.partner)
        console.print(
            Text(f"  - {len(removal.indices):>7,} {removal.why}", "red").append(f"  rows {rows}", "dim")
        )
    tally = Counter(what for change in account.changes for what in change.done)
    for what, count in tally.most_common():
        console.print(Text(f"  ~ {count:>7,} {what}", "yellow"))
    seen: set[str] = set()
    for change in account.changes:
        if change.done[0] not in seen and len(seen) < SHOWN:
            seen.add(change.done[0])
            row = account.dataset.frame["row"][change.index]
            console.print(
                Text(f"    {row}: ", "dim").append_text(diff(change)), no_wrap=True, overflow="ellipsis"
            )
    for path, (count, digest) in account.written.items():
        console.print(
            Text(f"  + {count:>7,} {printable(str(path))}", "green").append(
                f"  sha256 {digest[:12]}…" if digest else "  not written", "dim"
            )
        )
    if account.manifest is not None and account.changes_file is not None:
        beside = f"  manifest {printable(str(account.manifest))}, changes {account.changes_file.name}"
        console.print(Text(beside, "dim"))


def diff(change: Change) -> Text:
    """The first place that differs: what was there struck out in brackets, what is there now in braces."""
    before, after = change.before, change.after
    matcher = difflib.SequenceMatcher(None, before[:2000], after[:2000], autojunk=False)
    for kind, start, end, fresh, stop in matcher.get_opcodes():
        if kind != "equal":
            text = Text(printable(before[max(0, start - CONTEXT) : start]), "dim")
            if end > start:
                text.append(f"[-{printable(before[start : min(end, start + 30)])}-]", "red")
            if stop > fresh:
                text.append(f"{{+{printable(after[fresh : min(stop, fresh + 30)])}+}}", "green")
            return text.append(printable(before[end : end + CONTEXT]), "dim")
    return Text(printable(before[:60]), "dim")
