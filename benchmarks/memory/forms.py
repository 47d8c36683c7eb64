"""Regenerate `tuiftune/plan/coefficients/`: the linear forms of a step's memory, from traces of toy models.

    python benchmarks/memory/forms.py [FAMILY…]      about four seconds a variant on one core

Two traces, of three and of four layers, show how each moment of the step grows with depth. A moment is a
linear form in monomials of the dimensions; the step's peak is the largest form. Forms that are nowhere the
largest are dropped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import tracing
from tracing import LEAST, Dimensions, Tracker, Variant, dimensions, odd

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[str, str]  # component, monomial
Moment = dict[Key, float]
Form = dict[Key, tuple[float, float]]  # bytes a unit of the monomial: constant, and for each layer
HERE = Path(__file__).parent.parent.parent / "tuiftune" / "plan" / "coefficients"
FAMILIES = (
    "llama",
    "qwen3",
    "gemma3_text",
    "gemma2",
    "gemma2_sdpa",
    "phi3",
    "olmo2",
    "qwen3_moe",
    "mixtral",
    "gemma",
)
NO_LIGER = frozenset({"phi", "starcoder2"})
LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes")


def classify(tracker: Tracker, d: Dimensions) -> list[Key | None]:
    """The component and monomial of every storage; None for what is too small to count."""
    table = d.monomials()
    start = {name: clock for clock, name in tracker.marks}
    head = start["head"]
    keys: list[Key | None] = []
    for storage in tracker.storages:
        if storage.size < LEAST:
            keys.append(None)
            continue
        found = table.get(odd(storage.size))
        if not found:
            if storage.size <= 16 * d.batch * (d.length + 1):
                keys.append(None)
                continue
            raise ValueError(f"{storage.size} bytes of {storage.where} in {storage.segment} are no monomial")
        name = found[0][0]
        forward = storage.segment == "before" or storage.segment.startswith("F")
        if storage.gradient:
            part = "gradients"
        elif storage.segment == "head" or name == "tile":
            part = "head and loss"
        elif forward and (storage.died is None or storage.died > head):
            part = "activations kept"
        elif "T" in name or "N" in name or name.startswith("S"):
            part = "activations peak"
        else:
            part = "kernel scratch"
        keys.append((part, name))
    return keys


def moments(tracker: Tracker, layers: int, d: Dimensions) -> Iterator[tuple[str, Moment]]:
    """Every local peak, with the name of its segment made depth-free."""
    keys = classify(tracker, d)
    sizes = {name: size for found in d.monomials().values() for name, size in found}
    events = [(s.born, i, 1) for i, s in enumerate(tracker.storages)]
    events += [(s.died, i, -1) for i, s in enumerate(tracker.storages) if s.died is not None]
    events.sort()
    marks = [*tracker.marks, (1 << 60, "end")]
    live: dict[Key, float] = defaultdict(float)
    place, segment = 0, "before"
    for number, (clock, index, sign) in enumerate(events):
        while clock > marks[place][0]:
            segment = marks[place][1]
            place += 1
        key = keys[index]
        if key is not None:
            live[key] += sign * tracker.storages[index].size / sizes[key[1]]
        last = number + 1 == len(events) or events[number + 1][2] < 0
        if sign > 0 and last:
            if segment[0] in "FB" and segment[1:].isdigit():
                depth = int(segment[1:])
                name = segment[0] + ("first" if depth == 0 else "last" if depth == layers - 1 else "middle")
                if name.endswith("middle"):
                    continue
            else:
                name = segment
            yield name, {k: v for k, v in live.items() if abs(v) > 1e-9}


def forms(variant: Variant, d: Dimensions) -> list[Form]:
    """All moments of a variant as forms linear in the number of layers."""
    shallow = list(moments(tracing.step(variant, 3, d), 3, d))
    deep = list(moments(tracing.step(variant, 4, d), 4, d))
    names3, names4 = [n for n, _ in shallow], [n for n, _ in deep]
    if names3 != names4:
        raise ValueError(f"{variant}: the traces of 3 and 4 layers do not run alike")
    found = []
    for (_, three), (_, four) in zip(shallow, deep, strict=True):
        form: Form = {}
        for key in three.keys() | four.keys():
            slope = four.get(key, 0.0) - three.get(key, 0.0)
            form[key] = (three.get(key, 0.0) - 3 * slope, slope)
        found.append(form)
    return found


def shapes(number: int) -> Iterator[tuple[dict[str, float], int]]:
    """Random models and batches as people train them: monomial → value, and layers."""
    draw = random.Random(11)
    for _ in range(number):
        head_dim = draw.choice([64, 80, 96, 128, 128, 256])
        hidden = draw.choice([576, 896, 1024, 1536, 2048, 2304, 3072, 4096, 5120, 8192])
        heads = max(1, round(hidden / head_dim * draw.choice([0.5, 1, 1, 1, 1.6, 2])))
        d = {
            "h": hidden,
            "I": round(hidden * draw.uniform(2, 6.5)),
            "q": heads * head_dim,
            "n": heads,
            "D": head_dim,
            "r": draw.choice([4, 8, 16, 16, 32, 64, 128, 256]),
            "V": draw.choice([32000, 49152, 128256, 151936, 262144]),
            "E": draw.choice([8, 64, 128]),
            "Im": draw.choice([768, 1024, 14336]),
            "Is": 1024,
        }
        d["g"] = max(1, heads // draw.choice([1, 2, 4, 8]))
        d["k"] = d["g"] * head_dim
        d["q+2k"] = d["q"] + 2 * d["k"]
        length = draw.choice([128, 256, 512, 1024, 2048, 4096, 8192])
        tokens = length * draw.choice([1, 2, 4, 8, 16])
        values: dict[str, float] = {"T": tokens, "N": tokens, "S": length, "tile": min(tokens, 4096) * 32768}
        values["Tc"] = tokens * draw.choice([2, 8])
        yield Values(values | d), draw.choice([8, 16, 24, 28, 32, 48, 80])


class Values(dict[str, float]):
    """Monomial names like "T*h" evaluate to the product of their factors."""

    def __missing__(self, name: str) -> float:
        product = 1.0
        for factor in name.split("*"):
            product *= self[factor] if "*" in name else 0.0
        self[name] = product
        return product


def prune(found: list[Form]) -> list[Form]:
    """Only the forms that are the largest for some shape."""
    unique = list({tuple(sorted(form.items())): form for form in found}.values())
    kept: set[int] = set()
    keys = sorted({key for form in unique for key in form})
    position = {key: i for i, key in enumerate(keys)}
    constant = torch.zeros(len(unique), len(keys), dtype=torch.float64)
    slope = torch.zeros_like(constant)
    for row, form in enumerate(unique):
        for key, (a, b) in form.items():
            constant[row, position[key]], slope[row, position[key]] = a, b
    for values, layers in shapes(1500):
        point = torch.tensor([float(values[name]) for _, name in keys], dtype=torch.float64)
        kept.add(int(((constant + layers * slope) @ point).argmax()))
    return [unique[i] for i in sorted(kept)]


def variants(family: str, precision: str) -> Iterator[Variant]:
    """Most asked for first, so that a short run has them."""
    if precision == "master":
        ligers = (False,) if family in NO_LIGER else (False, True)
        for liger, checkpointing in itertools.product(ligers, (True, False)):
            yield Variant(family, "full", precision, "all-linear", checkpointing, liger=liger)
        for targets, liger, dropout, checkpointing in itertools.product(
            ("all-linear", "attention", "qv"), ligers, (False, True), (True, False)
        ):
            if targets != "qv" or family != "phi3":
                yield Variant(family, "qlora", precision, targets, checkpointing, dropout, liger)
        return
    if precision != "mixed":
        techniques = ("lora",) if precision == "pure" else ("lora", "full", "dora")
        ligers = (False,) if precision == "float32" or family in NO_LIGER else (False, True)
        for technique, liger, dropout, checkpointing in itertools.product(
            techniques, ligers, (False, True), (True, False)
        ):
            if technique != "full" or not dropout:
                yield Variant(family, technique, precision, "all-linear", checkpointing, dropout, liger)
        return
    ligers = (False,) if family in NO_LIGER else (False, True)
    for targets, liger in itertools.product(("all-linear", "attention", "qv"), ligers):
        for technique in ("lora", "qlora", "full", "dora"):
            if technique == "full" and targets != "all-linear":
                continue
            if targets == "qv" and family == "phi3":
                continue
            for dropout, checkpointing in itertools.product((False, True), (True, False)):
                if technique == "full" and dropout:
                    continue
                yield Variant(family, technique, "mixed", targets, checkpointing, dropout, liger)


def name_of(variant: Variant) -> str:
    return "/".join(
        [
            variant.technique if variant.precision == "mixed" else f"{variant.technique} {variant.precision}",
            variant.targets if variant.technique != "full" else "all",
            "checkpointed" if variant.checkpointing else "kept",
            "dropout" if variant.dropout else "no dropout",
            "liger" if variant.liger else "plain",
        ]
    )


def compact(form: Form) -> dict[str, dict[str, list[float]]]:
    """{component: {monomial: [constant, per layer]}}, zeros left out."""
    parts: dict[str, dict[str, list[float]]] = {}
    for (part, name), (a, b) in sorted(form.items()):
        if abs(a) > 1e-9 or abs(b) > 1e-9:
            parts.setdefault(part, {})[name] = [round(a, 4), round(b, 4)]
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", default=FAMILIES)
    parser.add_argument("--precision", choices=("mixed", "master", "pure", "float32"), default="mixed")
    parser.add_argument("--technique", choices=("lora", "qlora", "full", "dora"), help="only this one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    for family in options.families:
        moe = "moe" in family or family == "mixtral"
        d = dimensions(moe)
        document = {"versions": {name: version(name) for name in LIBRARIES}, "forms": {}}
        place = HERE / f"{family}.json"
        if place.exists():
            document["forms"] = json.loads(place.read_text(encoding="utf-8"))["forms"]
        for variant in variants(family, options.precision):
            if options.technique not in (None, variant.technique):
                continue
            started = time.monotonic()
            try:
                found = prune(forms(variant, d))
            except Exception as fault:
                print(family, name_of(variant), "failed:", repr(fault)[:300], flush=True)
                continue
            document["forms"][name_of(variant)] = [compact(form) for form in found]
            print(
                f"{family} {name_of(variant)}: {len(found)} forms, {time.monotonic() - started:.1f} s",
                flush=True,
            )
            text = json.dumps(document, separators=(",", ":"))
            place.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
