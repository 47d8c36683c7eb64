"""One answer while it is generated: the prompt, the stops and the stripping are those of scoring."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from tuiftune.data.chat.reasoning import CLOSED, TAGS
from tuiftune.data.example import Message
from tuiftune.engine.evaluation import answers
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.engine.evaluation.loaded import Loaded
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.runs.store.directory import RunDir

EVERY = 0.05  # seconds between two looks at the text so far
TORN = "\ufffd"  # how the first bytes of a character are decoded


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy; else the seed decides, on one machine."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_new_tokens: int = 512


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer with what it took. `ended`: end (a stop token), length, or stopped (by the user)."""

    stripped: Stripped
    tokens: int
    seconds: float
    first: float | None  # seconds to the first token
    ended: str


class _Watch(BaseStreamer, StoppingCriteria):
    """Sees each token as it is chosen, and ends the generation when it is asked to."""

    def __init__(self, seen: Callable[[list[int]], None], stopped: Callable[[], bool]) -> None:
        self.ids: list[int] = []
        self.first: float | None = None
        self._seen, self._stopped = seen, stopped
        self._prompt, self._last, self._began = True, 0.0, time.monotonic()

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        self.ids += value.flatten().tolist()
        now = time.monotonic()
        if self.first is None:
            self.first = now - self._began
        if now - self._last >= EVERY:
            self._last = now
            self._seen(self.ids)

    def end(self) -> None:
        """The whole answer is told by `stream`."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._stopped(), device=input_ids.device)


def stream(
    model: Any,
    tokens: Sequence[int],
    tokenizer: RowTokenizer,
    sampling: Sampling,
    *,
    seen: Callable[[str, bool], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Generated:
    """Generate one answer to a prompt's tokens. `seen` is told the text so far, and whether it is still
    reasoning that scoring strips; it may change in full when the reasoning ends.
    """
    decoding = answers.greedy(model, tokenizer)
    if sampling.temperature > 0:
        decoding |= {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
        }
    watch = _Watch(lambda ids: seen(*so_far(ids, tokenizer)), stopped)
    ids = torch.tensor([list(tokens)], device=model.device)
    began = time.monotonic()
    model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(sampling.seed)
        written = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=sampling.max_new_tokens,
            **decoding,
            streamer=watch,
            stopping_criteria=[watch],
        )
    new = written[0, len(tokens) :].tolist()
    stripped = tokenizer.answer(new)
    ended = "end" if stripped.ended else "stopped" if stopped() else "length"
    return Generated(stripped, len(new), time.monotonic() - began, watch.first, ended)


class Talking:
    """A loaded model that answers conversations, under one of its two names."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        """Loads its weights. UserError where they cannot be loaded."""
        self._loaded, self._name = loaded, name
        self.context, self.device, self.note = loaded.context, loaded.device, loaded.note
        with loaded.model(name):
            """Loaded, and kept."""

    def answer(
        self,
        messages: Sequence[dict[str, str]],
        sampling: dict[str, Any],
        seen: Callable[[str, bool], None],
        stopped: Callable[[], bool],
    ) -> dict[str, Any]:
        """One answer, as the chat's `answer` event tells it. UserError for a conversation that is refused."""
        tokenizer = self._loaded.tokenizer
        tokens = tokenizer.prompt([Message(one["role"], one["content"]) for one in messages])
        if self.context is not None and len(tokens) >= self.context:
            raise UserError(
                f"the conversation has {len(tokens):,} tokens, and the model takes {self.context:,}",
                remedy="start a new one, or shorten the prompt",
            )
        wanted = Sampling(**sampling)
        if self.context is not None:  # beyond it there are no positions: nonsense, or a fault of the GPU
            wanted = replace(wanted, max_new_tokens=min(wanted.max_new_tokens, self.context - len(tokens)))
        with self._loaded.model(self._name) as model:
            made = stream(model, tokens, tokenizer, wanted, seen=seen, stopped=stopped)
        return {
            "text": made.stripped.answer,
            "reasoning": made.stripped.reasoning,
            "prompt_tokens": len(tokens),
            "tokens": made.tokens,
            "seconds": round(made.seconds, 3),
            "first": None if made.first is None else round(made.first, 3),
            "ended": made.ended,
        }


def of_run(run: RunDir) -> Loaded:
    """A run's base model and result, in the precision that fits this machine. UserError where the base model
    is gone or was changed.
    """
    from tuiftune.engine.evaluation import loaded
    from tuiftune.engine.export.opened import refuse_another_base
    from tuiftune.engine.model.base import files_of

    found = loaded.of_run(run)
    directory = files_of(found.base)
    if directory is not None:
        try:
            refuse_another_base(run, directory)
        except UserError as fault:
            remedy = "put back the base model that it was trained on"
            raise UserError(fault.message, place=fault.place, remedy=remedy) from None
    return found


def so_far(ids: list[int], tokenizer: RowTokenizer) -> tuple[str, bool]:
    """(the answer so far, whether it is reasoning that has not ended)."""
    raw = tokenizer.backend.decode(ids, skip_special_tokens=False)
    opened = bool(tokenizer.opens_reasoning) or raw.lstrip().startswith(tuple(begin for begin, _ in TAGS))
    return tokenizer.answer(ids).answer.rstrip(TORN), opened and not CLOSED.search(raw)
