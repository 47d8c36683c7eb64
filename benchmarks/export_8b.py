"""An 8B shape of random weights in four files: merged, and quantized by torchao. Time, and peaks of memory.

`python -m benchmarks.export_8b DIRECTORY merged fp8 int4` (60 GiB of disk; fp8 and int4 want a GPU). Each
form is written by a process of its own. The first call makes the base model and an adapter on every layer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FILES = 4
GIB = 2**30


def make(base: Path, result: Path) -> None:
    """A Llama 3 8B in bfloat16, and an adapter."""
    import torch
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig

    from tuiftune.engine.export import shards
    from tuiftune.models import weights

    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=False,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )
    for place in (base, result):
        place.mkdir(parents=True)
    config.save_pretrained(base)
    GenerationConfig(eos_token_id=2).save_pretrained(result)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    planned = [shards.Planned(name, "BF16", tuple(one.shape)) for name, one in model.state_dict().items()]
    total, groups, size = sum(one.size for one in planned), [[] for _ in range(FILES)], 0
    for one in planned:
        groups[min(FILES - 1, FILES * size // total)].append(one)
        size += one.size
    draw = torch.Generator(device="cuda" if torch.cuda.is_available() else "cpu").manual_seed(0)

    def fill(one: shards.Planned) -> Any:
        if "norm" in one.name:
            return torch.ones(one.shape, dtype=torch.bfloat16)
        return (torch.randn(one.shape, generator=draw, device=draw.device) * 0.02).to(torch.bfloat16).cpu()

    placed = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05}-of-{FILES:05}.safetensors"
        shards.write(base / file, group, fill, {"format": "pt"})
        placed |= {one.name: file for one in group}
    (base / weights.INDEX).write_text(json.dumps({"weight_map": placed}))
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    adapted = get_peft_model(model, lora, low_cpu_mem_usage=True)
    held = {name: torch.randn(one.shape) * 0.02 for name, one in get_peft_model_state_dict(adapted).items()}
    save_file(held, result / "adapter_model.safetensors")
    lora.save_pretrained(result)


def measure(base: Path, result: Path, into: Path, form: str) -> dict[str, Any]:
    """Write one form. GiB and seconds."""
    import psutil
    import torch
    from transformers import AutoConfig

    from tuiftune.engine.export.writers import merged, torchao

    into.mkdir(exist_ok=True)
    preset = SimpleNamespace(model=SimpleNamespace(dtype="bfloat16"))
    opened: Any = SimpleNamespace(
        adapted=True,
        base_files=base,
        whole=base,
        source=base,
        result=result,
        base=SimpleNamespace(remote_code=False),
        config=lambda: AutoConfig.from_pretrained(base),
        wanted=SimpleNamespace(preset=preset),
    )
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], psutil.Process().memory_info().rss)

    threading.Thread(target=watch, daemon=True).start()
    began = time.monotonic()
    write = merged.write if form == "merged" else torchao.write
    write(opened, into, "auto" if form == "merged" else form, lambda phase, done, total: None)
    over.set()
    written = sum(one.stat().st_size for one in into.glob("*.safetensors"))
    return {
        "form": form,
        "seconds": round(time.monotonic() - began, 1),
        "peak RAM": round(most[0] / GIB, 2),
        "peak GPU memory": round(torch.cuda.max_memory_allocated() / GIB, 2)
        if torch.cuda.is_available()
        else 0,
        "written": round(written / GIB, 2),
    }


def main() -> None:
    room, forms = Path(sys.argv[1]), sys.argv[2:]
    base, result = room / "base", room / "result"
    if len(forms) == 1 and base.exists():
        print(json.dumps(measure(base, result, room / forms[0], forms[0])))
        return
    if not base.exists():
        make(base, result)
    for form in forms:
        subprocess.run([sys.executable, "-m", "benchmarks.export_8b", str(room), form], check=True)


if __name__ == "__main__":
    main()
