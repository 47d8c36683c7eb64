"""Peers' configurations, checked by the peers' own code; run as a process that has it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def trl(directory: str) -> None:
    """TRL's own parser takes every file, and reads what was written."""
    import trl as library
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, TrlParser

    os.environ["ACCELERATE_USE_CPU"] = "1"
    configs = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward", "grpo": "GRPO", "rloo": "RLOO"}
    for path in sorted(Path(directory).glob("*.yaml")):
        text = path.read_text()
        stage = text.split()[2]  # of the command that it begins with
        config = getattr(library, f"{configs[stage]}Config")
        parser = TrlParser((ScriptArguments, config, ModelConfig, DatasetMixtureConfig))
        text = text.replace("bf16: true", "bf16: false\nuse_cpu: true")
        path.write_text(text.replace("fp16: true", "fp16: false"))
        _, args, model, data = parser.parse_args_and_config(["--config", str(path)])
        said = json.loads(path.with_suffix(".json").read_text())
        assert args.learning_rate == said["learning_rate"], path
        assert args.gradient_accumulation_steps == said["gradient_accumulation_steps"], path
        assert model.lora_r == said.get("lora_r", 16), path
        assert len(data.datasets) == len(said["datasets"]), path
        assert getattr(args, "beta", None) == said.get("beta"), path


def axolotl(directory: str) -> None:
    """Axolotl's schema takes every file, and drops no key in silence."""
    import yaml
    from axolotl.utils.schemas.config import AxolotlInputConfig  # type: ignore[import-not-found]

    for path in sorted(Path(directory).rglob("*.yaml")):
        document: dict[str, Any] = yaml.safe_load(path.read_text())
        assert set(document) <= set(AxolotlInputConfig.model_fields), (path, set(document))
        AxolotlInputConfig(**document)


def llamafactory(directory: str) -> None:
    """LLaMA-Factory's own arguments take every file."""
    os.environ |= {"DISABLE_VERSION_CHECK": "1", "CUDA_VISIBLE_DEVICES": ""}
    import yaml
    from llamafactory.hparams import get_train_args  # type: ignore[import-not-found]

    for path in sorted(Path(directory).rglob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        document |= {"bf16": False, "fp16": False, "use_cpu": True, "output_dir": directory}
        document.pop("quantization_bit", None)  # it looks for a GPU
        document.pop("quantization_method", None)
        document.pop("enable_liger_kernel", None)  # it looks for the package
        get_train_args(document)


def swift(directory: str) -> None:
    """ms-swift's own arguments take every file, as its command line gives them, on a model that is here."""
    os.environ |= {"MODELSCOPE_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    gone = ModuleType("trl.experimental.ppo")  # of an older TRL, which it imports
    gone.PPOConfig = gone.PPOTrainer = object  # type: ignore[attr-defined]
    sys.modules[gone.__name__] = gone
    import yaml
    from swift.arguments import (  # type: ignore[import-not-found]
        PretrainArguments,
        RLHFArguments,
        SftArguments,
    )
    from swift.utils import parse_args  # type: ignore[import-not-found]

    base = Path(__file__).parents[2] / "tuiftune" / "assets" / "base"
    here: dict[str, Any] = {"model": base, "model_type": "llama", "template": "dummy", "report_to": "none"}
    here |= {"torch_dtype": "float32", "bf16": False, "fp16": False, "use_cpu": True, "output_dir": directory}
    elsewhere = {"model_revision", "quant_bits", "quant_method", "use_liger_kernel"}
    for path in sorted(Path(directory).rglob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        kind = {"presets": SftArguments, "pretrain": PretrainArguments}.get(path.parent.name, RLHFArguments)
        words: list[str] = []
        for key, value in (document | here).items():
            if key not in elsewhere:
                words += [f"--{key}", *(map(str, value) if isinstance(value, list) else [str(value)])]
        args, unknown = parse_args(kind, words)
        assert not unknown, (path, unknown)
        assert args.learning_rate == document["learning_rate"], path


def together(directory: str) -> None:
    """Together's request type takes every file, and knows every key."""
    from together.lib.types.fine_tuning import FinetuneRequest  # type: ignore[import-not-found]

    for path in sorted(Path(directory).glob("*.json")):
        document = json.loads(path.read_text())
        assert set(document) <= set(FinetuneRequest.model_fields), path
        FinetuneRequest(**document)


def vertex(directory: str) -> None:
    """google-genai's types of a tuning job know every key of the specification."""
    from google.genai import types  # type: ignore[import-not-found]

    for path in sorted(Path(directory).glob("*.json")):
        spec = json.loads(path.read_text())["supervisedTuningSpec"]
        types.SupervisedTuningSpec.model_validate(spec)


def sagemaker(directory: str) -> None:
    """botocore's own validator takes every request."""
    from botocore.loaders import Loader  # type: ignore[import-not-found]
    from botocore.model import ServiceModel  # type: ignore[import-not-found]
    from botocore.validate import ParamValidator  # type: ignore[import-not-found]

    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))
    shape = model.operation_model("CreateTrainingJob").input_shape
    for path in sorted(Path(directory).glob("*.json")):
        report = ParamValidator().validate(json.loads(path.read_text()), shape)
        assert not report.has_errors(), (path, report.generate_report())


def azure(directory: str) -> None:
    """Azure ML's own schema takes every job."""
    from azure.ai.ml import load_job  # type: ignore[import-not-found]

    for path in sorted(Path(directory).glob("*.yaml")):
        load_job(path)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
