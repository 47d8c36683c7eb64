"""How far FP8 and NF4 move a real model: layers' outputs, and the probabilities of the next token.

    python benchmarks/fp8/divergence.py MODEL_OR_GGUF ROWS.jsonl [--rows 12]

Mean Kullback-Leibler divergence from what the 16-bit model gives the next token, in nats; the loss; and the
median relative error of the layers' outputs. Emulated on a CPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuiftune.engine.model import fp8, fp8_base, nf4

sys.path.insert(0, str(Path(__file__).parent))
from quality import read


def main() -> None:
    path, rows = Path(sys.argv[1]), Path(sys.argv[2])
    many = int(sys.argv[sys.argv.index("--rows") + 1]) if "--rows" in sys.argv else 12
    named = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    place = path.parent if named else path
    tokenizer = AutoTokenizer.from_pretrained(place, **named)
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **named).eval()
    fp8_base.hold(model, SimpleNamespace(reference="here"), "cpu", {}, keep=True)  # type: ignore[arg-type]
    layers = fp8_base.layers(model)
    errors: dict[str, list[float]] = {"fp8": [], "nf4": []}
    kept: dict[int, Any] = {}

    def product(layer: Any, inputs: Any, weight: Any) -> Any:
        return torch.nn.functional.linear(inputs, weight, layer.bias)

    def exact(layer: Any, inputs: Any) -> Any:
        flat, whole = inputs.reshape(-1, layer.in_features), product(layer, inputs, layer.original)
        found = {"fp8": fp8.multiply(flat, layer.weight.view(fp8.E4M3), layer.scale).reshape(whole.shape)}
        kept.setdefault(id(layer), nf4.rounded(layer.original))
        found["nf4"] = torch.nn.functional.linear(inputs, kept[id(layer)])
        plain = torch.nn.functional.linear(inputs, layer.original)
        for name, one in found.items():
            errors[name].append(float((one - plain).norm() / plain.norm()))
        return whole

    ways: dict[str, Any] = {
        "16 bit": exact,
        "fp8": None,
        "nf4": lambda layer, inputs: product(layer, inputs, kept[id(layer)]),
    }
    sums = {name: [0.0, 0.0, 0.0] for name in ways}
    with torch.no_grad():
        for ids, prompt in read(rows, tokenizer)[-many:]:
            given, first = torch.tensor([ids]), None
            for name, way in ways.items():
                for layer in layers.values():
                    layer.shown = way
                scores = model(input_ids=given, use_cache=False).logits[0, :-1].log_softmax(-1)
                first = scores if first is None else first
                total = sums[name]
                total[0] += float((first.exp() * (first - scores)).sum())
                total[1] += float(-scores.gather(1, given[0, 1:, None])[prompt - 1 :].sum())
                total[2] += len(ids) - prompt
            tokens = sum(len(one) - 1 for one, _ in read(rows, tokenizer)[-many:])
    for name, (apart, loss, learned) in sums.items():
        found = {"base": name, "divergence": apart / tokens, "loss": loss / learned, "rows": many}
        if name in errors:
            ordered = sorted(errors[name])
            found |= {"error": ordered[len(ordered) // 2], "largest error": ordered[-1]}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
