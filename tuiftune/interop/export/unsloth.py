"""A script for Unsloth, whose settings are literal arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.read import hub
from tuiftune.interop.export import arguments, rows, techniques
from tuiftune.interop.export.tool import Tool
from tuiftune.interop.export.trl import packing

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "train.py"
PEFT = {"peft.bias": "none"}
FORMS: dict[str, dict[str, Any]] = {
    "full": {"model.load_in_4bit": False, "model.full_finetuning": True},
    "lora": {"model.load_in_4bit": False, **PEFT},
    "qlora": {"model.load_in_4bit": True, **PEFT},
    "rslora": {"model.load_in_4bit": False, **PEFT, "peft.use_rslora": True},
}
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def write(out: Outward) -> None:
    """Fill in the arguments: of the model, of its adapters (peft) and of the trainer."""
    arguments.model(out, "model.model_name", "model.revision", "model.dtype", "model.trust_remote_code")
    if isinstance(out.document["model"].get("dtype"), str):
        out.document["model"]["dtype"] = Name(f"torch.{out.document['model']['dtype']}")
    out.carry("data.max_length", "model.max_seq_length")
    techniques.write(out, FORMS, back={})
    arguments.adapters(out, "peft.r", "peft.lora_alpha", "peft.lora_dropout")
    if out.get("method.target_modules") == "all-linear":
        why = "the usual names of every linear layer; check your model's"
        out.carry("method.target_modules", "peft.target_modules", PROJECTIONS, why=why, back=PROJECTIONS)
    else:
        techniques.targets(out, "peft.target_modules", all_linear=("peft.target_modules", PROJECTIONS))
    out.rename({"method.modules_to_save": "peft.modules_to_save"})
    if "peft" in out.document:
        out.put("peft.use_gradient_checkpointing", "unsloth")
        out.put("peft.random_state", out.preset.training.seed)
    out.leave("training.activation_checkpointing", "Unsloth's own", "not needed")
    out.leave("training.activation_offloading", "a part of Unsloth's own checkpointing", "not needed")
    out.put("rows", rows.paths(out))
    rows.told(out, "load_dataset")
    _evaluation(out)
    before, out.document = out.document, {}
    packing(out)
    arguments.training(out)
    arguments.trackers(out)
    arguments.compiled(out)
    out.put("output_dir", "outputs")
    out.document = {**before, "trainer": out.document}
    arguments.early_stopping(out)
    arguments.quantization(out, "model.load_in_fp8")
    value = out.preset.data.loss_on
    if value == "assistant":
        out.note("data.loss_on", "train_on_responses_only")
    else:
        out.leave("data.loss_on", f"{value}: the script trains on answers; change its last lines")
    if "model.attention" in out.left:
        out.leave("model.attention", "Unsloth's own kernels")


def _evaluation(out: Outward) -> None:
    if out.files is not None and out.files.eval is not None:
        out.put("held_out", out.files.eval)
        out.note("data.eval", "eval_dataset", why=rows.SPLIT)
    else:
        out.leave(
            "data.eval", "the script trains on every row" if out.preset.data.eval else "no evaluation rows"
        )


class Name(str):
    """An expression that stands in the script as it is."""

    __slots__ = ()


def text(out: Outward) -> str:
    """The script."""
    document = out.document
    rows_ = document["rows"]
    files = repr(rows_[0] if len(rows_) == 1 else rows_)
    lines = [
        '"""Written by `tuiftune preset export --to unsloth`: run it where Unsloth is installed."""',
        "",
        "import torch",
        "from datasets import load_dataset",
        "from trl import SFTConfig, SFTTrainer",
        "from unsloth import FastLanguageModel",
        "from unsloth.chat_templates import train_on_responses_only",
        "",
        "model, tokenizer = FastLanguageModel.from_pretrained(",
        *_arguments(document["model"]),
        ")",
    ]
    if "peft" in document:
        lines += [
            "model = FastLanguageModel.get_peft_model(",
            "    model,",
            *_arguments(document["peft"]),
            ")",
        ]
    given = f'{{"train": {files}, "eval": {document["held_out"]!r}}}' if "held_out" in document else files
    lines += [
        *_loaded(rows_, given),
        "",
        "",
        "def rendered(row):",
        '    return {"text": tokenizer.apply_chat_template(row["messages"], tokenize=False)}',
        "",
        "",
        "trainer = SFTTrainer(",
        "    model=model,",
        "    processing_class=tokenizer,",
        '    train_dataset=rows["train"].map(rendered),',
    ]
    if "held_out" in document:
        lines.append('    eval_dataset=rows["eval"].map(rendered),')
    lines += [
        '    args=SFTConfig(dataset_text_field="text",',
        *(f"    {line}" for line in _arguments(document["trainer"])),
        "    ),",
        ")",
        "# The markers below are ChatML's: write those of your model's chat template.",
        "trainer = train_on_responses_only(",
        '    trainer, instruction_part="<|im_start|>user\\n", response_part="<|im_start|>assistant\\n"',
        ")",
        "trainer.train()",
        'model.save_pretrained("outputs")',
        'tokenizer.save_pretrained("outputs")',
    ]
    return "\n".join(lines) + "\n"


def _loaded(found: list[str], given: str) -> list[str]:
    """How the script loads its rows: a dataset of the Hub by its parts, else files."""
    parts = rows.parts(found[0])
    if len(found) > 1 or "held_out" in given or not hub.looks_like_id(found[0]):
        return [f'rows = load_dataset("json", data_files={given})']
    named = ", ".join(repr(parts[key]) for key in ("path", "name") if key in parts)
    more = f", revision={parts['revision']!r}" if "revision" in parts else ""
    return [f'rows = {{"train": load_dataset({named}, split={parts.get("split", "train")!r}{more})}}']


def _arguments(values: dict[str, Any]) -> list[str]:
    return [
        f"    {key}={value if isinstance(value, Name) else repr(value)}," for key, value in values.items()
    ]


TOOL = Tool(
    key="unsloth",
    name="Unsloth",
    order=40,
    write=write,
    texts=lambda out: {FILE: text(out)},
    command=lambda out: f"python {FILE}",
    reads="unsloth",
)
