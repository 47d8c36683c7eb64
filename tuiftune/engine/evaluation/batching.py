"""How many answers are generated at once: what the GPU has memory for, or what pays on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.contender import Question

FEWEST, MOST = 16, 256  # on a GPU; 256 are 3 (1B) and 8 times (8B) as fast as 16 on an H200
ON_CPU = 64  # the built-in model on two cores: 2.4 times as fast as 16, and 128 are slower again
SMALL = 50_000_000  # parameters up to which so many are taken: a run is stopped between two batches
SHARE = 0.5  # of the free memory


def rows_at_once(
    model: Any, asked: Sequence[Question], max_new_tokens: int, within: int | None = None
) -> int:
    """Return the rows of a batch whose keys, values and activations take at most half of the free memory: of
    the GPU, or RAM on a CPU.

    `within`: bytes of the GPU that the process may hold; None: all that is free.
    """
    length = max((len(one.tokens) for one in asked), default=0) + max_new_tokens
    row = bytes_of_row(model.config, length, max(2, model.dtype.itemsize))
    if row is None:
        return FEWEST
    if model.device.type != "cuda":
        from tuiftune.control_group import memory_available

        weights = sum(weight.numel() for weight in model.parameters())
        held = int(SHARE * memory_available() / row)
        return max(FEWEST, min(ON_CPU, ON_CPU * SMALL // max(weights, 1), held))
    import torch

    free, _ = torch.cuda.mem_get_info(model.device)
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    if within is not None:
        free = min(free, within - torch.cuda.memory_allocated(model.device))
    return max(FEWEST, min(MOST, int(SHARE * free / row)))


def bytes_of_row(config: Any, length: int, wide: int = 2) -> int | None:
    """Return what a row of so many tokens takes while it is answered; None if the architecture isn't known.

    Keys and values of each layer, and what one layer holds of the prompt at a time; `wide`: bytes a value.
    """
    text = config.get_text_config()
    layers, hidden, every = (
        getattr(text, name, None) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    if not (layers and hidden and every):  # no attention that is known
        return None
    heads = getattr(text, "num_key_value_heads", None) or every
    width = getattr(text, "head_dim", None) or hidden // every
    inner = getattr(text, "intermediate_size", None)
    inner = inner if isinstance(inner, int) else 4 * hidden
    return int(length * wide * (2 * layers * heads * width + 3 * inner + 4 * hidden))
