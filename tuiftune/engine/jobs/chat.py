"""`python -m tuiftune.engine chat KIND:WHERE …`: models that stay loaded, asked and stopped by JSON lines.

Standard input: `{"ask": {"id", "models": [index], "messages", "temperature", "top_p", "seed",
"max_new_tokens"}}`, `{"rows": most}` (of the first run's evaluation rows) and `{"stop": true}`; its end ends
the process. Standard output: `loading`, `ready`, and for a question `began`, `text`, `answer` of each model,
then `done`; `rows`; `fault`, with the message of what could not be done.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import closing, suppress
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.engine.evaluation.loaded import Loaded
    from tuiftune.runs.store.directory import RunDir

FIELDS = ("temperature", "top_p", "seed", "max_new_tokens")


class Talker(Protocol):
    """A model that answers conversations; `context`: the tokens that it takes, None where it doesn't say;
    `note`: how it is loaded otherwise than planned.
    """

    @property
    def context(self) -> int | None: ...

    @property
    def device(self) -> str: ...

    @property
    def note(self) -> str: ...

    def answer(
        self,
        messages: Sequence[dict[str, str]],
        sampling: dict[str, Any],
        seen: Callable[[str, bool], None],
        stopped: Callable[[], bool],
    ) -> dict[str, Any]: ...


class Voice(NamedTuple):
    """One of the models that answer, and the run that it comes from."""

    talker: Talker
    run: RunDir | None


def main(given: argparse.Namespace) -> ExitCode:
    """Answer until nobody asks any more. UserError where a model can't be loaded."""
    with closing(Lines()) as line:  # left open, a warning of it would be the last that is said
        line.say("loading", detail="libraries")
        voices = _voices(given.models, line)
        asks = Asks()
        notes = list(dict.fromkeys(one.talker.note for one in voices if one.talker.note))
        longest = [one.talker.context for one in voices]
        line.say("ready", longest=longest, device=voices[0].talker.device, notes=notes)
        for request in asks:
            _carry_out(request, voices, line, asks)
    return ExitCode.DONE


def _voices(given: Sequence[str], line: Lines) -> list[Voice]:
    """What `KIND:WHERE` names, each place opened once. UserError where one isn't there."""
    from tuiftune.runs.store.directory import RunDir

    opened: dict[str, Loaded] = {}
    found = []
    for one in given:
        kind, _, where = one.partition(":")
        run = RunDir.open(Path(where)) if kind in ("run", "base") else None
        if kind == "gguf":
            from tuiftune.engine.serving.gguf_server import Talking as OverLlamaCpp

            line.say("loading", detail="weights")
            found.append(Voice(OverLlamaCpp(Path(where)), None))
            continue
        from tuiftune.engine.process import libraries

        with libraries.quickly():
            from tuiftune.engine.evaluation import loaded
            from tuiftune.engine.evaluation.streaming import Talking, of_run

            if where not in opened:
                opened[where] = of_run(run) if run else loaded.of_model(where, None)
        line.say("loading", detail="weights")
        name = loaded.TUNED if kind in ("run", "adapter") else loaded.BASE
        found.append(Voice(Talking(opened[where], name), run))
    return found


class Lines:
    """JSON lines to what was the standard output; what libraries print goes to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Nothing more is said."""
        with suppress(OSError):
            self._file.close()

    def say(self, event: str, **payload: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"event": event, **payload}) + "\n")
            self._file.flush()


class Asks:
    """Requests as they come; a stop is heard while another is carried out. It ends what was asked before it,
    and nothing that is asked after it, however soon.
    """

    def __init__(self) -> None:
        self._queue: Queue[tuple[int, dict[str, Any]] | None] = Queue()
        self._heard = self._ended = self._current = 0  # requests, counted from 1 on
        threading.Thread(target=self._read, daemon=True).start()

    def stopped(self) -> bool:
        """Whether the request that is carried out is to end."""
        return self._current <= self._ended

    def _read(self) -> None:
        for line in sys.stdin:
            request = documents.loads(line)
            if request.get("stop"):
                self._ended = self._heard
            else:
                self._heard += 1
                self._queue.put((self._heard, request))
        self._ended = self._heard
        self._queue.put(None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (found := self._queue.get()) is not None:
            self._current, request = found
            yield request


def _carry_out(request: dict[str, Any], voices: list[Voice], line: Lines, asks: Asks) -> None:
    """One request; a fault is told, and the next can be asked."""
    number = request.get("ask", {}).get("id")
    try:
        if "rows" in request:
            line.say("rows", rows=_rows(voices, int(request["rows"])))
            return
        _answer(request["ask"], voices, line, asks)
    except UserError as fault:
        line.say("fault", id=number, message=str(fault))
    except Exception as fault:
        if type(fault).__name__ == "OutOfMemoryError":
            sys.modules["torch"].cuda.empty_cache()
            said = "out of GPU memory: shorten the conversation, or start again"
        else:
            traceback.print_exc()
            said = f"{type(fault).__name__}: {fault}".splitlines()[0]
        line.say("fault", id=number, message=said)
    if "ask" in request:
        line.say("done", id=number)


def _answer(ask: dict[str, Any], voices: list[Voice], line: Lines, asks: Asks) -> None:
    """Every model that is asked, one after the other."""
    sampling = {key: ask[key] for key in FIELDS if key in ask}
    for index in ask["models"]:
        told = {"id": ask["id"], "model": index}
        line.say("began", **told)
        sent = [""]

        def seen(text: str, thinking: bool, told: dict[str, Any] = told, sent: list[str] = sent) -> None:
            at = next((i for i, (a, b) in enumerate(zip(sent[0], text, strict=False)) if a != b), None)
            at = min(len(sent[0]), len(text)) if at is None else at
            sent[0] = text
            line.say("text", **told, at=at, text=text[at:], thinking=thinking)

        answer = voices[index].talker.answer(ask["messages"], sampling, seen, asks.stopped)
        line.say("answer", **told, **answer)
        if asks.stopped():
            return


def _rows(voices: list[Voice], most: int) -> list[dict[str, Any]]:
    """The first evaluation rows that ask something, of the run that is asked first."""
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training import rows, settings
    from tuiftune.runs.log.writer import Silence

    run = next((one.run for one in voices if one.run is not None), None)
    if run is None:
        raise UserError("only a run has evaluation rows", remedy="chat with the run to see its prompts")
    found = rows.load(settings.read(run).preset, Report(Silence()), lambda: None).held_out
    return [
        {
            "row": one.row,
            "messages": [{"role": each.role, "content": each.content} for each in one.prompt],
            "reference": one.reference,
        }
        for one in found
        if one.prompt and one.messages and one.messages[-1].role == "assistant"
    ][:most]
