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


def peak(path: str) -> None:
    """Merge a model of twelve files here; the peak of memory beyond what there was, and bytes of a file."""
    import threading
    import time

    import torch
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, LlamaConfig

    from tuiftune.engine.export import merged, shards
    from tuiftune.engine.export.writers.merged import source_of
    from tuiftune.models import weights

    room = Path(path).parent
    base, result, into = room / "base", room / "result", room / "merged"
    for place in (base, result, into):
        place.mkdir()
    config = LlamaConfig(
        vocab_size=16000,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=12,
        tie_word_embeddings=True,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(base)
    GenerationConfig(eos_token_id=2).save_pretrained(result)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    placed = {}
    state = {name: tuple(one.shape) for name, one in model.state_dict().items() if name != "lm_head.weight"}
    for number in range(12):
        names = [name for name in state if f".layers.{number}." in name]
        names += [name for name in state if ".layers." not in name] if number == 0 else []
        file = f"model-{number + 1:05}-of-00012.safetensors"
        planned = [shards.Planned(name, "BF16", state[name]) for name in names]
        shards.write(
            base / file,
            planned,
            lambda one: torch.full(one.shape, 0.01, dtype=torch.bfloat16),
            {"format": "pt"},
        )
        placed |= dict.fromkeys(names, file)
    (base / weights.INDEX).write_text(json.dumps({"weight_map": placed}))
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    adapted = get_peft_model(model, lora, low_cpu_mem_usage=True)
    held = {name: torch.ones(one.shape) for name, one in get_peft_model_state_dict(adapted).items()}
    save_file(held, result / "adapter_model.safetensors")
    lora.save_pretrained(result)
    del held, adapted, model
    opened = SimpleNamespace(
        adapted=True,
        base_files=base,
        whole=base,
        source=base,
        result=result,
        base=SimpleNamespace(remote_code=False),
        config=lambda: AutoConfig.from_pretrained(base),
    )
    before, most, over = _resident(), [0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], _resident())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    merged.write(source_of(opened, None), into, lambda done, total: None)  # type: ignore[arg-type]
    over.set()
    watcher.join()
    shard = max(one.stat().st_size for one in base.glob("*.safetensors"))
    whole = sum(one.stat().st_size for one in into.glob("*.safetensors"))
    Path(path).write_text(json.dumps({"beyond": most[0] - before, "file": shard, "whole": whole}))


def _resident() -> int:
    """Bytes of RAM that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)
