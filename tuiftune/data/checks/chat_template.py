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
            why="Not checked: no model with a tokenizer was named.",
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
        "Rows that the chat template rejects",
        "error",
        np.array(refused, dtype=np.intp),
        why="The template raises an error, or the answer cannot be found in its text; training would stop "
        "there.",
        remedy="fix the order of roles, or drop the rows",
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
        "Two beginning-of-text tokens",
        "error",
        "The rendered text starts with the beginning-of-text token twice, unlike in pre-training.",
        "remove it from the rows or from the template",
    ),
    (
        "endless-answers",
        "Answers without an end-of-turn token",
        "error",
        "No end-of-turn token is trained after the answer, so the model may not stop generating.",
        "use a template that closes the assistant turn, with the token inside {% generation %}",
    ),
    (
        "reasoning-kept",
        "Reasoning restored",
        "info",
        "The chat template removes the reasoning from these answers. It is trained nevertheless: the row is "
        "built from the inference prompt and the answer in the data.",
        "nothing if the reasoning should be trained; otherwise remove it from the rows",
    ),
    (
        "reasoning-late",
        "Reasoning after a closed block",
        "warning",
        "The chat template closes the reasoning before an answer by default, so that of these answers is "
        "trained after the closed block, and only that default makes the model reason so.",
        "set data.reasoning: drop, or use a model that reasons by default",
    ),
    (
        "reasoning-cut",
        "Reasoning removed by the chat template",
        "warning",
        "The template renders earlier answers without their reasoning, so it is not trained there.",
        "make each such answer the last message of its own row",
    ),
    (
        "answers-rewritten",
        "Answers rewritten by the chat template",
        "warning",
        "The trained text does not contain the words of the answer.",
        "see a row with tuiftune data tokens FILE --model M --row N",
    ),
    (
        "messages-dropped",
        "Messages left out by the chat template",
        "warning",
        "The template writes nothing of a message before the answer, such as a tool result: the answer would "
        "be trained as if nobody had said it.",
        "write such messages as user messages, or use a model whose template has their role",
    ),
    (
        "text-changed",
        "Characters that the tokenizer cannot write",
        "warning",
        "Its tokens stand for other characters than the row has (unknown ones left out, accents or capitals "
        "removed): the model learns those, and such an answer never matches exactly.",
        "use a model whose tokenizer knows these characters, or write the rows as it does",
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
        why = "The model does not have one. A plain template is used, and saved with the result."
    elif manners.method == "generation marks":
        return
    else:
        why = (
            "It does not have a {% generation %} block, so trained tokens are found by comparing renderings."
        )
    yield Check("template", "Chat template", "info", 0, why=why, remedy="", indices=NOTHING)
