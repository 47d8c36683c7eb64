"""What a step adds to the weights while it runs: activations, gradients on their way, head, scratch. Bytes.

The forms come from traces (`coefficients`); this evaluates them at a model's and a batch's dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.models import count
from tuiftune.plan import coefficients, head, offloading, shard, static
from tuiftune.plan.coefficients import COMPONENTS
from tuiftune.techniques.base import NF4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.coefficients import Form
    from tuiftune.plan.settings import Settings

WORKSPACE = 2 * (32 << 20)  # cuBLAS on Hopper: 32 MiB for the forward's and for the backward's thread
ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"})
# A compiled layer keeps about what Liger's kernels do in 16 bit throughout, and this much more: measured
# on H200s (8B shape: LoRA kept and recomputed, QLoRA recomputed). Not traced, so the bound is widened.
COMPILED = (1.08, 1.39)
# With all weights trained they kept less than Liger's: casts of weights are made again in the backward pass
# (0.5B shape, pretraining, DPO and KTO, on an H200).
COMPILED_WHOLE = (0.88, 1.39)
# A reward model's layers kept this much more than counted (8B shape, LoRA, compiled, on an H200), where those
# of DPO over the same rows kept what was counted; what, isn't known.
SCORING = 1.12
HEAD, GRADIENTS = COMPONENTS.index("head and loss"), COMPONENTS.index("gradients")
SCORED = ("T*n", "T*S*n")  # a moment at which a layer's attention is in memory holds one of these
AT_HEAD = ("tile",)  # and one of the head, these


class Monomials(dict[str, float]):
    """Dimensions by letter; a product such as "T*h" is worked out when it is first asked for."""

    def __missing__(self, name: str) -> float:
        product = 1.0
        for letter in name.split("*"):
            product *= self[letter] if letter != name else 0.0
        self[name] = product
        return product


def monomials(arch: Architecture, settings: Settings) -> Monomials:
    """T tokens a micro batch, h hidden, I intermediate, q/k query and key width, n/g their heads, r rank …"""
    tokens = settings.tokens
    rows, columns = head.TILE
    cuda = settings.device == "cuda"
    copies = 1 if cuda else 5  # about: elsewhere TRL folds a tile in plain torch
    tile = min(tokens, rows) * (columns if cuda else min(columns, arch.vocab_size))
    if settings.head_once:
        together = head.tokens_at_once(tokens, arch.vocab_size, settings.device)
        tile = max(tile, together * arch.vocab_size)
    return Monomials(
        {
            "T": tokens,
            "N": max(1, tokens - settings.micro_batch),
            "S": settings.length,
            "h": arch.hidden_size,
            "I": arch.intermediate_size,
            "q": arch.query_size,
            "k": arch.kv_size,
            "n": arch.num_heads,
            "g": arch.num_kv_heads,
            "D": arch.head_dim,
            "q+2k": arch.query_size + 2 * arch.kv_size,
            "r": settings.rank,
            "V": arch.vocab_size,
            "E": arch.num_experts,
            "Tc": tokens * arch.experts_per_token,
            "Im": arch.moe_intermediate_size,
            "Is": arch.shared_intermediate_size,
            "tile": tile * copies,
        }
    )


def components(arch: Architecture, settings: Settings, gradients: int) -> tuple[dict[str, int], bool]:
    """Bytes at the step's peak by component, and whether the forms are exact for this model and settings.

    `gradients` are those of all trainable weights: they stay from one micro step to the next in
    accumulation, in the buckets that several processes exchange, and together with the optimizer's states
    when it runs. Of a model that GPUs share they are those of one of them, and `gathered` is what it holds of
    the other ones' weights.
    """
    family, exact = coefficients.traced(_family(arch, settings))
    values = monomials(arch, settings)
    best, masks, gathered = [0.0] * len(COMPONENTS), (0, 0), 0.0
    masked = _masked_layers(arch, settings)
    moments = _moments(family, arch, settings, values)
    if settings.activation_offloading and settings.device == "cuda":
        moments = _offloaded(moments, arch, settings, values)
    for form, found in moments:
        others = 0.0
        if settings.autocast and (arch.counted or form.holds(AT_HEAD)):
            found[HEAD] += _head_casts(arch, settings, values)
        if settings.shards > 1:
            at_head = form.holds(AT_HEAD)
            found[GRADIENTS] = shard.gradients(arch, settings, gradients, found[GRADIENTS], at_head=at_head)
            others = shard.gathered(arch, settings, at_head=at_head)
        elif settings.accumulation > 1 or settings.copies > 1:
            found[GRADIENTS] = gradients + _new_gradients(form, arch, settings, values)
        elif settings.traits.bounded:  # the forms' gradients are those of another technique
            found[GRADIENTS] = max(found[GRADIENTS], gradients)
        # With adapters not measured where the head is the peak: bounded, as for what was counted only.
        everywhere = settings.adapted or arch.counted or form.holds(SCORED)
        beside = _masks(arch, settings, masked if everywhere else 0) if masked else (0, 0)
        if sum(found) + sum(beside) + others > sum(best) + sum(masks) + gathered:
            best, masks, gathered = found, beside, others
    at_update, others = [0.0] * len(COMPONENTS), 0.0
    at_update[GRADIENTS] = gradients
    if settings.shards > 1:
        at_update[GRADIENTS], others = shard.at_end(arch, settings, gradients)
    if sum(at_update) + others > sum(best) + gathered:
        best, gathered = at_update, others
    parts = {name: int(size) for name, size in zip(COMPONENTS, best, strict=True)}
    if settings.shards > 1:
        parts["gathered"] = int(gathered)
    if settings.device == "cuda":
        parts["kernel scratch"] += WORKSPACE
    if arch.counted and arch.counted.kept:
        exact = False
        _raise_to_counted(parts, arch, settings, arch.counted.kept)
    if settings.scores:
        exact, parts["head and loss"] = False, 0
        parts["activations kept"] = int(parts["activations kept"] * SCORING)
    elif settings.logits:
        exact = False
        parts["head and loss"] = settings.tokens * arch.vocab_size * settings.logits
    elif not arch.kind.fused_head:  # logits, their float32 copy, and the gradients of both
        exact = False
        parts["head and loss"] += settings.tokens * arch.vocab_size * (2 * settings.weight_bytes + 12)
    parts["activations kept"] += masks[0]
    parts["activations peak"] += masks[1]
    if settings.compile:
        exact = False
        kept, peak = COMPILED if settings.adapted else COMPILED_WHOLE
        parts["activations kept"] = int(parts["activations kept"] * kept)
        parts["activations peak"] = int(parts["activations peak"] * peak)
    if settings.fp8_products:
        exact = False
        parts["kernel scratch"] += _fp8_scratch(arch, settings)
    if settings.teacher is not None:
        exact = False
        _add_teacher(parts, settings.teacher, settings, values)
    if settings.attention == "eager" and family != "gemma2":
        exact = False
        _add_scores(parts, arch, settings)
    return parts, exact and _variant(settings, settings.targets_group) in _known(family)


def _add_teacher(parts: dict[str, int], teacher: Architecture, settings: Settings, values: Monomials) -> None:
    """A layer of a forward pass that keeps nothing, and its tile of logits next to the model's own.

    A bound by counting tensors: not measured.
    """
    width = max(teacher.intermediate_size, teacher.experts_per_token * teacher.moe_intermediate_size)
    layer = 3 * width + 4 * teacher.hidden_size + teacher.query_size + 2 * teacher.kv_size
    parts["activations peak"] += settings.tokens * settings.compute_bytes * layer
    parts["head and loss"] += int(2 * 4 * values["tile"])


def _fp8_scratch(arch: Architecture, settings: Settings) -> int:
    """Of one product in FP8: its input or gradient in float32 and rounded, and the weight transposed.

    Compiled, the float32 copy is a part of what is rounded; the larger of what two H200 runs of a loop held
    beyond the 16-bit ones less the weights (0.4 and 0.5 GiB, 8B shape, 8,192 tokens). On a CPU the weight is
    brought to float32 for each product.
    """
    shapes = static.fp8_shapes(arch, nf4=settings.fp8_compute)
    widest = max((max(into, out) for into, out, _ in shapes), default=0)
    largest = max((into * out for into, out, _ in shapes), default=0)
    if settings.device == "cpu":
        return 9 * settings.tokens * widest + 4 * largest
    return (4 if settings.compile else 9) * settings.tokens * widest + largest


def _raise_to_counted(
    parts: dict[str, int], arch: Architecture, settings: Settings, kept: tuple[float, float, float]
) -> None:
    """What a float32 forward pass was counted to keep, where that is more than the nearest family's forms.

    With checkpointing the layers that recompute keep their input, and one of them is open at a time.
    """
    constant, slope, bend = kept
    whole = constant + slope * settings.tokens + bend * settings.tokens * settings.length
    if settings.adapted:
        outputs = sum(many for *_, many in count.linear_shapes(arch))
        whole += 4.0 * settings.tokens * settings.rank * outputs
    layer = whole / arch.num_layers
    every = int(settings.checkpointing)
    recomputed = -(-arch.num_layers // every) if every else 0
    inputs = recomputed
    if settings.activation_offloading and settings.device == "cuda":
        inputs = min(recomputed, offloading.THERE)
    found = whole - recomputed * layer + inputs * 4.0 * settings.tokens * arch.hidden_size
    parts["activations kept"] = max(parts["activations kept"], int(found))
    parts["activations peak"] = max(parts["activations peak"], int(2 * layer))


def _family(arch: Architecture, settings: Settings) -> str:
    """Gemma 2 has no fused attention in transformers 5.23; earlier versions ran it without the caps.

    A mixture whose layers were counted is bounded by a traced one.
    """
    if arch.counted and arch.num_experts:
        return "qwen3_moe"
    return "gemma2_sdpa" if arch.family == "gemma2" and settings.attention != "eager" else arch.family


def _moments(
    family: str, arch: Architecture, settings: Settings, values: Monomials
) -> Iterator[tuple[Form, list[float]]]:
    """Each form and its bytes by component. Every-N checkpointing takes both modes' over a mixed depth.

    Layers 0, N, 2N … are recomputed: when the last of them is, what the layers after it kept is gone.
    """
    layers = arch.num_layers
    every = settings.checkpointing
    if every is True or every is False:
        for form in _forms(family, settings, bool(every)):
            yield form, _evaluate(form, values, layers)
        return
    recomputed = -(-layers // int(every))
    slopes = {
        mode: max((_slope(form, values) for form in _forms(family, settings, mode)), default=0.0)
        for mode in (True, False)
    }
    after_last = (layers - 1) % int(every)
    for mode, others, number in (
        (True, False, layers - recomputed - after_last),
        (False, True, recomputed),
    ):
        for form in _forms(family, settings, mode):
            found = _evaluate(form, values, layers)
            own = _slope(form, values)
            if own > 0:
                found[0] += number * (slopes[others] - own)
            yield form, found


def _offloaded(
    moments: Iterator[tuple[Form, list[float]]], arch: Architecture, settings: Settings, values: Monomials
) -> Iterator[tuple[Form, list[float]]]:
    """Without the inputs that are in RAM: all but the last layer's while the head computes, and in the
    backward pass all but those of a layer and of the one before.

    Forms without other layers' inputs are those of the first layer, before which there is none. The second
    has two, and the gradients of all layers but one.
    """
    each = values["T*h"] * settings.weight_bytes
    number = offloading.layers(arch, settings)
    for form, found in moments:
        if _slope(form, values) > 0:
            found[0] -= each * (number - min(number, 1 if form.holds(AT_HEAD) else offloading.THERE))
        elif number == arch.num_layers > 1:
            second = _evaluate(form, values, arch.num_layers - 1)
            second[0] += each
            yield form, second
        yield form, found


def _evaluate(form: Form, values: Monomials, layers: int) -> list[float]:
    found = [0.0] * len(COMPONENTS)
    for part, name, constant, slope in form.terms:
        found[part] += (constant + slope * layers) * values[name]
    return found


def _slope(form: Form, values: Monomials) -> float:
    """Bytes of kept activations a layer."""
    return sum(slope * values[name] for part, name, _, slope in form.terms if part == 0)


def _forms(family: str, settings: Settings, checkpointed: bool) -> tuple[Form, ...]:
    """The variant's forms; where it was not traced, those of the nearest one that keeps more."""
    for name in _names(settings, checkpointed):
        for place in (family, "llama"):
            found = coefficients.forms(place, name)
            if found:
                return found
    raise LookupError(f"no forms for {settings.technique}")


def _names(settings: Settings, checkpointed: bool) -> Iterator[str]:
    groups = dict.fromkeys((settings.targets_group, "attention", "all-linear"))
    if settings.targets_group == "all-linear":
        groups = dict.fromkeys(("all-linear",))
    for kernels in dict.fromkeys((_kernels(settings), "plain")):
        for group in groups:
            for precision in dict.fromkeys((_precision(settings), "")):
                yield _name(settings, group, checkpointed, kernels, precision)


def _name(settings: Settings, group: str, checkpointed: bool, kernels: str, precision: str) -> str:
    return "/".join(
        (
            settings.traits.forms + precision,
            group if settings.adapted else "all",
            "checkpointed" if checkpointed else "kept",
            "dropout" if settings.dropout and settings.adapted else "no dropout",
            kernels,
        )
    )


def _variant(settings: Settings, group: str) -> str:
    return _name(settings, group, bool(settings.checkpointing), _kernels(settings), _precision(settings))


def _kernels(settings: Settings) -> str:
    return "liger" if settings.kernels == "liger" or settings.compile else "plain"


def _precision(settings: Settings) -> str:
    traits = settings.traits
    plain = traits.adapters and traits.compiles and traits.base != NF4
    return " pure" if settings.compile and plain else settings.precision


def _known(family: str) -> frozenset[str]:
    return coefficients.names(family)


def _new_gradients(form: Form, arch: Architecture, settings: Settings, values: Monomials) -> float:
    """Gradients of this micro step that are not yet added to those of the ones before.

    One weight's at a time; those of the embedding and the head (one weight, where tied) meet when the
    backward pass has reached the embedding.
    """
    if settings.adapted:
        return settings.rank * max(arch.intermediate_size, arch.hidden_size) * settings.adapter_bytes
    ends = sum(constant for part, name, constant, _ in form.terms if part == GRADIENTS and name == "h*V")
    if not arch.tie_embeddings:
        ends = max(0.0, ends - settings.weight_bytes)
    largest = max(into * out for _, into, out, _ in count.linear_shapes(arch))
    return ends * values["h*V"] + largest * settings.weight_bytes


def _head_casts(arch: Architecture, settings: Settings, values: Monomials) -> float:
    """What TRL 1.16's head casts to 16 bit for a tile: its tokens, and its part of the weight.

    A part is dropped when the next one has been cast: two of them lie in memory, where there are two.
    """
    rows, columns = head.TILE
    again = values["N"] > rows
    parts = min(arch.vocab_size, 2 * columns) if arch.vocab_size > columns else arch.vocab_size * (1 + again)
    return 2 * arch.hidden_size * (min(values["N"], rows) + parts)


def _masked_layers(arch: Architecture, settings: Settings) -> int:
    """Layers whose attention goes by a mask: all, or those whose window is shorter than a row."""
    if settings.masked:
        return arch.num_layers
    windowed = arch.sliding_window is not None and settings.length > arch.sliding_window
    return arch.sliding_layers if windowed and settings.attention == "sdpa" else 0


def _masks(arch: Architecture, settings: Settings, layers: int) -> tuple[int, int]:
    """What masks keep, and add at the peak: batch × length² in bytes.

    In each of `layers` the same in 16 bit, and keys and values repeated for every query head.
    """
    joined = settings.padding_free
    square = settings.tokens**2 if joined else settings.micro_batch * settings.length**2
    if not layers:
        return square, 0
    repeated = 4 * settings.tokens * (arch.query_size - arch.kv_size)
    layer = 2 * square + repeated
    if settings.checkpointing is False:
        return square + layer * layers, repeated  # gradients of those, before heads are summed
    plain = layers - -(-layers // int(settings.checkpointing))
    return square + layer * plain, repeated + layer


def _add_scores(parts: dict[str, int], arch: Architecture, settings: Settings) -> None:
    """Unfused attention: batch × heads × length² in 16 and 32 bit, kept for the backward pass."""
    square = settings.micro_batch * arch.num_heads * settings.length**2
    plain = 0
    if settings.checkpointing is False:
        plain = arch.num_layers
    elif settings.checkpointing is not True:
        plain = arch.num_layers - -(-arch.num_layers // int(settings.checkpointing))
    parts["activations kept"] += 6 * square * plain
    parts["activations peak"] += 14 * square
