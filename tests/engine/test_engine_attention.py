"""Rows that share a sequence never see one another, and padding needs no mask: against each row alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from tuiftune.engine.training import attention

GPU = torch.cuda.is_available()
ROWS = [
    {"input_ids": [3, *range(20 + n, 40 + 3 * n)], "labels": [-100, *range(20 + n, 40 + 3 * n)]}
    for n in range(5)
]
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 8},
}


def model_of(family: str) -> Any:
    torch.manual_seed(1)
    config = AutoConfig.for_model(
        family,
        vocab_size=128,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=16,
        **SHAPES[family],
    )
    config._attn_implementation = "sdpa"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if GPU else torch.float32)
    return model.to("cuda" if GPU else "cpu").eval()


def kernel(
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    scale: float,
    window_size: tuple[int, int],
) -> Any:
    """What torch.nn.attention.varlen documents, row by row: its own kernel runs on cards only."""
    assert max_q == max_k == int(cu_seq_q.diff().max())
    groups = query.shape[1] // key.shape[1]
    rows = []
    for start, end in zip(cu_seq_q[:-1].tolist(), cu_seq_k[1:].tolist(), strict=True):
        at = torch.arange(end - start)
        behind = at[:, None] - at[None, :]
        seen = (behind >= -window_size[1]) & ((behind <= window_size[0]) | (window_size[0] < 0))
        q, k, v = (one[start:end].transpose(0, 1) for one in (query, key, value))
        k, v = k.repeat_interleave(groups, 0), v.repeat_interleave(groups, 0)
        rows.append(
            torch.nn.functional.scaled_dot_product_attention(q, k, v, seen, scale=scale).transpose(0, 1)
        )
    return torch.cat(rows)


def loss_of(model: Any, batch: dict[str, Any]) -> tuple[float, int]:
    batch = {
        key: one.to(model.device) if isinstance(one, torch.Tensor) else one for key, one in batch.items()
    }
    labels = batch.pop("labels")
    with torch.no_grad():
        scores = model(**batch, use_cache=False).logits[:, :-1].float().log_softmax(-1)
    kept = labels[:, 1:] != -100
    picked = scores.gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
    return -float(picked[kept].sum()), int(kept.sum())


@pytest.fixture(params=sorted(SHAPES))
def model(request: pytest.FixtureRequest) -> Any:
    return model_of(request.param)


@pytest.fixture
def alone(model: Any) -> float:
    return sum(loss_of(model, DataCollatorForLanguageModeling(0)([row]))[0] for row in ROWS)


def test_rows_are_kept_apart_by_their_ends(model: Any, alone: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if not GPU:
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    attention.keep_rows_apart(model)
    joined, _ = loss_of(model, DataCollatorForLanguageModeling(0, padding_free=True)(ROWS))
    assert joined == pytest.approx(alone, rel=5e-3 if GPU else 1e-5)
    padded, _ = loss_of(model, DataCollatorForLanguageModeling(0)(ROWS))
    assert padded == pytest.approx(alone, rel=5e-3 if GPU else 1e-5), "with a mask it is as before"


def test_padding_needs_no_mask(model: Any, alone: float) -> None:
    batch = DataCollatorForLanguageModeling(0)(ROWS)
    bare = attention.without_mask(batch)
    assert "attention_mask" not in bare
    assert batch.keys() - {"attention_mask"} <= bare.keys()
    assert loss_of(model, bare)[0] == pytest.approx(alone, rel=5e-3 if GPU else 1e-5)


def test_answers_are_the_same_with_it(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.tensor([[0, 0, 21, 22, 23], [24, 25, 26, 27, 28]], device=model.device)
    asked = {"input_ids": ids, "attention_mask": (ids != 0).long(), "max_new_tokens": 6, "do_sample": False}
    before = model.generate(**asked)
    if not GPU:
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    attention.keep_rows_apart(model)
    assert torch.equal(model.generate(**asked), before)
