"""What a tiny model of a `model_type` does when it is tried: the facts of tuiftune/models/kinds.json."""

from __future__ import annotations

from typing import Any

CLOSE = 1e-4
NEW = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "pad_token_id": 0}


def write(path: str, kind: str) -> None:
    """The facts as JSON, or the fault that kept them from being found."""
    import json
    from pathlib import Path

    try:
        found = facts(kind)
    except Exception as fault:
        found = {"fault": f"{type(fault).__name__}: {fault}"}
    Path(path).write_text(json.dumps(found))


def facts(kind: str) -> dict[str, bool]:
    """`causal`, `sdpa`, `apart`, `fused_head`, `sees_padding`, `cache`, each from logits and losses."""
    import tiny_families
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    model = tiny_families.model_of(kind)
    generator = torch.Generator().manual_seed(1)
    last = tiny_families.VOCABULARY - 20
    rows = [torch.randint(5, last, (1, length), generator=generator) for length in (21, 34, 29)]
    with torch.no_grad():
        alone = [_loss(_logits(model, row), row) for row in rows]
        cached = _holds(lambda: _cache_is_exact(model, rows[0]))
        return {
            "causal": _is_causal(model, rows[0]),
            "sdpa": bool(model._supports_sdpa),
            "apart": _holds(lambda: abs(_joined(model, rows) - sum(alone)) < CLOSE / 2),
            "sees_padding": not _holds(lambda: _padding_is_passed_over(model, *rows[:2], cached)),
            "cache": cached,
            "fused_head": _holds(lambda: abs(_fused(model, rows[0]) - alone[0]) < CLOSE),
        }


def _holds(trial: Any) -> bool:
    """What raises doesn't hold."""
    try:
        return bool(trial())
    except Exception:
        return False


def _logits(model: Any, row: Any) -> Any:
    import torch

    return model(input_ids=row, attention_mask=torch.ones_like(row), use_cache=False).logits


def _loss(logits: Any, row: Any) -> float:
    from torch.nn.functional import cross_entropy

    return float(cross_entropy(logits[0, :-1].double(), row[0, 1:], reduction="sum"))


def _is_causal(model: Any, row: Any) -> bool:
    other = row.clone()
    other[0, -1] = 7 if int(other[0, -1]) != 7 else 8
    return bool((_logits(model, other)[0, :-1] - _logits(model, row)[0, :-1]).abs().max() < CLOSE)


def _joined(model: Any, rows: list[Any]) -> float:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    batch = collate([{"input_ids": row[0].tolist(), "labels": row[0].tolist()} for row in rows])
    del batch["labels"]
    logits, total, begin = model(**batch, use_cache=False).logits, 0.0, 0
    for row in rows:
        total += _loss(logits[:, begin : begin + row.shape[1]], row)
        begin += row.shape[1]
    return total


def _generate(model: Any, ids: Any, mask: Any, cache: bool) -> Any:
    return model.generate(
        input_ids=ids,
        attention_mask=mask,
        use_cache=cache,
        return_dict_in_generate=True,
        output_logits=True,
        **NEW,
    )


def _padding_is_passed_over(model: Any, short: Any, long: Any, cache: bool) -> bool:
    import torch

    ids = torch.zeros((2, long.shape[1]), dtype=torch.long)
    ids[0, -short.shape[1] :], ids[1] = short[0], long[0]
    mask = (ids != 0).long()
    both = _generate(model, ids, mask, cache)
    for line, row in enumerate((short, long)):
        one = _generate(model, row, torch.ones_like(row), cache)
        for step in range(NEW["max_new_tokens"]):
            if (both.logits[step][line] - one.logits[step][0]).abs().max() > CLOSE:
                return False
            if both.sequences[line, long.shape[1] + step] != one.sequences[0, row.shape[1] + step]:
                break
    return True


def _cache_is_exact(model: Any, row: Any) -> bool:
    import torch

    written = _generate(model, row, torch.ones_like(row), True)
    logits = _logits(model, written.sequences)[0]
    steps = range(NEW["max_new_tokens"])
    return all((written.logits[i][0] - logits[row.shape[1] - 1 + i]).abs().max() < 1e-2 for i in steps)


def _fused(model: Any, row: Any) -> float:
    import torch
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(model, outputs=("log_probs",))
    mask = torch.ones_like(row)
    output = model(input_ids=row, labels=row, attention_mask=mask, fused_lm_head=True)
    return -float(output.log_probs.double().sum())


def rescaled(path: str) -> None:
    """How far RWKV's logits lie apart between training and evaluating, plain and with adapters, and whether a
    prompt is answered beside another as it is alone, as JSON.
    """
    import json
    from pathlib import Path

    import tiny_families
    import torch
    from peft import LoraConfig, get_peft_model

    row = torch.arange(5, 45)[None]
    found: dict[str, Any] = {}
    options = LoraConfig(r=4, target_modules=["output"], init_lora_weights=False)
    for name in ("plain", "adapted"):
        model = tiny_families.model_of("rwkv", rescale_every=2)
        model = get_peft_model(model, options) if name == "adapted" else model
        with torch.no_grad():
            ways = [_logits(model.train(mode), row) for mode in (True, False)]
        found[name] = float((ways[0] - ways[1]).abs().max())
    model = tiny_families.model_of("rwkv")
    two = torch.cat([row, row + 100])
    both, one = (_generate(model, ids, torch.ones_like(ids), True).sequences for ids in (two, row))
    found["together"] = bool((both[0] == one[0]).all())
    Path(path).write_text(json.dumps(found))
