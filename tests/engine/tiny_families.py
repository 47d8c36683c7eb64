"""Tiny random models of every architecture that transformers knows, made from its config classes' defaults.

Sizes are shrunk by name; what a family needs beyond that stands in `SPECIAL`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 420
LARGEST = 20_000_000
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "vocab_size_per_layer_input": VOCABULARY,
    "unpadded_vocab_size": VOCABULARY - 4,
    **dict.fromkeys(
        ("hidden_size", "n_embd", "d_model", "dim", "embed_dim", "embedding_size", "word_embed_proj_dim"), 64
    ),
    **dict.fromkeys(("lru_width", "mamba_d_ssm", "output_hidden_size", "emb_dim"), 64),
    **dict.fromkeys(
        (
            "intermediate_size",
            "n_inner",
            "ffn_dim",
            "ffn_hidden_size",
            "intermediate_size_mlp",
            "d_ff",
            "d_inner",
        ),
        128,
    ),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "dense_intermediate_size", "block_ff_dim"), 128),
    **dict.fromkeys(
        ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 4
    ),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(
        ("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "swa_num_key_value_heads"), 2
    ),
    **dict.fromkeys(("head_dim", "global_head_dim", "swa_head_dim", "attention_head_dim"), 16),
    **dict.fromkeys(
        ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "context_length"), 512
    ),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(
        ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "moe_top_k", "top_k_experts"), 2
    ),
    **dict.fromkeys(
        ("moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"), 48
    ),
    **dict.fromkeys(
        ("moe_shared_expert_intermediate_size", "expert_ffn_hidden_size", "shared_expert_size"), 48
    ),
    **dict.fromkeys(
        ("n_group", "topk_group", "n_groups", "n_mamba_groups", "mamba_n_groups", "mamba_ngroups"), 1
    ),
    **dict.fromkeys(
        ("first_k_dense_replace", "num_dense_layers", "n_shared_experts", "num_shared_experts"), 1
    ),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "v_head_dim"), 16),
    "qk_rope_head_dim": 8,
    "qk_head_dim": 24,
    **dict.fromkeys(("sliding_window", "attention_window_size", "window_size", "attention_chunk_size"), 8),
    **dict.fromkeys(("state_size", "ssm_state_size", "mamba_d_state", "mamba_state_dim"), 8),
    **dict.fromkeys(("mamba_n_heads", "n_mamba_heads", "mamba_num_heads"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_headdim", "mamba_head_dim"), 16),
    **dict.fromkeys(("linear_num_key_heads",), 2),
    **dict.fromkeys(("linear_num_value_heads",), 4),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 16),
    **dict.fromkeys(("hidden_size_per_layer_input",), 16),
    **dict.fromkeys(("time_step_rank", "mamba_dt_rank", "laurel_rank", "dt_rank"), 8),
    "chunk_size": 16,
    "mamba_chunk_size": 16,
    "altup_num_inputs": 2,
    "num_kv_shared_layers": 0,
    "num_nextn_predict_layers": 0,
    "rotary_dim": 8,
    "use_mamba_kernels": False,
    "initializer_range": 0.15,
    "init_std": 0.15,
}
PICTURES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "embed_dim", "d_model", "width"), 32),
    **dict.fromkeys(("intermediate_size", "mlp_dim", "encoder_ffn_dim"), 64),
    **dict.fromkeys(
        ("num_hidden_layers", "depth", "num_layers", "encoder_layers", "num_global_layers", "layers"), 1
    ),
    **dict.fromkeys(("num_attention_heads", "num_heads", "encoder_attention_heads", "heads"), 2),
    **dict.fromkeys(("num_key_value_heads",), 2),
    "head_dim": 16,
    "image_size": 28,
    "patch_size": 14,
    **dict.fromkeys(
        (
            "out_hidden_size",
            "vision_output_dim",
            "projector_input_dim",
            "projector_output_dim",
            "projection_dim",
        ),
        64,
    ),
    "fullatt_block_indexes": [0],
    "deepstack_visual_indexes": [0],
    "num_position_embeddings": 16,
    "vocab_size": VOCABULARY,
}
TOKENS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "boi_token_index",
    "eoi_token_index",
    "boi_token_id",
    "eoi_token_id",
    "audio_token_id",
    "boa_token_id",
    "eoa_token_id",
    "eoa_token_index",
    "audio_token_index",
    "video_token_index",
)

_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
_ROPE3 = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
# What a family needs beyond smaller sizes, by `model_type`; a nested part by its key. None: leave it out.
SPECIAL: dict[str, dict[str, Any]] = {
    "emu3": {
        "vq_config": {
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "codebook_size": 8,
        },
        "vocabulary_map": {"<image>": VOCABULARY - 1, "<|extra_200|>": VOCABULARY - 2}
        | {f"<|visual token {number:06}|>": VOCABULARY - 3 - number for number in range(8)},
    },
    "llama4_text": {"num_experts_per_tok": 1},
    "qwen3_5": {"text_config": _LINEAR},
    "gemma3n_text": {
        "activation_sparsity_pattern": [0.0] * 4,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
        "intermediate_size": [128] * 4,
    },
    "gemma4_text": {"layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
    "phi3": {"pad_token_id": 0, "sliding_window": None},
    "phi": {"num_key_value_heads": 4},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    "falcon": {"new_decoder_architecture": True},
    "falcon_h1": {"mamba_n_heads": 4},
    "mamba2": {"num_heads": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "bamba": {"attn_layer_indices": [1]},
    "nemotron_h": {
        "num_hidden_layers": None,
        "layers_block_type": ["linear_attention", "full_attention", "moe", "linear_attention"],
    },
    "zamba2": {
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "num_key_value_heads": 4,
        "hybrid_layer_ids": None,
        "num_mem_blocks": 1,
    },
    "zamba": {"num_key_value_heads": 4, "attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv", "full_attention"], "full_attn_idxs": None},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba", "attention"]},
    "minicpm3": {"num_key_value_heads": 4},
    "deepseek_v2": {
        "num_key_value_heads": 4,
        "q_lora_rank": None,
        "num_experts_per_tok": 2,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
    },
    "dots1": {"n_shared_experts": 1, "num_experts_per_tok": 2, "n_routed_experts": 4},
    "nemotron": {"num_key_value_heads": 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    "bailing_hybrid": {"num_expert_group": 1, "layer_types": ["linear_attention", "full_attention"] * 2},
    "kimi_linear": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "deepseek_v3": {"num_key_value_heads": 4},
    "xlstm": {
        "hidden_size": 64,
        "num_heads": 4,
        "num_hidden_layers": 2,
        "num_blocks": None,
        "output_logit_soft_cap": 3.0,
        "head_dim": None,
        "chunk_size": None,
    },
    "rwkv": {"attention_hidden_size": 64},
    "nanochat": {"num_key_value_heads": 4},
    "granite": {"logits_scaling": 4.0},
    "granitemoe": {"logits_scaling": 4.0},
    "recurrent_gemma": {"logits_soft_cap": 3.0},
    "gemma2": {"query_pre_attn_scalar": 16, "attn_logit_softcapping": 1.0, "final_logit_softcapping": 5.0},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 96, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "qwen2_vl": {"text_config": {"rope_parameters": _ROPE3}},
    "qwen2_5_vl": {"text_config": {"rope_parameters": _ROPE3}},
    "qwen3_vl": {"text_config": {"rope_parameters": _ROPE3}},
    **{
        kind: {"text_config": {"rope_parameters": _ROPE3}} for kind in ("glm4v", "glm46v", "glm_ocr", "glmga")
    },
    "glm4v_moe": {
        "text_config": {
            "rope_parameters": {**_ROPE3, "mrope_section": [1, 1, 2], "partial_rotary_factor": 0.5}
        }
    },
    "qwen3_vl_moe": {"text_config": {"rope_parameters": _ROPE3}},
}


def config_of(kind: str, **changes: Any) -> Any:
    """A small config of a `model_type`."""
    from transformers import CONFIG_MAPPING

    cls = CONFIG_MAPPING[kind]
    return cls(**_shrunk(cls().to_dict(), SIZES, {**SPECIAL.get(kind, {}), **changes}, tokens=True))


def _shrunk(
    given: dict[str, Any], sizes: dict[str, Any], special: dict[str, Any], tokens: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        if (
            isinstance(value, dict)
            and (key.endswith("_config") or key in {"attn_config", "ffn_config"})
            and key != "quantization_config"
        ):
            towers = any(
                word in key for word in ("vision", "audio", "vq", "mel", "speech", "visual", "image", "sam")
            )
            inner = _shrunk(value, PICTURES if towers else SIZES, special.get(key, {}), tokens=not towers)
            if "model_type" in value:
                inner["model_type"] = value["model_type"]
                if not towers:
                    inner = {
                        **inner,
                        **{k: v for k, v in SPECIAL.get(value["model_type"], {}).items() if v is not None},
                        **special.get(key, {}),
                    }
            found[key] = inner
        elif key in sizes and (isinstance(value, int | float | bool) or key == "head_dim"):
            found[key] = sizes[key]
    if "kv_lora_rank" in given:  # heads of two parts, and as many keys as queries
        found |= {"num_key_value_heads": 4, **({"head_dim": 8} if "head_dim" in given else {})}
    if tokens:
        found |= {key: 1 for key in ("bos_token_id", "eos_token_id") if key in given}
        found |= {"pad_token_id": 0} if "pad_token_id" in given else {}
        found |= {key: VOCABULARY - 1 - number for number, key in enumerate(TOKENS) if key in given}
    found |= {key: value for key, value in special.items() if not isinstance(found.get(key), dict)}
    return {
        key: value
        for key, value in found.items()
        if value is not None or key in {"sliding_window", "q_lora_rank"}
    }


def model_of(kind: str, **changes: Any) -> Any:
    """A small model in float32, livelier than fresh ones, so that attention matters."""
    import torch

    from tuiftune.engine.model.base import class_of

    torch.manual_seed(0)
    config = config_of(kind, **changes)
    auto = class_of(config)
    with torch.device("meta"):
        if (size := auto.from_config(config).num_parameters()) > LARGEST:
            raise ValueError(f"{kind} isn't tiny: {size:,} parameters")
    torch.manual_seed(0)
    model = auto.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2 and 0 < parameter.std() < 0.08:
                parameter.mul_(0.08 / parameter.std())
    return model.eval()


def make_model(directory: Path, kind: str, **changes: Any) -> Path:
    import tiny

    model_of(kind, **changes).save_pretrained(directory)
    tiny.make_tokenizer().save_pretrained(directory)
    return directory


def without_dropout(config: Any) -> Any:
    """A parsed config whose model's forward draws nothing at random."""
    if not isinstance(config, dict):
        return config
    return {
        key: 0.0
        if ("drop" in key or "jitter" in key) and isinstance(value, float)
        else without_dropout(value)
        for key, value in config.items()
    }


def prepared(
    directory: Path, kind: str, config: dict[str, Any] | None = None, dropout: bool = True, **changes: Any
) -> Any:
    """The run of a preset on a tiny model of this kind (`config`: what its config says otherwise), planned as
    `tuiftune train` does.
    """
    import json

    import tiny

    from tuiftune.engine.jobs import describe
    from tuiftune.jobs.prepare import prepare
    from tuiftune.models import counted
    from tuiftune.preset.schema import Preset

    counted._ask = lambda config, place: describe.describe(config)  # no process: the libraries are here
    counted._keep = lambda path, document: None
    counted._read = lambda path: None
    model, data = directory / "model", directory / "rows.jsonl"
    if not model.exists():
        make_model(model, kind, **(config or {}))
        if not dropout:
            file = model / "config.json"
            file.write_text(json.dumps(without_dropout(json.loads(file.read_text()))))
        tiny.write_rows(data, tiny.rows(24))
    preset = Preset.model_validate({"model": {"base": str(model)}, "data": {"train": str(data)}})
    values: dict[str, Any] = {
        "data.eval": 0.25,
        "data.max_length": 64,
        "method.technique": "lora",
        "method.rank": 4,
        "training.max_steps": 4,
        "training.effective_batch": 6,
        "training.micro_batch": 3,
        "training.learning_rate": 0.01,
        "training.warmup_ratio": 0.0,
        "training.schedule": "constant",
        "training.early_stopping": 0,
        "evaluation.rows": 4,
        "evaluation.samples": 2,
        "evaluation.max_new_tokens": 6,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    return prepare(
        preset.with_values(values), directory / "runs", f"run-{len(list((directory / 'runs').glob('*')))}"
    )


def trial(directory: str, kind: str, changes: dict[str, Any]) -> None:
    """Plan and train it, load the result with the plain libraries, and write down what came of it."""
    import json
    import traceback
    from pathlib import Path

    room = Path(directory)
    try:
        found = _tried(room, kind, changes)
    except Exception as fault:
        found = {"fault": f"{type(fault).__name__}: {fault}", "trace": traceback.format_exc()[-2500:]}
    (room / "found.json").write_text(json.dumps(found, default=str))


def _tried(room: Path, kind: str, changes: dict[str, Any]) -> dict[str, Any]:
    import json

    import torch
    from transformers import AutoTokenizer

    from tuiftune.data.read.load import load
    from tuiftune.engine.evaluation import answers
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.process import job

    run = prepared(room, kind, **changes)
    plan = run.plan().document
    code = int(job.train(run.path, resume=False, force=False))
    events = [json.loads(line) for line in run.events_path.read_text().splitlines()]
    found: dict[str, Any] = {
        "code": code,
        "why": events[-1].get("why"),
        "losses": [event["loss"] for event in events if event["type"] == "step"],
        "norms": [event["grad_norm"] for event in events if event["type"] == "step"],
        "attention": plan["resolved"]["model"]["attention"],
        "notes": plan["notes"],
    }
    if code:
        found["log"] = run.log_path.read_text()[-2500:]
        return found
    start = next(event for event in events if event["type"] == "start")
    found |= {key: start[key] for key in ("parameters", "trainable")}
    found |= {"planned": plan["model"]["parameters"], "will_train": plan["model"].get("trainable")}
    if changes.get("data__eval") == 0:  # nothing to compare
        return found
    result = json.loads((run.path / "result" / "result.json").read_text())
    found |= {"before": result["before"]["loss"], "after": result["after"]["loss"]}
    base, tuned = _plain(room / "model", None), _plain(room / "model", run.path / "result" / "model")
    loaded = AutoTokenizer.from_pretrained(run.path / "result" / "model")
    tokenizer = RowTokenizer(loaded, max_length=64, loss_on="assistant")
    examples = _held_out(run, load)
    rows = tokenizer.rows(examples)
    found |= {"before_plain": _loss(base, rows), "after_plain": _loss(tuned, rows)}
    samples = [json.loads(line) for line in (run.path / "result" / "samples.jsonl").read_text().splitlines()]
    same = []
    for question, sample in zip(answers.questions(examples, tokenizer, 4), samples, strict=True):
        ids = torch.tensor([question.tokens])
        with torch.no_grad():
            written = tuned.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=6,
                do_sample=False,
                use_cache=kind not in NO_CACHE,
            )
        text = loaded.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
        same.append(text.split() == sample["after"].split())
    found["same_answers"] = same
    full = plan["resolved"]["method"]["technique"] == "full"
    found["config"] = _config_changes(room / "model", run.path / "result" / "model") if full else []
    return found


NO_CACHE = ("xlstm", "inkling2_text", "inkling2_loop_text")


def _held_out(run: Any, load: Any) -> Any:
    from tuiftune.engine.training import rows
    from tuiftune.preset.schema import Preset

    class Silent:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    preset = Preset.model_validate(run.plan().document["resolved"])
    return rows.load(preset, Silent(), lambda: None).held_out


def _plain(base: Path, result: Path | None) -> Any:
    """A model by the plain libraries: the base, its adapter on it, or the result itself."""
    import torch
    from transformers import AutoConfig, GenerationConfig

    from tuiftune.engine.model.base import class_of

    whole = result if result is not None and (result / "config.json").is_file() else base
    config = AutoConfig.from_pretrained(whole)
    model, info = class_of(config).from_pretrained(whole, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"], info["missing_keys"]
    if result is not None and whole is base:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, result)
        model.generation_config = GenerationConfig.from_pretrained(result)  # PEFT keeps the base's
    return model.eval()


def _loss(model: Any, rows: Any) -> float:
    """Of each row by itself, through the model's own logits."""
    import torch

    total, learnt = 0.0, 0
    for row in rows:
        ids, labels = torch.tensor([row.ids]), torch.tensor(row.labels)
        with torch.no_grad():
            logits = (
                model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[0].double()
            )
        wanted = labels[1:] != -100
        total += float(
            torch.nn.functional.cross_entropy(logits[:-1][wanted], labels[1:][wanted], reduction="sum")
        )
        learnt += int(wanted.sum())
    return total / learnt


def _config_changes(base: Path, result: Path) -> list[str]:
    import json

    old, new = (json.loads((path / "config.json").read_text()) for path in (base, result))
    return sorted(key for key in {*old, *new} - {"transformers_version"} if old.get(key) != new.get(key))
