"""Adapters merged into the base model's own files, one group of tensors at a time.

The base model is built without memory (on the meta device) and adapted by PEFT. Each tensor of the files
is traced to the weights that it becomes when transformers loads it; where adapters reach one of them, it is
read, merged by PEFT in float32, and turned back into the tensors of the file. All others are copied.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.engine.export import shards
from tuiftune.errors import UserError
from tuiftune.models import weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tuiftune.models.weights import Stored

NAMED = 3  # modules that a message names
SAVED = ".modules_to_save."
TRAINED = ("lora_", "ia3_l", SAVED)  # in the names of what an adapter's file holds


@dataclass
class Group:
    """Tensors of the files that become weights of the model together.

    Attributes:
        files: names of the tensors in the files, in their order.
        target: the first weight that they become.
        convert: what turns the ones into the others; None where only the name may differ.
        weights: every weight that they become.
    """

    target: str
    convert: Any = None
    files: list[tuple[str, str]] = field(default_factory=list)  # name, source pattern
    weights: tuple[str, ...] = ()


class Merge:
    """A base model's files with the adapters of a result merged in."""

    def __init__(self, base: Path, core: Any, adapted: Any) -> None:
        """`core`: the base model on the meta device; `adapted`: of PEFT, over another, adapters in memory."""
        self.base, self.core = base, core
        self.stored: dict[str, Stored] = weights.tensors(base)
        self._layers = _adapted(adapted)
        self._tied = _tied(core)
        self._merged: set[str] = set()
        self._ready: dict[str, Any] = {}
        self._groups = self._group()
        self._of = {name: group for group in self._groups for name, _ in group.files}
        self._check()

    @property
    def touched(self) -> set[str]:
        """Names of the tensors in the files that change."""
        return {name for group in self._groups if self._reached(group) for name, _ in group.files}

    def tensor(self, name: str) -> Any:
        """A tensor of the files with the adapters merged in, in float32; None where it is unchanged."""
        if name not in self._ready:
            group = self._of.get(name)
            if group is None or not self._reached(group):
                return None
            self._ready |= self._merge(group)
        return self._ready.pop(name)

    def passed(self, names: Iterable[str]) -> None:
        """Count tensors of a shard that an earlier attempt wrote as merged."""
        for name in names:
            group = self._of.get(name)
            for weight in group.weights if group else ():
                self._merged |= {weight, self._tied.get(weight, weight)} & self._layers.keys()

    def finish(self) -> None:
        """UserError where an adapter was merged into nothing: its name is in no file."""
        left = set(self._layers) - self._merged
        self.refuse(name for name in left if self._tied.get(name) not in self._merged)

    def refuse(self, lost: Iterable[str]) -> None:
        """UserError naming adapters that no tensor of the base model's files takes."""
        named = sorted(lost)
        if named:
            more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            raise UserError(
                f"no tensor of the base model takes the adapter of {', '.join(named[:NAMED])}{more}",
                place=str(self.base),
                remedy="export the adapter instead: --to adapter",
            )

    def _check(self) -> None:
        there = {weight for group in self._groups for weight in group.weights}
        self.refuse(name for name in self._layers if name not in there and self._tied.get(name) not in there)

    def _reached(self, group: Group) -> bool:
        return any(name in self._layers or self._tied.get(name) in self._layers for name in group.weights)

    def _group(self) -> list[Group]:
        """Trace each tensor of the files as transformers does when it loads them."""
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import (
            WeightConverter,
            WeightRenaming,
            dot_natural_key,
            rename_source_key,
        )

        self._conversions = get_model_conversion_mapping(self.core)
        renamings = [one for one in self._conversions if isinstance(one, WeightRenaming)]
        converters = [one for one in self._conversions if isinstance(one, WeightConverter)]
        by_pattern = {pattern: one for one in converters for pattern in one.source_patterns}
        state, prefix = self.core.state_dict(), self.core.base_model_prefix
        found: dict[str, Group] = {}
        for name in sorted(self.stored, key=dot_natural_key):
            target, pattern = rename_source_key(name, renamings, converters, prefix, state)
            if target not in state and name in state:
                target, pattern = rename_source_key(name, [], [], prefix, state)
            if target not in state:
                continue  # another tower, or heads that the model has no place for: copied
            group = found.setdefault(target, Group(target))
            if pattern is not None and group.convert is None:
                group.convert = by_pattern[pattern]
            group.files.append((name, pattern or name))
        for group in found.values():
            group.weights = tuple(self._converted(group, self._empty)) if group.convert else (group.target,)
        self.core._weight_conversions = [one for one in self._conversions if one.was_used()]
        return list(found.values())

    def _empty(self, name: str) -> Any:
        import torch

        stored = self.stored[name]
        dtype = getattr(torch, shards.TORCH.get(stored.dtype, "uint8"))
        return torch.empty(stored.shape, dtype=dtype, device="meta")

    def _read(self, name: str) -> Any:
        import torch

        return shards.read(self.base, self.stored[name]).to(torch.float32)

    def _converted(self, group: Group, source: Any) -> dict[str, Any]:
        """The weights that a group becomes, by name."""
        if group.convert is None:
            return {group.target: source(group.files[0][0])}
        convert = deepcopy(group.convert)
        for name, pattern in group.files:
            convert.add_tensor(group.target, name, pattern, source(name))
        made = convert.convert(group.target, model=self.core, config=self.core.config)
        return {name: one[0] if isinstance(one, list) else one for name, one in made.items()}

    def _merge(self, group: Group) -> dict[str, Any]:
        from transformers.core_model_loading import revert_weight_conversion

        made = self._converted(group, self._read)
        for name in made:
            of = name if name in self._layers else self._tied.get(name)
            if of in self._layers:
                made[name] = self._layers[of].merged(made[name])
                self._merged.add(str(of))
        if group.convert is None:
            return {group.files[0][0]: made[group.target]}
        back = revert_weight_conversion(self.core, made)
        wanted = {name: self.stored[name].shape for name, _ in group.files}
        if {name: tuple(one.shape) for name, one in back.items()} != wanted:
            raise UserError(
                f"transformers does not write {group.target} as the base model's files hold it",
                place=str(self.base),
                remedy="export the adapter instead: --to adapter",
            )
        return dict(back)


class Adapted:
    """An adapted weight: PEFT's layers around it, from the innermost out."""

    def __init__(self, layers: list[Any], parameter: str) -> None:
        self._layers, self._parameter = layers, parameter

    def merged(self, weight: Any) -> Any:
        """The weight, in float32, with its adapters merged in by PEFT."""
        import torch

        holder = self._layers[0].get_base_layer()
        empty, bias = holder._parameters[self._parameter], holder._parameters.get("bias")
        holder._parameters[self._parameter] = torch.nn.Parameter(weight, requires_grad=False)
        if self._parameter != "bias" and bias is not None:
            holder._parameters["bias"] = None  # merged by itself: here it has no values
        try:
            for layer in self._layers:
                layer.merge(safe_merge=True)
            return holder._parameters[self._parameter].data
        finally:
            holder._parameters[self._parameter] = empty
            if bias is not None:
                holder._parameters["bias"] = bias
            for layer in self._layers:
                layer.merged_adapters.clear()


class Scaled:
    """A bias that is scaled with the outputs it is added to."""

    def __init__(self, scales: Any) -> None:
        self._scales = scales

    def merged(self, bias: Any) -> Any:
        """The bias, in float32."""
        return bias * self._scales.detach().to(bias).reshape(bias.shape)


class Replaced:
    """A weight that was trained whole."""

    def __init__(self, weight: Any) -> None:
        self._weight = weight

    def merged(self, weight: Any) -> Any:
        """The trained weight, in float32."""
        import torch

        del weight
        return self._weight.detach().to(torch.float32)


Changed = Adapted | Replaced | Scaled


def empty(config: Any, auto: Any, *, remote_code: bool) -> Any:
    """The base model of a config on the meta device: its structure, and no memory."""
    import torch

    with torch.device("meta"):
        return auto.from_config(config, trust_remote_code=remote_code)


def adapt(model: Any, adapter: Path) -> Any:
    """PEFT's model over a base model on the meta device, its adapters in memory in float32.

    UserError where the adapter's file lacks weights that its configuration asks for.
    """
    import torch
    from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict

    made = PeftModel(model, PeftConfig.from_pretrained(adapter), low_cpu_mem_usage=True).eval()
    for layer in made.modules():  # PEFT moves what it loads to where the base model is, which is nowhere
        if hasattr(layer, "_move_adapter_to_device_of_base_layer"):
            layer._move_adapter_to_device_of_base_layer = _stay
    set_peft_model_state_dict(made, load_peft_weights(adapter, device="cpu"), low_cpu_mem_usage=True)
    lost = [
        name for name, one in made.named_parameters() if one.is_meta and any(part in name for part in TRAINED)
    ]
    if lost:
        raise UserError(
            f"the adapter's file has no {lost[0]}" + (f" and {len(lost) - 1} more" if lost[1:] else ""),
            place=str(adapter),
            remedy="copy the run again",
        )
    for name, one in made.named_parameters():
        if any(part in name for part in TRAINED if part != SAVED):
            one.data = one.data.to(torch.float32)
    return made


def _stay(*given: Any, **more: Any) -> None:
    """Leave an adapter where it is."""


def _adapted(model: Any) -> dict[str, Changed]:
    """What changes each weight, by the weight's name in the base model."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    prefix = "base_model.model."
    found: dict[str, Changed] = {}
    around: dict[tuple[int, str], tuple[str, list[Any]]] = {}
    for path, module in model.named_modules():
        name = path.removeprefix(prefix)
        if isinstance(module, ModulesToSaveWrapper):
            for key, one in module.modules_to_save[module.active_adapters[0]].named_parameters():
                found[f"{name}.{key}"] = Replaced(one)
        elif isinstance(module, BaseTunerLayer) and path:
            scales = getattr(module, "ia3_l", None)
            if scales and not module.is_feedforward and module.get_base_layer().bias is not None:
                found[f"{name}.bias"] = Scaled(next(iter(scales.values())))
            parameter = getattr(module, "parameter_name", None) or "weight"
            plain = name.replace(".base_layer", "")
            # Wrappers around wrappers come outermost first: those of one parameter are merged inside out.
            _, layers = around.setdefault((id(module.get_base_layer()), parameter), (plain, []))
            layers.insert(0, module)
    for (_, parameter), (name, layers) in around.items():
        found[f"{name}.{parameter}"] = Adapted(layers, parameter)
    return found


def _tied(core: Any) -> dict[str, str]:
    """The embeddings' name by that of a head that shares their weight; nothing where it has its own."""
    head, embeddings = core.get_output_embeddings(), core.get_input_embeddings()
    if head is None or head.weight is not embeddings.weight:
        return {}
    names = {id(module): name for name, module in core.named_modules()}
    return {f"{names[id(head)]}.weight": f"{names[id(embeddings)]}.weight"}


def dtypes(stored: Mapping[str, Stored], wanted: str | None) -> dict[str, str]:
    """The safetensors type that each tensor is written in.

    Tensors keep their own, but those of the type that most weights have become `wanted` (torch's name).
    """
    if wanted is None:
        return {name: one.dtype for name, one in stored.items()}
    sizes: dict[str, int] = {}
    for one in stored.values():
        if one.dtype in weights.FLOATS:
            sizes[one.dtype] = sizes.get(one.dtype, 0) + one.end - one.begin
    main = max(sizes, key=lambda key: sizes[key]) if sizes else None
    return {name: shards.STORED[wanted] if one.dtype == main else one.dtype for name, one in stored.items()}
