"""Trace one training step under fake tensors: every live storage, renamed as a monomial of the dimensions.

The step runs the installed libraries' own code (transformers' layers, PEFT's adapters, torch's checkpointing)
on fake CPU tensors, which have shapes and lifetimes but no contents. What a card does differently stands in
for it: the attention kernel, TRL's tiled head, bitsandbytes' 4-bit product, Liger's kernels: `stand_ins.py`.
"""

from __future__ import annotations

import collections
import functools
import itertools
import random
import weakref
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import stand_ins
import torch
from peft import LoraConfig, get_peft_model
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from tuiftune.engine.training.offloading import Offloading, _unpack

Monomial = str
Vector = dict[Monomial, float]
EAGER = frozenset({"gemma2"})  # transformers 5.23 has no fused attention for its capped scores
MOE = frozenset({"qwen3_moe", "mixtral"})
RECOMPUTE = functools.partial(
    torch.utils.checkpoint.checkpoint, use_reentrant=False, preserve_rng_state=False
)
LEAST = 2048  # bytes; scalars and the like are left out


@dataclass(frozen=True)
class Dimensions:
    """Toy dimensions whose products differ by no power of two, so that a size names its monomial."""

    batch: int
    length: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    rank: int
    vocabulary: int
    experts: int = 6
    chosen: int = 3
    moe_inner: int = 1
    shared: int = 1

    @property
    def query(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        return self.kv_heads * self.head_dim

    def monomials(self) -> dict[int, list[tuple[Monomial, float]]]:
        """Odd part of an element count → [(monomial, elements of it that have this odd part)]."""
        values = {
            "h": self.hidden,
            "I": self.inner,
            "q": self.query,
            "k": self.kv,
            "n": self.heads,
            "D": self.head_dim,
            "r": self.rank,
            "E": self.experts,
            "Im": self.moe_inner,
            "Is": self.shared,
            "V": self.vocabulary,
            "q+2k": self.query + 2 * self.kv,
            "g": self.kv_heads,
        }
        tokens, scored = self.batch * self.length, self.batch * (self.length - 1)
        table: dict[Monomial, int] = {
            "T": tokens,
            "N": scored,
            "tile": scored * stand_ins.CHUNK,
            "S": self.length,
        }
        for name in ("h", "I", "q", "k", "n", "r", "D", "q+2k", "E", "Is", "g"):
            if values[name] == 1:
                continue
            table[f"T*{name}"] = tokens * values[name]
        table["N*h"] = scored * self.hidden
        table["T*S"], table["T*S*n"] = tokens * self.length, tokens * self.length * self.heads
        table["S*S"] = self.length**2
        table["S*D"] = self.length * self.head_dim
        if self.moe_inner > 1:
            for name in ("h", "Im"):
                table[f"Tc*{name}"] = tokens * self.chosen * values[name]
            table["Tc"] = tokens * self.chosen
            table["E*h*Im"] = self.experts * self.hidden * self.moe_inner
            table["E*h"] = self.experts * self.hidden
            table["E*r*h"] = self.experts * self.rank * self.hidden
            table["E*r*Im"] = self.experts * self.rank * self.moe_inner
            table["Tc*r"] = tokens * self.chosen * self.rank
        names = ["h", "I", "q", "k", "q+2k", "V"] + (["Is"] if self.shared > 1 else [])
        for left, right in itertools.combinations_with_replacement(names, 2):
            if "V" not in (left, right) or (left, right) == ("h", "V"):
                table[f"{left}*{right}"] = values[left] * values[right]
        for name in names[:-1] if self.shared == 1 else [*names[:-2], "Is"]:
            table[f"r*{name}"] = self.rank * values[name]
            table[name] = values[name]
        found: dict[int, list[tuple[Monomial, float]]] = collections.defaultdict(list)
        for name, size in table.items():
            found[odd(size)].append((name, size))
        return found


def odd(number: int) -> int:
    return number // (number & -number)


def dimensions(moe: bool = False, shared: bool = False) -> Dimensions:
    """Random dimensions, drawn again until no two monomials can be confused."""
    draw = random.Random(7)
    primes = [p for p in range(11, 200) if all(p % d for d in range(2, int(p**0.5) + 1))]
    for _ in range(1000):
        a = draw.sample(primes, 8)
        dims = Dimensions(
            batch=3,
            length=draw.choice([1201, 1213, 1259, 1301, 1409]),
            hidden=72 * a[0],
            inner=8 * a[1],
            heads=9,
            kv_heads=3,
            head_dim=2 * a[3],
            rank=a[4],
            vocabulary=16 * a[5] * 13,
            experts=25 if moe else 1,
            chosen=7,
            moe_inner=8 * a[6] if moe else 1,
            shared=8 * a[7] if shared else 1,
        )
        if all(len(names) == 1 for key, names in dims.monomials().items() if key > 1):
            return dims
    raise ValueError("no dimensions tell all monomials apart")


@dataclass
class Storage:
    size: int
    born: int
    where: str
    segment: str
    died: int | None = None
    gradient: bool = False


@dataclass
class Tracker(TorchDispatchMode):
    """Follows storages made under it from birth to death. `segment` is set from outside."""

    storages: list[Storage] = field(default_factory=list)
    clock: int = 0
    segment: str = "before"
    where: str = ""
    marks: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._known: dict[int, int] = {}
        self._references: dict[int, Any] = {}

    def ignore(self, tensor: torch.Tensor) -> None:
        self._known[tensor.untyped_storage()._cdata] = -1

    def mark(self, segment: str) -> None:
        self.segment = segment
        self.marks.append((self.clock, segment))

    def index_of(self, tensor: torch.Tensor) -> int | None:
        return self._known.get(tensor.untyped_storage()._cdata)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else (out,):
            if isinstance(item, torch.Tensor):
                self._see(item, str(func))
        return out

    def _see(self, tensor: torch.Tensor, name: str) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        index = len(self.storages)
        self._known[key] = index
        self.clock += 1
        self.storages.append(Storage(storage.nbytes(), self.clock, f"{self.where}{name}", self.segment))

        def gone(_: Any, key: int = key, index: int = index) -> None:
            self.clock += 1
            self.storages[index].died = self.clock
            if self._known.get(key) == index:
                del self._known[key]
            self._references.pop(key, None)

        self._references[key] = weakref.ref(storage, gone)


@dataclass(frozen=True)
class Variant:
    """What is traced: a family of layers and a way to train it."""

    family: str
    technique: str = "lora"
    # mixed: 16-bit base under autocast (QLoRA's adapters in 16 bit); master: what is trained in float32 under
    # autocast; pure: adapters in 16 bit too, no autocast; float32: everything
    precision: str = "mixed"
    targets: str = "all-linear"
    checkpointing: bool = True
    dropout: bool = False
    liger: bool = False
    offloading: bool = False  # the inputs of layers, as the engine moves them


def config_of(family: str, layers: int, d: Dimensions) -> Any:
    """A config of a family in toy dimensions."""
    common: dict[str, Any] = {
        "hidden_size": d.hidden,
        "intermediate_size": d.inner,
        "num_hidden_layers": layers,
        "num_attention_heads": d.heads,
        "num_key_value_heads": d.kv_heads,
        "head_dim": d.head_dim,
        "vocab_size": d.vocabulary,
        "max_position_embeddings": 4096,
        "use_cache": False,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
    }
    if family in ("phi3", "qwen2", "olmo2", "mixtral"):
        pass
    if family == "qwen3_moe":
        common |= {
            "num_experts": d.experts,
            "num_experts_per_tok": d.chosen,
            "moe_intermediate_size": d.moe_inner,
            "mlp_only_layers": [],
            "decoder_sparse_step": 1,
        }
    if family == "mixtral":
        common |= {
            "num_local_experts": d.experts,
            "num_experts_per_tok": d.chosen,
            "intermediate_size": d.moe_inner,
        }
    if family == "phi":
        common["num_key_value_heads"] = d.heads
        common["hidden_size"] = d.query
    if family in ("gemma2", "gemma2_sdpa", "gemma3_text"):
        common |= {"query_pre_attn_scalar": d.head_dim, "sliding_window": 4096}
    config = AutoConfig.for_model(family.removesuffix("_sdpa"), **common)
    config.head_dim = d.head_dim
    return config


def build(variant: Variant, layers: int, d: Dimensions) -> torch.nn.Module:
    """The model as the engine makes it: 16-bit base, adapters by PEFT, 4-bit products where asked for."""
    config = config_of(variant.family, layers, d)
    config._attn_implementation = "eager" if variant.family in EAGER else "sdpa"
    if variant.family in MOE:
        config._experts_implementation = "grouped_mm"  # what transformers chooses for itself on a card
    if variant.family.endswith("_sdpa"):
        causal = AutoModelForCausalLM._model_mapping[type(config)]
        for kind in (causal, AutoModel._model_mapping[type(config)]):
            kind._supports_sdpa = True
    whole = variant.precision == "float32" or (variant.technique == "full" and variant.precision == "master")
    dtype = torch.float32 if whole else torch.bfloat16
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    if variant.family not in EAGER:
        stand_ins.attention(model)
    if variant.liger:
        stand_ins.liger(model)
    if variant.technique != "full":
        targets: Any = {"attention": stand_ins.ATTENTION, "qv": ["q_proj", "v_proj"]}.get(
            variant.targets, "all-linear"
        )
        if variant.targets == "mlp":
            targets = stand_ins.MLP
        peft = LoraConfig(
            r=d.rank,
            lora_alpha=2 * d.rank,
            lora_dropout=0.05 if variant.dropout else 0.0,
            target_modules=targets,
            use_dora=variant.technique == "dora",
            task_type="CAUSAL_LM",
        )
        # Fake tensors cannot be converted in place; PEFT makes the adapters in float32 anyway.
        with mock.patch.object(torch.nn.Module, "to", lambda self, *_, **__: self):
            model = get_peft_model(model, peft)
        if variant.precision == "pure":
            stand_ins.halve_adapters(model)
        if variant.technique == "qlora":
            stand_ins.four_bit(model, halve=variant.precision != "master")
    else:
        stand_ins.embedding(model)
    stand_ins.dropout(model)
    model.train()
    if variant.checkpointing and not variant.offloading:
        model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        if variant.technique != "full":
            model.enable_input_require_grads()
    return model


class Moved(Offloading):
    """The engine's, for fake tensors, which have no addresses. What is in RAM has no size for the tracker."""

    tracker: Tracker

    def around(self, place: int, call: Any, *args: Any, **kwargs: Any) -> Any:
        hidden = next(one for one in args if isinstance(one, torch.Tensor))
        key, shape = hidden.untyped_storage()._cdata, hidden.shape

        def pack(tensor: torch.Tensor) -> Any:
            same = tensor.untyped_storage()._cdata == key and tensor.shape == shape
            with mock.patch.object(type(tensor), "data_ptr", return_value=0):
                return self._pack(place, 0, shape, tensor) if same else tensor

        with saved_tensors_hooks(pack, _unpack):
            return call(*args, **kwargs)

    def _take(self, size: int, *, on_gpu: bool) -> Any:
        buffer = torch.empty(size, dtype=torch.uint8)
        self.tracker.storages[self.tracker.index_of(buffer)].size = 0
        return buffer


class _Mark(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, tracker: Tracker, name: str) -> torch.Tensor:
        ctx.tracker, ctx.name = tracker, name
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        ctx.tracker.mark(ctx.name)
        return grad, None, None


def step(variant: Variant, layers: int, d: Dimensions) -> Tracker:
    """Run forward and backward once; the tracker knows every storage and when it lived."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.manual_seed(0)
        model = build(variant, layers, d)
        base = model.get_base_model() if variant.technique != "full" else model
        decoder = base.model.layers
        tracker = Tracker()
        if variant.offloading:
            moved = Moved(1 << 60)
            moved.tracker = tracker
            for place, layer in enumerate(decoder):
                layer.gradient_checkpointing = True  # as the engine does, so that no input has a gradient
                layer._gradient_checkpointing_func = functools.partial(moved.around, place, RECOMPUTE)
        for tensor in itertools.chain(model.parameters(), model.buffers()):
            tracker.ignore(tensor)
        for index, layer in enumerate(decoder):

            def before(_: Any, args: Any, kwargs: Any, index: int = index) -> Any:
                tracker.mark(f"F{index}")
                hidden = args[0] if args else kwargs["hidden_states"]
                hidden = _Mark.apply(hidden, tracker, f"B{index - 1}" if index else "after")
                if args:
                    return (hidden, *args[1:]), kwargs
                return args, {**kwargs, "hidden_states": hidden}

            layer.register_forward_pre_hook(before, with_kwargs=True)
        ids = torch.randint(3, d.vocabulary, (d.batch, d.length))
        with tracker:
            autocast = variant.precision in ("mixed", "master")
            cached = variant.technique != "full"  # the engine turns the cache of casts off for full tuning
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast, cache_enabled=cached):
                hidden = base.model(input_ids=ids, use_cache=False).last_hidden_state
                hidden = _Mark.apply(hidden, tracker, f"B{layers - 1}")
                tracker.mark("head")
                head = torch.bfloat16 if autocast else hidden.dtype
                loss = stand_ins.head(hidden, base.get_output_embeddings().weight, head)
            del hidden
            loss.backward()
        for parameter in model.parameters():
            if parameter.grad is not None:
                index_ = tracker.index_of(parameter.grad)
                if index_ is not None and index_ >= 0:
                    tracker.storages[index_].gradient = True
        return tracker
