"""The template against the rows: refused rows, a doubled beginning, answers that never end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuiftune.data.checks.check import Check
from tuiftune.data.excerpt import excerpt
from tuiftune.data.template import read_template
from tuiftune.data.tokens import has_tokenizer
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Subject

RENDERED = 2000  # rows tried


def chat_template(subject: Subject) -> Iterator[Check]:
    """template: needs a local model; what can be said without one is that it wasn't looked at."""
    nothing = np.empty(0, dtype=np.intp)
    if subject.tokenizer is None or not has_tokenizer(subject.tokenizer):
        yield Check(
            "template",
            "Chat template",
            "info",
            0,
            why="Not looked at: no model with a tokenizer was named.",
            remedy="name one: tuiftune data inspect FILE --model M",
            indices=nothing,
        )
        return
    template = read_template(subject.tokenizer)
    usable = subject.dataset.usable.arg_true().to_numpy().astype(np.intp)
    tried = (
        usable if len(usable) <= RENDERED else usable[np.linspace(0, len(usable) - 1, RENDERED).astype(int)]
    )
    refused, doubled, endless = [], [], []
    told = []
    bos, eos = template.special.get("bos_token", ""), template.special.get("eos_token", "")
    for index, example in zip(tried.tolist(), subject.dataset.at(tried), strict=True):
        try:
            rendered = template.render(example)
        except UserError as fault:
            refused.append(index)
            told.append(f"{example.row}: {excerpt(fault.message, 60)}")
            continue
        if bos and rendered.text.startswith(bos + bos):
            doubled.append(index)
        if rendered.learnt and not _ends(rendered.text, rendered.learnt[-1], eos, template.marks_answers):
            endless.append(index)
    yield subject.verdict(
        "template-refusals",
        "Rows the chat template refuses",
        "error",
        np.array(refused, dtype=np.intp),
        why="The template raises an error on them; training would stop there.",
        remedy="mend the order of roles, or drop the rows",
        examples=told[:3],
    )
    yield subject.verdict(
        "double-bos",
        "Beginning-of-text twice",
        "error",
        np.array(doubled, dtype=np.intp),
        why=f"The rendered text opens with {excerpt(bos, 20)} twice; no pre-training text did.",
        remedy="take it out of the rows or of the template",
    )
    yield subject.verdict(
        "endless-answers",
        "Answers without an end-of-turn token",
        "error",
        np.array(endless, dtype=np.intp),
        why="After the answer comes no end token that is learnt: the model will not stop.",
        remedy="use a template that closes the assistant turn, with the token inside {% generation %}",
    )
    if subject.format != "text" and not (template.own and template.marks_answers):
        why = (
            "It has no {% generation %} block: which tokens are answers is found by comparing renderings."
            if template.own
            else "The model has none (a base model): a plain one is used, and saved with the result."
        )
        yield Check("template", "Chat template", "info", 0, why=why, remedy="", indices=nothing)


def _ends(text: str, span: tuple[int, int], eos: str, marked: bool) -> bool:
    """Whether the learnt span closes with an end mark, or (without generation marks) one follows at once."""
    tail = text[span[0] : span[1]].rstrip()[-24:] if marked else text[span[1] :].lstrip()[:24]
    if eos and (tail.endswith(eos) if marked else tail.startswith(eos)):
        return True
    return tail.endswith((">", "]")) if marked else tail.startswith(("<", "["))
