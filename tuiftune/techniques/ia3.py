"""IA3: learned vectors that scale keys, values and the inputs of the MLP's last layer (Liu et al., 2022)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.options import Quality
from tuiftune.sources import DEFAULT, PEFT_COMPARISON, together
from tuiftune.sources import IA3 as IA3_PAPER
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.lora import ADAPTER_OPTIONS, LORA, without

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuiftune.techniques.base import Sizes

# Names of layers in transformers' models: those of keys and values, alone or with the queries …
KEYS = ("k_proj", "v_proj", "key", "value", "qkv_proj", "query_key_value", "Wqkv")
LAST = ("down_proj", "dense_4h_to_h", "fc2", "fc_out", "c_proj")  # … and the last one of the MLP


def scaled(names: Collection[str], *, experts: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers whose outputs are scaled, and those whose inputs are. ValueError where none are known."""
    outputs = tuple(name for name in KEYS if name in names)
    inputs = tuple(name for name in LAST if name in names)
    if not outputs or not (inputs or experts):
        raise ValueError("does not know the keys, values and MLP of this kind of model by name")
    return outputs, inputs


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """A number for each output of the one kind of layers, and for each input of the other."""
    del options
    outputs, inputs = scaled({name for name, *_ in sizes.linears}, experts=sizes.experts)
    return sum(
        many * (out if name in outputs else into)
        for name, into, out, many in sizes.linears
        if name in (*outputs, *inputs)
    )


IA3 = replace(
    LORA,
    key="ia3",
    name="IA3",
    order=80,
    does="learned scales of keys, values and MLP inputs",
    quality=Quality(
        "worse",
        "above LoRA in its paper, from few rows; below LoRA in PEFT's comparison. Its files are the smallest",
        together(IA3_PAPER, PEFT_COMPARISON),
    ),
    rates=Rates(
        within=(1e-3, 1e-2),
        source=IA3_PAPER.short,
        tiny=Fact(1e-2, "small models train best with a high learning rate", DEFAULT),
        usual=Fact(3e-3, "the rate of the IA3 paper: scales begin at 1 and move slowly", IA3_PAPER.short),
    ),
    options=tuple(one for one in ADAPTER_OPTIONS if one.key == "adapter_dtype"),
    unused=without("adapter_dtype"),
    automatic=False,
    compared=False,
    nf4=None,
    fp8=None,
    compiles=False,
    shares=False,
    counts=parameters,
    bounded=True,
)
