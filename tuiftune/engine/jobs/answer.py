"""`python -m tuiftune.engine answer`: a model kept loaded that answers the requests on its standard input.

A request is a JSON line, an answer one or several:
`{"answer": {"model", "prompts": [[[role, content], …], …], "max_new_tokens"}}` gives a line a prompt, in any
order: `{"at", "answer", "ended", "reasoning", "marks", "in", "out", "seconds"}` or `{"at", "fault"}`.
`{"likelihood": {"model", "rows": [[[[role, content], …], reference], …]}}` gives
`{"at", "nats", "tokens", "bytes"}` of the text that they are measured on;
a reference without a prompt is plain text.
`{"room": {"rows"}}` gives `{"room"}`: the new tokens that the longest reference needs.
`{"done": true}` ends a request, `{"failed": …}` with its line and exit code in place of it if it cannot be
done. The first line of all is `{"ready": {"models", "context", "device", "note"}}`; the note is in words how
they are loaded otherwise than planned.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from tuiftune.engine.evaluation.loaded import Loaded


LIKELIHOODS = 16  # rows of a batch


def main(given: argparse.Namespace) -> ExitCode:
    """Answer until the requests end. UserError if the model cannot be loaded."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    from tuiftune.engine.evaluation import loaded
    from tuiftune.engine.process import libraries
    from tuiftune.runs.store.directory import RunDir

    with libraries.quickly():
        models = (
            loaded.of_run(RunDir.open(Path(given.run)))
            if given.run
            else loaded.of_model(given.model, given.revision)
        )
    ready = {
        "models": list(models.names),
        "context": models.context,
        "device": models.device,
        "note": models.note,
    }
    _say(out, {"ready": ready})
    if given.requests == "-":
        serve(models, sys.stdin, out)
    else:
        with Path(given.requests).open(encoding="utf-8") as lines:  # raw: a file of ours
            serve(models, lines, out)
    return ExitCode.DONE


def serve(models: Loaded, lines: Iterable[str], out: TextIO) -> None:
    """Answer each request, and go on after one that cannot be answered."""  # words: ok
    from tuiftune.engine.process.faults import ending_of

    for line in lines:
        request = json.loads(line)  # raw: written by `evaluate.local_model`
        try:
            if "answer" in request:
                _answer(models, request["answer"], out)
            elif "room" in request:
                _room(models, request["room"], out)
            else:
                _likelihood(models, request["likelihood"], out)
        except Exception as fault:
            ending = ending_of(fault)
            code = fault.exit_code if isinstance(fault, UserError) else ending.exit_code
            _say(out, {"failed": ending.why, "exit_code": int(code)})
        else:
            _say(out, {"done": True})


def _answer(models: Loaded, asked: dict[str, Any], out: TextIO) -> None:
    import time

    from tuiftune.data.example import Message
    from tuiftune.engine.evaluation import answers
    from tuiftune.evaluate.contender import Question

    tokenizer, room = models.tokenizer, int(asked["max_new_tokens"])
    questions: list[Question] = []
    places: list[int] = []
    for at, turns in enumerate(asked["prompts"]):
        try:
            ids = tokenizer.prompt([Message(role, content) for role, content in turns])
        except UserError as fault:
            _say(out, {"at": at, "fault": fault.message})
            continue
        if models.context is not None and len(ids) + room > models.context:
            words = f"{len(ids)} tokens and an answer of {room} exceed the model's {models.context}"
            _say(out, {"at": at, "fault": words})
            continue
        questions.append(Question("", ids, "", at))
        places.append(at)
    with models.model(asked["model"]) as model:
        began = time.monotonic()

        def told(batch: list[tuple[int, Any, int]]) -> None:
            nonlocal began
            now = time.monotonic()
            each, began = (now - began) / len(batch), now
            for index, one, written in batch:
                _say(
                    out,
                    {
                        "at": places[index],
                        "answer": one.answer,
                        "ended": one.ended,
                        "reasoning": one.reasoning,
                        "marks": one.marks,
                        "in": len(questions[index].tokens),
                        "out": written,
                        "seconds": round(each, 5),
                    },
                )

        answers.generate(
            model,
            questions,
            tokenizer,
            max_new_tokens=room,
            progress=lambda done: None,
            told=told,
            compiled=True,
        )


def _likelihood(models: Loaded, asked: dict[str, Any], out: TextIO) -> None:
    import torch

    from tuiftune.data.chat.reasoning import without
    from tuiftune.models import kinds

    rows = [row for at, given in enumerate(asked["rows"]) if (row := _tokens(models, at, given, out))]
    rows.sort(key=lambda row: len(row[1]))
    with models.model(asked["model"]) as model, torch.no_grad():
        alone = kinds.kind_of(model.config.to_dict()).sees_padding
        size = 1 if alone else LIKELIHOODS
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            longest = len(batch[-1][1])
            ids = torch.tensor([one + [0] * (longest - len(one)) for _, one, _ in batch])
            there = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for _, one, _ in batch])
            logits = model(input_ids=ids.to(model.device), attention_mask=there.to(model.device)).logits
            for line, (at, one, mask) in enumerate(batch):
                scores = logits[line, : len(one) - 1].float().log_softmax(-1)
                chosen = scores.gather(1, ids[line, 1 : len(one), None].to(scores.device))[:, 0]
                trained = torch.tensor(mask[1:], dtype=torch.bool, device=scores.device)
                nats = -float(chosen[trained].sum())
                reference = asked["rows"][at][1]
                measured = without(reference) if models.tokenizer.reasoning in ("drop", "mask") else reference
                size = len(measured.encode())
                _say(out, {"at": at, "nats": nats, "tokens": int(trained.sum()), "bytes": size})


def _tokens(models: Loaded, at: int, given: Any, out: TextIO) -> tuple[int, list[int], list[int]] | None:
    """Return a row's position, tokens and mask of what is measured; None, and say why, if it has none."""
    from tuiftune.data.example import Example, Message

    turns, reference = given
    prompt = tuple(Message(*turn) for turn in turns)
    example = Example((*prompt, Message("assistant", reference))) if prompt else Example(text=reference)
    try:
        row = models.tokenizer.rows([example])[0]
    except UserError as fault:
        _say(out, {"at": at, "fault": fault.message})
        return None
    if models.context is not None and row.length > models.context:
        _say(out, {"at": at, "fault": f"{row.length} tokens exceed the model's {models.context}"})
        return None
    return at, [*row.ids, *row.beyond], [*row.mask, *row.beyond_mask]


def _room(models: Loaded, asked: dict[str, Any], out: TextIO) -> None:
    from tuiftune.data.example import Example, Message
    from tuiftune.engine.evaluation import answers

    rows = [
        Example((*(Message(*turn) for turn in turns), Message("assistant", reference)))
        for turns, reference in asked["rows"]
    ]
    answer, around = answers.room(rows, models.tokenizer)
    _say(out, {"room": answer + around})


def _say(out: TextIO, document: dict[str, Any]) -> None:
    out.write(json.dumps(document, ensure_ascii=False) + "\n")
    out.flush()
