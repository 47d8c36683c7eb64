"""A request to Together's fine-tuning API, in the shape of its Python client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, rows, services
from tuiftune.interop.export.tool import Tool

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "together.json"
FORMS: dict[str, dict[str, Any]] = {
    "full": {"training_type.type": "Full"},
    "lora": {"training_type.type": "Lora"},
}


def write(out: Outward) -> None:
    """Fill in the request. Files are named by the ids that their upload returns."""
    services.model(out, "model")
    services.technique(out, FORMS)
    if out.preset.method.technique != "full":
        arguments.adapters(
            out, "training_type.lora_r", "training_type.lora_alpha", "training_type.lora_dropout"
        )
        targets = out.preset.method.target_modules
        if isinstance(targets, list):
            out.carry("method.target_modules", "training_type.lora_trainable_modules", ",".join(targets))
        elif targets == "all-linear":
            out.carry("method.target_modules", "training_type.lora_trainable_modules")
    services.files(out, "training_file", "validation_file", lambda path: f"ID_OF_{path}")
    services.whole(out, "training.epochs", "n_epochs")
    arguments.rate(out)
    out.carry("training.effective_batch", "batch_size")
    services.schedule(out, "lr_scheduler.lr_scheduler_type", ("cosine", "linear"))
    out.rename(
        {
            "training.warmup_ratio": "warmup_ratio",
            "training.weight_decay": "weight_decay",
            "training.max_grad_norm": "max_grad_norm",
            "training.seed": "random_seed",
            "data.max_length": "max_seq_length",
            "run.checkpoints": "n_checkpoints",
        }
    )
    services.name(out, "suffix", 40)
    value = out.preset.data.loss_on
    why = "" if value != "completion" else "every answer of a chat is trained on"
    out.put("training_method.method", "sft")
    out.carry("data.loss_on", "training_method.train_on_inputs", value == "all", why=why)
    if out.get("data.packing") != "auto":
        out.carry("data.packing", "packing")
    if out.document.get("validation_file"):
        out.put("n_evals", 10)
        if out.preset.training.early_stopping:
            out.put("early_stopping_enabled", True)
            out.carry("training.early_stopping", "early_stopping_patience")


def command(out: Outward) -> str:
    """Upload, then ask for the job."""
    upload = " && ".join(f"together files upload {path} --purpose fine-tune" for path in rows.written(out))
    return (
        f"{upload} && curl -sS https://api.together.xyz/v1/fine-tunes "
        f'-H "Authorization: Bearer $TOGETHER_API_KEY" -H "Content-Type: application/json" -d @{FILE}'
    )


TOOL = Tool(
    key="together",
    name="Together",
    order=60,
    write=write,
    texts=lambda out: {FILE: json.dumps(out.document, indent=2) + "\n"},
    command=command,
    service="FinetuneRequest of the together client 3.1.1, read on 29 November 2026",
)
