"""Measure peak memory of real training steps on one GPU, one JSON row a run.

    python benchmarks/memory/measure.py SET OUT.jsonl [--gpus 0,1] [--only NAME] [--limit SECONDS]

Each run of a set of `configurations.py`: the public model's shape with random weights in bfloat16, rows of
one length without padding, TRL's SFT trainer with its default loss, a few optimiser steps. `model_bytes` is
what loading left allocated, `peak_allocated` and `peak_reserved` are torch's own over training. Every run has
a process of its own, so that none inherits another's cache; several share a card as far as their predictions
let them, which changes speeds and no peak. `--device cpu` only tries the script out.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate.utils import AutocastKwargs
from configurations import SETS, Run
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerFast
from transformers.quantizers import AutoHfQuantizer
from trl import SFTConfig, SFTTrainer

from tuiftune.models import catalogue

MARK = "measured: "
TOGETHER = 4  # runs on one card at once
EAGER = {"gemma2"}  # families whose soft-capped attention has no fused kernel


def tokenizer() -> PreTrainedTokenizerFast:
    plain = Tokenizer(WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def quantised(model: torch.nn.Module, config: Any, device: str) -> None:
    """Random weights for a model built without any, one by one: nothing larger than a layer is in the way.

    All linears but the head become NF4 with double quantisation, as transformers' loader leaves them.
    """
    import bitsandbytes as bnb

    for name, parent in list(model.named_modules()):
        for child, layer in list(parent.named_children()):
            if type(layer) is not torch.nn.Linear or child == "lm_head" or name.endswith("router"):
                continue
            four = bnb.nn.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=layer.bias is not None,
                compute_dtype=torch.bfloat16,
                compress_statistics=True,
                quant_type="nf4",
                device="meta",
            )
            weight = torch.empty(layer.out_features, layer.in_features, dtype=torch.bfloat16, device=device)
            four.weight = bnb.nn.Params4bit(
                weight.normal_(0, 0.02).cpu(),
                requires_grad=False,
                compress_statistics=True,
                quant_type="nf4",
                module=four,
            ).to(device)
            del weight
            setattr(parent, child, four)
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.is_meta:
                filled = torch.empty(parameter.shape, dtype=parameter.dtype, device=device).normal_(0, 0.02)
                module._parameters[name] = torch.nn.Parameter(filled, requires_grad=parameter.requires_grad)
    for name, module in list(model.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            parent = model.get_submodule(name.rpartition(".")[0])
            made = (
                type(module)(config=config)
                if "config" in inspect.signature(type(module).__init__).parameters
                else None
            )
            if made is None:  # Gemma's scaled embedding
                for key, buffer in list(module.named_buffers(recurse=False)):
                    module.register_buffer(
                        key, torch.full(buffer.shape, config.hidden_size**0.5), persistent=False
                    )
                module.to(device)
            else:
                setattr(parent, name.rpartition(".")[2], made.to(device))
    model.tie_weights()


def build(run: Run, device: str) -> tuple[torch.nn.Module, int]:
    found = catalogue.find(run.model)
    if found is None:
        raise LookupError(run.model)
    fields = dict(found.config)
    kind = fields.pop("model_type")
    config = AutoConfig.for_model(kind, **fields)
    config._attn_implementation = "eager" if kind in EAGER else "sdpa"
    config.use_cache = False
    four_bit = run.technique == "qlora"
    with torch.device("meta" if four_bit else device):
        whole = run.master and not four_bit
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if whole else torch.bfloat16)
    parameters = sum(p.numel() for p in model.parameters())
    if four_bit:
        quantised(model, config, device)
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        )
        model.hf_quantizer = AutoHfQuantizer.from_config(quantisation, pre_quantized=False)
        model.is_loaded_in_4bit = True
        model.is_quantized = True
        for parameter in model.parameters():
            parameter.requires_grad_(False)
    return model, parameters


def measure(run: Run, steps: int, device: str) -> dict[str, Any]:
    cuda = device == "cuda"
    model, parameters = build(run, device)
    if cuda:
        torch.cuda.empty_cache()
    model_bytes = torch.cuda.memory_allocated() if cuda else 0
    ids = torch.randint(
        3, min(model.config.vocab_size, 30000), (run.micro_batch * steps, run.length)
    ).tolist()
    data = Dataset.from_dict({"input_ids": ids, "labels": ids})
    peft = None
    if run.technique != "full":
        targets = run.target_modules
        peft = LoraConfig(
            r=run.rank,
            lora_alpha=2 * run.rank,
            lora_dropout=run.dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
            use_dora=run.technique == "dora",
            task_type="CAUSAL_LM",
        )
    arguments = SFTConfig(
        output_dir="/tmp/measure",
        per_device_train_batch_size=run.micro_batch,
        max_steps=steps,
        max_length=None,
        gradient_checkpointing=run.checkpointing,
        optim=run.optimizer,
        bf16=True,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_liger_kernel=run.liger,
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        learning_rate=1e-5,
        seed=1,
        use_cpu=not cuda,
    )
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=data, processing_class=tokenizer(), peft_config=peft
    )
    if run.master and run.technique == "full":
        trainer.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
    elif run.master:  # TRL halves the adapters over a 4-bit base
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    trainable = [p for p in trainer.model.parameters() if p.requires_grad]
    row = {
        **run.row(),
        "params": parameters,
        "trainable": sum(p.numel() for p in trainable),
        "trainable_dtype": sorted({str(p.dtype) for p in trainable}),
        "model_bytes": model_bytes,
    }
    if cuda:
        row["peak_allocated"] = torch.cuda.max_memory_allocated()
        row["peak_reserved"] = torch.cuda.max_memory_reserved()
    return row


def child(device: str, steps: int, runs: list[Run]) -> None:
    """A prepared process: everything imported, waiting for the card and the number of the run to measure."""
    line = sys.stdin.readline().split()
    if not line:
        return
    os.environ["CUDA_VISIBLE_DEVICES"] = line[1]
    run = runs[int(line[0])]
    try:
        row = measure(run, steps, device)
    except Exception as fault:  # one run that fails must not lose the others; its row says so
        traceback.print_exc(limit=-3)
        row = {**run.row(), "failed": f"{type(fault).__name__}: {str(fault)[:300]}"}
    print(MARK + json.dumps(row), flush=True)


class SharedGpu:
    """One GPU, which several runs share as long as their predictions fit on it together."""

    def __init__(self, number: int, room: float) -> None:
        self.number, self.room = number, room
        self.running: dict[int, tuple[subprocess.Popen[str], float]] = {}

    def takes(self, needs: float) -> bool:
        held = sum(size for _, size in self.running.values())
        return len(self.running) < TOGETHER and (not self.running or held + needs <= self.room)


def prepare(options: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, options.set, "-", "--child", "--device", options.device]
    return subprocess.Popen(
        [*command, "--steps", str(options.steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def row_of(run: Run, process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate()
    rows = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    return dict(json.loads(rows[-1])) if rows else {**run.row(), "failed": "the process died"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=sorted(SETS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=1e9, help="start no further run after so many seconds")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--gpus", default="0", help="their numbers, with commas between them")
    parser.add_argument("--room", type=float, default=125.0, help="GiB of a card that predictions may fill")
    parser.add_argument("--ahead", type=int, default=8, help="processes that import while others measure")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    runs = SETS[options.set]()
    if options.child:
        child(options.device, options.steps, runs)
        return
    place = Path(__file__).parent / f"predictions-{options.set}.jsonl"
    predicted = [json.loads(line)["needs"] / 2**30 for line in place.read_text(encoding="utf-8").splitlines()]
    gpus = [SharedGpu(int(number), options.room) for number in options.gpus.split(",")]
    started = time.monotonic()
    waiting = deque(index for index, run in enumerate(runs) if options.only in run.name)
    ready = deque(prepare(options) for _ in range(min(options.ahead, len(waiting))))
    with options.out.open("a", encoding="utf-8") as out:
        while waiting or any(gpu.running for gpu in gpus):
            late = time.monotonic() - started > options.limit
            for gpu in gpus:
                while waiting and ready and not late and gpu.takes(predicted[waiting[0]]):
                    index, process = waiting.popleft(), ready.popleft()
                    assert process.stdin is not None
                    process.stdin.write(f"{index} {gpu.number}\n")
                    process.stdin.flush()
                    gpu.running[index] = process, predicted[index]
                    if len(ready) < len(waiting):
                        ready.append(prepare(options))
            for gpu in gpus:
                for index, (process, _) in list(gpu.running.items()):
                    if process.poll() is None:
                        continue
                    del gpu.running[index]
                    row = row_of(runs[index], process)
                    out.write(json.dumps(row) + "\n")
                    out.flush()
                    outcome = row.get("failed") or f"{row.get('peak_allocated', 0) / 2**30:7.2f} GiB"
                    print(
                        f"{time.monotonic() - started:6.0f} s  {runs[index].name:60} {outcome[:90]}",
                        flush=True,
                    )
            if late and not any(gpu.running for gpu in gpus):
                print("time is up before", len(waiting), "runs", file=sys.stderr)
                break
            time.sleep(0.05)
    for process in ready:
        process.communicate("\n")


if __name__ == "__main__":
    main()
