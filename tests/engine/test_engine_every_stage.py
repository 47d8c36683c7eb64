"""Every technique under every stage: it begins as the base model, resumes to the bit, and its result answers
as its last evaluation told.
"""

from __future__ import annotations

import json
import signal
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_interrupted import last_weights, steps_of
from test_engine_stages import CASES, run_of, teacher

from tuiftune import techniques
from tuiftune.data.chat.judged import judged
from tuiftune.data.chat.pairs import pairs
from tuiftune.data.mix.split import split
from tuiftune.data.read.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

    from tuiftune.data.chat.tokenize import Tokens

__all__ = ["run_of", "teacher"]  # fixtures

pytestmark = pytest.mark.long
TECHNIQUES = [key for key, one in techniques.every().items() if not one.quantized]
OPTIONS: dict[str, dict[str, Any]] = {"last_layers": {"method__trained_layers": 1}}
FIRST = {"dpo": 0.6931, "kto": 0.5}  # the loss of a policy that is its reference
MEAN = ("orpo", "simpo")  # of tokens, where the others take sums


def model_of(run: Path, key: str) -> Any:
    """The result, by plain libraries."""
    import peft
    import transformers

    where = run / "result" / "model"
    kind = "SequenceClassification" if key == "reward" else "CausalLM"
    adapted = (where / "adapter_config.json").is_file()
    auto = getattr(peft if adapted else transformers, f"Auto{'Peft' if adapted else ''}ModelFor{kind}")
    options = {"num_labels": 1} if key == "reward" and adapted else {}
    return auto.from_pretrained(where, **options).eval()


def told(run: Path, key: str) -> tuple[str, float]:
    """A metric of the evaluation rows, and its value by the reloaded result."""
    import torch

    from tuiftune.engine.model.tokenizer import RowTokenizer

    resolved = json.loads((run / "plan.json").read_text())["resolved"]
    data = resolved["data"]
    _, held = split(load(str(data["train"])), data["eval"], resolved["training"]["seed"])
    tokenizer = RowTokenizer(
        tiny.make_tokenizer(), max_length=data["max_length"], loss_on="assistant", place=""
    )
    model = model_of(run, key)

    @torch.no_grad()
    def score(row: Tokens) -> float:
        return float(model(torch.tensor([row.ids])).logits[0, 0])

    @torch.no_grad()
    def likely(row: Tokens) -> float:
        ids = torch.tensor(row.ids)
        logits = model(ids[None]).logits[0, :-1].log_softmax(-1)
        each = logits.gather(-1, ids[1:, None])[:, 0][torch.tensor(row.mask[1:]).bool()]
        return float(each.mean() if key in MEAN else each.sum())

    if key == "reward":
        return "margin", fmean(score(one.chosen) - score(one.rejected) for one in pairs(tokenizer, held))
    if key == "kto":
        return "logps/chosen", fmean(likely(one.row) for one in judged(tokenizer, held) if one.desirable)
    return "logps/chosen", fmean(likely(one.chosen) for one in pairs(tokenizer, held))


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("key", CASES)
def test_it_begins_resumes_and_answers_as_it_told(
    engine: Engine, run_of: Callable[..., Path], key: str, technique: str
) -> None:
    settings = {"training__learning_rate": 0.01, "training__warmup_ratio": 0.0, **OPTIONS.get(technique, {})}
    if key in ("grpo", "rloo") and not techniques.every()[technique].adapters:
        settings["method__beta"] = 0.0
    whole, broken = (run_of(key, method__technique=technique, **settings) for _ in range(2))
    assert engine.run("train", whole) == (0, "")
    before, *_, after = tiny.events(whole, "eval")
    first = tiny.events(whole, "step")[0]["loss"]
    if key in FIRST:
        assert (before["loss"], first) == pytest.approx((FIRST[key], FIRST[key]), abs=1e-4)

    job = engine.start("train", broken)
    job.wait_for_step(broken, 3)
    job.send(signal.SIGKILL)
    job.wait()
    assert engine.run("train", broken, "--resume") == (0, "")
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken, 4) == last_weights(whole, 4)
    assert tiny.events(broken, "eval")[-1]["loss"] == after["loss"]

    if "rewards/margins" in after or "margin" in after:
        name, value = told(whole, key)
        assert after[name] == pytest.approx(value, rel=2e-4, abs=1e-5)
    if key == "kto":
        assert after["rewards/margins"] == pytest.approx(after["rewards/chosen"] - after["rewards/rejected"])
