"""A tiny BERT with random weights, and BERTScore by its definition, token by token."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "red", "old", "is", "was"]


def make(directory: str) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(5)
    place = Path(directory)
    place.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (place / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(place / "vocab.txt")).save_pretrained(place)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.4,
    )
    BertModel(config).save_pretrained(place)


def make_of_meanings(directory: str) -> None:
    """A sentence-transformers model of ten words, where cat and feline, mat and rug mean the same."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "cat", "feline", "mat", "rug", "dog", "hound", "tree", "oak", "sleeps"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = torch.zeros(len(words), 8)
    for at in range(1, len(words)):
        vectors[at, (at - 1) // 2] = 1.0
    module = StaticEmbedding(tokenizer, embedding_weights=vectors.numpy())
    SentenceTransformer(modules=[module]).save(directory)


def mean_of_last_layer(directory: str, texts: str, to: str) -> None:
    """Each text alone: the mean of its last layer over all tokens, to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    found = []
    for text in json.loads(Path(texts).read_text()):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = hidden.mean(0)
        found.append((mean / mean.norm()).tolist())
    Path(to).write_text(json.dumps(found))


def by_definition(directory: str, request: str, to: str) -> None:
    """Each text alone, without padding, every cosine by itself."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    asked = json.loads(Path(request).read_text())
    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()

    def vectors(text: str) -> list[list[float]]:
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            return list(model(**ids, output_hidden_states=True).hidden_states[asked["layer"]][0].tolist())

    def best(one: list[list[float]], other: list[list[float]]) -> float:
        """The mean over the words of one text, without its two special tokens."""
        return sum(max(_cosine(a, b) for b in other) for a in one[1:-1]) / (len(one) - 2)

    found: list[Any] = []
    for answer, reference in asked["pairs"]:
        one, other = vectors(answer), vectors(reference)
        if min(len(one), len(other)) < 3:
            found.append(0.0)
            continue
        precision, recall = best(one, other), best(other, one)
        found.append(2 * precision * recall / (precision + recall))
    Path(to).write_text(json.dumps(found))


def _cosine(a: list[float], b: list[float]) -> float:
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))
