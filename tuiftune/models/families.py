"""What each `model_type` does differently from Llama, as data, read in the code of transformers 5.23.

A family says which biases, norms and fused modules its layers have, and the values that its config class
fills in when the file leaves a key out (nested `text_config`s leave out what equals the class's default).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Bias = Literal[
    "never", "always", "attention_bias", "use_bias", "use_qkv_bias", "mlp_bias"
]  # the last four: config keys
QkNorm = Literal["none", "per_head", "whole"]  # one weight a head dimension; one a query and key feature


@dataclass(frozen=True, slots=True)
class Family:
    qkv_bias: Bias = "never"
    out_bias: Bias = "never"
    mlp_bias: Bias = "never"
    gated_mlp: bool = True
    qk_norm: QkNorm = "none"
    norms_per_layer: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    fused_qkv: bool = False
    fused_mlp: bool = False
    shared_gate: bool = False
    tied: bool = False  # when the file does not say
    head_bias: bool = False  # the output embedding has a bias
    attention_sinks: bool = False  # one learned logit a head
    moe_bias: bool = False  # router and experts have biases
    full_every: int = 0  # of layers with a sliding window every n-th looks at everything; 0: none does
    names: dict[str, str] = field(default_factory=dict)  # Llama's name of a linear -> this family's
    defaults: dict[str, Any] = field(default_factory=dict)


LLAMA = Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")
_GEMMA3: dict[str, Any] = {
    "vocab_size": 262208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
}
_MISTRAL: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
}
_MINISTRAL3 = {
    **_MISTRAL,
    "sliding_window": None,
    "vocab_size": 131072,
    "num_hidden_layers": 34,
    "head_dim": 128,
}
_LLAMA: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}

FAMILIES: dict[str, Family] = {
    "llama": Family(
        qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", defaults=_LLAMA
    ),
    "smollm3": Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", tied=True),
    "granite": LLAMA,
    "mistral": Family(defaults=_MISTRAL),
    "ministral3": Family(defaults={**_MINISTRAL3, "max_position_embeddings": 262144}),
    "mixtral": Family(),
    "qwen2": Family(qkv_bias="always"),
    "qwen2_moe": Family(qkv_bias="always", shared_gate=True),
    "qwen3": Family(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", defaults={"head_dim": 128}
    ),
    "qwen3_moe": Family(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head"),
    "gemma": Family(
        qkv_bias="attention_bias", out_bias="attention_bias", tied=True, defaults={"head_dim": 256}
    ),
    "gemma2": Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        norms_per_layer=4,
        tied=True,
        full_every=2,
        defaults={"head_dim": 256, "sliding_window": 4096},
    ),
    "gemma3_text": Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        norms_per_layer=4,
        qk_norm="per_head",
        tied=True,
        full_every=6,
        defaults=_GEMMA3,
    ),
    "phi": Family(
        qkv_bias="always",
        out_bias="always",
        mlp_bias="always",
        gated_mlp=False,
        norms_per_layer=1,
        norm_bias=True,
        head_bias=True,
        names={"o_proj": "dense", "up_proj": "fc1", "down_proj": "fc2"},
    ),
    "phi3": Family(fused_qkv=True, fused_mlp=True),
    "olmo": Family(qkv_bias="attention_bias", out_bias="attention_bias", norms_per_layer=0, final_norm=False),
    "olmo2": Family(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="whole"),
    "olmo3": Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        qk_norm="whole",
        full_every=4,
        defaults={"sliding_window": 4096},
    ),
    "granitemoe": Family(qkv_bias="attention_bias", out_bias="attention_bias"),
    "starcoder2": Family(
        qkv_bias="use_bias",
        out_bias="use_bias",
        mlp_bias="use_bias",
        gated_mlp=False,
        norm_bias=True,
        tied=True,
        names={"up_proj": "c_fc", "down_proj": "c_proj"},
        defaults={"use_bias": True},
    ),
    "glm4": Family(
        qkv_bias="attention_bias",
        norms_per_layer=4,
        fused_mlp=True,
        defaults={"attention_bias": True, "head_dim": 128},
    ),
    "gpt_oss": Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        attention_sinks=True,
        moe_bias=True,
        full_every=2,
        defaults={"attention_bias": True, "head_dim": 64, "sliding_window": 128},
    ),
    "gpt_neox": Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias="always",
        gated_mlp=False,
        norm_bias=True,
        fused_qkv=True,
        names={
            "qkv_proj": "query_key_value",
            "o_proj": "dense",
            "up_proj": "dense_h_to_4h",
            "down_proj": "dense_4h_to_h",
        },
        defaults={"attention_bias": True},
    ),
}
# Experts of these are as wide as `intermediate_size`; the others name a `moe_intermediate_size`.
EXPERTS_USE_INTERMEDIATE = frozenset({"mixtral", "granitemoe", "gpt_oss"})
