"""Python scripts, notebooks and shell scripts of other tools, as people keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuiftune.errors import UserError
from tuiftune.interop import foreign, trl

LOADS = """
from unsloth import FastLanguageModel
max_seq_length = 1024
model, tokenizer = FastLanguageModel.from_pretrained("acme/small", max_seq_length, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16 * 2)
"""
ROWS = 'dataset = load_dataset("acme/rows", split="train")\ndataset = dataset.map(shape)\n'
AGAIN = """
if False:
    from unsloth import FastLanguageModel
    model, tokenizer = FastLanguageModel.from_pretrained(model_name="my_lora", max_seq_length=64)
    dataset = load_dataset("acme/other")
"""
TRAINED = "{name}Trainer(model=model, train_dataset=dataset, args={name}Config(learning_rate=2e-4, seed=7))\n"
PLAIN = """
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

def rows():
    return load_dataset("acme/chats", "short", split="train_sft")

bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
model = AutoModelForCausalLM.from_pretrained("acme/small", dtype=torch.bfloat16, quantization_config=bits)
adapters = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], lora_dropout=0.1)
first = SFTConfig(num_train_epochs=9)
settings = SFTConfig(output_dir="out", max_length=512, learning_rate=1e-4)
settings.num_train_epochs = 2
train = rows()
SFTTrainer(model=model, args=settings, train_dataset=train, peft_config=adapters).train()
"""


def read(text: str, **settings: Any) -> foreign.Imported:
    return foreign.read(
        text, "there", settings={key.replace("__", "."): one for key, one in settings.items()}
    )


def told(found: foreign.Imported) -> dict[str, tuple[str, str]]:
    return {line.key: (line.fate, line.why) for line in found.lines}


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": one} for one in cells], "nbformat": 4})


def test_what_never_runs_changes_nothing() -> None:
    """Notebooks end in cells that load the adapter again, under `if False`."""
    preset = read(LOADS + ROWS + TRAINED.format(name="SFT") + AGAIN).preset
    assert (preset.model.base, preset.data.max_length) == ("acme/small", 1024)
    assert preset.data.train == "acme/rows"
    assert (preset.method.technique, preset.method.rank, preset.method.alpha) == ("qlora", 16, 32)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("SFT", "sft"),
        ("DPO", "dpo"),
        ("KTO", "kto"),
        ("ORPO", "orpo"),
        ("GRPO", "grpo"),
        ("RLOO", "rloo"),
        ("Reward", "reward"),
    ],
)
def test_the_trainer_of_a_script_is_its_stage(name: str, stage: str) -> None:
    preset = read(LOADS + ROWS + TRAINED.format(name=name)).preset
    assert (preset.method.stage, preset.training.learning_rate, preset.training.seed) == (stage, 2e-4, 7)


def test_of_two_trainings_one_is_read_with_its_own_settings() -> None:
    text = LOADS + ROWS + TRAINED.format(name="SFT") + TRAINED.format(name="GRPO").replace("2e-4", "1e-6")
    first = read(text)
    assert (first.preset.method.stage, first.preset.training.learning_rate) == ("sft", 2e-4)
    assert told(first)["more trainings"][0] == "left out"
    second = read(text, method__stage="grpo").preset
    assert (second.method.stage, second.training.learning_rate) == ("grpo", 1e-6)


def test_a_trainer_that_is_no_stage_is_refused() -> None:
    with pytest.raises(UserError, match="SentenceTransformerTrainer"):
        read(LOADS + ROWS + "SentenceTransformerTrainer(model=model, train_dataset=dataset)")


def test_cells_that_are_no_python_hide_no_others() -> None:
    shell = "!pip install \\\n    acme>=1 \\\n    other\n!{run} \\\n  -x '{ \\\n  }'\nx = 1"
    bash = "%%bash\ncase $X in\n  a) T=1 ;;\nesac"
    found = read(notebook(shell, bash, LOADS, "print(f'{x!}')", ROWS, TRAINED.format(name="SFT")))
    assert (found.preset.model.base, found.preset.data.train) == ("acme/small", "acme/rows")
    assert told(found)["cells"] == ("left out", "not Python here: what is set in them is not read")


def test_a_picture_in_a_notebook_does_not_hold_it_up() -> None:
    """Looking for a script's name took the square of the longest word: never, for a picture."""
    book = json.loads(notebook("x = 1"))
    book["cells"][0]["outputs"] = ["iVBOR" * 60_000]
    with pytest.raises(UserError):
        read(json.dumps(book))


def test_a_script_of_trl_is_read_as_its_command_line() -> None:
    found = read(PLAIN)
    preset = found.preset
    assert (found.tool, preset.method.stage, preset.model.base) == ("TRL", "sft", "acme/small")
    assert preset.data.train == "hf:acme/chats:short:train_sft"
    assert (preset.method.technique, preset.method.rank, preset.method.alpha) == ("qlora", 8, 16)
    assert preset.method.target_modules == ["q_proj", "v_proj"]
    assert (preset.training.epochs, preset.data.max_length) == (2, 512)
    assert preset.training.learning_rate == 1e-4
    assert preset.model.dtype == "bfloat16"


def test_importing_trl_is_no_command_of_it() -> None:
    with pytest.raises(UserError, match="calls no trainer"):
        read("from trl import SFTConfig\nprint(SFTConfig)\n")
    assert trl.arguments("from trl import SFTConfig") is None


@pytest.mark.parametrize(
    ("options", "train", "left"),
    [
        ("--dataset_train_split train", "acme/rows", None),
        ("--dataset_config fine --dataset_train_split train_sft", "hf:acme/rows:fine:train_sft", None),
        ("--dataset_train_split train[:10%]", "acme/rows", "dataset_train_split"),
    ],
)
def test_configuration_and_split_are_part_of_the_name(options: str, train: str, left: str | None) -> None:
    found = read(f"trl sft --model_name_or_path a/b --dataset_name acme/rows {options}")
    assert found.preset.data.train == train
    assert [line.key for line in found.lines if line.fate == "left out"] == ([left] if left else [])


def test_the_command_that_trains_is_read() -> None:
    text = (
        "CUDA_VISIBLE_DEVICES=0 trl vllm-serve --model a/b &\n"
        "trl grpo --model_name_or_path a/b --dataset_name acme/rows --num_generations 4\n"
    )
    found = read(text)
    assert (found.preset.method.stage, found.preset.method.generations) == ("grpo", 4)
    with pytest.raises(UserError, match="no command that trains"):
        read("swift export --adapters out --merge_lora true")


@pytest.mark.parametrize(
    "divided", ["$(expr 16 / $count)", "$((16/count))", '"$(( 16 / $count ))"', "`expr 16 / $count`"]
)
def test_what_the_shell_computes_is_computed(divided: str) -> None:
    text = (
        "count=2\nSYSTEM='no comment: # it\"s one'\n"
        "NPROC_PER_NODE=$count \\\nswift sft --model a/b --dataset acme/rows --tuner_type lora \\\n"
        f"  --per_device_train_batch_size 3 --gradient_accumulation_steps {divided}  # and a comment\n"
    )
    found = read(text)
    assert found.preset.training.effective_batch == 3 * 8 * 2
    assert "2 processes" in told(found)["per_device_train_batch_size"][1]


@pytest.mark.parametrize("sum_", ["$(())", "$(expr )", "$((1/0))", "$((2**3))", "$((x", "`expr 1 /`"])
def test_sums_that_are_none_are_told(sum_: str) -> None:
    found = read(f"swift sft --model a/b --dataset c/d --gradient_accumulation_steps {sum_}")
    assert told(found)["gradient_accumulation_steps"][0] == "left out"


@pytest.mark.parametrize(
    "started",
    [
        "accelerate launch --num_processes 4 swift/cli/sft.py",
        "torchrun --nproc_per_node=4 lib/swift/cli/sft.py",
        "export NPROC_PER_NODE=4\nswift sft",
    ],
)
def test_ms_swift_started_by_another_program_is_no_trl(started: str) -> None:
    found = read(
        f"{started} --model a/b --dataset acme/rows --tuner_type lora --gradient_accumulation_steps 2"
    )
    assert (found.tool, found.preset.method.technique) == ("ms-swift", "lora")
    assert found.preset.training.effective_batch == 8


def test_llamafactory_on_its_command_line() -> None:
    options = (
        "--stage dpo --model_name_or_path a/b --dataset acme/pairs --finetuning_type lora --pref_beta 0.3"
    )
    for command in (
        f"llamafactory-cli train \\\n  {options}",
        f"deepspeed --num_gpus 2 src/train.py {options}",
    ):
        found = read(command)
        assert (found.tool, found.preset.method.stage, found.preset.method.beta) == (
            "LLaMA-Factory",
            "dpo",
            0.3,
        )
    for command in ("llamafactory-cli train a/b.yaml lr=1", "swift sft --config a/b.yaml"):
        with pytest.raises(UserError, match=r"the settings are in a/b\.yaml"):
            read(command)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "trl sft --model_name_or_path a/b --dataset_name acme/rows --use_peft",
            {
                "training.schedule": "linear",
                "training.warmup_ratio": 0.0,
                "training.weight_decay": 0.0,
                "training.effective_batch": 8,
                "training.learning_rate": "auto",
                "data.max_length": 1024,
                "data.packing": False,
                "method.rank": 16,
                "method.alpha": 32,
                "method.dropout": 0.05,
            },
        ),
        ("trl dpo --model_name_or_path a/b --dataset_name c/d", {"training.learning_rate": 1e-6}),
        (
            "swift sft --model a/b --dataset c/d --num_train_epochs 1",
            {"training.learning_rate": 1e-4, "training.weight_decay": 0.1, "method.rank": 8},
        ),
        ("swift sft --model a/b --dataset c/d --tuner_type full", {"training.learning_rate": 1e-5}),
        (
            "swift sft --model a/b --dataset c/d --per_device_train_batch_size 2 --num_processes 2",
            {"training.effective_batch": 16},
        ),
        (
            '{"base_model": "a/b", "datasets": [{"path": "c/d"}], "learning_rate": 1e-4, "adapter": "lora"}',
            {"training.epochs": 1.0, "training.effective_batch": 1, "data.max_length": 512},
        ),
        (
            '{"model_name_or_path": "a/b", "dataset": "c/d", "template": "x", "stage": "pt"}',
            {"data.packing": True, "method.rank": 8, "training.schedule": "linear"},
        ),
        (LOADS.replace(", r=16, lora_alpha=16 * 2", "") + ROWS, {"method.rank": 16, "method.alpha": 16}),
        (
            PLAIN.replace("r=8, lora_alpha=16, ", ""),
            {"method.rank": 8, "method.alpha": 8, "method.dropout": 0.1},
        ),
    ],
)
def test_what_the_other_tool_does_by_itself_is_done_and_told(text: str, wanted: dict[str, Any]) -> None:
    found = read(text)
    document = found.preset.model_dump(mode="json")
    keys = {
        f"{section}.{key}": one
        for section in ("data", "method", "training")
        for key, one in document[section].items()
    }
    assert {key: keys[key] for key in wanted} == wanted
    said = {line.to: line.why for line in found.lines if line.value is None}
    assert set(said) >= set(wanted) - {"training.effective_batch", "training.learning_rate", "method.dropout"}
    assert any("every row is trained on" in line.why for line in found.lines)


def test_every_setting_of_a_dataset_is_told() -> None:
    row = {
        "path": "acme/rows",
        "name": "fine",
        "split": "train_sft",
        "type": {
            "field_instruction": "q",
            "field_output": "a",
            "format": "Q: {instruction}",
            "system_prompt": "x",
        },
        "roles_to_train": ["user"],
        "message_field_training": "weight",
        "message_field_role": "from",
        "drop_system_message": True,
        "ds_type": "json",
    }
    held_out = {"path": "acme/rows", "split": "test_sft", "type": "alpaca"}
    document = {"base_model": "a/b", "learning_rate": 1e-4, "datasets": [row], "test_datasets": [held_out]}
    found = read(json.dumps(document))
    assert found.preset.data.train == "hf:acme/rows:fine:train_sft"
    assert found.preset.data.eval == "hf:acme/rows::test_sft"
    left = {line.key for line in found.lines if line.fate == "left out"}
    assert left == {
        "datasets.type.format", "datasets.type.system_prompt", "datasets.roles_to_train",
        "datasets.message_field_training", "datasets.drop_system_message",
    }  # fmt: skip


def test_datasets_of_llamafactory_and_ms_swift_are_named_whole() -> None:
    info = {
        "one": {
            "hf_hub_url": "acme/rows",
            "subset": "fine",
            "split": "train_sft",
            "columns": {"images": "image"},
        },
        "two": {"ms_hub_url": "acme/other"},
    }
    document = {"model_name_or_path": "a/b", "dataset": "one,two", "template": "x"}
    found = foreign.read(json.dumps(document), "there", datasets=lambda _: info)
    assert found.preset.data.train == ["hf:acme/rows:fine:train_sft", "acme/other"]
    why = [line.why for line in found.lines if line.fate == "left out"]
    assert any("is of ModelScope" in one for one in why)
    assert told(found)["dataset.columns.images"][0] == "left out"
    found = read("swift sft --model a/b --dataset HF::acme/rows:fine#500 acme/more")
    assert found.preset.data.train == ["hf:acme/rows:fine", "acme/more"]
    assert told(found)["dataset.rows"][0] == "left out"


def test_what_tuiftune_has_no_such_of_is_left_out() -> None:
    document = {
        "base_model": "a/b", "learning_rate": 1e-4, "datasets": [{"path": "c/d"}], "adapter": "lora",
        "lora_target_modules": "model.layers.[\\d]+.(mlp|self_attn).(up|down)_proj",
    }  # fmt: skip
    found = read(json.dumps(document))
    assert found.preset.method.target_modules == "all-linear"
    assert "pattern" in told(found)["lora_target_modules"][1]
    found = read("swift sft --model a/b --dataset c/d --report_to swanlab")
    assert found.preset.run.report_to == []
    assert "no tracker here: swanlab" in told(found)["report_to"][1]


def test_packed_rows_that_see_one_another_are_told() -> None:
    document = {"model_name_or_path": "a/b", "dataset": "c/d", "template": "x", "packing": True}
    assert "see one another" in told(read(json.dumps(document)))["packing"][1]
    assert told(read(json.dumps(document | {"neat_packing": True})))["packing"][0] == "carried"


@pytest.mark.parametrize(
    ("text", "technique", "base"),
    [
        (
            "trl sft --model_name_or_path a/b --dataset_name c/d --use_peft --load_in_4bit --use_rslora",
            "rslora",
            "nf4",
        ),
        (
            "trl sft --model_name_or_path a/b --dataset_name c/d --use_peft --load_in_4bit false",
            "lora",
            "auto",
        ),
        ("trl sft --model_name_or_path a/b --dataset_name c/d --use_peft False", "full", "auto"),
        (
            "llamafactory-cli train --model_name_or_path a/b --dataset c/d --template x --quantization_bit 4 "
            "--loraplus_lr_ratio 8.0 --use_dora false",
            "loraplus",
            "nf4",
        ),
        ("swift sft --model a/b --dataset c/d --quant_bits 4 --use_dora true", "qlora", "auto"),
        (
            '{"base_model": "a/b", "learning_rate": 1e-4, "datasets": [{"path": "c/d"}], "adapter": "qlora", '
            '"load_in_4bit": true, "peft_use_rslora": true}',
            "rslora",
            "nf4",
        ),
        (LOADS.replace("r=16", "r=16, use_rslora=True") + ROWS, "rslora", "nf4"),
    ],
)
def test_adapters_over_four_bits_keep_both(text: str, technique: str, base: str) -> None:
    preset = read(text).preset
    assert (preset.method.technique, preset.model.quantization) == (technique, base)
