"""A tiny model of a `model_type`, its log-probabilities by transformers, and those by llama.cpp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PLACES = (0, 2, 4, 6)  # of the tokens, whose next ones are compared: within the tiny windows of attention


def reference(path: str, kind: str, known: list[str]) -> None:
    """The model in `model`, and its log-probabilities after some tokens in reference.json; or the fault.
    Nothing is made of one whose architecture is not known.
    """
    import traceback

    import tiny_families
    import torch

    from tuiftune.engine.model.base import class_of

    room = Path(path)
    try:
        config = tiny_families.config_of(kind)
        name = class_of(config)._model_mapping[type(config)].__name__
        if name not in known:
            (room / "reference.json").write_text(json.dumps({"refused": name}))
            return
        tiny_families.make_model(room / "model", kind)
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(room / "model")
        model = class_of(config).from_pretrained(room / "model", dtype=torch.float32).eval()
        ids = list(range(40, 47))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        rows = torch.log_softmax(logits.float(), -1)[list(PLACES)]
        found: dict[str, Any] = {"ids": ids, "rows": rows.tolist()}
    except Exception:
        found = {"fault": traceback.format_exc()}
    (room / "reference.json").write_text(json.dumps(found))


def sentencepiece(path: str) -> None:
    """A SentencePiece file in the model's directory, as older Llamas and Gemmas have it."""
    import io

    import sentencepiece as library
    import tiny

    texts = [message["content"] for row in tiny.rows() for message in row["messages"]]
    made = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=made,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (Path(path) / "tokenizer.model").write_bytes(made.getvalue())


def compare(path: str) -> None:
    """The largest difference of log-probabilities over the vocabulary, and how far those spread."""
    import urllib.request

    import torch
    import xllamacpp

    room = Path(path)
    wanted = json.loads((room / "reference.json").read_text())
    given = xllamacpp.CommonParams()
    given.model.path = str(room / "it.gguf")
    given.n_ctx, given.n_parallel, given.warmup, given.verbosity = 64, 1, False, -1
    given.cpuparams.n_threads = 1
    server = xllamacpp.Server(given)
    rows = torch.tensor(wanted["rows"])
    worst = 0.0
    for place, row in zip(PLACES, rows, strict=True):
        asked = {
            "prompt": wanted["ids"][: place + 1],
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": row.numel(),
            "cache_prompt": False,
            "logit_bias": [[50, 1e4]],  # a letter: probabilities are not listed next to what is no text
        }
        request = urllib.request.Request(
            f"{server.listening_address}/completion",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as said:
            listed = json.loads(said.read())["completion_probabilities"][0]["top_logprobs"]
        assert len(listed) > row.numel() // 2, len(listed)
        seen = {one["id"]: one["logprob"] for one in listed if one["logprob"] is not None}
        tokens = [token for token in seen if token < row.numel()]
        theirs = torch.tensor([seen[token] for token in tokens])
        worst = max(worst, float((theirs - row[torch.tensor(tokens)]).abs().max()))
    found = {"difference": worst, "spread": float(rows.std(-1).mean())}
    (room / "found.json").write_text(json.dumps(found))
