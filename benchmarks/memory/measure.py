"""Measure peak memory of real training steps on one GPU, one JSON row a run.

    python benchmarks/memory/measure.py OUT.jsonl [--only NAME] [--limit SECONDS] [--device cpu]

Each run of `configurations.py`: the public model's shape with random weights in bfloat16, rows of one length
without padding, TRL's SFT trainer with its default loss, a few optimiser steps. `model_bytes` is what loading
left allocated, `peak_allocated` and `peak_reserved` are torch's own over training, and `outside_allocator` is
what else the driver counts as used on the card. Every run has a process of its own, so that none inherits
another's cache; the next few import while one measures. `--device cpu` only tries the script out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

import torch
import transformers
from configurations import Run, runs
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerFast
from transformers.quantizers import AutoHfQuantizer
from trl import SFTConfig, SFTTrainer

from tuiftune.models import catalogue

MARK = "measured: "
EAGER = {"gemma2"}  # families whose soft-capped attention has no fused kernel


def tokenizer() -> PreTrainedTokenizerFast:
    plain = Tokenizer(WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def quantise(model: torch.nn.Module) -> None:
    """NF4 with double quantisation in place, as transformers' loader does it: all linears but the head."""
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
            weight = bnb.nn.Params4bit(
                layer.weight.data,
                requires_grad=False,
                compress_statistics=True,
                quant_type="nf4",
                module=four,
            )
            four.weight = weight.to(layer.weight.device)
            if layer.bias is not None:
                four.bias = torch.nn.Parameter(layer.bias.data, requires_grad=False)
            setattr(parent, child, four)
            del layer
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    model.hf_quantizer = AutoHfQuantizer.from_config(config, pre_quantized=False)
    model.is_loaded_in_4bit = True
    model.is_quantized = True
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def build(run: Run, device: str) -> tuple[torch.nn.Module, int]:
    found = catalogue.find(run.model)
    if found is None:
        raise LookupError(run.model)
    fields = dict(found.config)
    kind = fields.pop("model_type")
    config = AutoConfig.for_model(kind, **fields)
    config._attn_implementation = "eager" if kind in EAGER else "sdpa"
    config.use_cache = False
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    parameters = sum(p.numel() for p in model.parameters())
    if run.technique == "qlora":
        quantise(model)
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
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    trainable = [p for p in trainer.model.parameters() if p.requires_grad]
    row = {
        **run.row(),
        "params": parameters,
        "trainable": sum(p.numel() for p in trainable),
        "trainable_dtype": sorted({str(p.dtype) for p in trainable}),
        "model_bytes": model_bytes,
        "tokens_per_second": round(run.micro_batch * run.length * steps / seconds),
    }
    if cuda:
        free, total = torch.cuda.mem_get_info()
        row["peak_allocated"] = torch.cuda.max_memory_allocated()
        row["peak_reserved"] = torch.cuda.max_memory_reserved()
        row["outside_allocator"] = total - free - torch.cuda.memory_reserved()
    return row


def child(device: str, steps: int) -> None:
    """A prepared process: everything imported, waiting for the number of the run it is to measure."""
    line = sys.stdin.readline()
    if not line.strip():
        return
    run = runs()[int(line)]
    try:
        row = measure(run, steps, device)
    except Exception as fault:  # one run that fails must not lose the others; its row says so
        traceback.print_exc(limit=-3)
        row = {**run.row(), "failed": f"{type(fault).__name__}: {str(fault)[:300]}"}
    print(MARK + json.dumps(row), flush=True)


def prepare(options: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "-", "--child", "--device", options.device]
    return subprocess.Popen(
        [*command, "--steps", str(options.steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def alone(index: int, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Measure in a process of its own."""
    said, _ = process.communicate(f"{index}\n")
    rows = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    return dict(json.loads(rows[-1])) if rows else {**runs()[index].row(), "failed": "the process died"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=1e9, help="start no further run after so many seconds")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--ahead", type=int, default=5, help="processes that import while another measures")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if options.child:
        child(options.device, options.steps)
        return
    started = time.monotonic()
    wanted = [index for index, run in enumerate(runs()) if options.only in run.name]
    waiting = deque(prepare(options) for _ in wanted[: options.ahead])
    with options.out.open("a", encoding="utf-8") as out:
        for position, index in enumerate(wanted):
            run = runs()[index]
            if time.monotonic() - started > options.limit:
                print("time is up before", run.name, file=sys.stderr)
                break
            if position + options.ahead < len(wanted):
                waiting.append(prepare(options))
            row = alone(index, waiting.popleft())
            out.write(json.dumps(row) + "\n")
            out.flush()
            peak = row.get("peak_allocated", 0) / 2**30
            outcome = row.get("failed", f"{row.get('tokens_per_second', 0)} tok/s")[:80]
            print(f"{time.monotonic() - started:6.0f} s  {run.name:60} {peak:7.2f} GiB {outcome}", flush=True)
    for process in waiting:
        process.communicate("\n")


if __name__ == "__main__":
    main()
