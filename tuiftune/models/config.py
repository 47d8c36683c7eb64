"""Read a `config.json` into an `Architecture`: any decoder, or the text part of a wrapper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.models.architecture import Architecture
from tuiftune.models.families import EXPERTS_USE_INTERMEDIATE, FAMILIES, LLAMA, Bias, Family
from tuiftune.models.kinds import kind_of
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

MOST_LAYERS = 10_000  # the plan goes through them one by one
# Older configs' names of the same facts.
ALIASES = {
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("n_head_kv", "num_kv_heads", "multi_query_group_num"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim"),
    "max_position_embeddings": ("n_positions", "n_ctx", "seq_length", "max_seq_len"),
    "num_experts": ("num_local_experts", "n_routed_experts"),
    "num_experts_per_tok": ("num_experts_per_token", "moe_topk"),
    "shared_expert_intermediate_size": ("shared_intermediate_size",),
}

KINDS: dict[type, tuple[str, ...]] = {
    dict: ("text_config", "vision_config", "quantization_config", "rope_scaling", "rope_parameters"),
    list: ("layer_types", "mlp_only_layers", "architectures"),
    str: ("model_type",),
}
KIND_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "text"}


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a `config.json`. UserError names the file, and the line where it is not JSON."""
    return documents.read_json(path, remedy="copy the model's config.json again")


def architecture_of(config: dict[str, Any], place: str = "config.json") -> Architecture:
    """The architecture that a parsed `config.json` describes.

    A `model_type` not in `FAMILIES` is treated as Llama-like: `known` is False and `notes`
    says so. UserError where a size is missing or makes no sense; `place` is what the message calls the file.
    """
    _check_kinds(config, place)
    nested = config.get("text_config")
    if isinstance(nested, dict):
        found = _wrapped(config, nested, place)
    else:
        found = _Reader(config, place, fill=False).architecture()
    return replace(found, kind=kind_of(config))


def _check_kinds(config: dict[str, Any], place: str) -> None:
    """UserError where a key holds another kind of value than its loaders read."""
    for kind, keys in KINDS.items():
        for key in keys:
            found = config.get(key)
            if found is not None and not isinstance(found, kind):
                raise UserError(f"'{key}' is {_short(found)}, expected {KIND_NAMES[kind]}", place=place)


def _wrapped(config: dict[str, Any], text: dict[str, Any], place: str) -> Architecture:
    from tuiftune.models.vision import tower_parameters

    _check_kinds(text, f"{place} (text_config)")
    inner = dict(text)
    if "tie_word_embeddings" not in inner and "tie_word_embeddings" in config:
        inner["tie_word_embeddings"] = config["tie_word_embeddings"]
    inner.setdefault("model_type", config.get("model_type", "unknown"))
    arch = _Reader(inner, f"{place} (text_config)", fill=True).architecture()
    rest = tower_parameters(config, arch.hidden_size)
    if rest is None:
        note = f"'{config.get('model_type')}' has parts in addition to its text model, which are not counted"
        return replace(arch, known=False, notes=(*arch.notes, note))
    if not rest:
        return arch
    note = f"{rest:,} parameters are its image encoder, which is also loaded"
    return replace(arch, extra_parameters=arch.extra_parameters + rest, notes=(*arch.notes, note))


class _Reader:
    """One flat config with its family's rules: where every fact comes from, in one place."""

    def __init__(self, config: dict[str, Any], place: str, *, fill: bool) -> None:
        self.config = config
        self.place = place
        self.type = str(config.get("model_type") or "unknown")
        self.known = self.type in FAMILIES
        self.family: Family = FAMILIES.get(self.type, LLAMA)
        self.fill = fill  # a nested config leaves out what equals its class's defaults

    def value(self, key: str) -> Any:
        for name in (key, *ALIASES.get(key, ())):
            if self.config.get(name) is not None:
                return self.config[name]
        return None

    def size(self, key: str, default: int | None = None, *, least: int = 1, most: int = 10**9) -> int:
        found = self.value(key)
        if found is None and self.fill:
            found = self.family.defaults.get(key)
        found = default if found is None else found
        if found is None:
            raise UserError(
                f"has no '{key}'",
                place=self.place,
                remedy="use the config.json that came with the model's weights",
            )
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise UserError(
                f"'{key}' is {_short(found)}, expected a whole number from {least} to {most:,}",
                place=self.place,
                remedy="use the config.json that came with the model's weights",
            )
        return found

    def flag(self, key: str, default: bool) -> bool:
        found = self.config.get(key)
        if found is not None and not isinstance(found, bool | int):
            raise UserError(f"'{key}' is {_short(found)}, expected true or false", place=self.place)
        return default if found is None else bool(found)

    def bias(self, rule: Bias) -> bool:
        if rule in {"never", "always"}:
            return rule == "always"
        return self.flag(rule, bool(self.family.defaults.get(rule, False)))

    def architecture(self) -> Architecture:
        family = self.family
        hidden = self.size("hidden_size")
        heads = self.size("num_attention_heads")
        head_dim = self.size("head_dim", self.family.defaults.get("head_dim") or self._even(hidden, heads))
        kv_heads = self.size("num_key_value_heads", heads)
        layers = self.size("num_hidden_layers", most=MOST_LAYERS)
        vocab = self.size("vocab_size")
        experts = self.size("num_experts", 0, least=0)
        inner = self.size("intermediate_size", 4 * hidden if "n_embd" in self.config else None)
        expert_width = (
            inner if self.type in EXPERTS_USE_INTERMEDIATE else self.size("moe_intermediate_size", inner)
        )
        dense = self._dense_layers(layers) if experts else 0
        extra = vocab if family.head_bias else 0
        if family.attention_sinks:
            extra += layers * heads
        if family.moe_bias:
            extra += (layers - dense) * experts * (1 + 2 * expert_width + hidden)
        qk_norm = {"none": 0, "per_head": 2 * head_dim, "whole": (heads + kv_heads) * head_dim}[
            family.qk_norm
        ]
        window, windowed = self._sliding(layers)
        return Architecture(
            family=self.type,
            hidden_size=hidden,
            intermediate_size=inner,
            num_layers=layers,
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=head_dim,
            vocab_size=vocab,
            max_length=self.size("max_position_embeddings", 2048),
            tie_embeddings=self.flag("tie_word_embeddings", family.tied),
            gated_mlp=family.gated_mlp,
            qkv_bias=self.bias(family.qkv_bias),
            out_bias=self.bias(family.out_bias),
            mlp_bias=self.bias(family.mlp_bias),
            qk_norm=qk_norm,
            norms_per_layer=family.norms_per_layer,
            norm_bias=family.norm_bias,
            final_norm=family.final_norm,
            fused_qkv=family.fused_qkv,
            fused_mlp=family.fused_mlp,
            num_experts=experts,
            experts_per_token=self.size("num_experts_per_tok", 1) if experts else 0,
            moe_intermediate_size=expert_width if experts else 0,
            shared_intermediate_size=self.size("shared_expert_intermediate_size", 0, least=0)
            if experts
            else 0,
            shared_gate=family.shared_gate and bool(experts),
            dense_layers=dense,
            sliding_window=window,
            sliding_layers=windowed,
            extra_parameters=extra,
            known=self.known,
            notes=self._notes(experts),
        )

    def _even(self, hidden: int, heads: int) -> int:
        if hidden % heads:
            raise UserError(f"'hidden_size' {hidden} is not a multiple of {heads} heads", place=self.place)
        return hidden // heads

    def _sliding(self, layers: int) -> tuple[int | None, int]:
        """The window, and how many layers have it: as listed, or by the family's pattern."""
        default = self.family.defaults.get("sliding_window")
        window = self.config.get("sliding_window", default)
        if not isinstance(window, int) or window <= 0 or not self.flag("use_sliding_window", True):
            return None, 0
        kinds = self.config.get("layer_types")
        if isinstance(kinds, list):
            return window, sum(kind == "sliding_attention" for kind in kinds)
        if "max_window_layers" in self.config:  # Qwen: those from there on
            return window, max(0, layers - self.size("max_window_layers", layers, least=0))
        every = self.size("sliding_window_pattern", self.family.full_every, least=0)
        return window, layers - (layers // every if every else 0)

    def _dense_layers(self, layers: int) -> int:
        """Layers of a MoE with an ordinary MLP: named, or every other one, or the first few."""
        named = self.config.get("mlp_only_layers") or []
        step = self.size("decoder_sparse_step", 1)
        first = self.size("first_k_dense_replace", 0, least=0)
        return sum(layer in named or (layer + 1) % step != 0 or layer < first for layer in range(layers))

    def _notes(self, experts: int) -> tuple[str, ...]:
        notes = []
        if not self.known:
            notes.append(
                f"'{_short(self.type)}' is not supported exactly: it is treated as Llama-like, so counts are "
                "estimates"
            )
        if experts:
            notes.append("its experts stay in 16 bit under QLoRA")
        return tuple(notes)


def _short(value: object) -> str:
    text = printable(str(value))
    return text if len(text) <= 40 else text[:39] + "…"
