"""What a template does to answers, in words: for the checks before training and the warnings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.data.chat.tokenise import Tokeniser


@dataclass(frozen=True, slots=True)
class Remark:
    """A fact about a model's template. `harm`: it changes what is trained; else it is only told."""

    code: str
    title: str
    message: str
    remedy: str
    harm: bool = True


def remarks(tokeniser: Tokeniser) -> list[Remark]:
    """What has to be known of the template before the first step; empty for an ordinary one."""
    ending = tokeniser.chat.ending
    found = []
    if not ending.known:
        found.append(
            Remark(
                "end_of_turn_unknown",
                "End of turn not found",
                "the chat template refuses a plain question and answer, so the token that ends an answer is "
                f"not known; generation stops at {tokeniser.eos or 'no token'}",
                "check the end of the answers with `tuiftune data tokens`",
            )
        )
    elif not ending.natural:
        found.append(
            Remark(
                "no_end_of_turn",
                "No end of turn in the chat template",
                "the chat template puts no token after an answer that a model could stop at; "
                f"{ending.closer} is trained after the last answer of a row, and generation stops at it",
                f"make sure that whatever serves the model stops at {ending.closer}",
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
        opens = tokeniser.opens_reasoning
        block = " after an empty thinking block, unless they bring reasoning of their own" if opens else ""
        found.append(
            Remark(
                "prompt_differs",
                "Training and inference prompts differ",
                f"the inference prompt ends with {ending.extra!r}, which the chat template leaves out where "
                f"it renders an answer; the last answer of a row is trained after the prompt that inference "
                f"sends{block}; earlier answers as the template renders them",
                "give the rows their reasoning as <think>…</think>, if the model is to go on reasoning"
                if opens
                else "",
            )
        )
    if ending.unthinking:
        found.append(
            Remark(
                "thinking_off_differs",
                "Thinking switched off is another prompt",
                f"with enable_thinking=False the chat template begins an answer with {ending.unthinking!r}, "
                "after which no answer is trained",
                "ask the tuned model as the template does by itself, without enable_thinking=False",
                harm=False,
            )
        )
    return found
