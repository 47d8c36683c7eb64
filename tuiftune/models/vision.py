"""The image encoders that come with multimodal wrappers, counted so that their memory is not forgotten."""

from __future__ import annotations

from typing import Any


def tower_parameters(config: dict[str, Any], text_hidden: int) -> int | None:
    """Return parameters outside the text model; None if the architecture is not known.

    Gemma 3: a SigLIP encoder (patch and position embeddings, pre-norm layers with biases, final norm) and
    a projector of one norm and one matrix. Checked against the instantiated model.
    """
    if config.get("model_type") != "gemma3":
        return None if _has_other_parts(config) else 0
    given = config.get("vision_config")
    vision = given if isinstance(given, dict) else {}
    hidden = int(vision.get("hidden_size", 768))
    inner = int(vision.get("intermediate_size", 3072))
    layers = int(vision.get("num_hidden_layers", 12))
    patch = int(vision.get("patch_size", 16))
    image = int(vision.get("image_size", 224))
    embeddings = 3 * patch * patch * hidden + hidden + (image // patch) ** 2 * hidden
    layer = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
    pooling = 0  # a head of one attention layer and an MLP, which text has no use for
    if vision.get("vision_use_head", True):
        pooling = hidden + 4 * (hidden * hidden + hidden) + 2 * hidden + 2 * hidden * inner + inner + hidden
    return embeddings + layers * layer + 2 * hidden + pooling + hidden + hidden * text_hidden


def _has_other_parts(config: dict[str, Any]) -> bool:
    return any(
        isinstance(config.get(key), dict) for key in ("vision_config", "audio_config", "speech_config")
    )
