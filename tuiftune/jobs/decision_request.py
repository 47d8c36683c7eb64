"""What is to be decided, as a command or a screen says it, and how it is carried out: the same for both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.advice import retrieval
from tuiftune.errors import UserError
from tuiftune.evaluate.answer_cache import AnswerCache, default_directory
from tuiftune.evaluate.embedded import Embeddings
from tuiftune.evaluate.local_model import BASE, TUNED, Source
from tuiftune.evaluate.prices import Rates
from tuiftune.jobs import deciding
from tuiftune.jobs.approaches import Approaches
from tuiftune.jobs.contenders import Target, source_of
from tuiftune.printable import printable
from tuiftune.runs.reports import concluded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.evaluate.contender import Responder
    from tuiftune.evaluate.decision import Candidate
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.deciding import Outcome
    from tuiftune.runs.store.directory import RunDir

EVAL_SHARE = 0.2
MOST_ROWS = 128


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision that is asked for.

    Attributes:
        data: the rows; None for those of the run.
        run: the run whose fine-tuned model is measured.
        model: a local model to prompt; None for the run's base model.
        url: an OpenAI-compatible endpoint, asked for `endpoint_model`.
        prompt: text of the user's own prompt.
        embeddings: directory of a model whose embeddings are searched for passages.
        again: answers that were kept before are not used.
        share, test, rows: of the rows held out, the file of test rows, and how many rows at most.
    """

    data: str | None = None
    run: RunDir | None = None
    model: str | None = None
    url: str | None = None
    endpoint_model: str | None = None
    documents: Path | None = None
    prompt: str | None = None
    share: float = EVAL_SHARE
    test: str | None = None
    rows: int = MOST_ROWS
    minutes: float | None = None
    metrics: tuple[str, ...] = ()
    max_new_tokens: int | None = None
    again: bool = False
    embeddings: str | None = None
    rates: Rates = field(default_factory=Rates)


def own_prompt(path: Path) -> str:
    """Return the text of the user's own prompt. UserError if the file is empty or cannot be read."""
    text = documents.read_text(paths.given(path))
    if not text.strip():
        raise UserError("is empty", place=printable(str(path)), remedy="write the prompt, with {input} in it")
    return text


def carry_out(
    wanted: Wanted,
    contenders: Contenders,
    progress: Callable[[str, float | None], None],
    measured: Callable[[Candidate], None] = lambda one: None,
) -> Outcome:
    """Measure everything that is wanted and decide; a run keeps the decision with its result.

    `progress` is told what is being done and its share, None if unknown; `measured` each contender as soon as
    all its rows are scored.

    Raises:
        UserError: if nothing could be measured.
    """
    if wanted.run is not None and wanted.data is not None:
        raise UserError(
            "cannot be measured together with a run, which has its own evaluation rows",
            place=wanted.data,
            remedy="leave out this file or --run",
        )
    if wanted.run is None and wanted.model is None and wanted.url is None:
        raise UserError("names nothing to measure", place="decide", remedy="add --model, --endpoint or --run")
    caches: dict[str, AnswerCache] = {}

    def cache(responder: Responder) -> AnswerCache:
        if responder.identity not in caches:
            kept = AnswerCache(default_directory(), responder.identity, again=wanted.again)
            caches[responder.identity] = kept
        return caches[responder.identity]

    progress("reading rows", None)
    splits = deciding.splits_of(
        wanted.data, wanted.run, share=wanted.share, test=wanted.test, most=wanted.rows
    )
    approaches = Approaches(splits.train, documents=wanted.documents, own_prompt=wanted.prompt)
    if wanted.embeddings is not None:
        approaches.embeddings = Embeddings(wanted.embeddings, lambda text: progress(text, None))
    _models(approaches, contenders, wanted)
    outcome = deciding.decide(
        splits,
        approaches,
        metrics=wanted.metrics,
        rates=_with_training(wanted),
        caches=cache,
        minutes=wanted.minutes,
        max_new_tokens=wanted.max_new_tokens,
        progress=lambda what, done, total: progress(f"{what}: {done:,} of {total:,} rows", done / total),
        measured=measured,
        look=lambda: deciding.looked_at(default_directory().parent, splits.test),
    )
    unread = "" if wanted.documents is None else retrieval.left_out(wanted.documents)
    unsearched = [] if approaches.embeddings is None else approaches.embeddings.notes
    notes = (*outcome.notes, *contenders.notes, *([unread] if unread else []), *unsearched)
    outcome = replace(outcome, notes=notes)
    if wanted.run is not None:
        concluded.keep(wanted.run, "decision", outcome.document())
    return outcome


def _models(approaches: Approaches, contenders: Contenders, wanted: Wanted) -> None:
    """Fill in what is asked: the run's models, or the model; and the endpoint."""
    if wanted.run is not None:
        source = source_of(Target(wanted.run.name, run=wanted.run))
        approaches.tuned = contenders.local(source, TUNED)
        approaches.base = contenders.local(source if wanted.model is None else Source(wanted.model), BASE)
    elif wanted.model is not None:
        approaches.base = contenders.local(Source(wanted.model), BASE)
    if wanted.url is not None:
        approaches.endpoint = contenders.responder(Target(wanted.url, url=wanted.url), wanted.endpoint_model)


def _with_training(wanted: Wanted) -> Rates:
    """Return the prices; what the run cost is its training time at the price of the machine."""
    run, hour = wanted.run, wanted.rates.hour
    if run is None:
        return wanted.rates
    hour = hour if hour is not None else run.planned().usd_per_hour
    seconds = (run.result() or {}).get("seconds")
    tuning = None
    if hour is not None and isinstance(seconds, int | float):
        tuning = seconds / 3600 * hour
    return replace(wanted.rates, hour=hour, tuning=tuning)
