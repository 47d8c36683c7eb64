"""What a template does to answers, in words: for the checks before training and the warnings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.data.chat.tokenize import RowTokenizer


@dataclass(frozen=True, slots=True)
class Remark:
    """A fact about a model's template. `harm`: it changes what is trained; else it is only told."""

    code: str
    title: str
    message: str
    remedy: str
    harm: bool = True


def remarks(tokenizer: RowTokenizer) -> list[Remark]:
    """What has to be known of the template before the first step; empty for an ordinary one."""
    ending = tokenizer.chat.ending
    found = []
    if not ending.known:
        found.append(
            Remark(
                "end_of_turn_unknown",
                "End of turn not found",
                "the chat template rejects a plain question and answer, so the end-of-turn token is "
                f"not known; generation stops at {tokenizer.eos or 'no token'}",
                "check the end of the answers with `tuiftune data tokens`",
            )
        )
    elif not ending.natural:
        found.append(
            Remark(
                "no_end_of_turn",
                "The chat template does not have an end-of-turn token",
                "the chat template does not write a token after an answer at which a model could stop; "
                f"{ending.closer} is trained after the last answer of a row, and generation stops at it",
                f"make sure that the inference server stops at {ending.closer}",
            )
        )
    elif ending.closer:
        ends = " ".join(ending.stops[:-1])
        found.append(
            Remark(
                "base_does_not_stop",
                "The base model does not stop at the end of turn",
                f"answers end with {ends}, at which the base model's own generation does not stop; "
                f"{ending.closer} is trained after it, and the result's generation_config lists both",
                "",
                harm=False,
            )
        )
    if ending.extra:
        opens = tokenizer.opens_reasoning
        block = " and an empty thinking block, unless it contains reasoning" if opens else ""
        found.append(
            Remark(
                "prompt_differs",
                "Training and inference prompts differ",
                f"the inference prompt ends with {ending.extra!r}, which the chat template omits when "
                "it renders an answer; the last answer of a row is trained after the inference prompt"
                f"{block}, earlier answers as the template renders them",
                "give the rows their reasoning as <think>…</think>, if the model should keep reasoning"
                if opens
                else "",
            )
        )
    if ending.unthinking:
        found.append(
            Remark(
                "thinking_off_differs",
                "Thinking switched off changes the prompt",
                f"with {ending.switch}=False the chat template begins an answer with {ending.unthinking!r}, "
                "after which answers are not trained",
                f"use the fine-tuned model with the template's default, without {ending.switch}=False",
                harm=False,
            )
        )
    if ending.thinking:
        found.append(
            Remark(
                "thinking_on_differs",
                "Thinking switched on changes the prompt",
                f"with {ending.switch}=True the chat template ends the prompt with {ending.thinking!r}, "
                "after which answers are not trained",
                f"use the fine-tuned model with the template's default, without {ending.switch}=True",
                harm=False,
            )
        )
    return found
