"""Attention in training: no mask where rows are only padded, and rows in one sequence apart by their ends.

Rows are padded on the right, so causal attention never looks at padding from a token that is learned: without
a mask of length² the fused causal kernel runs, which also shares keys and values among query heads.
Rows that follow one another in one sequence go through PyTorch's variable-length kernel (FlashAttention 2).
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.plan.attention import VARLEN

if TYPE_CHECKING:
    from collections.abc import Callable


def without_mask(inputs: dict[str, Any]) -> dict[str, Any]:
    """A batch padded on the right, (rows, length), with positions in place of its attention mask.

    As it was where it has no mask.
    """
    import torch

    mask = inputs.get("attention_mask")
    if mask is None:
        return inputs
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape[0], -1)
    return {
        **{key: value for key, value in inputs.items() if key != "attention_mask"},
        "position_ids": positions,
    }


def keep_rows_apart(model: Any) -> None:
    """Let rows that share a sequence be kept apart by their ends. UserError where this PyTorch can't."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        takes: set[str] = set()
    else:
        takes = set(inspect.signature(varlen_attn).parameters)
    if not takes >= {"scale", "window_size"}:
        raise UserError(
            "this PyTorch does not support variable-length attention",
            place="model.attention",
            remedy="use sdpa",
        )
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    heads = {"enable_gqa": True} if "enable_gqa" in takes else {}  # before, it needed no word for it
    ALL_ATTENTION_FUNCTIONS.register(VARLEN, _attention(partial(varlen_attn, **heads)))
    ALL_MASK_ATTENTION_FUNCTIONS.register(VARLEN, _mask)
    model.set_attn_implementation(VARLEN)


def _mask(*args: Any, **kwargs: Any) -> Any:
    """SDPA's mask; none for rows in one sequence, the one case in which transformers forbids to skip it.

    A batch with a padding mask (generation) keeps SDPA's.
    """
    from transformers.masking_utils import sdpa_mask

    joined = kwargs.get("attention_mask") is None and not kwargs.get("allow_is_causal_skip", True)
    return None if joined else sdpa_mask(*args, **kwargs)


def _in_16_bit(tensor: Any) -> Any:
    """As autocast casts for SDPA: float32 weights leave the rotated queries and keys in float32."""
    import torch

    kind = tensor.device.type
    return tensor.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tensor


def _attention(varlen: Callable[..., Any]) -> Callable[..., tuple[Any, None]]:
    """transformers' interface to it: (1, heads, tokens, head dimension) → (1, tokens, heads, dimension).

    A call without the rows' ends is SDPA's.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def attend(
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,
        dropout: float = 0.0,
        scaling: float | None = None,
        **kwargs: Any,
    ) -> tuple[Any, None]:
        ends, longest = kwargs.get("cu_seq_lens_q"), kwargs.get("max_length_q")
        if ends is None or attention_mask is not None:
            attended: tuple[Any, None] = sdpa_attention_forward(
                module, query, key, value, attention_mask, dropout, scaling, **kwargs
            )
            return attended
        window = kwargs.get("sliding_window")
        query, key, value = (_in_16_bit(one)[0].transpose(0, 1) for one in (query, key, value))
        joined = varlen(
            query,
            key,
            value,
            ends,
            ends,
            longest,
            longest,
            scale=scaling,
            window_size=(-1 if window is None else window - 1, 0),
        )
        return joined[None], None

    return attend
