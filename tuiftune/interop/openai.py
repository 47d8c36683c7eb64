"""OpenAI fine-tuning jobs, as its API returns them. The model is closed, so another base has to be named."""

from __future__ import annotations

from typing import Any

from tuiftune.interop.mapping import Cannot, Moot, Rules, To, Transfer, real, shown, whole

TOOL = "OpenAI"
STAGES = {"supervised": "sft", "dpo": "dpo", "reinforcement": "grpo"}
_JOB = """
    id object created_at finished_at fine_tuned_model organization_id result_files status
    trained_tokens error user_provided_suffix estimated_finish shared_with_openai usage_metrics
    eval_id
"""
RULES: Rules = {
    "training_file": Cannot("a file at OpenAI: download it, and name it with --set data.train=FILE"),
    "validation_file": Cannot("a file at OpenAI: download it, and name it with --set data.eval=FILE"),
    "seed": To("training.seed", whole),
    "suffix": To("name", str),
    "integrations": Cannot("use run.report_to"),
    "metadata": Moot("only concerns OpenAI"),
    **dict.fromkeys(_JOB.split(), Moot("only concerns the job at OpenAI")),
}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like a fine-tuning job."""
    return document.get("object") == "fine_tuning.job" or "training_file" in document


def read(transfer: Transfer) -> None:
    """Carry a job over."""
    model = transfer.take("model")
    closed = "the model is" if model is None else f"{shown(model)} is"
    transfer.leave("model", model, f"{closed} closed: name an open model with --set model.base=ID")
    method = transfer.take("method")
    method = method if isinstance(method, dict) else {}
    kind = str(method.get("type", "supervised"))
    transfer.carry("method.type", kind, "method.stage", STAGES.get(kind, kind))
    inner = method.get(kind)
    settings: dict[str, Any] = {}
    for found in (
        transfer.take("hyperparameters"),
        inner.get("hyperparameters") if isinstance(inner, dict) else None,
    ):
        for name, value in (found if isinstance(found, dict) else {}).items():
            if value != "auto" or settings.get(name) is None:  # the job's own resolved value counts
                settings[name] = value
    for name, value in settings.items():
        key = f"hyperparameters.{name}"
        if value == "auto":
            transfer.leave(key, value, "left to the plan")
        elif name == "n_epochs":
            transfer.place(key, value, To("training.epochs", real))
        elif name == "batch_size":
            transfer.place(key, value, To("training.effective_batch", whole))
        elif name == "learning_rate_multiplier":
            transfer.leave(key, value, "a multiple of a rate that is not published: the plan chooses it")
        elif name == "beta":
            transfer.carry(key, value, "method.beta", value)
        else:
            transfer.leave(key, value, "has no counterpart here")
    transfer.apply(RULES)
    transfer.finish()
