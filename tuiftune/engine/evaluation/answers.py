"""Answers: generated greedily for evaluation rows, and compared with their references."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate.contender import Question
from tuiftune.final_number import marked, same
from tuiftune.models import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer

    Told = tuple[int, Stripped, int]  # position of the question, its answer, tokens generated

LONGEST = 256  # new tokens of an answer, where the preset leaves it open
MARGIN = 4
COUNTED_AT_ONCE = 1024  # rows: what a tokenizer makes of one takes 100 KiB and more
# Plainly greedy, whatever the base model's generation_config asks for: a penalty on repetition makes a model
# that knows its answers look wrong.
GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_cache": True,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
    **dict.fromkeys(
        (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "min_new_tokens",
            "max_time",
            "stop_strings",
            "suppress_tokens",
            "begin_suppress_tokens",
            "bad_words_ids",
            "forced_bos_token_id",
            "forced_eos_token_id",
            "sequence_bias",
            "exponential_decay_length_penalty",
            "guidance_scale",
            "prompt_lookup_num_tokens",
        )
    ),
}


def questions(
    examples: Sequence[Example], tokenizer: RowTokenizer, rows: int, *, referenced: bool = True
) -> list[Question]:
    """The first `rows` evaluation rows that ask something whose prompt fits the length limit; with
    `referenced`, those with a reference answer.
    """
    chosen: list[Question] = []
    for example in examples:
        if len(chosen) >= rows:
            break
        if not example.prompt or (referenced and not example.reference.strip()):
            continue
        tokens = tokenizer.prompt(example.prompt)
        if len(tokens) < tokenizer.max_length:
            asked = "\n".join(message.content for message in example.prompt if message.role != "system")
            chosen.append(Question(asked, tokens, example.reference, example.row))
    return chosen


def room(examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
    """New tokens that the longest reference answer and its end need, at most 256, and those that stand around
    an answer: the template's marks, and the reasoning of the references.
    """
    longest = around = 0
    for start in range(0, len(examples), COUNTED_AT_ONCE):
        chats = [example for example in examples[start : start + COUNTED_AT_ONCE] if example.messages]
        for size, beside in tokenizer.completion_lengths(chats):
            longest, around = max(longest, size), max(around, beside)
    if not around:  # which is 1 at least for every answer
        return 1, 0
    return min(longest + MARGIN, LONGEST), min(around - 1, tokenizer.max_length)


def generate(
    model: Any,
    asked: Sequence[Question],
    tokenizer: RowTokenizer,
    *,
    max_new_tokens: int,
    autocast: Callable[[], Any] = nullcontext,
    progress: Callable[[int], None],
    criteria: Sequence[Any] = (),
    told: Callable[[list[Told]], None] | None = None,
    together: bool = False,
    device: Any = None,
    within: int | None = None,
    compiled: bool = False,
) -> list[Stripped]:
    """One greedy answer a question, in their order, without reasoning and marks.

    Questions of similar length share a batch, padded on the left. `criteria` may end it before its time.
    `told` is given each batch of answers as it is written. `together`: all processes of a run generate the
    same answers with a model that they share; `device`: where its layers compute, if that is not where its
    weights are; `within`: bytes of the GPU that may be held; `compiled`: a GPU's memory
    may be kept for compiled batches, where that is faster.
    """
    import torch

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.engine.evaluation import compiled as static
    from tuiftune.engine.evaluation.batching import FEWEST, rows_at_once
    from tuiftune.engine.evaluation.decoding import SharedPrefix, decode

    decoding = greedy(model, tokenizer)
    answers: list[Stripped] = [Stripped("")] * len(asked)
    order = sorted(range(len(asked)), key=lambda index: len(asked[index].tokens))
    kind = kinds.kind_of(model.config.to_dict())
    # Processes that answer together must take equal steps, whatever memory each has left.
    size = FEWEST if together else rows_at_once(model, asked, max_new_tokens, within)
    model.eval()
    with torch.no_grad(), autocast():
        alike = [] if kind.sees_padding or together else [question.tokens for question in asked]
        prefix = SharedPrefix(model, alike, decoding)
    compiled = compiled and not (kind.sees_padding or criteria or together) and static.suits(model, decoding)
    longest = max((len(one.tokens) for one in asked), default=0)
    done = 0
    while done < len(order):
        chosen = order[done : done + size]
        if kind.sees_padding:
            shortest = len(asked[chosen[0]].tokens)
            chosen = [index for index in chosen if len(asked[index].tokens) == shortest]
        try:
            with torch.no_grad(), autocast():
                prompts = [asked[index].tokens for index in chosen]
                if compiled:
                    written = static.of(model).decode(
                        model,
                        prompts,
                        prefix,
                        decoding,
                        max_new_tokens=max_new_tokens,
                        size=size,
                        longest=longest,
                    )
                else:
                    written = decode(
                        model,
                        prompts,
                        prefix,
                        decoding,
                        max_new_tokens=max_new_tokens,
                        criteria=criteria,
                        together=together,
                        device=device,
                    )
        except torch.OutOfMemoryError:
            if len(chosen) == 1 or together:
                raise
            size = len(chosen) // 2  # a run that trained must not fail for want of room to be scored in
            torch.cuda.empty_cache()
            continue
        batch: list[Told] = []
        for index, new in zip(chosen, written, strict=True):
            answers[index] = tokenizer.answer(new)
            ended = next(
                (place + 1 for place, token in enumerate(new) if token in decoding["eos_token_id"]), len(new)
            )
            batch.append((index, answers[index], ended))
        if told is not None:
            told(batch)
        done += len(chosen)
        progress(done)
    return answers


def greedy(model: Any, tokenizer: RowTokenizer) -> dict[str, Any]:
    """Return the generation settings of every answer: greedy, ending at the end-of-turn tokens."""
    return GREEDY | {
        "use_cache": kinds.kind_of(model.config.to_dict()).cache,
        "pad_token_id": tokenizer.tokenizer.pad_token_id,
        "eos_token_id": tokenizer.stop_tokens(),
    }


def final_numbers_match(answer: str, reference: str) -> bool | None:
    """Whether both end in the same `#### number`; None where the reference has none."""
    wanted = marked(reference)
    return None if wanted is None else same(marked(answer), wanted)
