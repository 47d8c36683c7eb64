"""Models on this machine as responders: one engine process keeps them loaded and answers for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.engine_call import Conversation, Job
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate.contender import Answered, Likelihood
from tuiftune.models import download
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from tuiftune.data.example import Message

BASE, TUNED = "base", "tuned"
ADAPTER = "adapter_config.json"
WEIGHTS = ("*.safetensors", "config.json", ADAPTER, "tokenizer.json", "chat_template.jinja")


@dataclass(frozen=True, slots=True)
class Source:
    """What an engine process loads: the base model and result of a run, or a model.

    Attributes:
        run: the directory of a run; None for a model.
        model: the model as the user named it; of a run, its base model.
        files: the directory that the fine-tuned weights are in; None if there are none or they are not here.
        precision: what a run's plan says of dtype and quantization; "" for a model, which is loaded as it is.
        elsewhere: a run's plan is for a GPU, and there is none here.
    """

    model: str
    run: Path | None = None
    revision: str | None = None
    files: Path | None = None
    precision: str = ""
    elsewhere: bool = False

    @property
    def place(self) -> str:
        """Return its name for people."""
        return self.run.name if self.run is not None else printable(self.model)

    def job(self) -> Job:
        """Return the job of the engine."""
        if self.run is not None:
            return Job("answer", ("--run", str(self.run)))
        revision = () if self.revision is None else ("--revision", self.revision)
        return Job("answer", ("--model", self.model, *revision))

    def bring(self, which: Collection[str]) -> None:
        """Download what its models of these names are loaded with. UserError if it can't be had."""
        whole = self.files is not None and not paths.is_file(self.files / ADAPTER)
        weights = BASE in which or not whole
        if weights and self.run is not None:
            download.require_base(self.place, self.model)
        download.bring(self.model, self.revision, weights=weights)

    def identity(self, which: str) -> str:
        """Return what the answers of one of its models depend on: names, sizes and times of its files."""
        directory = self.files if which == TUNED else paths.given(self.model)
        stamps = [self.model, str(self.revision), which, self.precision]
        if directory is not None and paths.is_dir(directory):
            stamps.append(str(paths.absolute(directory)))
            files = [path for pattern in WEIGHTS for path in paths.matching(directory, pattern)]
            stamps += [f"{path.name} {paths.size(path)} {paths.modified(path)}" for path in files]
        return "\n".join(stamps)


class Session:
    """The process of a source, started when something is asked. To be closed.

    `told` is told how its models are loaded otherwise than planned, before they answer.
    """

    def __init__(self, source: Source, told: Callable[[str], None] = lambda words: None) -> None:
        self.source, self._told = source, told
        self._conversation: Conversation | None = None
        self._ready: dict[str, Any] = {}
        self.asked: set[str] = set()  # the models that are, or will be
        self._brought: set[str] = set()
        self._lacks: UserError | None = None

    def request(self, kind: str, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the lines that answer a request. One that is left before its end ends the process: its other
        lines would be taken for answers to the next request.

        Raises:
            UserError: with the engine's own line and exit code if it cannot be answered.
        """
        conversation = self._opened()
        whole = False
        try:
            conversation.send({kind: document})
            while "done" not in (line := conversation.receive()):
                if "failed" in line:
                    whole = True
                    code = ExitCode(int(line["exit_code"]))
                    raise UserError(str(line["failed"]), place=self.source.place, exit_code=code)
                yield line
            whole = True
        finally:
            if not whole:
                self.close()

    @property
    def context(self) -> int | None:
        """Return the tokens of prompt and answer that the model takes; None if it does not say."""
        self._opened()
        found: int | None = self._ready.get("context")
        return found

    @property
    def note(self) -> str:
        """Return in words how the models are loaded otherwise than planned; "" where they are not."""
        self._opened()
        return str(self._ready.get("note", ""))

    def close(self) -> None:
        """End the process, and forget what could not be downloaded."""
        self._lacks = None
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def _opened(self) -> Conversation:
        if self._lacks is not None:
            raise self._lacks  # asking again would announce and refuse the same download again
        if not self.asked <= self._brought:
            try:
                self.source.bring(self.asked)
            except UserError as fault:
                self._lacks = fault
                raise
            self._brought |= self.asked
        if self._conversation is None:
            self._conversation = Conversation(self.source.job(), self.source.place)
            try:
                self._ready = self._conversation.receive()["ready"]
                self._check()
            except BaseException:
                self.close()
                raise
        return self._conversation

    def _check(self) -> None:
        """Tell how the models are loaded. UserError where a GPU is here that PyTorch cannot use: answers from
        the CPU would be kept as those of the GPU.
        """
        note = str(self._ready.get("note", ""))
        if note and self._ready.get("device") == "cpu" and not self.source.elsewhere:
            raise UserError(
                "the run was planned for a GPU, and PyTorch cannot use the one of this machine",
                place=self.source.place,
                remedy="see `tuiftune doctor`, or set CUDA_VISIBLE_DEVICES= to answer on the CPU",
            )
        if note:
            self._told(f"{self.source.place}: {note}")


class LocalModel:
    """One model of a session: `base` or `tuned`."""

    losses = True

    def __init__(self, session: Session, which: str) -> None:
        self.session, self.which = session, which
        session.asked.add(which)
        source = session.source
        self.name = source.place if source.run is None and which == BASE else f"{source.place} ({which})"

    @property
    def identity(self) -> str:
        """Return what its answers depend on: the plan, or how this machine loads it otherwise."""
        source = self.session.source
        own = source.identity(self.which)
        return f"{own}\n{self.session.note}" if source.elsewhere else own

    @property
    def note(self) -> str:
        """Return in words how it was loaded otherwise than planned; "" where it was not."""
        return self.session.note if self.session.source.elsewhere else ""

    def respond(
        self,
        prompts: Sequence[Sequence[Message]],
        max_new_tokens: int,
        done: Callable[[int, Answered], None],
    ) -> None:
        """Answer prompts in batches of similar length."""
        turns = [[[one.role, one.content] for one in messages] for messages in prompts]
        asked = {"model": self.which, "prompts": turns, "max_new_tokens": max_new_tokens}
        for line in self.session.request("answer", asked):
            done(int(line["at"]), _answered(line))

    def likelihoods(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood | None]:
        """Return how likely each reference is; None for one that the template or the context refuses."""
        found: list[Likelihood | None] = [None] * len(rows)
        if not rows:
            return found
        for line in self.session.request("likelihood", {"model": self.which, "rows": _rows(rows)}):
            if "fault" not in line:
                likely = Likelihood(float(line["nats"]), int(line["tokens"]), int(line["bytes"]))
                found[int(line["at"])] = likely
        return found

    def room(self, rows: Sequence[tuple[Sequence[Message], str]]) -> int:
        """Return the new tokens that the longest of these references needs, as a run's evaluation does."""
        lines = list(self.session.request("room", {"rows": _rows(rows)}))
        return int(lines[0]["room"])


def _rows(rows: Sequence[tuple[Sequence[Message], str]]) -> list[Any]:
    return [[[[one.role, one.content] for one in messages], reference] for messages, reference in rows]


def _answered(line: dict[str, Any]) -> Answered:
    if "fault" in line:
        return Answered("", fault=str(line["fault"]))
    return Answered(
        str(line["answer"]),
        bool(line["reasoning"]),
        bool(line["marks"]),
        bool(line["ended"]),
        int(line["in"]),
        int(line["out"]),
        float(line["seconds"]),
    )
