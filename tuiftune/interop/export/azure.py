"""A fine-tuning job of Azure Machine Learning for a model of its registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, services
from tuiftune.interop.export.outward import batch, usual
from tuiftune.interop.export.tool import Tool, yaml

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "azure.yaml"
FORMS: dict[str, dict[str, Any]] = {
    "full": {"hyperparameters.apply_lora": "false"},
    "lora": {"hyperparameters.apply_lora": "true"},
    "qlora": {"hyperparameters.apply_lora": "true", "hyperparameters.precision": "4"},
}
SAME = {
    "training.schedule": "lr_scheduler_type",
    "training.warmup_ratio": "warmup_ratio",
    "training.weight_decay": "weight_decay",
    "training.max_grad_norm": "max_grad_norm",
    "training.max_steps": "max_steps",
    "training.seed": "seed",
    "training.epochs": "num_train_epochs",
    "data.max_length": "max_seq_length",
    "run.checkpoints": "save_total_limit",
}


def write(out: Outward) -> None:
    """Fill in the job. Its hyperparameters are text."""
    out.put("$schema", "https://azuremlschemas.azureedge.net/latest/finetuningJob.schema.json")
    out.put("type", "finetuning")
    out.put("model_provider", "custom")
    out.put("task", "chat_completion")
    out.put("model.type", "mlflow_model")
    name = out.preset.model.base.rpartition("/")[2]
    why = "write the model's name and version in the registry"
    services.model(out, "model.path", f"azureml://registries/azureml/models/{name}/versions/VERSION", why)
    services.technique(out, FORMS)
    services.files(out, "training_data.path", "validation_data.path", lambda path: f"./{path}")
    for part in ("training_data", "validation_data"):
        if part in out.document:
            out.put(f"{part}.type", "uri_file")
    arguments.rate(out, "hyperparameters.learning_rate")
    rows, steps = "per_device_train_batch_size", "gradient_accumulation_steps"
    batch(out, f"hyperparameters.{rows}", f"hyperparameters.{steps}")
    if out.get("method.rank") is not None:
        known = usual(out.preset)
        out.put("hyperparameters.lora_r", known.rank)
        out.put("hyperparameters.lora_alpha", known.alpha)
        for key, value, to in (("rank", known.rank, "lora_r"), ("alpha", known.alpha, "lora_alpha")):
            why = f"auto: {value}" if out.get(f"method.{key}") == "auto" else ""
            out.note(f"method.{key}", f"hyperparameters.{to}", why=why)
        out.carry("method.dropout", "hyperparameters.lora_dropout")
    out.rename({key: f"hyperparameters.{to}" for key, to in SAME.items()})
    if out.preset.training.early_stopping and "validation_data" in out.document:
        out.put("hyperparameters.apply_early_stopping", True)
        out.carry("training.early_stopping", "hyperparameters.early_stopping_patience")
    numbers = out.document["hyperparameters"]
    out.document["hyperparameters"] = {key: _text(value) for key, value in numbers.items()}
    out.put("outputs.registered_model.type", "mlflow_model")
    services.name(out, "outputs.registered_model.name", 255)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


TOOL = Tool(
    key="azure",
    name="Azure ML",
    order=90,
    write=write,
    texts=lambda out: {FILE: yaml(out.document)},
    command=lambda out: f"az ml job create --file {FILE} --resource-group GROUP --workspace-name WORKSPACE",
    service="CustomModelFineTuning of azure-ai-ml 1.35.2, read on 29 November 2026",
)
