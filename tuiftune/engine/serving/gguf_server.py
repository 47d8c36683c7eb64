"""llama.cpp's own server over a GGUF file, by the xllamacpp package: for clients, and for a chat."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune import documents
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuiftune.engine.serving.place import Place

CONTEXT = 8192  # tokens of prompt and answer at most: the memory for all of them is reserved
SILENCE = 600.0  # seconds without a token


def context_of(file: Path) -> int:
    """Tokens of prompt and answer that a file is run with: those that it was made for, up to CONTEXT."""
    from gguf import GGUFReader

    try:
        fields = GGUFReader(file).fields
    except (OSError, ValueError, IndexError):  # llama.cpp says what is wrong with it
        return CONTEXT
    made_for = [
        int(one.parts[one.data[0]][0]) for key, one in fields.items() if key.endswith(".context_length")
    ]
    return min([CONTEXT, *(length for length in made_for if length > 0)])


def serve(name: str, file: Path, place: Place, ready: Callable[[], None]) -> None:
    """Answer requests until the process is asked to end. UserError where the file cannot be loaded."""
    if place.log is not None:
        _logged(name, file, place, place.log, ready)
        return
    server = _started(name, file, place.host, place.port, place.key)
    ready()
    asked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    signal.sigwait(asked)
    del server


def _logged(name: str, file: Path, place: Place, log: Path, ready: Callable[[], None]) -> None:
    """The same behind a relay that keeps what was answered: llama.cpp's own server keeps nothing."""
    from tuiftune.engine.serving import listening
    from tuiftune.engine.serving.leaving import Watched
    from tuiftune.engine.serving.relay import Relay
    from tuiftune.engine.serving.request_log import Logged

    server = _started(name, file, "127.0.0.1", 0, place.key)
    listening.run(Watched(Logged(Relay(server.listening_address), log)), place, ready)
    del server


def _started(name: str, file: Path, host: str, port: int, key: str) -> Any:
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(file)
    wanted.model_alias = {name}
    wanted.hostnames, wanted.port = [host], port
    wanted.n_ctx, wanted.n_parallel = context_of(file), 1
    wanted.cpuparams.n_threads = os.cpu_count() or 1
    wanted.use_jinja = True
    if key:
        wanted.api_keys = [key]
    try:
        return xllamacpp.Server(wanted)
    except RuntimeError as fault:
        raise UserError(f"llama.cpp does not load the file: {fault}", place=str(file)) from None


class Talking:
    """A GGUF file that answers conversations by llama.cpp's template and stops, as its clients get them."""

    device, note = "cpu", ""

    def __init__(self, file: Path) -> None:
        self.context = context_of(file)
        self._key = secrets.token_urlsafe(16)
        self._server = _started(file.stem, file, "127.0.0.1", 0, self._key)
        self._address = urlsplit(self._server.listening_address)

    def answer(
        self,
        messages: Sequence[dict[str, str]],
        sampling: dict[str, Any],
        seen: Callable[[str, bool], None],
        stopped: Callable[[], bool],
    ) -> dict[str, Any]:
        """One answer, as the chat's `answer` event tells it. UserError for what llama.cpp refuses."""
        asked = {
            "messages": list(messages),
            "temperature": sampling.get("temperature", 0.0),
            "top_p": sampling.get("top_p", 1.0),
            "top_k": 0,
            "min_p": 0.0,
            "seed": sampling.get("seed", 0),
            "max_tokens": sampling.get("max_new_tokens", 512),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        began, first = time.monotonic(), None
        text, thought, ended = "", False, "stopped"
        usage: dict[str, Any] = {}
        pieces = 0  # one a token, which is what is known where the answer is stopped
        for piece in self._stream(asked):
            usage = piece.get("usage") or usage
            for choice in piece.get("choices", ()):
                delta = choice.get("delta", {})
                pieces += bool(delta.get("content") or delta.get("reasoning_content"))
                thought = thought or bool(delta.get("reasoning_content"))
                text += delta.get("content") or ""
                if first is None and (text or thought):
                    first = time.monotonic() - began
                seen(text, thought and not text)
                if choice.get("finish_reason"):
                    ended = "length" if choice["finish_reason"] == "length" else "end"
            if stopped():
                break
        return {
            "text": text,
            "reasoning": thought,
            "prompt_tokens": usage.get("prompt_tokens", 0),
            "tokens": usage.get("completion_tokens", pieces),
            "seconds": round(time.monotonic() - began, 3),
            "first": None if first is None else round(first, 3),
            "ended": ended,
        }

    def _stream(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The server's events. To leave it early ends the answer there."""
        link = http.client.HTTPConnection(
            str(self._address.hostname), self._address.port or 80, timeout=SILENCE
        )
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        try:
            link.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
            reply = link.getresponse()
            if reply.status != 200:
                said = documents.loads(reply.read())
                raise UserError(f"llama.cpp refuses it: {said.get('error', {}).get('message', reply.status)}")
            for line in reply:
                if line.startswith(b"data: {"):
                    yield documents.loads(line.removeprefix(b"data: "))
        finally:
            link.close()
