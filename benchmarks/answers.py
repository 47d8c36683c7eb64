"""How fast rows are answered for a score: the engine's way, beside `generate` for 16 rows at once.

    python benchmarks/answers.py [--shape LAYERSxWIDTH|MODEL] [--rows N] [--new N] [--prompt SHARED+OWN]
                                 [--stops SHARE] [--plain-rows N]

Without a shape, the built-in model and dataset, with `--shots` rows as examples before each. With one,
random weights and tokens: SHARED are the same in all rows (few-shot examples, a system message), OWN of
varied length are not; with `--stops`, that share of all tokens ends an answer. On a CPU in float32 both must
write the same answers. A model of the catalogue is made on the GPU in bfloat16, and answers over the compiled
static cache are timed too (the fastest of the repetitions, so without compiling); answers that part where two
tokens are as good as equally likely count as alike. `--plain-rows`: `generate` answers only so many of the
rows, drawn by lot, where all would take minutes; its rows a second are of those. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from typing import Any


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--shape", default="")
    given.add_argument("--rows", type=int, default=256)
    given.add_argument("--new", type=int, default=32)
    given.add_argument("--prompt", default="20+40")
    given.add_argument("--stops", type=float, default=0.0)
    given.add_argument("--plain-rows", type=int, default=0)
    given.add_argument("--shots", type=int, default=0)
    given.add_argument("--repeat", type=int, default=2, help="times, in turn; the fastest counts")
    given.add_argument("--sizes", default="", help="rows at once to try, such as 16,32,64")
    asked = given.parse_args()
    import torch

    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    on_gpu = "/" in asked.shape
    if asked.shape:
        model = catalogued(asked.shape) if on_gpu else made(*map(int, asked.shape.split("x")))
        vocabulary = model.config.vocab_size
        prompts = rows(asked.rows, *map(int, asked.prompt.split("+")), vocabulary)
        stops = [2, *random.Random(3).sample(range(3, vocabulary), int(vocabulary * asked.stops))]
    else:
        model, prompts, stops = built_in(asked.rows, asked.shots)
        asked.prompt = f"{len(prompts[0])} tokens, {asked.shots} examples"
    from tuiftune.engine.evaluation import answers, batching

    decoding = answers.GREEDY | {"use_cache": True, "pad_token_id": 0, "eos_token_id": stops}
    part = sorted(random.Random(7).sample(range(asked.rows), asked.plain_rows or asked.rows))
    both = {"16 rows, generate": lambda: plain(model, [prompts[at] for at in part], decoding, asked.new)}
    usual = batching.MOST if on_gpu else batching.ON_CPU
    for size in [int(one) for one in asked.sizes.split(",") if one] or [usual]:
        both[f"{size} rows, engine"] = lambda size=size: engine(model, prompts, decoding, asked.new, size)
        if on_gpu:
            both[f"{size} rows, compiled"] = lambda size=size: static(
                model, prompts, decoding, asked.new, size
            )
    found: dict[str, Any] = {"shape": asked.shape or "built-in", "rows": asked.rows, "prompt": asked.prompt}
    found |= {"new": asked.new, "stops": asked.stops, "threads": torch.get_num_threads()}
    answers_of: dict[str, Any] = {}  # of the rows that `generate` answers
    answered: dict[str, int] = {}
    best: dict[str, float] = {}
    used: dict[str, float] = {}  # processor seconds: with one thread, what a busy machine cannot blur
    for _ in range(asked.repeat):
        for name, write in both.items():
            began, busy = time.perf_counter(), time.process_time()
            written = write()
            best[name] = min(best.get(name, float("inf")), time.perf_counter() - began)
            used[name] = min(used.get(name, float("inf")), time.process_time() - busy)
            kept = written if len(written) == len(part) else [written[at] for at in part]
            answers_of[name] = [ended(one, stops) for one in kept]
            answered[name] = len(written)
    first = next(iter(answers_of.values()))
    for name, seconds in best.items():
        same = sum(a == b for a, b in zip(first, answers_of[name], strict=True))
        found[name] = {
            "seconds": round(seconds, 2),
            "rows_s": round(answered[name] / seconds, 1),
            "processor_seconds": round(used[name], 2),
            "same": same,
        }
    if on_gpu:
        for name, written in answers_of.items():
            found[name]["alike"] = sum(map(alike_under(model), [prompts[at] for at in part], first, written))
        found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    found["tokens"] = sum(map(len, first))
    print(json.dumps(found))


def ended(tokens: list[int], stops: list[int]) -> list[int]:
    """The tokens up to the first that ends the answer."""
    return tokens[: next((at + 1 for at, one in enumerate(tokens) if one in stops), len(tokens))]


def plain(model: Any, prompts: list[list[int]], decoding: dict[str, Any], new: int) -> list[list[int]]:
    from tuiftune.engine.evaluation.decoding import padded

    written: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    for start in range(0, len(order), 16):
        chosen = order[start : start + 16]
        ids, mask = padded([prompts[at] for at in chosen], 0)
        found = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new, **decoding)
        for at, line in zip(chosen, found[:, ids.shape[1] :].tolist(), strict=True):
            written[at] = line
    return written


def engine(
    model: Any, prompts: list[list[int]], decoding: dict[str, Any], new: int, size: int
) -> list[list[int]]:
    from tuiftune.engine.evaluation.decoding import SharedPrefix, decode

    prefix = SharedPrefix(model, prompts, decoding)
    written: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        found = decode(model, [prompts[at] for at in chosen], prefix, decoding, max_new_tokens=new)
        for at, line in zip(chosen, found, strict=True):
            written[at] = line
    return written


def static(
    model: Any, prompts: list[list[int]], decoding: dict[str, Any], new: int, size: int
) -> list[list[int]]:
    """The engine's compiled batches, all of one shape."""
    from tuiftune.engine.evaluation import compiled

    written: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    longest = max(map(len, prompts))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        rows = [prompts[at] for at in chosen]
        for at, line in zip(chosen, compiled.batch(model, rows, decoding, new, size, longest), strict=True):
            written[at] = line
    return written


def alike_under(model: Any) -> Any:
    from tuiftune.engine.evaluation import compiled

    return lambda prompt, one, other: compiled.alike(model, prompt, one, other)


def catalogued(name: str) -> Any:
    """A model of the catalogue with random weights, on the GPU in bfloat16."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tuiftune.models import catalogue

    entry = catalogue.find(name)
    if entry is None:
        raise LookupError(name)
    fields = dict(entry.config)
    with torch.device("cuda"):
        config = AutoConfig.for_model(fields.pop("model_type"), **fields)
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


def rows(count: int, shared: int, own: int, vocabulary: int) -> list[list[int]]:
    rng = random.Random(5)
    head = [rng.randrange(3, vocabulary) for _ in range(shared)]
    return [
        head + [rng.randrange(3, vocabulary) for _ in range(rng.randint(max(1, own // 2), own * 3 // 2))]
        for _ in range(count)
    ]


def built_in(count: int, shots: int) -> tuple[Any, list[list[int]], list[int]]:
    """The model, the prompts of the dataset's first rows, and what ends an answer."""
    from tuiftune.data.read.load import load
    from tuiftune.engine.evaluation import loaded
    from tuiftune.evaluate.contender import questions_of
    from tuiftune.evaluate.prompting import FewShot

    models = loaded.of_model("builtin:tiny", None)
    asked = questions_of(list(load("builtin:tickets").examples()), count + shots).questions
    way = FewShot(asked[count:])
    with models.model("base") as model:
        model = model.float()
    prompts = [models.tokenizer.prompt(one) for one in way.messages(asked[:count])]
    return model, prompts, models.tokenizer.stop_tokens()


def made(layers: int, width: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=16_000,
        hidden_size=width,
        intermediate_size=width * 8 // 3 // 64 * 64,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=max(1, width // 192),
        initializer_range=0.08,
    )
    return LlamaForCausalLM(config).eval()


if __name__ == "__main__":
    main()
