"""A tiny model of a `model_type` with random adapters, merged shard by shard, against PEFT's own logits."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MANY_FILES = "200KB"


def write(path: str, kind: str) -> None:
    """The largest difference of logits as JSON, with that from the base model; or the fault."""
    import traceback

    from tuiftune.errors import UserError

    try:
        found: dict[str, Any] = difference(Path(path).parent, kind)
    except UserError as fault:
        found = {"refused": str(fault)}
    except Exception:
        found = {"fault": traceback.format_exc()}
    Path(path).write_text(json.dumps(found))


def difference(room: Path, kind: str) -> dict[str, Any]:
    import tiny_families
    import torch
    from peft import PeftModel, get_peft_model
    from transformers import AutoConfig

    from tuiftune.engine.export import merged
    from tuiftune.engine.export.writers.merged import source_of
    from tuiftune.engine.model import adapters
    from tuiftune.engine.model import base as bases

    base, result, into = room / "base", room / "result", room / "merged"
    into.mkdir(parents=True)
    tiny_families.model_of(kind).save_pretrained(base, max_shard_size=MANY_FILES)
    config = AutoConfig.from_pretrained(base)
    auto = bases.class_of(config)

    def load(place: Path) -> Any:
        return auto.from_pretrained(place, dtype=torch.float32).eval()

    model = load(base)
    torch.manual_seed(3)
    made = adapters.config(model, "all-linear", [], r=2, lora_alpha=4, lora_dropout=0.0)
    adapted = get_peft_model(model, made)
    for name, one in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(one, std=0.2)
    adapted.save_pretrained(result)
    model.generation_config.save_pretrained(result)
    ids = torch.arange(5, 45)[None]

    def logits(one: Any) -> Any:
        with torch.no_grad():
            return one.eval()(input_ids=ids, use_cache=False).logits

    wanted = logits(PeftModel.from_pretrained(load(base), result))
    plain = logits(load(base))
    opened = SimpleNamespace(
        adapted=True,
        base_files=base,
        whole=base,
        source=base,
        result=result,
        base=SimpleNamespace(remote_code=False),
        config=lambda: config,
    )
    merged.write(source_of(opened, None), into, lambda done, total: None)  # type: ignore[arg-type]
    return {
        "merged": float((logits(load(into)) - wanted).abs().max()),
        "base": float((plain - wanted).abs().max()),
        "files": len(list(into.glob("*.safetensors"))),
    }
