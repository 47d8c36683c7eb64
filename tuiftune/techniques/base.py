"""What a technique is: a value that the preset, the plan, the advice and the engine ask."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from tuiftune.sources import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiftune.options import Option, Quality

NONE, FP8, NF4 = "none", "fp8", "nf4"  # what a base model is quantized to


@dataclass(frozen=True, slots=True)
class Fact:
    """A value with its reason and the source of it."""

    value: float
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Peak learning rates of a technique.

    Attributes:
        within: from and to what its `source` takes, whatever the model.
        tiny: for models of at most 50 million parameters.
        usual: where the model's family and hidden size are not known, or `over_lora` is None.
        large: the same for models of 20 billion parameters and more.
        over_lora: multiple of LoRA's rate, which `plan.rates` finds from the model, the batch and the steps;
            None: its rate does not follow LoRA's.
    """

    within: tuple[float, float]
    source: str
    tiny: Fact
    usual: Fact
    large: Fact | None = None
    over_lora: Fact | None = None


@dataclass(frozen=True, slots=True)
class Allocator:
    """What the caching allocator holds beyond the live tensors, as shares of these: (expected, at most).

    `kept`: without activation checkpointing; `recomputed`: with it.
    """

    kept: tuple[float, float]
    recomputed: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Over:
    """What differs over a base model quantized to NF4 or FP8."""

    forms: str
    allocator: Allocator
    ranks: tuple[int, int]
    rates: Rates


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a technique that isn't low-rank counts its parameters from, in elements.

    Attributes:
        keys: width of the keys of a layer, and of its values.
        norms: parameters of all norms; None if they were not counted.
        layer: parameters of each layer; None if layers differ, or hold experts.
        linears: (name, in, out, how many) of the linear layers inside the layers.
        experts: the layers hold a mixture of experts.
    """

    layers: int
    hidden: int
    keys: int
    norms: int | None
    layer: int | None
    linears: tuple[tuple[str, int, int, int], ...]
    experts: bool


@dataclass(frozen=True, slots=True)
class Technique:
    """One way to change a base model's weights.

    `does` says it in a few words, after its key. `options` are the keys it adds to the preset's `method`;
    `unused` are those it accepts in addition and makes no use of, so that switching to it keeps a preset
    valid. `automatic`: the plan may choose it for `auto`, the first that fits. `compared`: it is listed
    among a plan's alternatives, since its memory or speed is not another's.
    """

    key: str
    name: str
    order: int
    does: str
    adapters: bool
    quality: Quality
    rates: Rates
    forms: str  # the traced forms of its activations, see `plan.coefficients`
    allocator: Allocator
    options: tuple[Option, ...] = ()
    unused: tuple[Option, ...] = ()
    automatic: bool = False
    compared: bool = False
    fits: str = ""  # how a model fits by it, in words
    base: str = NONE  # what the base model is quantized to
    unquantized: str = ""  # the technique that this is over a base model that is not quantized
    nf4: Over | None = None  # None: not over a base model quantized to NF4
    fp8: Over | None = None
    ranks: tuple[int, int] = (8, 256)  # in which a rank only has to suffice for the trained tokens
    alpha: Fact = Fact(2, "2 × rank: the adapter's scale, alpha / rank, is 2", DEFAULT)  # per unit of rank
    alpha_fixed: bool = False  # alpha is that at any rank
    compiles: bool = False  # its layers were seen to compile
    shares: bool = False  # was seen to train one model over several processes (FSDP2)
    experts: bool = True  # may adapt the experts of a mixture, which are 3-D parameters
    magnitudes: bool = False  # trains a number for each output of a layer as well
    weight_gradients: float = 0.0  # of a forward pass's products, for gradients of the base's own weights
    traffic: float = 1.0  # elementwise memory traffic, as a multiple of LoRA's
    weight_traffic: float = 0.0  # bytes moved for an adapted weight and forward pass, beyond LoRA's
    start_bytes: float = 0.0  # for an element of the largest adapted weight, while adapters are initialized
    # Parameters it trains of a model, with its options; ValueError, in words that follow its name, where it
    # can have none. None: low-rank adapters, or all.
    counts: Callable[[Sizes, Mapping[str, Any]], int] | None = None
    bounded: bool = False  # its activations are bounded by its forms, which are another's
    depth: str = ""  # the option that says how many of the last layers are trained, and only they
    copies: bool = False  # trains copies of the base's own weights, which are cast for each product

    @property
    def accepted(self) -> tuple[Option, ...]:
        """The options that may stand with it in a preset."""
        return (*self.options, *self.unused)

    @property
    def ranked(self) -> bool:
        """Its adapters have a rank."""
        return any(option.key == "rank" for option in self.options)

    @property
    def quantized(self) -> bool:
        return self.base != NONE

    @property
    def bases(self) -> tuple[str, ...]:
        """What a base model may be quantized to under it, the nearest to the 16-bit weights first."""
        return tuple(name for name, found in ((FP8, self.fp8), (NF4, self.nf4)) if found or self.base == name)

    def over(self, base: str) -> Technique:
        """The same over a base model that is quantized to FP8 or NF4."""
        found = self.fp8 if base == FP8 else self.nf4
        assert found is not None
        changed = {one.name: getattr(found, one.name) for one in fields(Over)}
        return replace(self, base=base, nf4=None, fp8=None, compared=False, **changed)
