"""Everything about a training step that decides its memory and speed. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.techniques.base import FP8, NF4

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture
    from tuiftune.techniques.base import Technique

ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"})


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to run a step. `length` is tokens a row after padding or packing; sizes of elements in bytes.

    `checkpointing` is False, True (every layer) or N: layer i is recomputed when i % N == 0.
    """

    technique: str
    micro_batch: int
    length: int
    rank: int = 16
    quantization: str = techniques.AUTO  # of the base: what its technique says, or what was asked for
    targets: str | tuple[str, ...] = "all-linear"
    saved: tuple[str, ...] = ()  # modules trained in full in addition to the adapters
    dropout: float = 0.0
    checkpointing: bool | int = True
    activation_offloading: bool = False  # inputs of recomputed layers are in RAM until the backward pass
    kernels: str = "none"
    compile: bool = False
    fp8_compute: bool = False  # products of a base in NF4 run in FP8
    packing: bool = False
    padding_free: bool = False  # the rows of a micro batch are one sequence, none padded
    optimizer: str = "adamw_torch_fused"
    weight_bytes: int = 2
    autocast: bool = False  # float32 weights, which are all trained, and products in 16 bit
    adapter_bytes: int = 4
    attention: str = "sdpa"
    device: str = "cuda"
    copies: int = 1  # data-parallel processes, one a GPU
    shards: int = 1  # of these, those that share one model; 1: each has a copy
    divided: int = 1  # processes with a whole copy that divide its gradients and states; 1: none is
    offload: bool = False  # the shards are in RAM between the steps
    accumulation: int = 1  # micro steps to an optimizer step
    joined_tokens: int | None = None  # of rows in one sequence, which are not all as long as the longest
    sequences: int = 1  # of a row, which pass through the model together
    reference: float = 0.0  # forward passes beyond the trained one, such as those of the model as it began
    scores: bool = False  # the head answers with one number
    rollouts: int = 0  # tokens of an answer that is sampled, at most; 0: none is
    head_once: bool = False  # its logits are computed once a step: the gradient along with the loss
    logits: int = 0  # bytes of each, where the loss takes all at once; 0: a tile at a time
    teacher: Architecture | None = None  # of a second model, whose forward pass runs with each trained one
    options: tuple[tuple[str, Any], ...] = ()  # of a technique that counts its own parameters
    masked: bool = False  # attention needs a mask of length²; rows that are only padded need none

    @property
    def forward(self) -> Settings:
        """The same with a row for each sequence: what the forms and the products go by."""
        if self.sequences == 1:
            return self
        return replace(self, micro_batch=self.micro_batch * self.sequences, sequences=1)

    @property
    def tokens(self) -> int:
        whole = self.micro_batch * self.length
        return whole if self.joined_tokens is None else min(whole, self.joined_tokens)

    @property
    def targets_group(self) -> str:
        """The smallest traced set of targets that holds these: qv, attention or all-linear."""
        if isinstance(self.targets, str):
            return self.targets if self.targets in ("qv", "attention") else "all-linear"
        asked = frozenset(self.targets)
        if asked <= {"q_proj", "v_proj"}:
            return "qv"
        return "attention" if asked <= ATTENTION else "all-linear"

    def option(self, key: str) -> int:
        """The value of an option of the technique; 0 without a key."""
        return int(dict(self.options).get(key, 0)) if key else 0

    @property
    def adapted(self) -> bool:
        return self.traits.adapters

    @property
    def traits(self) -> Technique:
        """What its technique, over its base, is like."""
        return techniques.find(self.technique, self.quantization)

    @property
    def precision(self) -> str:
        """The suffix of the forms' names: float32 or 16-bit throughout, or mixed by autocast: with what is
        trained in float32 (master), or as it was first traced (none: QLoRA's adapters in 16 bit).
        """
        if self.autocast or (self.four_bit and self.adapter_bytes == 4):
            return " master"
        if self.weight_bytes == 4:
            return " float32"
        pure = self.adapted and not self.four_bit and self.adapter_bytes == 2
        return " pure" if pure else ""

    @property
    def compute_bytes(self) -> int:
        """Of an element that matrix products take."""
        return 2 if self.autocast else self.weight_bytes

    @property
    def four_bit(self) -> bool:
        return self.traits.base == NF4

    @property
    def fp8(self) -> bool:
        return self.traits.base == FP8

    @property
    def fp8_products(self) -> bool:
        """Whether the base model's layers multiply in FP8, whatever their weights are held in."""
        return self.fp8 or self.fp8_compute
