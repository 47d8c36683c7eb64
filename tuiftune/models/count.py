"""Count parameters from an architecture: the model, its linear modules, adapters on them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.errors import UserError
from tuiftune.models.families import FAMILIES, LLAMA
from tuiftune.printable import printable
from tuiftune.techniques.base import Sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tuiftune.models.architecture import Architecture
    from tuiftune.techniques.base import Technique

Linear = tuple[str, int, int, int]  # name, in features, out features, how many in the model

# Words a preset may use for targets, as Llama's names; the family's own names are looked up.
_GROUPS = {
    "attention": ("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj"),
    "qv": ("q_proj", "v_proj", "qkv_proj"),
}


def parameters(arch: Architecture) -> int:
    """All parameters, counted once where embeddings are tied."""
    if arch.counted:
        return arch.counted.parameters
    embeddings = arch.vocab_size * arch.hidden_size * (1 if arch.tie_embeddings else 2)
    linears = sum(into * out * many for _, into, out, many in linear_shapes(arch))
    router = arch.moe_layers * arch.num_experts * arch.hidden_size
    return (
        embeddings
        + _norms(arch)
        + linears
        + _biases(arch)
        + router
        + arch.expert_parameters
        + arch.extra_parameters
    )


def _norms(arch: Architecture) -> int:
    """Parameters of all norms: those of the layers, of queries and keys, and the last one."""
    norm = arch.hidden_size * (2 if arch.norm_bias else 1)
    norms = norm * (arch.norms_per_layer * arch.num_layers + (1 if arch.final_norm else 0))
    return norms + arch.num_layers * arch.qk_norm


def sizes(arch: Architecture) -> Sizes:
    """What techniques that aren't low-rank count their parameters from."""
    norms = layer = None
    if not arch.counted:
        norms = _norms(arch)
        if not arch.num_experts:
            last = arch.hidden_size * (2 if arch.norm_bias else 1) if arch.final_norm else 0
            linears = sum(into * out * many for _, into, out, many in linear_shapes(arch))
            layer = (linears + _biases(arch) + norms - last) // arch.num_layers
    return Sizes(
        layers=arch.num_layers,
        hidden=arch.hidden_size,
        keys=arch.kv_size,
        norms=norms,
        layer=layer,
        linears=tuple(linear_shapes(arch)),
        experts=arch.num_experts > 0,
    )


def trained_by(arch: Architecture, technique: Technique, options: Mapping[str, object]) -> int:
    """Parameters that a technique which isn't low-rank trains. UserError where it can have none."""
    assert technique.counts is not None
    try:
        return technique.counts(sizes(arch), options)
    except ValueError as fault:
        usual = techniques.automatic(tiny=False, over=False)[0]
        raise UserError(
            f"{technique.name} {fault}", place="method.technique", remedy=f"use {usual.key}"
        ) from fault


def active_parameters(arch: Architecture) -> int:
    """Parameters that one token passes through: of a MoE, only its chosen experts."""
    if not arch.num_experts:
        return parameters(arch)
    idle = arch.expert_parameters // arch.num_experts * (arch.num_experts - arch.experts_per_token)
    return parameters(arch) - idle


@lru_cache(maxsize=64)
def linear_shapes(arch: Architecture) -> tuple[Linear, ...]:
    """The linear modules inside the layers, by the names the model gives them: (name, in, out, how many).

    These are what 4-bit loading reaches: not the embeddings, head, routers or experts (3-D parameters in
    transformers 5; `arch.expert_parameters` counts them).
    """
    if arch.counted:
        return tuple(shape[:4] for shape in arch.counted.linears)
    hidden, layers = arch.hidden_size, arch.num_layers
    if arch.fused_qkv:
        shapes = [("qkv_proj", hidden, arch.query_size + 2 * arch.kv_size, layers)]
    else:
        shapes = [
            ("q_proj", hidden, arch.query_size, layers),
            ("k_proj", hidden, arch.kv_size, layers),
            ("v_proj", hidden, arch.kv_size, layers),
        ]
    shapes.append(("o_proj", arch.query_size, hidden, layers))
    dense = layers - arch.moe_layers
    if dense:
        shapes += _mlp(arch, arch.intermediate_size, dense)
    if arch.shared_intermediate_size:
        shapes += _mlp(arch, arch.shared_intermediate_size, arch.moe_layers)
    if arch.shared_gate:
        shapes.append(("shared_expert_gate", hidden, 1, arch.moe_layers))
    return tuple((_name(arch, name), into, out, many) for name, into, out, many in shapes)


# Under `all-linear`, PEFT 0.21 (0.21.0 as 0.21.2, over transformers 5) adapts every expert of a mixture
# and its router, since they were linear modules once, and no ordinary MLP next to them. Of these families it
# leaves the experts as they are: the engine names them as `target_parameters`, without the router.
_EXPERTS_NAMED = frozenset({"qwen2_moe", "gpt_oss", "granitemoe"})
_QV = frozenset(
    {"q_proj", "v_proj", "query", "value", "q", "v", "c_attn", "qkv_proj", "query_key_value", "Wqkv"}
)
# Asked for by name, these would mean every expert of a mixture too, and never only some: not offered.
_MOE_RESERVED = frozenset({"gate", "gate_proj", "up_proj", "down_proj", "gate_up_proj", "w1", "w2", "w3"})


def target_names(arch: Architecture, targets: str | Iterable[str]) -> tuple[str, ...]:
    """The module names that a preset's `target_modules` means for this model.

    `all-linear`, `attention`, `qv` (or `q,v`), a comma-separated string or a list of names. UserError names
    the modules there are when one asked for is not among them. `all-linear` may reach experts in addition to
    these modules: `adapts_experts`.
    """
    there = list(dict.fromkeys(name for name, *_ in linear_shapes(arch)))
    if targets == "all-linear" and (arch.family in _EXPERTS_NAMED or not adapts_experts(arch, targets)):
        return tuple(there)
    if arch.num_experts:
        there = [name for name in there if name not in _MOE_RESERVED]
    if targets == "all-linear":
        return tuple(there)
    group = _GROUPS.get(targets.replace("q,v", "qv") if isinstance(targets, str) else "")
    if group:
        wanted = {_name(arch, name) for name in group}
        if arch.counted:
            inside = {name for name, *_, attention in arch.counted.linears if attention}
            wanted = inside if targets == "attention" else inside & _QV
        if found := tuple(name for name in there if name in wanted):
            return found
        raise UserError(
            f"'{arch.family}' does not have attention layers to adapt",
            place="method.target_modules",
            remedy="all-linear",
        )
    asked = [part.strip() for part in targets.split(",")] if isinstance(targets, str) else list(targets)
    for name in asked:
        if arch.num_experts and name in _MOE_RESERVED:
            raise UserError(
                f"'{_shown(name)}' would adapt every expert of this mixture, which is not supported",
                place="method.target_modules",
                remedy=f"use all-linear, attention, or some of: {', '.join(there)}",
            )
        if name not in there:
            raise UserError(
                f"'{_shown(name)}' is not a linear module of this model",
                place="method.target_modules",
                remedy=f"use all-linear, attention, or some of: {', '.join(there)}",
            )
    if not asked:
        raise UserError(
            "is empty", place="method.target_modules", remedy="use all-linear, attention, or a list of names"
        )
    return tuple(name for name in there if name in asked)


def adapter_parameters(
    arch: Architecture, rank: int, targets: str | Iterable[str] = "all-linear", magnitudes: bool = False
) -> int:
    """Trainable parameters of LoRA: rank · (in + out) a target; DoRA adds `out` magnitudes (PEFT 0.21).

    Under `all-linear` experts count as PEFT adapts them. Measured: 996,507,648 of Qwen3-30B-A3B at rank 16.
    """
    names = target_names(arch, targets)
    if arch.counted and isinstance(targets, str) and (reach := arch.counted.reach_of(targets)):
        return rank * reach.rank + ((reach.magnitudes or 0) if magnitudes else 0)
    linears = sum(
        many * (rank * (into + out) + (out if magnitudes else 0))
        for name, into, out, many in linear_shapes(arch)
        if name in names
    )
    return linears + (_expert_adapters(arch, rank) if adapts_experts(arch, targets) else 0)


EMBEDDINGS = frozenset(
    {"embeddings", "embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "embedding"}
)


def saved_parameters(arch: Architecture, modules: Iterable[str]) -> int:
    """Parameters of `method.modules_to_save`, which are trained whole: a copy of each. UserError for others
    than the embeddings, the head and the linear layers.
    """
    table = arch.vocab_size * arch.hidden_size
    linear = {name: into * out * many for name, into, out, many in linear_shapes(arch)}
    found: dict[str, int] = {}
    for name in modules:
        if name in EMBEDDINGS or name == "lm_head":
            place = "embeddings" if arch.tie_embeddings or name in EMBEDDINGS else "lm_head"
            found[place] = table
        elif name in linear:
            found[name] = linear[name]
        else:
            raise UserError(
                f"'{_shown(name)}' is not a module of this model that can be trained in full",
                place="method.modules_to_save",
                remedy=f"use some of: embeddings, lm_head, {', '.join(linear)}",
            )
    return sum(found.values())


def adapts_experts(arch: Architecture, targets: str | Iterable[str]) -> bool:
    """Whether these targets put adapters on every expert (and the router) of a mixture."""
    if arch.counted:
        reach = arch.counted.reach_of(targets) if isinstance(targets, str) else None
        return reach is not None and reach.experts
    return targets == "all-linear" and arch.num_experts > 0


def has_attention(arch: Architecture) -> bool:
    """Whether `target_modules: attention` means any layer of this model."""
    return arch.counted is None or arch.counted.reach_of("attention") is not None


def _expert_adapters(arch: Architecture, rank: int) -> int:
    """A factor is as large as all experts together; gate and up are one projection of twice the rank."""
    hidden, inner, experts = arch.hidden_size, arch.moe_intermediate_size, arch.num_experts
    named = arch.family in _EXPERTS_NAMED
    gate_up = (1 if named else 2) * rank * experts * (hidden + 2 * inner)
    down = rank * experts * (inner + hidden)
    router = 0 if named else rank * (hidden + experts)
    return arch.moe_layers * (gate_up + down + router)


def quantizable_parameters(arch: Architecture) -> int:
    """Weights that 4-bit loading turns into NF4: the linears inside the layers."""
    return sum(into * out * many for _, into, out, many in linear_shapes(arch))


def _mlp(arch: Architecture, width: int, many: int) -> list[Linear]:
    hidden = arch.hidden_size
    if arch.fused_mlp:
        shapes = [("gate_up_proj", hidden, 2 * width, many)]
    elif arch.gated_mlp:
        shapes = [("gate_proj", hidden, width, many), ("up_proj", hidden, width, many)]
    else:
        shapes = [("up_proj", hidden, width, many)]
    return [*shapes, ("down_proj", width, hidden, many)]


def _biases(arch: Architecture) -> int:
    layer = 0
    if arch.qkv_bias:
        layer += arch.query_size + 2 * arch.kv_size
    if arch.out_bias:
        layer += arch.hidden_size
    mlp = (2 if arch.gated_mlp else 1) * arch.intermediate_size + arch.hidden_size if arch.mlp_bias else 0
    return arch.num_layers * layer + (arch.num_layers - arch.moe_layers) * mlp


def _shown(name: str) -> str:
    return printable(str(name))[:60]


def _name(arch: Architecture, name: str) -> str:
    return FAMILIES.get(arch.family, LLAMA).names.get(name, name)
