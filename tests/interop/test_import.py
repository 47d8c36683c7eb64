"""Other tools' configurations as presets: what carries over, what changes, and what is told instead."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.interop import foreign
from tuiftune.preset.file import dump, loads

if TYPE_CHECKING:
    from pathlib import Path

AXOLOTL = """
base_model: acme/llama-1b
load_in_4bit: true
datasets:
  - {path: rows/a.jsonl, type: alpaca}
  - {path: rows/b.jsonl, type: alpaca, split: "train[:10%]"}
val_set_size: 0.1
adapter: qlora
sequence_len: 1024
sample_packing: true
lora_r: 32
lora_alpha: 16
lora_target_linear: true
gradient_accumulation_steps: 4
micro_batch_size: 2
num_epochs: 1
learning_rate: 2e-5
lr_scheduler: cosine
warmup_steps: 10
max_steps: 200
train_on_inputs: true
flash_attention: true
special_tokens: {eos_token: "<end>"}
made_up: 3
num_train_epochs: 7
"""
FACTORY = """
model_name_or_path: acme/llama-8b
stage: sft
finetuning_type: lora
lora_rank: 8
lora_target: all
dataset: tickets
template: llama3
cutoff_len: 512
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
bf16: true
"""
TRL = (
    "trl sft --model_name_or_path acme/qwen --dataset_name acme/chats --use_peft --lora_r 16 \\\n"
    "  --learning_rate 2.0e-4 --packing --per_device_train_batch_size 2 --gradient_accumulation_steps 8\n"
)
SWIFT = (
    "swift sft --model acme/qwen --train_type lora --dataset acme/rows#500 --lora_rank 8 --max_length 2048\n"
)
UNSLOTH = """
%pip install unsloth
from unsloth import FastLanguageModel
length = 2048
model, tokenizer = FastLanguageModel.from_pretrained(
    model_name="acme/llama-bnb-4bit", max_seq_length=length, load_in_4bit=True
)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16, target_modules=["q_proj"], bias="none")
dataset = load_dataset("acme/rows", split="train")
open("/should/never/run", "w")
trainer = SFTTrainer(model=model, args=SFTConfig(
    max_steps=60, learning_rate=2e-4, warmup_steps=5, weight_decay=chosen(), bf16=can(), seed=SEEDS[0]))
"""
SOUP = """
base: acme/llama
task: sft
data: {train: rows.jsonl, format: chatml, val_split: 0.1, max_length: 1024, train_on_responses_only: true}
training:
  epochs: 2
  lr: 2e-4
  batch_size: 4
  gradient_accumulation_steps: 4
  quantization: none
  optimizer: adamw_torch
  lora: {r: 32, alpha: 64, target_modules: auto, use_dora: true}
  galore_rank: 8
  made_up: 1
output: ./out
"""
JOB = {
    "object": "fine_tuning.job",
    "model": "closed-1",
    "training_file": "file-1",
    "method": {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": "auto"}},
    },
}

TEXTS = {"axolotl": AXOLOTL, "llamafactory": FACTORY, "trl": TRL, "swift": SWIFT, "openai": json.dumps(JOB)}
TEXTS |= {"unsloth": UNSLOTH, "soup": SOUP}


def imported(text: str, **options: Any) -> tuple[dict[str, Any], dict[str, foreign.Line]]:
    """The keys that were set, dotted, and the report by foreign key. The preset survives being written."""
    found = foreign.read(text, "there", **options)
    assert loads(dump(found.preset), "written") == found.preset
    document = found.preset.model_dump(mode="json", exclude_unset=True)
    keys = {
        f"{section}.{key}": value
        for section, part in document.items()
        if isinstance(part, dict)
        for key, value in part.items()
    }
    return keys, {line.key: line for line in found.lines}


def test_axolotl() -> None:
    keys, report = imported(AXOLOTL)
    assert keys == {
        "model.base": "acme/llama-1b",
        "data.train": ["rows/a.jsonl", "rows/b.jsonl"],
        "data.format": "instruction",
        "data.eval": 0.1,
        "data.max_length": 1024,
        "data.packing": True,
        "data.loss_on": "all",
        "method.technique": "qlora",
        "method.target_modules": "all-linear",
        "method.rank": 32,
        "method.alpha": 16,
        "training.effective_batch": 8,
        "training.epochs": 1.0,
        "training.learning_rate": "auto",
        "training.schedule": "cosine",
        "training.warmup_ratio": 0.05,
        "training.max_steps": 200,
        "training.weight_decay": 0.0,
    }
    assert report["weight_decay"].why == "unset there: 0.0"
    assert "full fine-tuning" in report["learning_rate"].why
    assert report["made_up"].fate == "unknown"
    assert report["num_train_epochs"].fate == "unknown", "another tool's key does nothing in this one"
    assert report["special_tokens"].fate == report["datasets.split"].fate == "left out"
    assert report["flash_attention"].fate == "not needed"
    assert report["micro_batch_size"].fate == "changed"


def test_llamafactory_with_the_datasets_it_names() -> None:
    entry = {"file_name": "t.json", "columns": {"prompt": "question", "response": "reply"}}
    keys, report = imported(FACTORY, datasets=lambda _: {"tickets": entry})
    assert keys["data.train"] == "t.json"
    assert keys["data.columns"] == {"instruction": "question", "output": "reply"}
    assert (keys["method.technique"], keys["method.target_modules"]) == ("lora", "all-linear")
    assert keys["training.effective_batch"] == 8
    assert report["template"].fate == "left out"
    assert report["learning_rate"].fate == "carried"
    four = FACTORY + "quantization_bit: 4\nquantization_method: bnb\n"
    keys, report = imported(four)
    assert keys["method.technique"] == "qlora"
    assert report["finetuning_type"].fate == report["quantization_method"].fate == "not needed"
    unknown, report = imported(FACTORY)
    assert unknown["data.train"] == "tickets"


def test_command_lines() -> None:
    keys, _ = imported(TRL)
    assert (keys["model.base"], keys["data.train"]) == ("acme/qwen", "acme/chats")
    assert (keys["method.technique"], keys["method.rank"]) == ("lora", 16)
    assert (keys["data.packing"], keys["training.effective_batch"]) == (True, 16)
    keys, report = imported(SWIFT)
    assert (keys["data.train"], keys["method.rank"], keys["data.max_length"]) == ("acme/rows", 8, 2048)
    assert "acme/rows#500" in report["dataset"].why or report["dataset"].fate == "carried"


PAIRS, CHATS = frozenset({"prompt", "completion"}), frozenset({"messages"})


@pytest.mark.parametrize(
    ("options", "columns", "wanted", "said"),
    [
        ("", CHATS, "all", "assistant_only_loss"),  # TRL's default: every token of a conversation
        ("", None, "all", "assistant_only_loss"),
        ("", PAIRS, "assistant", "completion_only_loss"),  # TRL's default: the completion alone
        ("--assistant_only_loss", CHATS, "assistant", "assistant_only_loss"),
        ("--assistant_only_loss true", PAIRS, "assistant", "assistant_only_loss"),
        ("--assistant_only_loss false", CHATS, "all", "assistant_only_loss"),
        ("--completion_only_loss false", PAIRS, "all", "completion_only_loss"),
        ("--completion_only_loss true", PAIRS, "assistant", "completion_only_loss"),
        ("--completion_only_loss maybe", CHATS, "all", "assistant_only_loss"),
    ],
)
def test_the_loss_is_on_what_trl_trains_on(
    options: str, columns: frozenset[str] | None, wanted: str, said: str
) -> None:
    keys, report = imported(f"{TRL.strip()} {options}", columns=lambda _: columns)
    assert keys["data.loss_on"] == wanted
    assert report[said].to == "data.loss_on"
    assert set(report) >= {word.partition(" ")[0] for word in options.split("--")[1:]}
    if not options:
        assert "TRL's default" in report[said].why


def test_an_unsloth_script_trains_on_answers_only_where_it_says_so() -> None:
    assert imported(UNSLOTH)[0]["data.loss_on"] == "all"
    told = f"{UNSLOTH}trainer = train_on_responses_only(trainer, instruction_part='a', response_part='b')\n"
    assert imported(told)[0]["data.loss_on"] == "assistant"


def test_the_command_looks_at_the_rows_where_they_are(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    (tmp_path / "a.sh").write_text(
        "trl sft --model_name_or_path acme/qwen --dataset_name rows.jsonl --use_peft"
    )
    for row, wanted in (('{"prompt": "a", "completion": "b"}', "assistant"), ('{"text": "a"}', "all")):
        (tmp_path / "rows.jsonl").write_text(row)
        found = CliRunner().invoke(build(), ["import", str(tmp_path / "a.sh"), "--json"])
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout)["preset"]["data"]["loss_on"] == wanted


def test_soup() -> None:
    keys, report = imported(SOUP)
    assert keys["data.train"] == "rows.jsonl"
    assert (keys["data.format"], keys["data.eval"], keys["data.max_length"]) == ("chat", 0.1, 1024)
    assert (keys["method.technique"], keys["method.rank"], keys["method.alpha"]) == ("dora", 32, 64)
    assert (keys["training.effective_batch"], keys["training.learning_rate"]) == (16, 2e-4)
    assert report["training.galore_rank"].fate == "left out"
    assert report["training.made_up"].fate == "unknown"
    keys, report = imported("base: a\ndata: {train: b}\ntraining: {lr: 2.0e-5}")
    assert keys["method.technique"] == "qlora"
    assert "Soup's default" in report["training.quantization"].why
    assert keys["training.learning_rate"] == "auto"


def test_an_unsloth_script_is_read_and_not_run() -> None:
    keys, report = imported(UNSLOTH)
    assert keys["model.base"] == "acme/llama"
    assert keys["data.max_length"] == 2048
    assert keys["method.technique"] == "qlora"
    assert keys["data.train"] == "acme/rows"
    assert keys["training.warmup_ratio"] == pytest.approx(5 / 60, abs=1e-4)
    assert report["bias"].fate == report["bf16"].fate == report["model"].fate == "not needed"
    assert report["weight_decay"].fate == report["seed"].fate == "left out"
    assert "training.seed" not in keys


def test_what_a_script_computes_is_told_and_positions_count() -> None:
    script = UNSLOTH.replace('model_name="acme/llama-bnb-4bit", max_seq_length=length', '"acme/first", 512')
    script = script.replace('load_dataset("acme/rows"', "load_dataset(where()")
    script += 'tokenizer = AutoTokenizer.from_pretrained("acme/other")\n'
    keys, report = imported(script, settings={"data.train": "mine.jsonl"})
    assert (keys["model.base"], keys["data.max_length"]) == ("acme/first", 512)
    assert (report["load_dataset"].fate, report["load_dataset"].value) == ("left out", "where()")


def test_a_job_at_openai_needs_an_open_model() -> None:
    with pytest.raises(UserError, match=r"model\.base is not in it") as fault:
        imported(json.dumps(JOB))
    assert "--set model.base" in fault.value.remedy
    keys, report = imported(json.dumps(JOB), settings={"model.base": "acme/open", "data.train": "x.jsonl"})
    assert keys["training.epochs"] == 4.0
    assert "closed" in report["model"].why
    assert "training.effective_batch" not in keys


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("base_model: a\ndatasets: [{path: b}]\nval_set_size: 500", "val_set_size"),
        ("base_model: a\ndatasets: [{path: b}]\nsequence_len: -1", "sequence_len"),
        ("base_model: a\ndatasets: [{path: b}]\nlora_r: many", "lora_r"),
        ("base_model: a\ndatasets: [{path: b}]\nlr_scheduler: one_cycle", "lr_scheduler"),
    ],
)
def test_what_the_preset_refuses_is_left_out_and_told(text: str, key: str) -> None:
    _, report = imported(text)
    assert report[key].fate == "left out"
    assert report[key].why


@pytest.mark.parametrize("tool", foreign.TOOLS)
@pytest.mark.parametrize(
    "text",
    ["", "a: [1", "- 1\n- 2", "def (", "{" * 500, "x: &a [*a]", '{"a": 1}', "trl", "base_model: {a: b}"],
)
def test_nonsense_is_one_line(text: str, tool: str) -> None:
    for named in (None, tool):
        with pytest.raises(UserError):
            foreign.read(text, "there", tool=named)


NEEDED = {"model.base": "m", "data.train": "d", "method.stage": "sft"}
JUNK: list[Any] = [
    None, True, -1, 3.7, "x", "", "nan", [], [1], ["a", {}], {}, {"path": 5}, [{"path": None}], [None],
    10**30, float("inf"), "a\nb", {"type": []}, "lora",
]  # fmt: skip


@pytest.mark.parametrize(
    "many", [120, pytest.param(4000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_whatever_stands_under_a_key_is_told(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents with one to three values of any kind under keys that have rules."""
    rng = random.Random(1)
    documents = {name: foreign._document(text, "", name)[1] for name, text in TEXTS.items()}
    words = [
        "adapter",
        "rl",
        "stage",
        "datasets",
        "pretraining_dataset",
        "test_datasets",
        "hyperparameters",
        "method",
        "dataset",
        "val_dataset",
        "eval_dataset",
        "quantization_bit",
        "save_steps",
        "use_dora",
    ]
    for _ in range(many):
        name = rng.choice(list(documents))
        changed = {
            **documents[name],
            **{rng.choice([*words, *documents[name]]): rng.choice(JUNK) for _ in "abc"},
        }
        monkeypatch.setattr(foreign, "_document", lambda *_, found=(name, dict(changed)): found)
        found = foreign.read("", "there", settings=NEEDED)
        told = {line.key.partition(".")[0] for line in found.lines}
        assert set(changed) <= told, (name, set(changed) - told)
        assert loads(dump(found.preset), "written") == found.preset


ANCHORED = """
defaults: &defaults {adapter: lora, lora_r: 16, sequence_len: 256}
<<: *defaults
sequence_len: 1024
base_model: acme/llama
datasets: [&rows {path: rows.jsonl, type: alpaca}]
test_datasets: [*rows]
"""


def test_mappings_are_merged_as_the_tool_merges_them() -> None:
    keys, report = imported(ANCHORED)
    assert (keys["method.technique"], keys["method.rank"], keys["data.max_length"]) == ("lora", 16, 1024)
    assert keys["data.eval"] == "rows.jsonl"
    assert [key for key, line in report.items() if line.fate == "unknown"] == ["defaults"]
    first = ANCHORED.replace("<<: *defaults", "more: &more {lora_r: 4}\n<<: [*more, *defaults]")
    assert imported(first)[0]["method.rank"] == 4, "the first of several has precedence"
    for broken in ("x: &x {<<: *x}", "<<: [1]", "<<: word"):
        with pytest.raises(UserError, match="line 1"):
            foreign.read(f"{broken}\nbase_model: a\ndatasets: [b]\n", "there")


@pytest.mark.long
def test_ten_thousand_unknown_keys_are_told_by_name() -> None:
    text = AXOLOTL + "".join(f"unknown_{number}: {number}\n" for number in range(10_000))
    unknown = {key for key, line in imported(text)[1].items() if line.fate == "unknown"}
    assert len(unknown) == 10_002
    assert "unknown_9999" in unknown


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "axolotl.yml").write_text(AXOLOTL)

    def tuiftune(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tuiftune", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    said = tuiftune("import", "axolotl.yml", "-o", "mine.yaml")
    assert said.returncode == 0, said.stderr
    assert "unknown    made_up" in said.stderr
    assert said.stdout == ""
    left_out = ("--without", "data", "--without", "weights")
    assert tuiftune("preset", "check", "mine.yaml", *left_out).returncode == 0
    document = json.loads(tuiftune("import", "axolotl.yml", "--json").stdout)
    assert document["tool"] == "Axolotl"
    assert {line["key"] for line in document["report"] if line["fate"] == "unknown"} == {
        "made_up",
        "num_train_epochs",
    }
    assert tuiftune("import", "none.yml").returncode == 2


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("base_model: a\ndatasets: [{path: b}]\nrl: ipo", "dpo"),
        ("base_model: a\ndatasets: [{path: b}]\nrl: kto", "kto"),
        ("model: a\ndataset: b\ntrain_type: lora\nstage: rlhf\nrlhf_type: grpo", "grpo"),
    ],
)
def test_stages_of_other_tools_are_carried(text: str, stage: str) -> None:
    keys, _ = imported(text)
    assert keys["method.stage"] == stage


FACTORY_PAIRS = """
model_name_or_path: acme/llama-8b
stage: dpo
pref_loss: simpo
pref_beta: 2.0
simpo_gamma: 1.0
pref_ftx: 0.1
finetuning_type: lora
dataset: pairs
template: llama3
learning_rate: 5.0e-6
"""


def test_preferences_of_llamafactory() -> None:
    info = {
        "pairs": {
            "file_name": "p.jsonl",
            "ranking": True,
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "chosen": "good", "rejected": "bad"},
        }
    }
    keys, report = imported(FACTORY_PAIRS, datasets=lambda _: info)
    assert (keys["method.stage"], keys["method.beta"], keys["method.gamma_ratio"]) == ("simpo", 2.0, 0.5)
    assert (keys["data.format"], keys["data.train"]) == ("preference", "p.jsonl")
    assert keys["data.columns"] == {"prompt": "talk", "chosen": "good", "rejected": "bad"}
    assert keys["training.learning_rate"] == 5e-6, "a preference stage's own rate, with adapters too"
    assert "adds no loss on chosen answers" in report["pref_ftx"].why
    other = FACTORY_PAIRS.replace("simpo\n", "kto_pair\n").replace("simpo_gamma: 1.0\n", "")
    keys, report = imported(other, datasets=lambda _: info)
    assert keys["method.stage"] == "dpo"
    assert "has no kto_pair loss: sigmoid is used" in report["pref_loss"].why


FACTORY_V1 = """
model: acme/qwen
model_class: llm
peft_config: {name: lora, r: 16, lora_alpha: 32, target_modules: all, made_up: 1}
quant_config: {name: bnb, quantization_bit: 4}
dist_config: {name: fsdp2}
train_dataset: data/described.yaml
micro_batch_size: 2
global_batch_size: 32
cutoff_len: 512
learning_rate: 1.0e-4
max_steps: 10
sample_backend: hf
other: 1
"""


def test_llamafactorys_new_layout() -> None:
    with pytest.raises(UserError, match=r"data\.train is not in it.*--set data\.train=FILE"):
        imported(FACTORY_V1)
    keys, report = imported(FACTORY_V1, settings={"data.train": "rows.jsonl"})
    assert keys == {
        "model.base": "acme/qwen",
        "data.train": "rows.jsonl",
        "data.max_length": 512,
        "method.technique": "qlora",
        "method.rank": 16,
        "method.alpha": 32,
        "method.target_modules": "all-linear",
        "training.effective_batch": 32,
        "training.learning_rate": 1e-4,
        "training.max_steps": 10,
    }
    assert "describes datasets in a file of its own" in report["train_dataset"].why
    assert report["peft_config.made_up"].fate == report["dist_config"].fate == "left out"
    assert report["other"].fate == "unknown"
    simpo = FACTORY_V1 + "pref_loss: simpo\npref_beta: 2.0\n"
    assert imported(simpo, settings={"data.train": "rows.jsonl"})[0]["method.stage"] == "simpo"


def test_preferences_of_axolotl() -> None:
    pairs = {
        "base_model": "acme/llama",
        "rl": "simpo",
        "simpo_gamma": 0.2,
        "sequence_len": 512,
        "datasets": [
            {"path": "p.jsonl", "type": "chat_template.default", "field_messages": "talk",
             "field_chosen": "good", "field_rejected": "bad"}
        ],
    }  # fmt: skip
    keys, report = imported(json.dumps(pairs))
    assert (keys["method.beta"], keys["method.gamma_ratio"]) == (0.1, 2.0), "its own beta where none is given"
    assert "adds this times the loss on chosen answers" in report["cpo_alpha"].why
    assert keys["data.columns"] == {"prompt": "talk", "chosen": "good", "rejected": "bad"}
    judged = {"base_model": "acme/llama", "rl": "kto", "rl_beta": 0.5, "kto_desirable_weight": 0.2}
    judged |= {"datasets": [{"path": "k.jsonl", "type": "llama3.ultra"}]}
    keys, _ = imported(json.dumps(judged))
    assert (keys["method.stage"], keys["method.beta"], keys["method.desirable_weight"]) == ("kto", 0.5, 0.2)
    texts = {"base_model": "acme/llama", "pretraining_dataset": [{"path": "acme/web", "text_column": "body"}]}
    keys, _ = imported(json.dumps(texts | {"sequence_len": 512}))
    assert (keys["method.stage"], keys["data.columns"]) == ("pretrain", {"text": "body"})
    keys, _ = imported(
        json.dumps({"base_model": "acme/llama", "reward_model": True, "datasets": ["p.jsonl"]})
    )
    assert keys["method.stage"] == "reward"


def test_the_scripts_that_trl_comes_with() -> None:
    command = (
        "accelerate launch --num_processes 2 {} --model_name_or_path acme/qwen --dataset_name acme/pairs \\\n"
        "  --beta 0.3 --use_peft --no_remove_unused_columns --learning_rate 5.0e-6\n"
    )
    for script, stage in (("trl/scripts/dpo.py", "dpo"), ("kto.py", "kto"), ("scripts/grpo_vlm.py", "grpo")):
        keys, report = imported(command.format(script))
        assert keys["method.stage"] == stage
        assert (keys["method.beta"], keys["method.technique"]) == (0.3, "lora")
        assert keys["training.learning_rate"] == 5e-6
        assert report["remove_unused_columns"].fate == "not needed"


PAIRED = "--model_name_or_path acme/qwen --dataset_name acme/pairs"


@pytest.mark.parametrize(
    "text",
    [
        "base_model: a\ndatasets: [{path: b}]\nrl: gdpo",
        "model: a\ndataset: b\nrlhf_type: gkd",
        "model_name_or_path: a\nstage: ppo\ndataset: b\ntemplate: x\nfinetuning_type: lora",
        f"python examples/scripts/dpo_online.py {PAIRED}",
        f"accelerate launch examples/scripts/gspo_vlm.py {PAIRED}",
        f"python examples/scripts/cpo.py {PAIRED} --loss_type sigmoid",
        f"trl reinforce {PAIRED}",
    ],
)
def test_another_trainer_becomes_no_stage_unless_that_is_asked_for(text: str) -> None:
    with pytest.raises(UserError, match=r"method\.stage.*--set method\.stage=STAGE"):
        foreign.read(text, "there")
    assert imported(text, settings={"method.stage": "dpo"})[0]["method.stage"] == "dpo"


def test_command_lines_and_yaml_as_trl_documents_them() -> None:
    keys, report = imported(
        f"accelerate launch --config_file zero3.yaml examples/scripts/orpo.py {PAIRED} \\\n"
        "  --beta 0.2 --use_peft --load_in_4bit --lora_target_modules q_proj, v_proj --lora_r=16 \\\n"
        "  --num_processes 4 --accelerate_config zero2  # or path/to/my/config.yaml\n"
    )
    assert (keys["method.stage"], keys["method.beta"], keys["method.technique"]) == ("orpo", 0.2, "qlora")
    assert keys["method.target_modules"] == ["q_proj", "v_proj"]
    assert report["accelerate_config"].value == "zero2", "a comment is no value"
    for key in ("use_peft", "num_processes", "accelerate_config"):
        assert report[key].fate == "not needed"
    margin = "--loss_type simpo --cpo_alpha 0.0 --beta 2.0 --simpo_gamma 1.0"
    keys, report = imported(f"python examples/scripts/cpo.py {PAIRED} {margin}\n")
    assert (keys["method.stage"], keys["method.gamma_ratio"]) == ("simpo", 0.5)
    assert not [line for line in report.values() if line.fate in ("left out", "unknown")]
    head = "model_name_or_path: acme/qwen\ndataset_name: acme/rows\n"
    for more, stage in (("", "sft"), ("reward_funcs: [accuracy_reward]\n", "grpo")):
        keys, report = imported(head + more)
        assert keys["method.stage"] == stage
        assert "nothing in it names the stage" in report["stage"].why
    assert imported(head, settings={"method.stage": "kto"})[1]["stage"].fate == "carried"
    with pytest.raises(UserError, match=r"tuiftune import dpo\.yaml --set method\.stage=dpo"):
        imported("trl dpo --config dpo.yaml")


def test_preferences_of_trl_and_swift() -> None:
    """A TRL file names no stage: its keys do, or the command in front of it."""
    head = "model_name_or_path: acme/qwen\ndataset_name: acme/pairs\n"
    for more, stage in (
        ("beta: 0.3\nloss_type: [ipo]\n", "dpo"),
        ("desirable_weight: 1.2\n", "kto"),
        ("center_rewards_coefficient: 0.01\n", "reward"),
        ("reward_funcs: [accuracy_reward]\nmax_completion_length: 64\nscale_rewards: group\n", "grpo"),
    ):
        keys, report = imported(head + more)
        assert keys["method.stage"] == stage
        assert not [line for line in report.values() if line.fate == "unknown"], report
    keys, _ = imported("# trl rloo --config trl.yaml\n" + head + "num_generations: 4\n")
    assert (keys["method.stage"], keys["method.generations"]) == ("rloo", 4)
    keys, report = imported(
        "swift rlhf --rlhf_type simpo --model acme/qwen --dataset acme/pairs --train_type lora "
        "--rpo_alpha 0.1 --vllm_mode colocate --made_up 1\n"
    )
    assert (keys["method.stage"], keys["method.gamma_ratio"]) == ("simpo", 0.5)
    assert (report["rlhf_type"].fate, report["stage"].fate) == ("carried", "not needed")
    assert report["rpo_alpha"].fate == "left out"
    assert [key for key, line in report.items() if line.fate == "unknown"] == ["made_up"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("deepspeed_configs/zero1.json", "ZeRO-1 is hardware.parallel: zero2 here"),
        ("examples/deepspeed/ds_z2_config.json", "ZeRO-2 is hardware.parallel: zero2 here"),
        ("zero3", "ZeRO-3 is hardware.parallel: fsdp here"),
        ("deepspeed_configs/zero3_bf16_cpuoffload_all.json", "hardware.parallel: fsdp_offload here"),
        ("mine.json", "not read: hardware.parallel"),
        ({"zero_optimization": {"stage": 2}}, "ZeRO-2 is hardware.parallel: zero2 here"),
    ],
)
def test_what_became_of_deepspeed_is_told(value: Any, says: str) -> None:
    keys, report = imported(f"{AXOLOTL}\ndeepspeed: {json.dumps(value)}\nfsdp_version: 2\n")
    assert report["deepspeed"].fate == "left out"
    assert says in report["deepspeed"].why
    assert "hardware.parallel: fsdp" in report["fsdp_version"].why
    assert "hardware.parallel" not in keys, "how many GPUs there are is not in the file"
