"""Every technique trains, goes on to the bit after a kill, and leaves a result that plain libraries load."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_interrupted import STEPS, last_weights, steps_of
from test_engine_train import held_out_loss, result_of

from tuiftune import techniques
from tuiftune.deploy.base import Facts, merges
from tuiftune.deploy.targets import adapter
from tuiftune.engine.training.settings import Settings
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

# Without a GPU nothing is quantized; LoRA and full fine-tuning are interrupted in a test of their own.
HERE = [key for key, one in techniques.every().items() if not (one.quantized or one.automatic)]
OWN = [key for key, one in techniques.every().items() if one.counts]  # without a rank: PEFT keeps them alike
OPTIONS: dict[str, dict[str, Any]] = {
    "last_layers": {"trained_layers": 1},
}
FACTS = Facts("run", Path("result"), {}, "base", None, None, None, 0)
RATES = {"ia3": 0.02}


def reloaded(run: Path) -> tuple[Any, Any]:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    where = run / "result" / "model"
    return AutoPeftModelForCausalLM.from_pretrained(where).eval(), AutoTokenizer.from_pretrained(where)


@pytest.mark.long
@pytest.mark.parametrize("technique", HERE)
def test_it_trains_resumes_and_reloads(
    technique: str, engine: Engine, make_run: Callable[..., Path], data: Path
) -> None:
    changes = {"method__technique": technique, "training__max_steps": STEPS, "run__save_every": 4}
    changes |= {f"method__{key}": value for key, value in OPTIONS.get(technique, {}).items()}
    changes |= {"training__learning_rate": RATES.get(technique, 0.005)}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.run("train", whole) == (0, "")

    job = engine.start("train", broken)
    job.wait_for_step(broken, 5)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert engine.run("train", broken, "--resume") == (0, "")
    assert tiny.events(broken, "start")[-1]["resumed_from"]
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken) == last_weights(whole)

    result = result_of(broken)
    assert result["technique"] == technique
    assert result["after"]["loss"] < result["before"]["loss"]
    model, tokenizer = reloaded(broken)
    assert held_out_loss(model, tokenizer, data) == pytest.approx(result["after"]["loss"], rel=1e-4)
    with model.disable_adapter():
        assert held_out_loss(model, tokenizer, data) == pytest.approx(result["before"]["loss"], rel=1e-4)


def test_rslora_is_scaled_by_the_root_of_its_rank() -> None:
    import tiny_families
    from peft import get_peft_model

    from tuiftune.engine.techniques import applied

    method = SimpleNamespace(target_modules="all-linear", modules_to_save=[], rank=16, alpha=8, dropout=0.0)
    settings = SimpleNamespace(preset=SimpleNamespace(method=method))
    model = tiny_families.model_of("llama")
    adapted = get_peft_model(model, applied("rslora").config(model, settings))
    scales = {layer.scaling["default"] for layer in adapted.modules() if hasattr(layer, "lora_A")}
    assert scales == {2.0}
    over = techniques.find("rslora", "nf4")
    assert (over.key, over.quantized) == ("rslora", True)


def settings(**options: Any) -> Any:
    method = {"target_modules": "all-linear", "modules_to_save": [], "rank": 4, "alpha": 8, "dropout": 0.0}
    section = SimpleNamespace(**(method | options))
    return SimpleNamespace(preset=SimpleNamespace(method=section), adapter_dtype="float32")


def base(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model).eval()


@pytest.mark.parametrize("technique", OWN)
def test_what_it_saves_is_what_it_answers(
    technique: str, engine: Engine, model: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from tuiftune.engine.techniques import applied
    from tuiftune.models import count
    from tuiftune.models.resolve import resolve

    preset = Preset.model_validate({"model": {"base": str(model)}, "data": {"train": "rows.jsonl"}})
    options = {f"method.{key}": value for key, value in OPTIONS.get(technique, {}).items()}
    preset = preset.with_values({"method.technique": technique, "model.dtype": "float32", **options})
    wanted, way, known = Settings(preset, {}, None, None, "float32"), applied(technique), techniques.every()
    ids = torch.arange(40)[None]
    torch.manual_seed(0)
    with torch.no_grad():
        untouched = base(model)(ids).logits
        adapted = way.prepare(base(model), wanted, tmp_path)
        trained = {name: one for name, one in adapted.named_parameters() if one.requires_grad}
        counted = count.trained_by(
            resolve(str(model)).architecture, known[technique], OPTIONS.get(technique, {})
        )
        assert sum(one.numel() for one in trained.values()) == counted
        for one in trained.values():
            one.add_(0.1 * torch.randn_like(one))
        tuned = adapted(ids).logits[:, -40:]
        assert not torch.allclose(tuned, untouched, atol=0.1)
        with adapted.disable_adapter():
            assert torch.equal(adapted(ids).logits, untouched)
        way.save(adapted, tmp_path / "result")
        loaded = PeftModel.from_pretrained(base(model), tmp_path / "result").eval()
        assert torch.allclose(loaded(ids).logits[:, -40:], tuned, atol=1e-5)
        facts = replace(FACTS, adapter=json.loads((tmp_path / "result" / "adapter_config.json").read_text()))
        facts = replace(facts, technique=known[technique].name)
        assert adapter.refuses(facts, adapter.TARGET.forms[0]) is not None
        assert merges(facts, adapter.TARGET.forms[0]) is None
        assert torch.allclose(base(merged(model, tmp_path))(ids).logits, tuned, atol=1e-4)


def merged(model: Path, room: Path) -> Path:
    """The model with the adapter in `room`/result merged in, as an export writes it."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    from tuiftune.engine.export import merging

    config = AutoConfig.from_pretrained(model)
    made = [merging.empty(config, AutoModelForCausalLM, remote_code=False) for _ in range(2)]
    merge = merging.Merge(model, made[0], merging.adapt(made[1], room / "result"))
    shutil.copytree(model, room / "merged")
    stored = load_file(model / "model.safetensors")
    for name in stored:
        changed = merge.tensor(name)
        stored[name] = stored[name] if changed is None else changed.to(torch.float32).contiguous()
    merge.finish()
    save_file(stored, room / "merged" / "model.safetensors", metadata={"format": "pt"})
    return room / "merged"


def test_loraplus_gives_b_a_multiple_of_the_rate(model: Path, tmp_path: Path) -> None:
    import torch

    from tuiftune.engine.techniques import applied
    from tuiftune.engine.techniques.base import RATIO

    wanted, way = settings(loraplus_lr_ratio=8.0), applied("loraplus")
    adapted = way.prepare(base(model), wanted, tmp_path)
    trained = {name: one for name, one in adapted.named_parameters() if one.requires_grad}
    optimizer = torch.optim.AdamW(list(trained.values()), lr=0.001)
    way.group(optimizer, adapted, wanted)
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    assert rates == {id(one): 0.008 if "lora_B" in name else 0.001 for name, one in trained.items()}
    assert [group.get(RATIO, 1.0) for group in optimizer.param_groups] == [1.0, 8.0]


@pytest.mark.parametrize("iterations", [None, 16])
def test_pissa_is_an_adapter_of_the_base_as_it_was(
    iterations: int | None, model: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from tuiftune.engine.techniques import applied

    wanted, way = settings(pissa_iterations=iterations), applied("pissa")
    ids = torch.arange(40)[None]
    with torch.no_grad():
        untouched = base(model)(ids).logits
        torch.manual_seed(0)
        adapted = way.prepare(base(model), wanted, tmp_path)
        assert torch.allclose(adapted(ids).logits, untouched, atol=1e-4)
        again = way.prepare(base(model), wanted, tmp_path)  # as a resumed run does
        pairs = zip(adapted.state_dict().values(), again.state_dict().values(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
        for name, one in adapted.named_parameters():
            if "lora_" in name:
                one.add_(0.05 * torch.randn_like(one))
        tuned = adapted(ids).logits
        assert not torch.allclose(tuned, untouched, atol=0.1)
        with adapted.disable_adapter():
            assert torch.allclose(adapted(ids).logits, untouched, atol=1e-4)
        assert torch.equal(adapted(ids).logits, tuned)
        way.save(adapted, tmp_path / "result")
        loaded = PeftModel.from_pretrained(base(model), tmp_path / "result").eval()
        assert torch.allclose(loaded(ids).logits, tuned, atol=1e-4)
        with loaded.disable_adapter():
            assert torch.equal(loaded(ids).logits, untouched)


@pytest.mark.long
def test_two_processes_begin_pissa_alike(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {"hardware__processes": 2, "training__micro_batch": 2, "run__save_every": 4}
    whole, broken = (make_run(method__technique="pissa", **changes) for _ in range(2))
    assert engine.run("train", whole) == (0, "")
    job = engine.start("train", broken)
    job.wait_for_step(broken, 5)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert engine.run("train", broken, "--resume") == (0, "")
    assert steps_of(broken) == steps_of(whole)
    assert result_of(broken)["after"]["loss"] == result_of(whole)["after"]["loss"]
