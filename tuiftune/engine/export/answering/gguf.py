"""A GGUF file answered from by llama.cpp, through its own server on the loopback interface."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.engine.export.answering.base import Given
    from tuiftune.engine.export.opened import Opened, Rows
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.evaluate.contender import Question

LIKELIEST = 512  # tokens whose probabilities are asked for at each place
SPARE = 16  # tokens of context beyond the longest prompt and answer
ENDS = tuple(f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom"))
# Tokens at which llama.cpp ends an answer by their text alone (src/llama-vocab.cpp).
TAKEN = ("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<EOT>")
SECONDS = 600.0  # that one answer may take


class Gguf:
    """llama.cpp's server over one file, and an adapter on it where one is given."""

    def __init__(self, file: Path, tokenizer: RowTokenizer, rows: Rows, adapter: Path | None = None) -> None:
        import xllamacpp

        self._tokenizer, self._rows = tokenizer, rows
        self._seconds, self._tokens = 0.0, 0
        longest = max((len(one.tokens) for one in rows.questions), default=0)
        wanted = xllamacpp.CommonParams()
        wanted.model.path = str(file)
        wanted.n_ctx = longest + max(rows.room, 64) + SPARE
        wanted.n_parallel = 1
        wanted.cpuparams.n_threads = os.cpu_count() or 1
        wanted.warmup = False
        wanted.verbosity = -1  # it would write its log over the line that says what is wrong
        wanted.use_jinja = True
        if adapter is not None:
            lora = xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)
            wanted.lora_adapters = [lora]
        try:
            self._server = xllamacpp.Server(wanted)
        except RuntimeError as fault:
            raise UserError(f"llama.cpp does not load the file ({fault})", place=file.name) from None
        self._address = self._server.listening_address
        self._stops = _stops(file, tokenizer)
        self.engine = f"llama.cpp (xllamacpp {xllamacpp.__version__})"

    def stops(self) -> set[int]:
        """Token ids that the file names as ends of an answer, and those that llama.cpp takes for one."""
        return self._stops

    def prompt(self, row: int) -> list[int]:
        """The tokens of a row's prompt, by the file's own template and tokenizer, as its chat takes them."""
        example = self._rows.examples[row]
        if not example.messages:
            return next(list(one.tokens) for one in self._rows.questions if one.row == row)
        given = {"messages": self._tokenizer.template.turns(self._tokenizer.asked(example.prompt))}
        text = self._post("apply-template", given)["prompt"]
        asked = {"content": text, "add_special": True, "parse_special": True}
        return [int(token) for token in self._post("tokenize", asked)["tokens"]]

    def answer(self, rows: Sequence[Question], tell: Callable[[int], None]) -> list[Stripped]:
        """Greedy answers, one after the other."""
        found = []
        for number, row in enumerate(rows, 1):
            began = time.monotonic()
            said = self._complete(row.tokens, self._rows.room)
            self._seconds += time.monotonic() - began
            tokens = [int(token) for token in said["tokens"]]
            self._tokens += len(tokens)
            if said.get("stop_type") == "eos" and not set(tokens) & set(self._tokenizer.stop_tokens()):
                tokens.append(self._tokenizer.stop_tokens()[0])
            found.append(self._tokenizer.answer(tokens))
            tell(number)
        return found

    def probabilities(self, given: Sequence[Given]) -> list[Any]:
        """Log-probabilities of the likeliest tokens at each place of the answers."""
        return [
            [self._next(one.prompt + one.answer[:place]) for place in range(len(one.answer))] for one in given
        ]

    def speed(self) -> float | None:
        """Tokens per second, one row after the other, prompts included."""
        return self._tokens / self._seconds if self._seconds else None

    def _next(self, tokens: list[int]) -> dict[int, float]:
        # The server lists none next to a token that is no text by itself (an end, a byte), so that the letter
        # is sampled; what is listed are the probabilities of the plain logits all the same.
        letter = self._tokenizer.backend.encode("a", add_special_tokens=False).ids[-1]
        said = self._complete(tokens, 1, n_probs=LIKELIEST, logit_bias=[[letter, 1e4]])
        places = said.get("completion_probabilities") or [{"top_logprobs": []}]
        return {
            int(one["id"]): float(one["logprob"])
            for one in places[0]["top_logprobs"]
            if one["logprob"] is not None
        }

    def _complete(self, tokens: Sequence[int], room: int, **more: Any) -> dict[str, Any]:
        return self._post(
            "completion",
            {
                "prompt": list(tokens),
                "n_predict": room,
                "temperature": 0.0,
                "cache_prompt": True,
                "return_tokens": True,
                "stream": False,
                **more,
            },
        )

    def _post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._address}/{path}",
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as said:
                found: dict[str, Any] = documents.loads(said.read())
                return found
        except urllib.error.HTTPError as fault:
            why = fault.read().decode("utf-8", "replace")[:200]
            raise UserError(f"llama.cpp refused to answer ({why})", place=path) from None


def _stops(file: Path, tokenizer: RowTokenizer) -> set[int]:
    from gguf import GGUFReader

    fields = GGUFReader(file).fields
    named = [fields[key] for key in ENDS if key in fields]
    found = {int(field.parts[field.data[0]][0]) for field in named}
    identify = tokenizer.backend.token_to_id
    return found | {token for text in TAKEN if (token := identify(text)) is not None}


def open_artifact(opened: Opened, directory: Path, rows: Rows) -> Gguf:
    """The GGUF file of an exported directory, wherever in it that lies."""
    file = next(path for path in paths.below(directory) if path.suffix == ".gguf")
    return Gguf(file, opened.tokenizer(), rows)
