"""Presets written for other tools: nothing changes that the report does not tell of."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tuiftune import stages
from tuiftune.data.example import Example, Message
from tuiftune.data.read.load import load
from tuiftune.errors import UserError
from tuiftune.interop import foreign
from tuiftune.interop.export.outward import DEFAULT, Files, flat
from tuiftune.interop.export.preset import export, tools
from tuiftune.interop.mapping import known_to
from tuiftune.preset.method import fitting
from tuiftune.preset.parse import parse
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = json.loads((Path(__file__).parents[1] / "fixtures" / "services.json").read_text())
READ = [key for key, tool in tools().items() if tool.reads]
TECHNIQUES = ["auto", "full", "lora", "qlora", "dora", "rslora", "loraplus", "pissa", "ia3", "last_layers"]
OVER = {"lora": ["nf4", "fp8"], "rslora": ["nf4", "fp8"], "loraplus": ["nf4"]}  # base models of techniques
VALUES: dict[str, list[Any]] = {
    "name": ["tone", "a.b"],
    "model.revision": ["v1.0"],
    "model.dtype": ["bfloat16", "float16", "float32"],
    "model.attention": ["sdpa", "eager", "varlen", "flash_attention_2"],
    "model.trust_remote_code": [True],
    "data.train": [
        "rows.jsonl",
        ["a.jsonl", "b.jsonl"],
        ["only.jsonl"],
        "acme/rows",
        "hf:acme/rows",
        "hf:acme/rows:fine",
        "hf:acme/rows@v1::train_sft",
        ["hf:a/b:c:d", "acme/rows"],
    ],
    "data.eval": [0.0, 0.1, "held.jsonl", "hf:acme/rows:fine:test"],
    "data.format": ["chat", "instruction", "text", "sharegpt"],
    "data.columns": [{"messages": "talk"}],
    "data.system": ["Be short.", 'Say "yes": no.'],
    "data.max_length": [512, 4096],
    "data.packing": [True, False],
    "data.padding_free": [True],
    "data.loss_on": ["assistant", "completion", "all"],
    "data.mix": [[{"path": "more.jsonl", "weight": 0.5}]],
    "method.rank": [4, 64],
    "method.alpha": [8, 128],
    "method.dropout": [0.05],
    "method.target_modules": ["attention", ["q_proj", "v_proj"], ["q_proj"]],
    "method.modules_to_save": [["embeddings", "lm_head"]],
    "method.pissa_iterations": [4, None],
    "method.loraplus_lr_ratio": [4.0],
    "training.epochs": [1.0, 2.5],
    "training.max_steps": [100],
    "training.effective_batch": [8, 7, 100],
    "training.micro_batch": [1, 4, 16],
    "training.learning_rate": [1e-4, 2e-5, 3.5e-6],
    "training.schedule": ["linear", "constant", "constant_with_warmup"],
    "training.warmup_ratio": [0.0, 0.1, 1.0],
    "training.optimizer": ["adamw_8bit", "adamw_torch"],
    "training.weight_decay": [0.0, 0.1],
    "training.max_grad_norm": [0.5],
    "training.activation_checkpointing": [True, False, 2],
    "training.activation_offloading": [True, False],
    "training.kernels": ["none", "liger"],
    "training.compile": [True, False],
    "training.seed": [0, 7],
    "training.early_stopping": [0, 5],
    "training.divergence_patience": [10],
    "evaluation.rows": [0],
    "hardware.gpus": [2, [0, 3]],
    "hardware.parallel": ["zero2", "fsdp"],
    "run.sync_to": ["s3://bucket/runs"],
    "data.reasoning": ["mask"],
    "data.test": ["test.jsonl"],
    "run.checkpoints": [5],
    "run.save_every": [50],
    "run.report_to": [["wandb"], ["tensorboard"], ["wandb", "trackio"]],
    "budget.max_hours": [2.0],
}


def presets(count: int, seed: int) -> Iterator[Preset]:
    """Presets with values of any kind under some of their keys."""
    rng = random.Random(seed)
    while count:
        document: dict[str, Any] = {"model": {"base": "acme/llama"}, "data": {"train": "rows.jsonl"}}
        method = document["method"] = {"technique": rng.choice(TECHNIQUES)}
        for key in rng.sample(list(VALUES), rng.randint(0, len(VALUES))):
            section, _, name = key.partition(".")
            value = rng.choice(VALUES[key])
            if name:
                document.setdefault(section, {})[name] = value
            else:
                document[section] = value
        if (over := OVER.get(method["technique"])) and rng.random() < 0.3:
            document.setdefault("model", {})["quantization"] = rng.choice(over)
        document["method"] = fitting(method)
        yield Preset.model_validate(document)
        count -= 1


def returned(preset: Preset, tool: str, files: Files | None) -> tuple[dict[str, Any], Any]:
    """The keys of the preset that `tuiftune import` makes of a tool's files, and what was written."""
    written = export(preset, tool, files)
    texts = list(written.files.values())
    info = json.loads(written.files.get("dataset_info.json", "{}"))
    found = foreign.read(texts[0], "there", tool=written.tool.reads, datasets=lambda _: info)
    unknown = [line for line in found.lines if line.fate == "unknown"]
    assert not unknown, (tool, unknown)
    return flat(found.preset), written


@pytest.mark.parametrize("tool", READ)
def test_a_round_trip_loses_only_what_the_report_says(tool: str) -> None:
    defaults = flat(Preset.model_validate({"model": {"base": "x"}, "data": {"train": "y"}}))
    for number, preset in enumerate(presets(60, seed=len(tool))):
        files = Files("train.jsonl", "eval.jsonl") if number % 3 == 0 else None
        back, written = returned(preset, tool, files)
        lines = {line.key: line for line in written.lines}
        assert set(lines) == set(flat(preset)), "every key is told of, once"
        assert len(lines) == len(written.lines)
        for key, line in lines.items():
            expected = line.back
            if line.fate in ("not needed", "left out") or expected is DEFAULT:
                expected = defaults.get(key, back.get(key))
            if line.fate != "carried" and key not in back:
                continue
            assert back[key] == expected, (tool, line, preset.model_dump(exclude_unset=True))


STAGE_VALUES: dict[str, list[Any]] = {
    "method.beta": [0.05, 0.5],
    "method.loss_type": ["sigmoid", "ipo", "hinge", "sigmoid_norm"],
    "method.desirable_weight": [1.33],
    "method.undesirable_weight": [2.0],
    "method.gamma_ratio": [0.3, 1.0],
    "method.generations": [4, 16],
    "method.max_completion_length": [64],
    "method.temperature": [0.7],
    "data.format": ["auto"],
    "data.columns": [{}],
}
STAGED = [(key, stage) for key in READ for stage in tools()[key].stages if stage != "sft"]


def of_stage(stage: str, count: int, seed: int) -> Iterator[Preset]:
    """Presets of another stage, with its options and rows."""
    rng = random.Random(seed)
    known = {f"method.{option.key}" for option in stages.every()[stage].options}
    pairs = {"prompt": "asked", "chosen": "good", "rejected": "bad"}
    for preset in presets(count, seed):
        values = {key: rng.choice(found) for key, found in STAGE_VALUES.items() if rng.random() < 0.5}
        values = {key: value for key, value in values.items() if key in known or key.startswith("data.")}
        document = preset.model_dump(mode="json", exclude_unset=True)
        document["method"] = {**document.get("method", {}), "stage": stage}
        document["data"] = {
            key: value
            for key, value in document["data"].items()
            if key not in ("format", "columns", "packing", "loss_on", "padding_free")
        }
        if stage in ("dpo", "simpo") and rng.random() < 0.5:
            document["data"]["columns"] = pairs
        for key, value in values.items():
            if key.startswith("method."):
                document["method"][key.removeprefix("method.")] = value
        document["method"] = fitting(document["method"])
        yield Preset.model_validate(document)


@pytest.mark.parametrize(("tool", "stage"), STAGED)
def test_other_stages_lose_only_what_the_report_says(tool: str, stage: str) -> None:
    for number, preset in enumerate(of_stage(stage, 8, seed=len(tool) + len(stage))):
        files = Files("train.jsonl", "eval.jsonl") if number % 3 == 0 else None
        back, written = returned(preset, tool, files)
        lines = {line.key: line for line in written.lines}
        assert set(lines) == set(flat(preset)), set(lines) ^ set(flat(preset))
        assert len(lines) == len(written.lines)
        own = {"model": {"base": "x"}, "data": {"train": "y"}, "method": {"stage": back["method.stage"]}}
        defaults = flat(Preset.model_validate(own))
        for key, line in lines.items():
            expected = line.back
            if line.fate in ("not needed", "left out") or expected is DEFAULT:
                expected = defaults.get(key, back.get(key))
            if line.fate != "carried" and key not in back:
                continue
            assert back[key] == expected, (tool, line, preset.model_dump(exclude_unset=True))


@pytest.mark.parametrize(("tool", "stage"), STAGED)
def test_other_stages_have_only_keys_that_the_tool_knows(tool: str, stage: str) -> None:
    known = known_to(f"trl-{stage}" if tool == "trl" and stage != "pretrain" else tools()[tool].reads)
    for preset in of_stage(stage, 4, seed=5):
        document = yaml.safe_load(next(iter(export(preset, tool).files.values())))
        assert set(document) <= known | {"datasets", "test_split_size"}, set(document) - known


ROWS = {
    "preference": Example(
        (Message("system", "Be short."), Message("user", "What?")), chosen="This.", rejected="That."
    ),
    "kto": Example((Message("user", "What?"), Message("assistant", "This.")), label="false"),
    "text": Example(text="Once upon a time."),
}


@pytest.mark.parametrize(("tool", "stage"), [one for one in STAGED if one[1] not in ("grpo", "rloo")])
def test_rows_that_are_written_are_read_back(tool: str, stage: str, tmp_path: Path) -> None:
    """By what the configuration says of them, the rows are the same again."""
    kind = next(iter(stages.every()[stage].formats))
    example = ROWS[kind]
    (tmp_path / "train.jsonl").write_text(json.dumps(tools()[tool].row(stage, example)) + "\n")
    document = {"model": {"base": "acme/llama"}, "data": {"train": "rows.jsonl"}, "method": {"stage": stage}}
    back = returned(Preset.model_validate(document), tool, Files("train.jsonl"))[0]
    data = load(
        str(tmp_path / "train.jsonl"), format=back["data.format"], columns=back["data.columns"] or None
    )
    if (tool, stage) in (("axolotl", "orpo"), ("axolotl", "reward"), ("swift", "pretrain")):
        return  # layouts of their own, which no key names
    read = data.head(1)[0]
    assert data.format == kind
    assert (read.messages, read.text, read.chosen, read.rejected, read.label) == (
        example.messages,
        example.text,
        example.chosen,
        example.rejected,
        example.label,
    )


@pytest.mark.parametrize("tool", [key for key in READ if known_to(tools()[key].reads)])
def test_only_keys_that_the_tool_knows(tool: str) -> None:
    known = known_to(tools()[tool].reads) | {"stage"}
    for preset in presets(40, seed=3):
        written = export(preset, tool)
        text = next(iter(written.files.values()))
        assert isinstance(yaml.safe_load(text)["learning_rate"], float), "PyYAML takes 2e-05 for text"
        document = foreign._document(text, "", tools()[tool].reads)[1]
        assert set(document) <= known | {"datasets", "test_split_size"}, (tool, set(document) - known)


def fits(tool: str, text: str) -> None:
    """A request as its service publishes it: known keys only, and the required ones there."""
    service = SERVICES[tool]
    document = parse(text, "there").values if tool == "azure" else json.loads(text)
    assert set(document) <= set(service["keys"]), set(document) - set(service["keys"])
    assert set(service.get("required", ())) <= set(document)
    if tool == "together":
        kind = document["training_type"]
        assert (
            set(kind) <= set(service["training_type"]) if kind["type"] == "Lora" else kind == {"type": "Full"}
        )
        assert set(document["training_method"]) <= set(service["training_method"])
        assert isinstance(document["n_epochs"], int)
    elif tool == "vertex":
        spec = document["supervisedTuningSpec"]
        assert set(spec) <= set(service["spec"])
        assert set(spec["hyperParameters"]) <= set(service["hyperParameters"])
        assert spec["tuningMode"] in service["modes"]
        assert spec["hyperParameters"].get("adapterSize", service["sizes"][1]) in service["sizes"]
        assert spec["hyperParameters"]["epochCount"].isdecimal()
    elif tool == "sagemaker":
        for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition", "OutputDataConfig"):
            assert set(document[name]) <= set(service[name])
        assert all(set(one) <= set(service["Channel"]) for one in document["InputDataConfig"])
    else:
        assert document["task"] in service["tasks"]
        assert all(isinstance(one, str) for one in document["hyperparameters"].values())


@pytest.mark.parametrize("tool", SERVICES)
def test_a_request_is_what_the_service_publishes(tool: str) -> None:
    for number, preset in enumerate(presets(60, seed=9)):
        written = export(preset, tool, Files("train.jsonl", "eval.jsonl") if number % 2 else None)
        fits(tool, next(iter(written.files.values())))
        told = [line.key for line in written.lines]
        assert len(told) == len(set(told))
        assert set(told) == set(flat(preset))
        assert all(line.why for line in written.lines if line.fate in ("changed", "left out"))
        version = SERVICES[tool]["from"].split(",")[0].split()[1]
        assert version in written.tool.service or tool == "sagemaker"


def test_what_ms_swift_and_trl_insist_on() -> None:
    """Packing with FlashAttention, no truncated prompts of GRPO, whole groups in evaluations, its command."""
    own = {"model": {"base": "acme/llama"}, "data": {"train": "rows.jsonl", "eval": 0.1, "packing": True}}
    preset = Preset.model_validate(own)
    written = export(preset, "swift")
    document = yaml.safe_load(written.files["swift.yaml"])
    assert (written.command, document["attn_impl"]) == ("swift sft swift.yaml", "flash_attention_2")
    eager = export(preset.with_values({"model.attention": "eager"}), "swift")
    assert yaml.safe_load(eager.files["swift.yaml"])["packing"] is False
    document = yaml.safe_load(export(preset, "trl").files["trl.yaml"])
    assert document["attn_implementation"] == "flash_attention_2", "packed rows would see one another"
    document = yaml.safe_load(export(preset, "llamafactory").files["llamafactory.yaml"])
    assert document["neat_packing"] is True, "packed rows would see one another"
    assert "eager" in next(line.why for line in eager.lines if line.key == "data.packing")
    grpo = preset.with_values({"method.stage": "grpo", "method.generations": 16, "data.packing": "auto"})
    for tool in ("swift", "trl"):
        document = yaml.safe_load(next(iter(export(grpo, tool).files.values())))
        assert document["per_device_eval_batch_size"] == document["num_generations"] == 16
        assert "truncation_strategy" not in document
    trained = preset.with_values({"method.stage": "reward", "data.packing": "auto"})
    document = yaml.safe_load(export(trained, "llamafactory").files["llamafactory.yaml"])
    assert document["eval_strategy"] == "epoch"
    assert "load_best_model_at_end" not in document


def test_what_cannot_be_written_is_one_line() -> None:
    preset = Preset.model_validate({"model": {"base": "x"}, "data": {"train": "y"}})
    with pytest.raises(UserError, match="is not a known tool"):
        export(preset, "torchtune")
    with pytest.raises(UserError, match="SimPO cannot be written for TRL yet"):
        export(preset.with_values({"method.stage": "simpo"}), "trl")
    with pytest.raises(UserError, match="KTO cannot be written for Axolotl yet"):
        export(preset.with_values({"method.stage": "kto"}), "axolotl")


@pytest.mark.parametrize("technique", ["rslora", "loraplus"])
@pytest.mark.parametrize("tool", ["axolotl", "llamafactory", "trl", "swift", "unsloth"])
def test_four_bits_stay_four_bits(tool: str, technique: str) -> None:
    """They were written as 16-bit base models, four times as large, and called told by the technique."""
    own = {"model": {"base": "a/b", "quantization": "nf4"}, "data": {"train": "r.jsonl"}}
    preset = Preset.model_validate({**own, "method": {"technique": technique}})
    back, written = returned(preset, tool, None)
    four = back["method.technique"] == "qlora" or back["model.quantization"] == "nf4"
    assert four, next(iter(written.files.values()))
    if (tool, technique) not in (("trl", "loraplus"), ("unsloth", "loraplus")):
        assert back["method.technique"] == technique


def test_what_has_no_counterpart_is_said_to_be_left_out() -> None:
    own = {"model": {"base": "a/b", "quantization": "fp8"}, "data": {"train": "r.jsonl"}}
    shared = {"parallel": "zero2", "gpus": 2}
    preset = Preset.model_validate({**own, "method": {"technique": "lora"}, "hardware": shared})
    for tool in ("axolotl", "trl", "swift", "llamafactory"):
        fates = {line.key: line.fate for line in export(preset, tool).lines}
        assert (fates["model.quantization"], fates["hardware.parallel"]) == ("left out", "left out")
    assert "load_in_fp8=True" in export(preset, "unsloth").files["train.py"]


@pytest.mark.parametrize("tool", tools())
def test_what_is_off_elsewhere_anyway_is_not_said_to_be_lost(tool: str) -> None:
    """A resolved preset names them all, most of them off."""
    keys = ("training.activation_offloading", "training.fp8_compute")
    own = {"model": {"base": "meta-llama/Llama-3.1-8B"}, "data": {"train": "r.jsonl"}}
    off = Preset.model_validate(own).with_values(dict.fromkeys(keys, False))
    fates = {line.key: line.fate for line in export(off, tool).lines}
    assert [fates[key] for key in keys] == ["not needed"] * 2
    on = off.with_values({"training.fp8_compute": True, "method.technique": "qlora"})
    fates = {line.key: line.fate for line in export(on, tool).lines}
    assert fates["training.fp8_compute"] == "left out"


@pytest.mark.parametrize(("tool", "file"), [("axolotl", "axolotl.yaml"), ("trl", "trl.yaml")])
@pytest.mark.parametrize("checkpointing", ["auto", True, 2, False])
def test_offloading_is_asked_for_next_to_checkpointing_only(
    tool: str, file: str, checkpointing: bool | int | str
) -> None:
    """Axolotl refuses a file with the one and without the other; here it is refused when planning."""
    own = {"model": {"base": "a/b"}, "data": {"train": "r.jsonl"}, "method": {"technique": "lora"}}
    levers = {"activation_checkpointing": checkpointing, "activation_offloading": True}
    made = export(Preset.model_validate(own | {"training": levers}), tool)
    written, fates = yaml.safe_load(made.files[file]), {line.key: line.fate for line in made.lines}
    assert written["gradient_checkpointing"] is (checkpointing is not False)
    assert written.get("activation_offloading") is (True if checkpointing is not False else None)
    told = fates["training.activation_offloading"]
    assert told == "left out" if checkpointing is False else told != "left out"


def test_a_technique_that_becomes_lora_gets_its_learning_rate() -> None:
    own = {"model": {"base": "a/b"}, "data": {"train": "r.jsonl"}, "method": {"technique": "ia3"}}
    written = yaml.safe_load(export(Preset.model_validate(own), "axolotl").files["axolotl.yaml"])
    assert (written["adapter"], written["learning_rate"]) == ("lora", 2e-4)
