"""The facts of a decoder-only transformer that decide its size: values only, read from a `config.json`."""

from __future__ import annotations

from dataclasses import dataclass

from tuiftune.models.kinds import ANY, Kind


@dataclass(frozen=True, slots=True)
class Reach:
    """What adapters on one set of targets are: parameters at rank 1, and what DoRA adds (None: it cannot).

    `reached` of `whole` weights in the layers get an adapter.
    """

    targets: str
    rank: int
    magnitudes: int | None
    reached: int
    whole: int
    experts: bool = False  # 3-D parameters among them


@dataclass(frozen=True, slots=True)
class Counted:
    """A model counted on the meta device. `linears`: (name, in, out, how many, whether in attention)."""

    parameters: int
    experts: int
    beside: int  # parameters that text doesn't pass
    linears: tuple[tuple[str, int, int, int, bool], ...]
    reach: tuple[Reach, ...]
    kept: tuple[float, float, float] | None  # bytes of float32 activations: a + b·S + c·S² of S tokens
    checkpoints: bool  # its layers can recompute their activations

    def reach_of(self, targets: str) -> Reach | None:
        return next((one for one in self.reach if one.targets == targets), None)


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shapes of a causal LM. Sizes in elements; `family` is the config's `model_type`.

    `known` is False for a `model_type` that is not modeled exactly: it is then treated as Llama-like, and
    memory bounds made with it must be widened and say so (`notes` has the words).
    """

    family: str
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    max_length: int
    tie_embeddings: bool = False
    gated_mlp: bool = True  # gate, up, down; else up, down
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    qk_norm: int = 0  # extra parameters a layer of the query and key norms together
    norms_per_layer: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    fused_qkv: bool = False  # one module for query, key and value (Phi-3, GPT-NeoX)
    fused_mlp: bool = False  # one gate_up_proj (Phi-3, GLM-4)
    num_experts: int = 0
    experts_per_token: int = 0
    moe_intermediate_size: int = 0
    shared_intermediate_size: int = (
        0  # MLP of ordinary linears that every token passes in addition to its experts
    )
    shared_gate: bool = False  # a linear of one output weighs the shared experts (Qwen2-MoE)
    dense_layers: int = 0  # of a MoE: layers with an ordinary MLP
    sliding_window: int | None = None  # tokens that a layer with a window looks back at
    sliding_layers: int = 0  # layers that have one
    extra_parameters: int = 0  # what the form above does not reach, exact
    known: bool = True
    notes: tuple[str, ...] = ()  # what was assumed, in words for the user
    kind: Kind = ANY  # what transformers' class of it can do
    counted: Counted | None = None  # where its own layers were counted

    @property
    def query_size(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.num_kv_heads * self.head_dim

    @property
    def moe_layers(self) -> int:
        """Layers whose MLP is a mixture of experts. Their experts are 3-D parameters."""
        return self.num_layers - self.dense_layers if self.num_experts else 0

    @property
    def expert_parameters(self) -> int:
        """All experts, gate, up and down: 4-bit loading does not reach them."""
        if self.counted:
            return self.counted.experts
        each = (3 if self.gated_mlp else 2) * self.hidden_size * self.moe_intermediate_size
        return self.moe_layers * self.num_experts * each
