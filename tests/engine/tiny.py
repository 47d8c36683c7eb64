"""A real tiny Llama with its own tokenizer and chat template, a dataset, and run directories to train it
in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<|end|>{% endgeneration %}"
    "{% else %}{{ message['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
COLOURS = ["red", "green", "blue", "white", "black", "amber", "violet", "pink"]
THINGS = ["door", "lamp", "cup", "tree", "coat", "ship", "wall", "bird", "book", "ring"]


def rows(count: int = 80) -> list[dict[str, Any]]:
    """Questions whose answer is in the question: something a tiny model learns in a few steps."""
    pairs = [(colour, thing) for thing in THINGS for colour in COLOURS]
    return [
        {
            "messages": [
                {"role": "user", "content": f"The {thing} is {colour}. What colour is the {thing}?"},
                {"role": "assistant", "content": f"It is {colour}."},
            ]
        }
        for colour, thing in (pairs * (count // len(pairs) + 1))[:count]
    ]


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    texts = [message["content"] for row in rows() for message in row["messages"]]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>", additional_special_tokens=SPECIAL[2:]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_shards(directory: str, size: str) -> None:
    """The tiny model in files of at most so many bytes each."""
    from pathlib import Path

    make_model(Path(directory), size)


def make_wide(directory: str) -> None:
    """The tiny model with a width of 256, which llama.cpp's K-quants need."""
    from pathlib import Path

    make_model(Path(directory), width=256)


def make_teacher(directory: str) -> None:
    """A wider model with other weights and the same tokenizer."""
    from pathlib import Path

    make_model(Path(directory), width=96)


def make_model(directory: Path, size: str = "50GB", width: int = 64) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width if width == 64 else 2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.15,  # wide enough for adapters to steer a base that knows nothing
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(directory, max_shard_size=size)
    tokenizer.save_pretrained(directory)
    return directory


def write_rows(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in documents), encoding="utf-8")
    return path


def resolved(model: Path, data: Path, **changes: Any) -> dict[str, Any]:
    """A preset with nothing left at auto; `changes` are dotted keys with a double underscore for the dot."""
    from tuiftune.preset.schema import Preset

    values: dict[str, Any] = {
        "model.dtype": "float32",
        "model.attention": "sdpa",
        "data.eval": 0.2,
        "data.max_length": 64,
        "data.packing": False,
        "data.padding_free": False,
        "method.technique": "lora",
        "method.rank": 8,
        "method.alpha": 16,
        "training.max_steps": 8,
        "training.effective_batch": 8,
        "training.micro_batch": 4,
        "training.learning_rate": 0.005,
        "training.optimizer": "adamw_torch",
        "training.activation_checkpointing": False,
        "training.activation_offloading": False,
        "training.kernels": "none",
        "training.compile": False,
        "training.fp8_compute": False,
        "evaluation.rows": 4,
        "evaluation.max_new_tokens": 8,
        "run.save_every": 4,
    }
    values |= {key.replace("__", "."): value for key, value in changes.items()}
    preset = Preset.model_validate({"model": {"base": str(model)}, "data": {"train": str(data)}})
    return preset.with_values(values).model_dump(mode="json")


def make_run(root: Path, name: str, preset: dict[str, Any], **plan: Any) -> Path:
    from tuiftune.runs.store.directory import create

    document = {"resolved": preset, "gpu": {"name": "cpu"}, **plan}
    return create(root, name, json.dumps(preset), document).path


def events(run: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """What was written so far; a last line without its newline is still being written."""
    text = (run / "events.jsonl").read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [event for event in map(json.loads, lines) if kind in (None, event["type"])]
