"""TRL's own trainers with the settings of a run, from text to losses: what a stage is held against."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def rows_of(preset: dict[str, Any]) -> list[Any]:
    """The rows that a run of the preset trains on."""
    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load

    data = preset["data"]
    return split(load(data["train"]), data["eval"], preset["training"]["seed"])[0]


def said(turns: Any) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def pairs(preset: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": said(row.messages),
            "chosen": [{"role": "assistant", "content": row.chosen}],
            "rejected": [{"role": "assistant", "content": row.rejected}],
        }
        for row in rows_of(preset)
    ]


def model_of(preset: dict[str, Any]) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, set_seed

    set_seed(preset["training"]["seed"])
    method = preset["method"]
    scores = method["stage"] == "reward"
    if scores:
        model = AutoModelForSequenceClassification.from_pretrained(
            preset["model"]["base"], dtype="float32", num_labels=1
        )
    else:
        model = AutoModelForCausalLM.from_pretrained(preset["model"]["base"], dtype="float32")
    if method["technique"] == "full":
        return model
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(
        task_type="SEQ_CLS" if scores else "CAUSAL_LM",
        r=method["rank"],
        lora_alpha=method["alpha"],
        target_modules=names,
    )
    return get_peft_model(model, config)


def arguments(preset: dict[str, Any], output: Path) -> dict[str, Any]:
    training = preset["training"]
    return {
        "output_dir": str(output),
        "per_device_train_batch_size": training["micro_batch"],
        "gradient_accumulation_steps": training["effective_batch"] // training["micro_batch"],
        "max_steps": training["max_steps"],
        "learning_rate": training["learning_rate"],
        "lr_scheduler_type": training["schedule"],
        "warmup_steps": 1,
        "optim": training["optimizer"],
        "weight_decay": training["weight_decay"],
        "max_grad_norm": training["max_grad_norm"],
        "seed": training["seed"],
        "gradient_checkpointing": False,
        "bf16": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
    }


def dpo(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    method = preset["method"]
    config = DPOConfig(
        **common,
        beta=method["beta"],
        loss_type=[method["loss_type"]],
        max_length=preset["data"]["max_length"],
        precompute_ref_log_probs=method["technique"] == "full",
    )
    return DPOTrainer(
        model, args=config, train_dataset=Dataset.from_list(pairs(preset)), processing_class=tokenizer
    )


def reward(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    config = RewardConfig(**common, max_length=preset["data"]["max_length"])
    rows = Dataset.from_list(pairs(preset))
    return RewardTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer)


def orpo(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    config = ORPOConfig(**common, beta=preset["method"]["beta"], max_length=preset["data"]["max_length"])
    rows = Dataset.from_list(pairs(preset))
    return ORPOTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer)


def simpo(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    method = preset["method"]
    config = CPOConfig(
        **common,
        loss_type="simpo",
        cpo_alpha=0.0,
        beta=method["beta"],
        simpo_gamma=method["gamma_ratio"] * method["beta"],
        max_length=preset["data"]["max_length"],
    )
    rows = Dataset.from_list(pairs(preset))
    return CPOTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer)


def kto(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    rows = [
        {"prompt": said(row.prompt), "completion": said(row.messages[-1:]), "label": row.label == "true"}
        for row in rows_of(preset)
    ]
    method = preset["method"]
    config = KTOConfig(
        **common,
        beta=method["beta"],
        desirable_weight=method["desirable_weight"],
        undesirable_weight=method["undesirable_weight"],
        max_length=preset["data"]["max_length"],
    )
    shuffled = Dataset.from_list(rows).shuffle(seed=preset["training"]["seed"])
    return KTOTrainer(model, args=config, train_dataset=shuffled, processing_class=tokenizer)


def _rollouts(preset: dict[str, Any], config: Any, common: dict[str, Any]) -> dict[str, Any]:
    from datasets import Dataset

    method = preset["method"]
    pattern = re.compile(method["rewards"][0]["pattern"])

    def reward(completions: list[Any], **rest: Any) -> list[float]:
        return [float(pattern.search(one[0]["content"]) is not None) for one in completions]

    return {
        "reward_funcs": [reward],
        "args": config(
            **common,
            num_generations=method["generations"],
            max_completion_length=method["max_completion_length"],
            temperature=method["temperature"],
            beta=method["beta"],
            disable_dropout=True,
        ),
        "train_dataset": Dataset.from_list([{"prompt": said(row.prompt)} for row in rows_of(preset)]),
    }


def grpo(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from trl import GRPOConfig, GRPOTrainer

    given = _rollouts(preset, GRPOConfig, common)
    return GRPOTrainer(model, processing_class=tokenizer, **given)


def rloo(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from trl import RLOOConfig, RLOOTrainer

    given = _rollouts(preset, RLOOConfig, common)
    return RLOOTrainer(model, processing_class=tokenizer, **given)


def distill(preset: dict[str, Any], common: dict[str, Any], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import DistillationConfig, DistillationTrainer

    method = preset["method"]
    config = DistillationConfig(
        **common,
        beta={"reverse_kl": 1.0, "jensen_shannon": 0.5, "forward_kl": 0.0}[method["divergence"]],
        max_completion_length=method["max_completion_length"],
        temperature=method["temperature"],
        disable_dropout=True,
    )
    return DistillationTrainer(
        model,
        AutoModelForCausalLM.from_pretrained(method["teacher"], dtype="float32"),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": said(row.prompt)} for row in rows_of(preset)]),
        processing_class=tokenizer,
    )


STAGES: dict[str, Callable[..., Any]] = {
    "dpo": dpo,
    "reward": reward,
    "kto": kto,
    "orpo": orpo,
    "simpo": simpo,
    "grpo": grpo,
    "rloo": rloo,
    "distill": distill,
}


def main(run: str, output: str) -> None:
    """Train as the run at `run` does, and write what was logged at each step to `output`."""
    from transformers import AutoTokenizer, set_seed

    preset = json.loads((Path(run) / "plan.json").read_text())["resolved"]
    tokenizer = AutoTokenizer.from_pretrained(preset["model"]["base"])
    common = arguments(preset, Path(output).parent / "trl")
    trainer = STAGES[preset["method"]["stage"]](preset, common, model_of(preset), tokenizer)
    set_seed(preset["training"]["seed"])  # as the run does before its first step
    trainer.train()
    Path(output).write_text(json.dumps([log for log in trainer.state.log_history if "loss" in log]))
