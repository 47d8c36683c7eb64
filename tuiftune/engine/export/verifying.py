"""Exported files compared with the run that they were made from, on the rows that the run was scored on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.reasoning import matches
from tuiftune.engine.export.answering.base import Given
from tuiftune.evaluate.statistics import mcnemar, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.engine.export.answering.base import Artifact
    from tuiftune.engine.export.opened import Rows
    from tuiftune.engine.model.tokenizer import RowTokenizer

KL_ROWS, KL_TOKENS = 6, 24  # rows whose next-token probabilities are compared, and tokens of each at most
CHANCE = 0.05  # p of the same rows answered worse, below which it is not taken for chance


def given(rows: Rows, tokenizer: RowTokenizer) -> list[Given]:
    """The rows whose next-token probabilities are compared: their prompts and reference answers."""
    found = []
    for question in rows.questions[:KL_ROWS]:
        answer = tokenizer.backend.encode(question.reference, add_special_tokens=False).ids[:KL_TOKENS]
        if answer and question.tokens:
            found.append(Given(list(question.tokens), list(answer)))
    return found


def verify(
    rows: Rows,
    tokenizer: RowTokenizer,
    asked: Sequence[Given],
    expected: Sequence[Any],
    artifact: Artifact,
    limit: float,
    tell: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Compare an artifact with its run.

    Args:
        asked: what `expected` holds the log-probabilities of, by the model it was made from.
        limit: highest mean KL divergence that passes, in nats a token.

    Returns: the figures, and `faults`: in words, why it fails; empty where it passes.
    """
    total = len(rows.questions)
    tell("verifying", 0, total)
    document: dict[str, Any] = {"engine": artifact.engine, "rows": total}
    faults: list[str] = []
    _tokens(rows, tokenizer, artifact, document, faults)
    measured = artifact.probabilities(asked)
    divergences = [kl for one, other in zip(expected, measured, strict=True) for kl in divergence(one, other)]
    mean = sum(divergences) / len(divergences) if divergences else None
    document["kl"] = {"mean": mean, "limit": limit, "rows": len(asked), "tokens": len(divergences)}
    if asked and not divergences:
        faults.append("no probabilities were told, so that nothing could be compared")
    if mean is not None and not mean <= limit:  # not a number fails too
        faults.append(f"mean KL divergence {mean:.4f} nats a token is above {limit:g}")
    written = artifact.answer(rows.questions, lambda done: tell("verifying", done, total))
    speed = artifact.speed()
    document["tokens_per_second"] = None if speed is None else round(speed, 1)
    answers = [one.answer for one in written]
    pairs = [
        (rows.answers[asked_.row], answer, asked_.reference)
        for asked_, answer in zip(rows.questions, answers, strict=True)
        if asked_.row in rows.answers
    ]
    document["same_answers"] = {"same": sum(a == b for a, b, _ in pairs), "rows": len(pairs)}
    if len(pairs) < rows.scored:
        document["changed"] = f"{len(pairs)} of {rows.scored} rows that the run was scored on are still there"
    document["unended"] = sum(not one.ended for one in written)
    _ends(rows, tokenizer, [one.ended for one in written], faults)
    if rows.compares and pairs:
        _scores(pairs, document, faults)
    document["faults"] = faults
    return document


def divergence(expected: Any, measured: Any) -> list[float]:
    """KL divergence of the measured next-token probabilities from the expected ones, in nats, at each place.

    Where only the likeliest tokens were measured, all others count as one: a lower bound of the divergence
    (data processing inequality).
    """
    import torch

    if not isinstance(measured, list):
        width = min(expected.shape[-1], measured.shape[-1])  # padding of the vocabulary
        first, second = expected[:, :width].double(), measured[:, :width].double()
        return [float(one) for one in (first.exp() * (first - second)).sum(-1).clamp(min=0.0)]
    found = []
    for row, seen in zip(expected, measured, strict=True):
        if not seen:  # nothing was told of this place
            continue
        tokens = [token for token in seen if token < row.shape[-1]]
        first = row[torch.tensor(tokens)].double()
        second = torch.tensor([seen[token] for token in tokens], dtype=torch.float64)
        total = float((first.exp() * (first - second)).sum())
        left, other = 1.0 - float(first.exp().sum()), 1.0 - float(second.exp().sum())
        if left > 1e-9:
            total += left * math.log(left / max(other, 1e-9))
        found.append(max(total, 0.0))
    return found


def _tokens(
    rows: Rows, tokenizer: RowTokenizer, artifact: Artifact, document: dict[str, Any], faults: list[str]
) -> None:
    """Compare prompts and stops, token by token."""
    differ = [one.row for one in rows.questions if artifact.prompt(one.row) != list(one.tokens)]
    document["same_prompts"] = {"same": len(rows.questions) - len(differ), "rows": len(rows.questions)}
    if differ:
        share = f"{len(differ)} of {len(rows.questions)}"
        faults.append(f"prompts have other tokens than in the run: {share} (row {differ[0] + 1} first)")
    wanted, has = set(tokenizer.stop_tokens()), artifact.stops()
    document["stops"] = sorted(has)
    if lacking := sorted(wanted - has):
        names = ", ".join(str(tokenizer.backend.id_to_token(token)) for token in lacking)
        faults.append(f"answers do not end at {names}")


def _ends(rows: Rows, tokenizer: RowTokenizer, ended: Sequence[bool], faults: list[str]) -> None:
    """Answers that ended when the run was scored must end now: most of them, since a near tie may tip."""
    encode = tokenizer.backend.encode
    stopped = [
        len(encode(rows.answers.get(one.row, ""), add_special_tokens=False).ids) < rows.room
        and one.row in rows.answers
        for one in rows.questions
    ]
    endless = sum(before and not now for before, now in zip(stopped, ended, strict=True))
    if endless > max(1, len(rows.questions) // 20):
        faults.append(f"{endless} of {len(rows.questions)} answers do not end, and did in the run")


def _scores(pairs: Sequence[tuple[str, str, str]], document: dict[str, Any], faults: list[str]) -> None:
    """Exact match of the run and of the artifact on the same rows."""
    judged = [(matches(before, wanted), matches(after, wanted)) for before, after, wanted in pairs]
    count = len(judged)
    for key, place in (("run", 0), ("artifact", 1)):
        right = sum(one[place] for one in judged)
        document.setdefault("exact_match", {})[key] = {
            "share": right / count,
            "matched": right,
            "rows": count,
            "interval": list(wilson(right, count)),
        }
    gained = sum(after and not before for before, after in judged)
    lost = sum(before and not after for before, after in judged)
    document["exact_match"] |= {"gained": gained, "lost": lost, "p": mcnemar(gained, lost)}
    if lost > gained and document["exact_match"]["p"] < CHANCE:
        faults.append(f"{lost} right answers became wrong and {gained} wrong ones right: that is not chance")
