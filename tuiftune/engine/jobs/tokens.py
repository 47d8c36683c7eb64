"""`python -m tuiftune.engine tokens`: the exact training tokens and loss mask, as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.fenced import text_of
from tuiftune.data.chat.words import remarks
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.chat.tokenize import Tokens
    from tuiftune.data.example import Example
    from tuiftune.engine.model.foreign import Foreign
    from tuiftune.engine.model.tokenizer import RowTokenizer

SHOWN = "shown"
BEYOND = 4096  # tokens beyond the cut that are told one by one


def main(given: argparse.Namespace) -> ExitCode:
    """Print the document for one row, or `{"rows": [document, …]}` for several. UserError where the row, data
    or model isn't there.
    """
    rows = given.row or [1]
    documents = list(tokens(given, rows))
    document = documents[0] if len(rows) == 1 else {"rows": documents}
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    return ExitCode.DONE


def tokens(given: argparse.Namespace, rows: list[int]) -> Iterator[dict[str, Any]]:
    """Return a document per row: the training tokens, the loss mask, and the inference prompt.

    `tokens` are [{id, piece, text, trained}]; `truncated_tokens` the first 4,096 beyond max_length. Further:
    how the mask was found, what ends an answer, `masked_answers` that the row itself keeps out of the loss.
    Of a comparison this is the chosen side; `rejected` is the same of the other one.

    Among several rows one that the template refuses has `fault` instead of tokens; alone it is a UserError.
    """
    from tuiftune.data.read.load import load
    from tuiftune.engine.model.base import Base, load_tokenizer, stop_ids
    from tuiftune.engine.model.foreign import behind_fence
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.process import libraries
    from tuiftune.models.resolve import resolve

    dataset = load(given.data, format=given.format, columns=_columns(given.column), system=given.system)
    usable = dataset.usable.arg_true()
    for row in rows:
        if not 0 < row <= len(usable):
            raise UserError(
                f"row {row} does not exist", place=", ".join(given.data), remedy="rows are numbered from 1"
            )
    model = resolve(given.model, given.revision)
    source = str(model.path) if model.path else given.model
    base = Base(given.model, source, None if model.path else given.revision, model.licence, remote_code=False)
    libraries.quieten(base, data=False)

    def make() -> RowTokenizer:
        return RowTokenizer(
            load_tokenizer(base),
            max_length=given.max_length,
            loss_on=given.loss_on,
            reasoning=given.reasoning,
            place=given.model,
            base_stops=stop_ids(base),
        )

    examples = list(dataset.at(usable[[row - 1 for row in rows]]))
    with closing(behind_fence(base, RowTokenizer.rows, make, {SHOWN: examples})) as asked:
        for at, example in enumerate(examples):
            place = {"file": example.file, "row": example.row, "model": given.model}
            try:
                yield place | asked.ask(document, at, size=text_of(example))
            except UserError as fault:
                if len(rows) == 1:
                    raise
                yield place | {"fault": str(fault)}


def document(foreign: Foreign, at: int) -> dict[str, Any]:
    """The document of one row, made behind the fence."""
    return _document(foreign.tokenizer, foreign.examples[SHOWN][at])


def write_tokenizer(model: Path, to: Path) -> None:
    """Write what `data/chat/as_loaded.py` keeps of a local model directory."""
    from tuiftune.data.chat import as_loaded
    from tuiftune.engine.model.base import Base, load_tokenizer, stop_ids
    from tuiftune.engine.model.foreign import behind_fence
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.process import libraries

    base = Base(str(model), str(model), None, None, remote_code=False)
    libraries.quieten(base, data=False)

    def make() -> RowTokenizer:
        tokenizer, stops = load_tokenizer(base), stop_ids(base)
        return RowTokenizer(tokenizer, max_length=1, loss_on="all", place=str(model), base_stops=stops)

    with closing(behind_fence(base, RowTokenizer.rows, make, {})) as asked:
        as_loaded.write(to, asked.ask(as_it_is))


def as_it_is(foreign: Foreign) -> dict[str, Any]:
    """The tokenizer and template behind the fence."""
    tokenizer = foreign.tokenizer
    return {
        "backend": tokenizer.backend.to_str(),
        "special": tokenizer.template.special,
        "template": tokenizer.template.source if tokenizer.own_template else None,
        "stops": tokenizer.base_stops,
    }


def _document(tokenizer: RowTokenizer, example: Example) -> dict[str, Any]:
    if example.chosen is not None:
        chosen, rejected = example.sides()
        return _document(tokenizer, chosen) | {"rejected": _document(tokenizer, rejected)}
    row = tokenizer.rows([example])[0]
    listed = _listed(tokenizer, row)
    training = inference = None
    if example.messages is not None:
        training = row.text
        inference = tokenizer.template.render(example.prompt, prompt=True)
    return {
        "tokens": listed[: len(row.ids)],
        "truncated_tokens": listed[len(row.ids) :],
        "length": row.length,
        "trained": sum(row.mask),
        "max_length": tokenizer.max_length,
        "truncated": row.truncated,
        "lost": row.lost,
        "loss_on": tokenizer.loss_on,
        "reasoning": tokenizer.reasoning,
        "masked_answers": sum(
            turn.role == "assistant" and turn.weight == 0 for turn in example.messages or ()
        ),
        "mask_from": tokenizer.chat.method if example.messages is not None else "text",
        "own_template": tokenizer.own_template,
        "ends_with": tokenizer.stop_tokens(),
        "template": [remark.message for remark in remarks(tokenizer)],
        "reasoning_kept": row.rendered.kept,
        "reasoning_cut": row.rendered.cut,
        "messages_dropped": row.rendered.dropped,
        "training": training,
        "inference": inference,
    }


def _listed(tokenizer: RowTokenizer, row: Tokens) -> list[dict[str, Any]]:
    """The tokens with the text each stands for, up to `BEYOND` past the cut. What several tokens share (the
    bytes of an emoji) stands at the first of them, blanks that no token covers at the next: joined, the texts
    are the row's own.
    """
    ids = [*row.ids, *row.beyond[:BEYOND]]
    mask = [*row.mask, *row.beyond_mask[:BEYOND]]
    found = []
    reached = 0
    for token, piece, trained, (start, end) in zip(
        ids, tokenizer.tokenizer.convert_ids_to_tokens(ids), mask, row.offsets[: len(ids)], strict=True
    ):
        text = row.text[reached:end] if end > start else tokenizer.tokenizer.decode([token])
        reached = max(reached, end)
        found.append({"id": token, "piece": piece, "text": text, "trained": bool(trained)})
    return found


def _columns(pairs: list[str]) -> dict[str, str] | None:
    columns = {}
    for pair in pairs:
        role, separator, name = pair.partition("=")
        if not separator:
            raise UserError(f"{pair} is not ROLE=NAME", place="--column")
        columns[role] = name
    return columns or None
