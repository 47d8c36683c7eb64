"""An export in words: for the terminal, the app and the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.figures import duration, percent, size
from tuiftune.figures import interval as between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What was written, how it compares with the run, and how it is used; the outcome first."""
    where = paths.from_here(str(document.get("directory") or ""))
    took = f" in {duration(document['seconds'])}" if document.get("seconds") is not None else ""
    yield f"{STATES[str(document['state'])]}: {where} ({size(document.get('bytes'))}{took})"
    yield from verified(document)
    if document.get("peak_bytes"):
        yield f"peak RAM while writing: {size(document['peak_bytes'])}"
    if document.get("not_run"):
        yield f"not run by us: {document['not_run']}"
    for command in document.get("use") or ():
        yield f"use: {command}"


STATES = {
    "verified": "Verified",
    "failed": "Verification FAILED",
    "not verified": "Written, not verified",
}


def verified(document: Mapping[str, Any]) -> Iterator[str]:
    """How the export compares with its run, one fact a line."""
    found = document.get("verified")
    if not found:
        return
    for fault in found["faults"]:
        yield f"failed: {fault}"
    yield f"engine: {found['engine']}"
    if found.get("changed"):
        yield f"the data changed since the run was trained: {found['changed']}, and only these are compared"
    match = found.get("exact_match")
    if match:
        run, other = match["run"], match["artifact"]
        yield (
            f"exact match: {percent(other['share'])} ({other['matched']} of {other['rows']}, "
            f"95% CI {between(*other['interval'])}); the run: {percent(run['share'])}"
        )
    same, prompts = found["same_answers"], found["same_prompts"]
    yield f"same answers as the run: {same['same']} of {same['rows']}"
    if found["kl"]["mean"] is not None:
        yield f"mean KL divergence: {found['kl']['mean']:.5f} nats a token (at most {found['kl']['limit']:g})"
    yield f"same prompt tokens: {prompts['same']} of {prompts['rows']} rows"
    yield f"answers that did not end: {found['unended']} of {found['rows']}"
    if found.get("tokens_per_second"):
        yield f"speed here: {found['tokens_per_second']:g} tokens/s"
