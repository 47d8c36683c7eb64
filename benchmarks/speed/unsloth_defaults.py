"""Unsloth as its documentation shows it: the run that ours is compared with, in an environment of its own.

python benchmarks/speed/unsloth_defaults.py MODEL lora|qlora|fp8 STEPS ROWS.jsonl

Texts cut to one length, as in `trl_defaults.py`; its own gradient checkpointing.
"""

# Unsloth has to be imported before what it changes.
# ruff: noqa: E402, I001
from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
BEGAN = time.monotonic()

from unsloth import FastLanguageModel  # type: ignore[import-not-found]
import torch
from datasets import Dataset
from clock import Clock
from trl import SFTConfig, SFTTrainer

LENGTH, BATCH, WARM = 2048, 4, 10
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    model_path, technique, steps, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    texts = [json.loads(line)["text"] for line in rows.read_text(encoding="utf-8").splitlines()]
    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=model_path,
        max_seq_length=LENGTH,
        load_in_4bit=technique == "qlora",
        **({"load_in_fp8": True} if technique == "fp8" else {}),
    )
    model = FastLanguageModel.get_peft_model(
        model,
        r=16,
        lora_alpha=32,
        lora_dropout=0,
        bias="none",
        target_modules=LINEAR,
        use_gradient_checkpointing="unsloth",
    )
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"text": texts}),
        args=SFTConfig(
            output_dir="/tmp/unsloth-defaults",
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=1,
            max_length=LENGTH,
            dataset_text_field="text",
            save_strategy="no",
            report_to=[],
            logging_steps=1,
            disable_tqdm=True,
        ),
        callbacks=[clock],
    )
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    waits = [b - a for a, b in zip(clock.times[WARM:], clock.times[WARM + 1 :], strict=False)]
    print(
        json.dumps(
            {
                "tokens_per_second": round(BATCH * LENGTH / statistics.median(waits)),
                "peak_allocated": torch.cuda.max_memory_allocated(),
                "peak_reserved": torch.cuda.max_memory_reserved(),
                "first_step": round(clock.times[0] - BEGAN, 1),
                "loss": trainer.state.log_history[-1].get("train_loss"),
            }
        )
    )


if __name__ == "__main__":
    main()
