"""The preset: what the user wants, portable between machines. Version 1 of the file format.

Every key has a default but `model.base` and `data.train`. `auto` is left for the plan to resolve on a
machine. Unknown keys are errors; `tuiftune.preset.file` turns them into one line with the nearest known key.
Values are taken strictly: `"3"` is text, `true` is no number. Descriptions become the file's comments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tuiftune import stages, techniques
from tuiftune.options import Auto, PositiveInt, Probability, Text, at_most
from tuiftune.preset import method
from tuiftune.preset.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"  # never `..`, never an option's dash

Kernels = Literal["none", "liger"]
DataFormat = Literal[
    "auto",
    "instruction",
    "chat",
    "sharegpt",
    "prompt-completion",
    "classification",
    "text",
    "preference",
    "kto",
]

Steps = Annotated[int, Field(gt=0), at_most(1_000_000_000)]
Tokens = Annotated[int, Field(gt=0), at_most(1 << 24)]
Cards = Annotated[int, Field(gt=0), at_most(1024)]
CardIndex = Annotated[int, Field(ge=0), at_most(1023)]
CountOrNone = Annotated[int, Field(ge=0), at_most(1_000_000)]
Money = Annotated[float, Field(gt=0), at_most(1_000_000_000)]

# A GPU with less could not hold a training run, so a smaller limit is a slip of the pen (24MiB for 24GiB).
SMALLEST_LIMIT = 512 * 1024**2


YOURS, DEFAULT = "yours", "default"


class Section(BaseModel):
    """A part of the preset: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSection(Section):
    """The model that is tuned."""

    base: Text = Field(description="a hub id, a local directory, or builtin:tiny")
    revision: str | None = Field(None, description="branch, tag or commit on the hub; null: its main branch")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="precision of matrix products, and of the base unless all of it is trained; "
        "auto: bfloat16 where the card has it",
    )
    quantization: Literal["auto", "none", "fp8", "nf4"] = Field(
        "auto", description="what the frozen base is quantized to; auto: what the technique says"
    )
    attention: Literal["auto", "sdpa", "varlen", "eager", "flash_attention_2"] = Field(
        "auto", description="attention kernel"
    )
    trust_remote_code: bool = Field(
        False, description="run code that comes with the model; off unless you read it"
    )


class MixSource(Section):
    """A further source of rows."""

    path: Text = Field(description="a file, a glob or a directory")
    weight: Annotated[float, at_most(1_000_000)] = Field(
        1.0, gt=0, description="how often each row is seen in an epoch, next to the training data's 1.0"
    )
    share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="instead of a weight: its part of all rows seen, e.g. 0.1"
    )

    @model_validator(mode="after")
    def _a_weight_or_a_share(self) -> MixSource:
        if self.share is not None and self.weight != 1.0:
            raise ValueError("has a weight and a share; write one of them")
        return self


class DataSection(Section):
    """The examples it learns from."""

    train: Text | Annotated[list[Text], Field(min_length=1)] = Field(
        description="a file, a list of files, a glob, a directory, or builtin:tickets"
    )
    eval: Probability | str = Field(
        0.05, description="share of rows held out (0 for none), or a file of its own"
    )
    test: Text | None = Field(
        None,
        description="a file of test rows, kept out of training and evaluation; the plan checks that they "
        "can be read and are not among the others; nothing is measured on them yet",
    )
    format: DataFormat = Field("auto", description="how rows are laid out; auto recognises it")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="which column plays which role, e.g. {prompt: question, completion: answer}; '' is none",
    )
    system: str | None = Field(None, description="system message put before rows that have none")
    max_length: Tokens = Field(2048, description="tokens a row; longer rows are cut")
    packing: Auto | bool = Field(
        "auto", description="several rows in one sequence, so that no step is padding"
    )
    padding_free: Auto | bool = Field(
        "auto", description="rows of a micro batch one after the other in one sequence; none is padded"
    )
    loss_on: Literal["assistant", "completion", "all"] = Field(
        "assistant", description="which tokens are learnt"
    )
    mix: list[MixSource] = Field(
        default_factory=list, description="further sources, each with a weight or a share of the rows seen"
    )
    mix_temperature: Annotated[float, Field(ge=1)] | None = Field(
        None, description="instead of weights: shares go with rows^(1/T); 1: as they are, large: all alike"
    )

    @field_validator("mix")
    @classmethod
    def _shares_leave_room(cls, value: list[MixSource]) -> list[MixSource]:
        if sum(source.share or 0.0 for source in value) >= 1:
            raise ValueError("the shares leave nothing for the training data; they must sum to less than 1")
        return value

    @field_validator("mix_temperature")
    @classmethod
    def _temperature_or_weights(cls, value: float | None, info: ValidationInfo) -> float | None:
        sources: list[MixSource] = info.data.get("mix") or []
        if value is not None and any(one.weight != 1.0 or one.share is not None for one in sources):
            raise ValueError("sets every weight; take the weights and shares out of data.mix")
        return value

    @field_validator("eval")
    @classmethod
    def _eval_is_a_share_or_a_file(cls, value: float | str) -> float | str:
        if isinstance(value, str):
            if not value.strip():
                raise ValueError("empty; write a share such as 0.05, 0 for none, or a file")
            try:
                float(value)
            except ValueError:
                return value
            raise ValueError(f"{value!r} is text; write a share without quotes")
        return value


class _Method(Section):
    """What every `method` has; its other keys are declared by its stage and its technique."""

    stage: str
    technique: str

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


if TYPE_CHECKING:
    MethodSection = _Method
else:
    MethodSection = method.section(Section, "How it is tuned.")


class TrainingSection(Section):
    """The optimizer's settings."""

    epochs: Annotated[float, at_most(1_000_000)] = Field(3.0, gt=0, description="passes over the data")
    max_steps: Steps | None = Field(None, description="stop after so many optimiser steps; overrides epochs")
    effective_batch: PositiveInt = Field(
        16, description="rows an optimiser step, over all cards and accumulation"
    )
    micro_batch: Auto | PositiveInt = Field(
        "auto", description="rows at once on one card; auto: what fits best"
    )
    learning_rate: Auto | Annotated[float, Field(gt=0, le=1)] = Field(
        "auto", description="peak learning rate"
    )
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="how the learning rate falls after its peak"
    )
    warmup_ratio: float = Field(0.03, ge=0, le=1, description="share of the steps spent warming up")
    optimizer: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = Field(
        "auto",
        description="auto, or one of the trainer's own",
        json_schema_extra={"x-allows": "a name such as adamw_torch_fused, adamw_8bit, paged_adamw_8bit"},
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="pull of the weights towards zero")
    max_grad_norm: float = Field(1.0, gt=0, description="longer gradients are cut to this length")
    activation_checkpointing: Auto | bool | PositiveInt = Field(
        "auto", description="recompute activations to save memory; a number N: in every Nth layer"
    )
    kernels: Auto | Kernels = Field("auto", description="fused kernels that save memory")
    compile: Auto | bool = Field("auto", description="torch.compile of each decoder layer")
    seed: int = Field(42, ge=0, lt=2**32, description="same seed, same data, same machine: same run")
    early_stopping: CountOrNone = Field(
        3, ge=0, description="evaluations without gain before stopping; 0: never"
    )
    divergence_patience: Auto | CountOrNone = Field(
        "auto",
        description="steps that the loss may diverge before the run stops; auto: 5% of the steps, 5 to 100; "
        "0: never",
    )


class EvaluationSection(Section):
    """How before and after are compared."""

    score: Literal["auto", "exact_match", "none"] = Field(
        "auto", description="generated answers compared with the references"
    )
    rows: CountOrNone = Field(64, ge=0, description="held-out rows that are generated for, before and after")
    max_new_tokens: Auto | PositiveInt = Field(
        "auto", description="auto: the longest reference answer, at most 256"
    )
    samples: CountOrNone = Field(
        3, description="answers shown side by side, and generated at each evaluation; 0 for none"
    )


class HardwareSection(Section):
    """Which GPUs, and how much of them."""

    gpus: Auto | Cards | Annotated[list[CardIndex], Field(min_length=1)] = Field(
        "auto", description="how many cards, or which; each beyond one trains a copy of the model"
    )
    processes: Auto | Cards = Field(
        "auto", description="data-parallel copies: one a card; on a machine without one, auto is 1"
    )
    memory_limit: str | None = Field(
        None,
        description="use at most this much of a card",
        json_schema_extra={"x-allows": "a size such as 24GiB or 80GB, or null"},
    )

    @field_validator("gpus")
    @classmethod
    def _each_card_once(cls, value: str | int | list[int]) -> str | int | list[int]:
        if isinstance(value, list) and len(set(value)) != len(value):
            raise ValueError("the same card is named twice")
        return value

    @field_validator("memory_limit")
    @classmethod
    def _limit_is_a_size(cls, value: str | None) -> str | None:
        if value is not None and parse_size(value) < SMALLEST_LIMIT:
            raise ValueError(f"{value} is too little to train in; 512MiB is the least")
        return value

    @property
    def memory_limit_bytes(self) -> int | None:
        """The limit in bytes, where there is one."""
        return None if self.memory_limit is None else parse_size(self.memory_limit)


class RunSection(Section):
    """What is kept, and who is told."""

    checkpoints: PositiveInt = Field(2, description="how many to keep")
    save_every: Auto | Steps = Field("auto", description="optimiser steps between checkpoints")
    report_to: list[Text] = Field(default_factory=list, description="trackers: wandb, tensorboard, trackio …")


class BudgetSection(Section):
    """What it may cost; the plan warns when it would cost more."""

    usd_per_hour: Money | None = Field(None, description="your price of the machine")
    max_usd: Money | None = Field(None, description="the most to spend")
    max_hours: Money | None = Field(None, description="the longest to run")


class Preset(Section):
    """A whole preset. `Preset.model_validate` takes the parsed YAML; prefer `tuiftune.preset.file.load`."""

    version: Literal[1] = Field(1, description="the format of this file")
    name: str = Field(
        "untitled",
        pattern=NAME_PATTERN,
        description="of the preset, and of its runs unless they get their own",
        json_schema_extra={
            "x-allows": "1 to 64 letters, digits, dots, dashes, underscores, a letter or digit first"
        },
    )
    model: ModelSection
    data: DataSection
    method: MethodSection = Field(default_factory=MethodSection)  # type: ignore[arg-type]
    training: TrainingSection = Field(default_factory=TrainingSection)  # type: ignore[arg-type]
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)  # type: ignore[arg-type]
    hardware: HardwareSection = Field(default_factory=HardwareSection)  # type: ignore[arg-type]
    run: RunSection = Field(default_factory=RunSection)  # type: ignore[arg-type]
    budget: BudgetSection = Field(default_factory=BudgetSection)  # type: ignore[arg-type]

    @field_validator("method")
    @classmethod
    def _technique_over_the_base(cls, value: MethodSection, info: ValidationInfo) -> MethodSection:
        if "model" in info.data and value.technique != techniques.AUTO:
            try:
                techniques.find(value.technique, info.data["model"].quantization)
            except ValueError as fault:
                raise PydanticCustomError(
                    "refused", "{why}", {"why": str(fault), "at": ("model", "quantization"), "remedy": ""}
                ) from None
        return value

    @model_validator(mode="after")
    def _defaults_of_the_stage(self) -> Preset:
        """Its own defaults for keys that were left out, and stay so."""
        for key, value in stages.every()[self.method.stage].defaults.items():
            section, _, name = key.partition(".")
            part = getattr(self, section)
            if name not in part.model_fields_set:
                vars(part)[name] = value
        return self

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)  # of keys that others than the user set

    def __eq__(self, other: object) -> bool:
        """Whether the values are the same, whoever set them."""
        return isinstance(other, Preset) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as pydantic leaves it

    def origin(self, key: str) -> str:
        """Who gave a dotted key its value: `yours`, `default`, or who else is known to have."""
        section, _, name = key.partition(".")
        part = getattr(self, section)
        given = (
            name in part.model_fields_set if isinstance(part, Section) else section in self.model_fields_set
        )
        return self._origins.get(key, YOURS) if given else DEFAULT

    def given(self) -> list[str]:
        """The dotted keys that were set, by whomever."""
        return [
            f"{section}.{name}"
            for section, part in self
            if isinstance(part, Section)
            for name in part.model_fields_set
        ]

    def from_others(self, origins: Mapping[str, str]) -> Preset:
        """The same preset, with who set which dotted keys; what is not named is the user's own."""
        copy = self.model_copy()
        copy._origins = dict(origins)
        return copy

    def others(self) -> dict[str, str]:
        """Who set the keys that the user did not."""
        return dict(self._origins)

    def with_values(self, values: dict[str, Any]) -> Preset:
        """A validated copy with dotted keys replaced, e.g. `{"method.rank": 8}`."""
        document = self.model_dump(mode="json", exclude_unset=True)
        for dotted, value in values.items():
            *path, leaf = dotted.split(".")
            node = document
            for key in path:
                node = node.setdefault(key, {})
            node[leaf] = value
        given = frozenset(key.removeprefix("method.") for key in values)
        document["method"] = method.fitting(document.get("method", {}), given)
        others = {key: by for key, by in self._origins.items() if key not in values}
        return Preset.model_validate(document).from_others(others)
