"""What a target is: a form that a result leaves in, and what is known of it before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Mean KL divergence, in nats a token, that an export may have from its original, by the bits of a weight.
# tuiftune defaults: well above what llama.cpp measured for Llama 3 8B at 8 bits (0.0014) and some five times
# what it measured at 4 bits (0.0313), so that small models pass as well (llama.cpp, tools/perplexity, 2024).
LIMITS = {16: 0.01, 8: 0.02, 6: 0.05, 5: 0.1, 4: 0.15, 3: 0.5, 2: 1.0}


@dataclass(frozen=True, slots=True)
class Form:
    """A precision that a target can be written in: `key` of `--quantize`, bits of a weight, and words."""

    key: str
    bits: int
    does: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a result without loading it.

    Attributes:
        name: of the run.
        result: directory of the result's model.
        adapter: PEFT's configuration of it; empty for a whole model.
        base: what the preset names as base model.
        source: directory of the base model's files; None where it is not on this disk.
        stored: type of the base model's weights, by torch's name.
        quantization: how the base model's own files are quantized; None: not at all.
        size: bytes of the whole model in 16 bits.
        architectures: classes that its config.json names.
        license: of the base model.
        system: system prompt that the rows were trained with, if the preset sets one.
        context: longest row that it was trained on, in tokens.
        positions: tokens that the base model was made for.
        scores: it answers with one number (a reward model), and writes nothing.
        technique: how it was trained, by name.
        texts: it was trained to continue texts, not to answer messages.
    """

    name: str
    result: Path
    adapter: Mapping[str, Any]
    base: str
    source: Path | None
    stored: str | None
    quantization: str | None
    size: int
    architectures: tuple[str, ...] = ()
    license: str | None = None
    system: str | None = None
    context: int | None = None
    positions: int | None = None
    scores: bool = False
    technique: str = ""
    texts: bool = False

    @property
    def adapted(self) -> bool:
        """Whether the result is an adapter."""
        return bool(self.adapter)

    @property
    def rank(self) -> int:
        """The highest rank of an adapter in it; 0 for a whole model."""
        ranks = [self.adapter.get("r"), *(self.adapter.get("rank_pattern") or {}).values()]
        return max((int(one) for one in ranks if isinstance(one, int)), default=0)


@dataclass(frozen=True, slots=True)
class Need:
    """A Python package that a target uses: what it is imported as, the extra that brings it, and what for."""

    module: str
    extra: str
    why: str


@dataclass(frozen=True, slots=True)
class Target:
    """A form that a result leaves in.

    Attributes:
        key: of `--to`.
        name: how it is called.
        does: what is written, in a few words.
        writer: file in `engine/export/writers` that writes it.
        forms: precisions it comes in; the first unless `--quantize` names another.
        answers: what answers the evaluation rows to verify it, in `engine/export/answering`.
        not_run: what of it this project has not run, in words; "": everything is.
        needs: packages it uses.
        refuses: why a result cannot leave in it, and what to do; asked before anything is written.
        tools: UserError where a program that it uses is not here, or cannot: (facts, form, options).
        finish: writes what goes with the weights: (directory, facts, form).
        use: command lines that use it: (directory, facts, form).
        options: names of what it takes in addition, of `Wanted.options`.
        upload: sends the directory away: (directory, facts, options); returns its address, if it did.
        loader: the library that loads it, as the Hub's model cards name it.
        share: bytes written at most while it is made, as a multiple of the whole model in 16 bits.
    """

    key: str
    name: str
    order: int
    does: str
    writer: str
    forms: tuple[Form, ...]
    answers: str
    use: Callable[[Path, Facts, Form], list[str]]
    not_run: str = ""
    needs: tuple[Need, ...] = ()
    refuses: Callable[[Facts, Form], tuple[str, str] | None] = field(default=lambda facts, form: None)
    tools: Callable[[Facts, Form, Mapping[str, str]], None] = field(default=lambda facts, form, options: None)
    finish: Callable[[Path, Facts, Form], None] = field(default=lambda directory, facts, form: None)
    options: tuple[str, ...] = ()
    upload: Callable[[Path, Facts, Mapping[str, str]], str | None] | None = None
    loader: str = "transformers"
    share: float = 1.0

    def form(self, key: str | None) -> Form | None:
        """The precision of a key; the first for None; None where it has no such precision."""
        if key is None:
            return self.forms[0]
        return next((one for one in self.forms if one.key == key.lower()), None)


def merges(facts: Facts, form: Form) -> tuple[str, str] | None:
    """Why a result cannot be merged into its base model's own weights; None where it can."""
    del form
    if facts.scores:
        return "a reward model answers with a number, and this form writes text", "use result/ of the run"
    if facts.adapted and facts.quantization is not None:
        return (
            f"the base model's files are quantized ({facts.quantization}), and an adapter is merged into "
            "16-bit weights only",
            "export the adapter with --to adapter, or name the 16-bit model with --base",
        )
    return None


SIXTEEN = (
    Form("auto", 16, "16 bits, as the base model's files are"),
    Form("bfloat16", 16, "bfloat16"),
    Form("float16", 16, "float16"),
)
