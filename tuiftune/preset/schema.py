"""The preset: one YAML config file, portable between machines. Version 1 of the file format.

Every key has a default but `model.base` and `data.train`. `auto` is resolved by the plan for a
machine. Unknown keys are errors; `tuiftune.preset.file` turns them into one line with the nearest known key.
Values are taken strictly: `"3"` is text, `true` does not count as a number.
Descriptions become the file's comments.
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
    "prompt-only",
]

Steps = Annotated[int, Field(gt=0), at_most(1_000_000_000)]
Tokens = Annotated[int, Field(gt=0), at_most(1 << 24)]
Gpus = Annotated[int, Field(gt=0), at_most(1024)]
GpuIndex = Annotated[int, Field(ge=0), at_most(1023)]
CountOrNone = Annotated[int, Field(ge=0), at_most(1_000_000)]
Money = Annotated[float, Field(gt=0), at_most(1_000_000_000)]

# A GPU with less could not hold a training run, so a smaller limit is a slip of the pen (24MiB for 24GiB).
SMALLEST_LIMIT = 512 * 1024**2


YOURS, DEFAULT = "yours", "default"


class Section(BaseModel):
    """A part of the preset: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSection(Section):
    """The base model."""

    base: Text = Field(description="a Hugging Face model ID, a local directory, or builtin:tiny")
    revision: str | None = Field(
        None, description="branch, tag or commit of the model repository; null: the main branch"
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="precision of computation and frozen weights; auto: bfloat16 if the GPU supports it",
    )
    quantization: Literal["auto", "none", "fp8", "nf4"] = Field(
        "auto", description="format of the frozen base model's weights; auto: by technique and GPU memory"
    )
    attention: Literal["auto", "sdpa", "varlen", "eager", "flash_attention_2"] = Field(
        "auto", description="attention implementation; auto: the fastest that fits"
    )
    trust_remote_code: bool = Field(
        False, description="run Python code from the model repository; enable only for code you trust"
    )


class MixSource(Section):
    """Another data source."""

    path: Text = Field(description="a file, a glob or a directory")
    weight: Annotated[float, at_most(1_000_000)] = Field(
        1.0, gt=0, description="times each row is used per epoch (main data: 1.0)"
    )
    share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="instead of a weight: its fraction of all rows per epoch, such as 0.1"
    )

    @model_validator(mode="after")
    def _a_weight_or_a_share(self) -> MixSource:
        if self.share is not None and self.weight != 1.0:
            raise ValueError("has a weight and a share; set only one of them")
        return self


class DataSection(Section):
    """The training data."""

    train: Text | Annotated[list[Text], Field(min_length=1)] = Field(
        description="a file, a list of files, a glob, a directory, or builtin:tickets"
    )
    eval: Probability | str = Field(
        0.05, description="evaluation set: a fraction of the rows (0: none), or a file"
    )
    test: Text | None = Field(
        None,
        description="a file of test rows, not used in training or its evaluations; the plan checks that "
        "they are not in the other data",
    )
    format: DataFormat = Field("auto", description="format of the rows; auto: detected")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="column of each role, such as {prompt: question, completion: answer}; '': not used",
    )
    system: str | None = Field(None, description="system message for rows without one")
    max_length: Tokens = Field(2048, description="max tokens per row; longer rows are truncated")
    packing: Auto | bool = Field(
        "auto", description="several rows in one sequence, without padding; changes how many rows a step has"
    )
    padding_free: Auto | bool = Field(
        "auto", description="rows of a micro-batch in one sequence, without padding; same results, faster"
    )
    loss_on: Literal["assistant", "completion", "all"] = Field(
        "assistant", description="tokens used in the loss: assistant messages, completions, or all"
    )
    reasoning: Literal["keep", "mask", "drop", "last"] = Field(
        "keep",
        description="reasoning in answers (such as <think>…</think>): keep: trained; mask: read, but not "
        "trained; drop: removed; last: kept in the last answer, removed from earlier ones",
    )
    mix: list[MixSource] = Field(
        default_factory=list, description="other data sources, each with a weight or a share"
    )
    mix_temperature: Annotated[float, Field(ge=1)] | None = Field(
        None,
        description="instead of weights: shares proportional to rows^(1/T); 1: by size, large: equal shares",
    )

    mix_eval: CountOrNone = Field(
        0,
        description="rows of each source in data.mix that are held out, and evaluated by themselves before, "
        "during and after training; 0: none",
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
            raise ValueError("sets every weight; remove the weights and shares from data.mix")
        return value

    @field_validator("eval")
    @classmethod
    def _eval_is_a_share_or_a_file(cls, value: float | str) -> float | str:
        if isinstance(value, str):
            if not value.strip():
                raise ValueError("empty; write a fraction such as 0.05, 0 for none, or a file")
            try:
                float(value)
            except ValueError:
                return value
            raise ValueError(f"{value!r} is text; write the fraction without quotes")
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
    MethodSection = method.section(Section, "Stage and technique of fine-tuning.")


class TrainingSection(Section):
    """Hyperparameters of the training."""

    epochs: Annotated[float, at_most(1_000_000)] = Field(
        3.0, gt=0, description="times the training data is used"
    )
    max_steps: Steps | None = Field(
        None, description="stop after this many optimizer steps; overrides epochs"
    )
    effective_batch: PositiveInt = Field(
        16, description="rows per optimizer step, over all GPUs and accumulation steps"
    )
    micro_batch: Auto | PositiveInt = Field(
        "auto", description="rows per forward pass on each GPU; auto: the fastest that fits"
    )
    learning_rate: Auto | Annotated[float, Field(gt=0, le=1)] = Field(
        "auto", description="peak learning rate; auto: by model, batch, steps and technique"
    )
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="how the learning rate falls after the warmup"
    )
    warmup_ratio: float = Field(
        0.03, ge=0, le=1, description="fraction of the steps in which the learning rate rises"
    )
    optimizer: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = Field(
        "auto",
        description="an optimizer of transformers' Trainer; auto: the most precise that fits",
        json_schema_extra={"x-allows": "a name such as adamw_torch_fused, adamw_8bit, paged_adamw_8bit"},
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="weight decay of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="clip the gradient norm to this value")
    activation_checkpointing: Auto | bool | PositiveInt = Field(
        "auto",
        description="recompute activations to save memory (gradient checkpointing); N: in every Nth layer",
    )
    activation_offloading: Auto | bool = Field(
        "auto",
        description="keep in RAM what activation checkpointing stores for the backward pass; auto: if faster",
    )
    kernels: Auto | Kernels = Field("auto", description="fused kernels that save memory; auto: if faster")
    compile: Auto | bool = Field(
        "auto", description="torch.compile for each decoder layer; auto: if it saves time"
    )
    fp8_compute: Auto | bool = Field(
        "auto",
        description="compute the products of a 4-bit base model in FP8; auto: if it is faster",
    )
    seed: int = Field(
        42, ge=0, lt=2**32, description="random seed: the same seed, data and machine give the same run"
    )
    early_stopping: CountOrNone = Field(
        3,
        ge=0,
        description="stop after this many evaluations without a gain (see evaluation.best_by); 0: never",
    )
    divergence_patience: Auto | CountOrNone = Field(
        "auto",
        description="stop after the loss has diverged for this many steps; auto: 5% of the steps, 5 to 100; "
        "0: never",
    )


class EvaluationSection(Section):
    """How the base model and the fine-tuned model are compared."""

    score: Literal["auto", "exact_match", "none"] = Field(
        "auto", description="metric that compares generated answers with reference answers"
    )
    rows: CountOrNone = Field(
        64, ge=0, description="evaluation rows to generate answers for, before and after training"
    )
    max_new_tokens: Auto | PositiveInt = Field(
        "auto", description="longest generated answer; auto: the longest reference answer, at most 256"
    )
    samples: CountOrNone = Field(3, description="sample answers generated at each evaluation; 0: none")
    every: Auto | Steps = Field(
        "auto", description="optimizer steps between evaluations; auto: at each checkpoint"
    )
    best_by: Text = Field(
        "loss",
        description="metric that chooses the best checkpoint and stops early: loss, or one of the answers, "
        "generated at each evaluation, such as exact_match",
    )


class HardwareSection(Section):
    """The GPUs to use."""

    gpus: Auto | Gpus | Annotated[list[GpuIndex], Field(min_length=1)] = Field(
        "auto", description="number of GPUs, or their indices; see parallel for how they share the training"
    )
    processes: Auto | Gpus = Field(
        "auto", description="data parallel processes, one per GPU; auto: 1 without a GPU"
    )
    parallel: Literal["auto", "none", "ddp", "fsdp", "fsdp_offload", "zero2"] = Field(
        "auto",
        description="how processes share the training; ddp: one copy of the model per GPU; fsdp: the model "
        "sharded over the GPUs (FSDP2); fsdp_offload: shards in RAM; zero2: copies that divide gradients and "
        "optimizer states (DeepSpeed); auto: fsdp if copies do not fit",
    )
    memory_limit: str | None = Field(
        None,
        description="use at most this much memory of each GPU",
        json_schema_extra={"x-allows": "a size such as 24GiB or 80GB, or null"},
    )

    @field_validator("parallel", mode="before")
    @classmethod
    def _zero_by_our_name(cls, value: Any) -> Any:
        if isinstance(value, str) and value.lower().replace("-", "") in ("zero3", "deepspeed"):
            why = f"is {value}: of DeepSpeed's ZeRO only zero2 runs here"
            remedy = "use fsdp, which shards the parameters as ZeRO-3 does"
            raise PydanticCustomError("refused", "{why}", {"why": why, "remedy": remedy})
        return value

    @field_validator("gpus")
    @classmethod
    def _each_gpu_once(cls, value: str | int | list[int]) -> str | int | list[int]:
        if isinstance(value, list) and len(set(value)) != len(value):
            raise ValueError("the same GPU is listed twice")
        return value

    @field_validator("memory_limit")
    @classmethod
    def _limit_is_a_size(cls, value: str | None) -> str | None:
        if value is not None and parse_size(value) < SMALLEST_LIMIT:
            raise ValueError(f"{value} is too little to train; use at least 512MiB")
        return value

    @property
    def memory_limit_bytes(self) -> int | None:
        """The limit in bytes, where there is one."""
        return None if self.memory_limit is None else parse_size(self.memory_limit)


class RunSection(Section):
    """Checkpoints and trackers."""

    checkpoints: PositiveInt = Field(2, description="number of checkpoints to keep")
    save_every: Auto | Steps = Field(
        "auto",
        description="optimizer steps between checkpoints; auto: 5 minutes of work at most can be lost, or "
        "5% of the time is spent on them",
    )
    report_to: list[Text] = Field(
        default_factory=list, description="trackers: tensorboard, trackio, wandb, mlflow"
    )
    sync_to: Text | None = Field(
        None,
        description="directory, s3://, gs:// or hf:// that checkpoints, log and result are copied to",
    )


class BudgetSection(Section):
    """Price and budget limits. The run stops at a limit; the plan warns before."""

    usd_per_hour: Money | None = Field(None, description="price of the machine, US dollars per hour")
    max_usd: Money | None = Field(None, description="budget limit in US dollars")
    max_hours: Money | None = Field(None, description="time limit in hours")


class Preset(Section):
    """A whole preset. `Preset.model_validate` takes the parsed YAML; prefer `tuiftune.preset.file.load`."""

    version: Literal[1] = Field(1, description="version of the preset format")
    name: str = Field(
        "untitled",
        pattern=NAME_PATTERN,
        description="name of the preset, and of its runs unless they are named",
        json_schema_extra={
            "x-allows": "1 to 64 letters, digits, dots, dashes, underscores; the first a letter or digit"
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
        """Return True if the values are the same, regardless of who set them."""
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
