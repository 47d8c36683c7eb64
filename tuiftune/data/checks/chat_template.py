"""The template against the rows, as the trainer renders them: refused rows, reasoning that is cut out,
answers or ends that aren't learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuiftune.data.chat import questions
from tuiftune.data.checks.check import Check
from tuiftune.data.excerpt import excerpt
from tuiftune.data.tokens import Counter, has_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.chat.questions import Manners
    from tuiftune.data.checks.check import Severity, Subject

RENDERED = 2000  # rows tried
NOTHING = np.empty(0, dtype=np.intp)


def chat_template(subject: Subject) -> Iterator[Check]:
    """template: needs a local model; what can be said without one is that it wasn't looked at."""
    if subject.tokenizer is None or not has_tokenizer(subject.tokenizer):
        yield Check(
            "template",
            "Chat template",
            "info",
            0,
            why="Not looked at: no model with a tokenizer was named.",
            remedy="name one: tuiftune data inspect FILE --model M",
            indices=NOTHING,
        )
        return
    counter = Counter(subject.tokenizer)
    usable = subject.dataset.usable.arg_true().to_numpy().astype(np.intp)
    tried = (
        usable if len(usable) <= RENDERED else usable[np.linspace(0, len(usable) - 1, RENDERED).astype(int)]
    )
    found: dict[str, list[int]] = {name: [] for name, *_ in FAULTS}
    refused: list[int] = []
    told: list[str] = []
    answers = counter.each(questions.judged, subject.dataset.at(tried))
    for index, (example, (refusal, faults)) in zip(tried.tolist(), answers, strict=True):
        if refusal:
            refused.append(index)
            told.append(f"{example.row}: {excerpt(refusal, 60)}")
        for name in faults:
            found[name].append(index)
    yield subject.verdict(
        "template-refusals",
        "Rows the chat template refuses",
        "error",
        np.array(refused, dtype=np.intp),
        why="The template raises an error on them, or hides which words are the answer; training would stop "
        "there.",
        remedy="mend the order of roles, or drop the rows",
        examples=told[:3],
    )
    for name, title, severity, why, remedy in FAULTS:
        yield subject.verdict(
            name, title, severity, np.array(found[name], dtype=np.intp), why=why, remedy=remedy
        )
    if subject.format != "text":
        yield from _of_the_template(counter.manners)


FAULTS: tuple[tuple[str, str, Severity, str, str], ...] = (
    (
        "double-bos",
        "Beginning-of-text twice",
        "error",
        "The rendered text opens with the beginning-of-text token twice; no pre-training text did.",
        "take it out of the rows or of the template",
    ),
    (
        "endless-answers",
        "Answers without an end-of-turn token",
        "error",
        "After the answer comes no end token that is learnt: the model will not stop.",
        "use a template that closes the assistant turn, with the token inside {% generation %}",
    ),
    (
        "reasoning-kept",
        "Reasoning put back",
        "info",
        "The chat template cuts the reasoning out of these answers. It is trained all the same: the row is "
        "put together from the inference prompt and the answer as it stands in the data.",
        "nothing, if the reasoning is to be learnt; otherwise take it out of the rows",
    ),
    (
        "reasoning-cut",
        "Reasoning the chat template cuts out",
        "warning",
        "The template writes earlier answers without their reasoning, so it is not trained there.",
        "give each such answer a row of its own, with the messages before it",
    ),
    (
        "answers-rewritten",
        "Answers the chat template rewrites",
        "warning",
        "What is trained does not hold the words of the answer.",
        "look at one with tuiftune data tokens FILE --model M --row N",
    ),
)


def _of_the_template(manners: Manners) -> Iterator[Check]:
    for remark in manners.remarks:
        severity: Severity = "warning" if remark.harm else "info"
        why = remark.message[0].upper() + remark.message[1:] + "."
        yield Check(
            remark.code.replace("_", "-"),
            remark.title,
            severity,
            0,
            why=why,
            remedy=remark.remedy,
            indices=NOTHING,
        )
    if not manners.own_template:
        why = "The model has none (a base model): a plain one is used, and saved with the result."
    elif manners.method == "generation marks":
        return
    else:
        why = "It has no {% generation %} block: which tokens are answers is found by comparing renderings."
    yield Check("template", "Chat template", "info", 0, why=why, remedy="", indices=NOTHING)
