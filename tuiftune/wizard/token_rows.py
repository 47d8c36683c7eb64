"""A draft's rows as the trainer sees them, tokenized by the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, engine_call
from tuiftune.engine_call import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.wizard.draft import Draft


def token_rows(
    draft: Draft, model: str, rows: Sequence[int], given_up: Callable[[], bool]
) -> list[dict[str, Any]]:
    """Return the engine's documents of these usable rows, counted from 1; [] if it was canceled.

    Blocks for some seconds, because the engine imports its libraries first. Raises UserError with the
    engine's error line if it fails.
    """
    job = Job("tokens", tuple(_options(draft, model, rows)))
    if (said := engine_call.ask(job, given_up=given_up)) is None:
        return []
    document = documents.loads(said)
    found: list[dict[str, Any]] = document["rows"] if len(rows) > 1 else [document]
    return found


def _options(draft: Draft, model: str, rows: Sequence[int]) -> list[str]:
    options = [f"--revision={revision}"] if (revision := draft.value("model.revision")) else []
    options += ["--model", model, "--max-length", str(draft.value("data.max_length") or 2048)]
    options += ["--loss-on", str(draft.value("data.loss_on") or "assistant"), "--format", draft.format]
    options += ["--reasoning", str(draft.value("data.reasoning") or "keep")]
    options += [f"--column={role}={name}" for role, name in draft.columns.items()]
    options += [f"--row={row}" for row in rows]
    if draft.system:
        options.append(f"--system={draft.system}")
    return [*options, "--", *draft.data]
