"""The base model and its tokenizer: found, checked and loaded in the precision the plan says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.data.chat.local import eos_ids, read_document
from tuiftune.engine.training.attention import keep_rows_apart
from tuiftune.errors import UserError
from tuiftune.hardware.known_gpus import FP8_SINCE
from tuiftune.models import weights
from tuiftune.models.kinds import kind_of
from tuiftune.plan.attention import VARLEN
from tuiftune.techniques import automatic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.training.settings import Settings

LOOKED_AT = 1 << 24  # numbers at once: of a whole table of embeddings the answer takes 2 GiB on a GPU
SCORE, WRITES = "score.", ("lm_head.", "embed_out.", "output.")  # weights of heads, by what they do
# Tensors that files of sound models hold and causal language models have no place for: other towers, heads
# that predict several tokens at once, tables that are computed, and the scales of quantized files.
_LEFT_OUT = re.compile(
    r"vision|visual|image|audio|speech|projector|connector|resampler|aligner|(^|\.)(mtp|mm_\w+|vit)\b|nextn"
    r"|rotary_emb\.inv_freq|masked_bias$|(^|\.)att(ention|n)\.bias$|position_ids$|_scale(_inv)?$"
)


@dataclass(frozen=True, slots=True)
class Base:
    """Where the base model is loaded from: a directory with weights, or a hub id with a revision."""

    reference: str  # as the preset names it
    source: str
    revision: str | None
    licence: str | None
    remote_code: bool
    quantized: bool = False  # its weights are so on the disk already

    @property
    def local(self) -> bool:
        return paths.is_dir(Path(self.source))


def find(settings: Settings) -> Base:
    """The base model of a run. UserError where a directory lacks weights, or only has unsafe ones."""
    from tuiftune.models.resolve import resolve

    section = settings.preset.model
    model = resolve(section.base, section.revision)
    partly = model.source == "cache" and not model.weights  # what is missing is downloaded, of this revision
    path = None if partly else model.path
    if path is not None:
        weights.check_format(path)
    return Base(
        reference=section.base,
        source=str(path) if path is not None else section.base,
        revision=None if path is not None else section.revision,
        licence=model.licence,
        remote_code=section.trust_remote_code,
        quantized=model.quantization is not None,
    )


def files_of(base: Base) -> Path | None:
    """The directory that the base is loaded from; None while the hub's cache has not got it."""
    from tuiftune.models.resolve import cached_snapshot

    return Path(base.source) if base.local else cached_snapshot(base.source, base.revision)


def stored_dtype(base: Base) -> str | None:
    """What the base's own files hold it in, by torch's name; None where that can't be read."""
    directory = files_of(base)
    return None if directory is None else weights.stored_dtype(directory)


def load_tokenizer(base: Base) -> Any:
    """The tokenizer, with a padding token. UserError where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base.source, revision=base.revision or "main", trust_remote_code=base.remote_code
        )
    except (OSError, ValueError) as fault:
        raise UserError(
            f"the tokenizer cannot be loaded: {_first_line(fault)}",
            place=base.reference,
            remedy="a directory needs tokenizer.json and tokenizer_config.json, a model ID needs access",
        ) from fault
    if not tokenizer.chat_template and (template := _older_template(base)):
        tokenizer.chat_template = template
    if isinstance(tokenizer.chat_template, str):  # a byte order mark would open every row
        tokenizer.chat_template = tokenizer.chat_template.removeprefix("\ufeff")
    if tokenizer.eos_token is None:
        raise UserError(
            "the tokenizer has no end-of-sequence token",
            place=base.reference,
            remedy='name it in the model\'s tokenizer_config.json, such as "eos_token": "</s>"',
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def stop_ids(base: Base) -> list[int]:
    """The token ids at which the base model's own generation stops, by its generation_config.json or else its
    config.json; none where neither says.
    """
    return eos_ids(_document(base, "generation_config.json"), _document(base, "config.json"))


def _older_template(base: Base) -> str | None:
    """Return the template of chat_template.json, which older multimodal models have."""
    found = _document(base, "chat_template.json").get("chat_template")
    return found if isinstance(found, str) else None


def _document(base: Base, name: str) -> dict[str, Any]:
    from transformers.utils import cached_file

    try:
        path = cached_file(
            base.source,
            name,
            revision=base.revision or "main",
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:
        return {}
    return read_document(Path(path)) if path else {}


def choose_device(settings: Settings) -> str:
    """`cuda` or `cpu`, as planned. UserError where the plan counts on a GPU that isn't there."""
    import torch

    there = torch.cuda.is_available()
    if settings.four_bit and not there:
        instead = automatic(tiny=False, over=False)[0].key
        raise UserError(
            f"{settings.traits.name} quantizes the base model on a CUDA GPU, but none is usable here",
            place="method.technique",
            remedy=f"use {instead} on this machine, or run it where `tuiftune doctor` shows a GPU",
        )
    if settings.gpu in (None, "cpu"):
        if settings.gpu == "cpu" or not there:
            return "cpu"
    elif not there:
        raise UserError(
            f"the plan is for {settings.gpu}, but PyTorch finds no GPU here",
            place="plan.json",
            remedy="see `tuiftune doctor` for the reason, or start a new run on this machine",
        )
    products = settings.fp8 or settings.fp8_compute
    if products and torch.cuda.get_device_capability() < FP8_SINCE:
        raise UserError(
            f"{torch.cuda.get_device_name()} does not support FP8 (compute capability below 8.9)",
            place="model.quantization" if settings.fp8 else "training.fp8_compute",
            remedy="start a new run on this machine",
        )
    return "cuda"


def load_model(base: Base, settings: Settings, device: str) -> Any:
    """The base model on its device, in an explicit dtype; quantized to NF4 with double quantization where
    that is planned, on the CPU where it is planned in FP8, in float32 where all of it is trained.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError

    section = settings.preset.model
    dtype = getattr(torch, settings.held_in)
    extra: dict[str, Any] = {"device_map": {"": torch.cuda.current_device()}} if device == "cuda" else {}
    if settings.fp8:
        extra = {"device_map": {"": "cpu"}}  # from where each layer is brought to its device in FP8
    if section.attention != "auto":  # else the best that its class has
        extra["attn_implementation"] = "sdpa" if section.attention == VARLEN else section.attention
    if settings.four_bit:
        extra["quantization_config"] = quantisation(dtype, storage=dtype if settings.sharded else None)
    try:
        kind = class_of(config_of(base))
        if settings.stage.scores:
            from transformers import AutoModelForSequenceClassification

            kind, extra["num_labels"] = AutoModelForSequenceClassification, 1
        model, loaded = kind.from_pretrained(
            base.source,
            revision=base.revision or "main",
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=base.remote_code,
            ignore_mismatched_sizes=True,  # told of below, by name
            output_loading_info=True,
            **extra,
        )
    except ImportError as fault:
        attention = "attention" in str(fault).lower()
        asked = section.attention not in ("sdpa", "eager")  # else its config.json does
        raise UserError(
            _first_line(fault),
            place="model.attention" if attention and asked else base.reference,
            remedy="use sdpa, or install the missing package"
            if attention and asked
            else "delete _attn_implementation from its config.json, or install the missing package"
            if attention
            else "install the missing package, or use the original weights",
        ) from fault
    except (OSError, ValueError) as fault:
        raise UserError(
            f"the model cannot be loaded: {_first_line(fault)}",
            place=base.reference,
            remedy="check that the weights are complete and of a causal language model",
        ) from fault
    except (
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        RuntimeError,
        StrictDataclassError,
    ) as fault:
        if isinstance(fault, torch.OutOfMemoryError) or "CUDA" in str(fault):
            raise
        raise UserError(  # what its code makes of values that it does not expect
            f"the model cannot be built from its config.json: {type(fault).__name__}: {_lines(fault)}",
            place=base.reference,
            remedy="use the config.json that came with the model's weights",
        ) from fault
    if settings.stage.scores:  # whose head is new, in place of the one that writes
        loaded = loaded | {
            "missing_keys": [name for name in loaded["missing_keys"] if not name.startswith(SCORE)],
            "unexpected_keys": [name for name in loaded["unexpected_keys"] if not name.startswith(WRITES)],
        }
    check_loaded(model, loaded, base, numbers=not settings.fp8)  # which are looked at on their device
    if section.attention == VARLEN:
        keep_rows_apart(model)
    return model


def check_loaded(model: Any, loaded: dict[str, Any], base: Base, *, numbers: bool = True) -> None:
    """UserError where the loader made weights up, left some out, or read some that are no numbers: by name.

    Tied heads, and what the model's class says need not be there, are in none of its lists.
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise weights.adapted(base.reference)
    unexpected = [name for name in loaded["unexpected_keys"] if not _LEFT_OUT.search(name)]
    if loaded["missing_keys"] or unexpected or loaded["mismatched_keys"]:
        weights.refuse(loaded["missing_keys"], unexpected, loaded["mismatched_keys"], base.reference)
    if loaded.get("error_msgs"):
        raise UserError(f"the model cannot be loaded: {loaded['error_msgs'][0]}", place=base.reference)
    if numbers:
        check_numbers(model, base)


def check_numbers(model: Any, base: Base) -> None:
    """UserError where a weight, or a scale of a quantized one, is NaN or infinite, or most are 0: by name."""
    broken = [name for name, one in _numbers(model) if not finite(one)]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(
            f"the weights hold NaN or infinite values: {broken[0]}{more}",
            place=base.reference,
            remedy="download the model again; if it was trained here, go back to an earlier checkpoint",
        )
    matrices = [(name, one) for name, one in _numbers(model) if one.dim() > 1]
    zeros = [name for name, one in matrices if _is_zero(one)]
    if len(zeros) > len(matrices) / 2 or any(name.endswith(weights.TABLES) for name in zeros):
        more = f" and {len(zeros) - 1} more" if len(zeros) > 1 else ""
        raise UserError(
            f"the weights are zeros: {zeros[0]}{more}",
            place=base.reference,
            remedy="download the model again: its file has the right length, but was never filled",
        )


def finite(one: Any) -> bool:
    """Whether all of a tensor are numbers, asked without room for a copy of it."""
    import torch

    return all(bool(torch.isfinite(part).all()) for part in one.detach().flatten().split(LOOKED_AT))


def _is_zero(one: Any) -> bool:
    """Whether all of a matrix is 0. One that isn't mostly shows it in its first rows."""
    return not bool(one[:8].any()) and not bool(one.any())


def _numbers(model: Any) -> Iterator[tuple[str, Any]]:
    """What there is in floats: the weights, and the scales of those that are quantized."""
    for name, one in model.named_parameters():
        state = getattr(one, "quant_state", None)
        if state is not None:
            nested = getattr(state, "state2", None)
            yield name, state.absmax if nested is None else nested.absmax
            if nested is not None and state.offset is not None:
                yield name, state.offset
        elif one.is_floating_point() and not one.is_meta:
            yield name, one.detach()
    for name, one in model.named_buffers():
        if name.endswith(".scale") and one is not None:  # of a layer in FP8
            yield name.removesuffix(".scale") + ".weight", one


def config_of(base: Base) -> Any:
    """The base's own config, as transformers reads it."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(
        base.source, revision=base.revision or "main", trust_remote_code=base.remote_code
    )


def class_of(config: Any) -> Any:
    """The auto class that loads a config's model for text: as a causal model, or as the wrapper of one, also
    where the causal model by itself would be saved as what no auto class loads.

    UserError names a `model_type` that is neither.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    remote = getattr(config, "auto_map", None) or {}
    causal, wrappers = AutoModelForCausalLM._model_mapping, AutoModelForImageTextToText._model_mapping
    alone = type(config) in causal and getattr(causal[type(config)], "config_class", None) in causal
    for auto in (AutoModelForCausalLM, AutoModelForImageTextToText):
        if auto is AutoModelForCausalLM and type(config) in wrappers and not alone:
            continue
        if type(config) in auto._model_mapping or auto.__name__ in remote:
            return auto
    raise UserError(f"model_type '{config.model_type}' does not generate text")


def hold_padding_row(model: Any) -> None:
    """Leave out of training the row of the embeddings that its loader sets to zero: it would be lost."""
    embeddings = model.get_input_embeddings()
    place = getattr(embeddings, "padding_idx", None)
    if place is not None and kind_of({"model_type": model.config.model_type}).zeroes_padding:
        embeddings.weight.register_hook(
            lambda gradient: gradient.index_fill(0, gradient.new_tensor([place], dtype=int), 0.0)
        )


def quantisation(dtype: Any, storage: Any = None) -> Any:
    """NF4 with double quantization, computing in `dtype` (QLoRA, arXiv:2305.14314, section 3).

    `storage`: the type that the packed values lie in, a float where they are to be sharded.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        **({} if storage is None else {"bnb_4bit_quant_storage": storage}),
    )


def check_fit(model: Any, tokenizer: Any, settings: Settings, base: Base) -> str | None:
    """UserError where the tokenizer has tokens the model lacks; a warning in words where rows may exceed
    its length.
    """
    size = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > size:
        raise UserError(
            f"the tokenizer has {len(tokenizer)} tokens, the model only {size}",
            place=base.reference,
            remedy="use the tokenizer of the model",
        )
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit and settings.preset.data.max_length > limit:
        return (
            f"data.max_length is {settings.preset.data.max_length}, but the model was made for {limit} tokens"
        )
    return None


def _lines(fault: Exception) -> str:
    """What a library says, its first two lines as one: the second often names the value."""
    return " ".join(line.strip() for line in str(fault).strip().splitlines()[:2]) or type(fault).__name__


def _first_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
