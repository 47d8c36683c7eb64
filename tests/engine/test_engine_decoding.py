"""Answers written together are those of each row alone, and take less to compute."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import decoded
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def test_answers_are_those_of_each_row_alone(engine: Engine, model: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    engine.wait_for("decoded:write", str(told), str(model))
    found: dict[str, Any] = json.loads(told.read_text())
    assert set(found) == {"llama", "adapter", "window", "state"}
    for name, one in found.items():
        assert one["same"], name
        ended = [length for length in one["lengths"] if length < decoded.NEW]
        assert len(ended) >= 5, f"{name}: the case is one in which rows end at their own time"
    for name in ("llama", "adapter"):
        one = found[name]
        assert one["prefix"] == decoded.PREFIX
        assert one["passes"][0] == [1, decoded.PREFIX], "what all share is computed for one"
        assert one["passes"][1][0] == decoded.ROWS
        assert one["passes"][1][1] <= 30, "and only what is their own for each"
    assert found["window"]["prefix"] == found["state"]["prefix"] == 0
    for name in ("llama", "adapter", "window"):
        rows = [rows for rows, _ in found[name]["passes"][1:]]
        assert rows[-1] < 0.8 * max(rows), f"{name}: rows that ended leave the batch"

    for name in ("llama", "window"):
        static = found[name]["static"]
        assert static["equal"], name
        assert static["same"], name
        assert static["lies"] is False
        assert "answers differ" in static["why"]
        assert static["same_without"], "what is found to differ is not used"


def test_a_batch_is_what_the_memory_holds() -> None:
    from tuiftune.engine.evaluation.batching import bytes_of_row

    text = SimpleNamespace(
        num_hidden_layers=32,
        hidden_size=4096,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=14336,
    )
    config = SimpleNamespace(get_text_config=lambda: text)
    row = bytes_of_row(config, 328)
    assert row is not None
    # 256 rows of 328 tokens took 11.2 GiB beside the weights on an H200 (measured): never less is counted on.
    assert 11.2 * 2**30 < 256 * row < 3 * 11.2 * 2**30
    del text.num_attention_heads
    assert bytes_of_row(config, 328) is None


@pytest.mark.parametrize(("weights", "rows"), [(1_000_000, 64), (100_000_000, 32), (1_000_000_000, 16)])
def test_on_a_cpu_small_models_answer_more_rows_at_once(weights: int, rows: int) -> None:
    from tuiftune.engine.evaluation.batching import rows_at_once

    text = SimpleNamespace(num_hidden_layers=2, hidden_size=64, num_attention_heads=4, intermediate_size=128)
    model = SimpleNamespace(
        device=SimpleNamespace(type="cpu"),
        dtype=SimpleNamespace(itemsize=4),
        config=SimpleNamespace(get_text_config=lambda: text),
        parameters=lambda: [SimpleNamespace(numel=lambda: weights)],
    )
    assert rows_at_once(model, [], 8) == rows
