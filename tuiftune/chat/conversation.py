"""A conversation with one or several models: what was asked, every answer, and which one was better."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

Message = dict[str, str]
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers are generated: temperature 0 is greedy, as evaluation does."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_new_tokens: int = 512

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer. `model` is its place among those of the chat; `ended`: end, length or stopped;
    `system`: the system message that it was given under.
    """

    model: int
    text: str
    tokens: int = 0
    seconds: float = 0.0
    ended: str = "end"
    reasoning: bool = False
    settings: Settings = Settings()
    system: str = ""

    @classmethod
    def of(cls, event: dict[str, Any], settings: Settings) -> Answer:
        """The answer that an `answer` event tells of."""
        return cls(
            int(event["model"]),
            str(event["text"]),
            int(event["tokens"]),
            float(event["seconds"]),
            str(event["ended"]),
            bool(event["reasoning"]),
            settings,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt with every answer to it, the latest last. `reference`: the answer of an evaluation row."""

    prompt: str
    answers: tuple[Answer, ...] = ()
    chosen: int | None = None
    reference: str = ""

    @property
    def kept(self) -> Answer | None:
        """The answer that the conversation continues with."""
        if self.chosen is not None:
            return self.answers[self.chosen]
        first = [one for one in self.answers if one.model == 0] or list(self.answers)
        return first[-1] if first else None


@dataclass(frozen=True, slots=True)
class Conversation:
    """`opening`: messages before the first turn, as those of an evaluation row."""

    system: str = ""
    turns: tuple[Turn, ...] = ()
    opening: tuple[tuple[str, str], ...] = ()

    def messages(self) -> list[Message]:
        """What the models are asked: up to the last prompt, with one answer to each before it."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        found += [{"role": role, "content": content} for role, content in self.opening]
        for turn in self.turns:
            found.append({"role": "user", "content": turn.prompt})
            if turn is not self.turns[-1] and turn.kept is not None:
                found.append({"role": "assistant", "content": turn.kept.text})
        return found

    def ask(self, prompt: str, reference: str = "") -> Conversation:
        """With another prompt at its end."""
        return replace(self, turns=(*self.turns, Turn(prompt, reference=reference)))

    def edit(self, prompt: str) -> Conversation:
        """With another prompt in the place of the last, and no answers to it yet."""
        return replace(self, turns=(*self.turns[:-1], Turn(prompt)))

    def answer(self, answer: Answer) -> Conversation:
        """With another answer to the last prompt."""
        last = self.turns[-1]
        return self._last(replace(last, answers=(*last.answers, replace(answer, system=self.system))))

    def vote(self, label: str) -> Conversation:
        """With the answer of a letter as the better one. ValueError in words where there is none such."""
        last = self.turns[-1] if self.turns else Turn("")
        there = LABELS[: len(last.answers)]
        if len({one.text for one in last.answers}) < 2:
            raise ValueError("there are no two different answers to compare: retry, or add a model")
        if label.upper() not in there or not label:
            raise ValueError(f"name one of the answers: {', '.join(there)}")
        made = self._last(replace(last, chosen=LABELS.index(label.upper())))
        if not made.preferences():
            raise ValueError("the other answers are the same, or to another system message: retry first")
        return made

    def preferences(self) -> list[dict[str, list[Message]]]:
        """The last turn's vote as rows: prompt, chosen and rejected, for each different answer to the same
        messages. An answer to another system message answers something else.
        """
        last = self.turns[-1]
        assert last.chosen is not None
        better = last.answers[last.chosen]
        others = (one for one in last.answers if one.system == better.system)
        worse = dict.fromkeys(one.text for one in others if one.text != better.text)
        prompt = replace(self, system=better.system).messages()
        return [
            {
                "prompt": prompt,
                "chosen": [{"role": "assistant", "content": better.text}],
                "rejected": [{"role": "assistant", "content": text}],
            }
            for text in worse
        ]

    def started_with(self, messages: list[Message], reference: str) -> Conversation:
        """A new one with the prompt of a row: its own system message, and the messages before the last."""
        system = [one["content"] for one in messages if one["role"] == "system"]
        rest = [one for one in messages if one["role"] != "system"]
        opening = tuple((one["role"], one["content"]) for one in rest[:-1])
        found = Conversation("\n".join(system), opening=opening)
        return found.ask(rest[-1]["content"], reference) if rest else found

    def _last(self, turn: Turn) -> Conversation:
        return replace(self, turns=(*self.turns[:-1], turn))


def again(talk: Conversation, settings: Settings) -> Settings:
    """The settings of a retry: the next seed for each answer that the first model has given."""
    tried = sum(one.model == 0 for one in talk.turns[-1].answers)
    return replace(settings, seed=(settings.seed + tried) % 2**32)


def told(answer: Answer) -> str:
    """What an answer took, in words."""
    rate = f", {answer.tokens / answer.seconds:.0f} tokens/s" if answer.seconds else ""
    tokens = "1 token" if answer.tokens == 1 else f"{answer.tokens:,} tokens"
    ends = {
        "length": "; reached the limit of new tokens",
        "stopped": "; stopped",
    }.get(answer.ended, "")
    thought = "; reasoning not shown" if answer.reasoning else ""
    return f"{tokens}, {answer.seconds:.1f} s{rate}{ends}{thought}"
