"""TRL's SFT trainer with its defaults, the model loaded in bfloat16: the run that ours is compared with.

python benchmarks/speed/trl_defaults.py MODEL lora|qlora STEPS ROWS.jsonl [real]

With `real`, the rows are questions and answers of their own lengths, 16 a step; else texts cut to one length.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import torch
from clock import Clock
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

LENGTH, BATCH, WARM = 2048, 4, 10


def main() -> None:
    model_path, technique, steps, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    real = len(sys.argv) > 5
    lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    data = (
        {"text": [line["text"] for line in lines]}
        if not real
        else {
            "prompt": [line["question"] for line in lines],
            "completion": [line["answer"] for line in lines],
        }
    )
    quantised = None
    if technique == "qlora":
        quantised = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    model = AutoModelForCausalLM.from_pretrained(
        model_path, dtype=torch.bfloat16, device_map={"": 0}, quantization_config=quantised
    )
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir="/tmp/trl-defaults",
            max_steps=steps,
            **({"gradient_accumulation_steps": 2} if real else {"per_device_train_batch_size": BATCH}),
            max_length=1024 if real else LENGTH,
            save_strategy="no",
            report_to=[],
            logging_steps=1,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(data),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[clock],
    )
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    waits = [b - a for a, b in zip(clock.times[WARM:], clock.times[WARM + 1 :], strict=False)]
    speed = BATCH * LENGTH / statistics.median(waits)
    if real:
        seen = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
        speed = (seen[-1] - seen[WARM]) / (clock.times[-1] - clock.times[WARM])
    print(
        json.dumps(
            {
                "tokens_per_second": round(speed),
                "peak_allocated": torch.cuda.max_memory_allocated(),
                "peak_reserved": torch.cuda.max_memory_reserved(),
                "loss": trainer.state.log_history[-1].get("train_loss"),
            }
        )
    )


if __name__ == "__main__":
    main()
