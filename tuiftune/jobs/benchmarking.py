"""`tuiftune benchmark`: what fine-tuning cost elsewhere, by the built-in probe set, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.evaluate import probe_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.evaluate.probe_set import Forgetting, Probed
    from tuiftune.jobs.contenders import Contenders, Target

NOTE = "Built-in probe set: it compares a model with itself, and is not a public benchmark."


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The model, its base model if it has one, and how they compare."""

    tuned: Probed
    base: Probed | None
    forgetting: Forgetting | None

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints and the run keeps."""
        return {
            "probe_set": NOTE,
            "model": self.tuned.document(),
            "base": None if self.base is None else self.base.document(),
            "forgetting": None if self.forgetting is None else self.forgetting.document(),
        }


def benchmark(
    contenders: Contenders,
    wanted: Target,
    *,
    limit: int | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Benchmark:
    """Probe a model, and its base model first if there is one. UserError for an endpoint."""
    if wanted.url is not None:
        raise UserError(
            "does not tell how likely an answer is", place=wanted.text, remedy="name a run or a model"
        )
    base = contenders.base_of(wanted)
    before = None
    if base is not None:
        before = probe_set.probe(base, lambda done, total: progress(base.name, done, total), limit)
    tuned = contenders.responder(wanted)
    after = probe_set.probe(tuned, lambda done, total: progress(tuned.name, done, total), limit)
    return Benchmark(after, before, None if before is None else probe_set.forgetting(before, after))
