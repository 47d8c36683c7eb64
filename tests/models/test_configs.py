"""Any config.json: nested, unknown, incomplete, absurd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.models import count, counted
from tuiftune.models.config import architecture_of, read

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}


def test_unknown_model_type_is_taken_as_llama_and_says_so() -> None:
    arch = architecture_of({**SMALL, "model_type": "brand_new"})
    assert not arch.known
    assert "brand_new" in arch.notes[0]
    assert "Llama-like" in arch.notes[0]
    assert count.parameters(arch) == count.parameters(architecture_of(SMALL))


def test_nested_text_config_fills_what_its_class_leaves_out() -> None:
    """The hub's gemma-3-4b-it says only what differs from Gemma3TextConfig's defaults."""
    vision = {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304}
    vision |= {
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 896,
        "vision_use_head": False,
    }
    text = {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
    }
    arch = architecture_of({"model_type": "gemma3", "text_config": text, "vision_config": vision})
    assert count.parameters(arch) == 4_300_079_472  # the hub's total of google/gemma-3-4b-it
    assert (arch.num_heads, arch.num_kv_heads, arch.head_dim, arch.vocab_size) == (8, 4, 256, 262208)
    assert any("image encoder" in note for note in arch.notes)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "mistral", "sliding_window": None}, (None, 0)),
        ({"model_type": "mistral"}, (4096, 12)),
        ({"model_type": "phi3", "sliding_window": 2047}, (2047, 12)),
        ({"model_type": "gemma3_text", "sliding_window": 512}, (512, 10)),
        ({"model_type": "gemma3_text", "sliding_window": 512, "sliding_window_pattern": 3}, (512, 8)),
        (
            {"model_type": "gemma3_text", "layer_types": ["sliding_attention", "full_attention"] * 6},
            (4096, 6),
        ),
        ({"model_type": "qwen2", "sliding_window": 131072, "use_sliding_window": False}, (None, 0)),
        (
            {
                "model_type": "qwen2",
                "sliding_window": 4096,
                "use_sliding_window": True,
                "max_window_layers": 9,
            },
            (4096, 3),
        ),
        ({"model_type": "llama"}, (None, 0)),
    ],
)
def test_sliding_windows_are_counted(config: dict[str, Any], expected: tuple[int | None, int]) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 12, "num_attention_heads": 4}
    found = architecture_of({**sizes, "vocab_size": 128, **config})
    assert (found.sliding_window, found.sliding_layers) == expected


def test_unknown_wrapper_is_not_claimed_to_be_exact() -> None:
    arch = architecture_of(
        {"model_type": "seesit", "text_config": SMALL, "vision_config": {"hidden_size": 3}}
    )
    assert not arch.known
    assert any("not counted" in note for note in arch.notes)


def test_old_names_of_the_same_facts() -> None:
    old = {
        "model_type": "someold",
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 100,
        "n_positions": 512,
    }
    arch = architecture_of(old)
    assert (arch.hidden_size, arch.num_layers, arch.num_heads, arch.max_length) == (64, 2, 4, 512)
    assert arch.intermediate_size == 256
    assert not arch.known


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_missing_size_names_key_and_file(key: str) -> None:
    config = {name: value for name, value in SMALL.items() if name != key}
    with pytest.raises(UserError, match=key) as caught:
        architecture_of(config, "/models/mine/config.json")
    assert caught.value.place == "/models/mine/config.json"


@pytest.mark.parametrize("value", [0, -4, "many", True, 2.5, [1], 10**12])
def test_absurd_size_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="hidden_size"):
        architecture_of({**SMALL, "hidden_size": value})


def test_uneven_heads_are_refused() -> None:
    with pytest.raises(UserError, match="multiple of 5"):
        architecture_of({**SMALL, "num_attention_heads": 5, "num_key_value_heads": 5})


@pytest.mark.parametrize(
    ("text", "says"),
    [("{oops", "not JSON"), ("[1]", "not a JSON object"), ("", "not JSON"), ("\x00", "not JSON")],
)
def test_broken_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(UserError, match="UTF-8"):
        read(file)


def test_control_characters_of_a_config_do_not_reach_the_user() -> None:
    arch = architecture_of({**SMALL, "model_type": "evil\x1b[2J"})
    assert "\x1b" not in "".join(arch.notes)
    with pytest.raises(UserError) as caught:
        architecture_of({**SMALL, "hidden_size": "\x1b[2J"})
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("targets", ["nonsense", ["q_proj", "wrong"], [], "lm_head", ""])
def test_targets_that_are_not_there_name_those_that_are(targets: Any) -> None:
    with pytest.raises(UserError, match="all-linear") as caught:
        count.target_names(architecture_of(SMALL), targets)
    assert caught.value.place == "method.target_modules"


def test_experts_are_not_offered_as_targets() -> None:
    moe = architecture_of(
        {**SMALL, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
    )
    assert count.target_names(moe, "all-linear") == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert count.adapts_experts(moe, "all-linear")
    assert not count.adapts_experts(moe, "attention")
    with pytest.raises(UserError, match="every expert"):
        count.target_names(moe, ["down_proj"])


def test_config_as_saved_by_the_program_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    assert architecture_of(read(tmp_path / "config.json")).num_kv_heads == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": {"a": 1}}, "is not known to transformers"),
        ({"model_type": None}, "is not known to transformers"),
        ({"model_type": "llama_of_mine"}, "is not known to transformers"),
        ({"text_config": {"a": {"b": 1}}}, "does not have a text_config"),
    ],
)
def test_what_no_library_can_build_is_refused_without_starting_one(
    change: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> dict[str, object]:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(counted, "_ask", never)
    with pytest.raises(UserError, match=said):
        counted.architecture({**SMALL, **change}, "config.json", ask=True)
