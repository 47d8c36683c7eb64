"""Inputs of recomputed layers leave for RAM and come back: the same losses and gradients, to the last bit."""

from __future__ import annotations

import json
import shutil
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import torch
from test_engine_interrupted import last_weights, steps_of
from test_engine_stages import CASES, SHORT

from tuiftune.engine.training import optimizations
from tuiftune.engine.training.offloading import Input, Offloading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

LAYERS, ROOM = 5, 1 << 30
RECOMPUTED = {"training__activation_checkpointing": True}
OFFLOADED = RECOMPUTED | {"training__activation_offloading": True}
CXX = pytest.mark.skipif(not shutil.which("g++"), reason="compiling for the CPU needs a C++ compiler")


class Watched(Offloading):
    """Remembers what it moved."""

    def __init__(self, room: int = ROOM) -> None:
        super().__init__(room, 0)
        self.seen: list[weakref.ref[Input]] = []
        self.given: list[weakref.ref[Any]] = []  # storages
        self.told = 0
        self.full = self.tell

    def tell(self) -> None:
        self.told += 1

    def around(self, place: int, call: Any, *args: Any, **kwargs: Any) -> Any:
        self.given += [weakref.ref(one.untyped_storage()) for one in args if isinstance(one, torch.Tensor)]
        return super().around(place, call, *args, **kwargs)

    def _pack(self, *args: Any) -> Any:
        found = super()._pack(*args)
        if isinstance(found, Input):
            self.seen.append(weakref.ref(found))
        return found

    @property
    def alive(self) -> list[Input]:
        return [found for one in self.seen if (found := one()) is not None]

    @property
    def there(self) -> list[int]:
        """Layers whose input is in the model's memory."""
        return [one.place for one in self.alive if one.tensor is not None]


def make(offloading: Offloading | None, *, every: int = 1, compiled: bool = False, dropout: float = 0) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_dropout=dropout,
    )
    model = LlamaForCausalLM(config).train()
    optimizations.checkpoint_activations(model, every, None if compiled else offloading)
    if compiled:
        optimizations.compile_layers(model, offloading)
    return model


def batch(seed: int, length: int = 16) -> dict[str, Any]:
    tokens = torch.randint(0, 50, (2, length), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": tokens, "labels": tokens}


def loss_of(model: Any, seed: int, length: int = 16) -> Any:
    return model(**batch(seed, length), use_cache=False).loss


def gradients(model: Any) -> list[Any]:
    found = [one.grad.clone() for one in model.parameters()]
    model.zero_grad()
    return found


def equal(one: list[Any], other: list[Any]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("every", "compiled", "dropout"),
    [
        (1, False, 0.0),
        (2, False, 0.0),
        (1, False, 0.1),
        pytest.param(1, True, 0.0, marks=[pytest.mark.long, CXX]),
        pytest.param(2, True, 0.0, marks=[pytest.mark.long, CXX]),
    ],
    ids=["each layer", "every second", "dropout", "compiled", "compiled every second"],
)
def test_a_step_is_the_same(every: int, compiled: bool, dropout: float) -> None:
    found = []
    for offloading in (None, Watched()):
        model = make(offloading, every=every, compiled=compiled, dropout=dropout)
        torch.manual_seed(11)
        for length in (16, 24, 9):  # as batches of rows differ
            loss = loss_of(model, length, length)
            loss.backward()
            found.append((loss.detach(), gradients(model)))
        if offloading is not None:
            assert len(offloading.seen) == 3 * -(-LAYERS // every)
            assert not offloading.alive
    for plain, moved in zip(found[:3], found[3:], strict=True):
        assert torch.equal(plain[0], moved[0])
        assert equal(plain[1], moved[1])


def older(layer: Any) -> Any:
    """A layer as transformers had it before 5.23: what recomputes it is around its call, and not compiled."""
    plain = torch.nn.Module.__call__

    def inside(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.gradient_checkpointing = False
        try:
            return plain(self, *args, **kwargs)
        finally:
            self.gradient_checkpointing = True

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.gradient_checkpointing and self.training:
            return self._gradient_checkpointing_func(partial(inside, self, **kwargs), *args)
        return plain(self, *args, **kwargs)

    layer.__class__ = type("Older", (type(layer),), {"__call__": call})
    return layer


def test_around_layers_of_older_transformers_activations_are_dropped_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hooks between what recomputes and what is compiled would have kept all that a layer saves."""
    packed: list[int] = []
    plain = Offloading._pack

    def counted(self: Offloading, place: int, *args: Any) -> Any:
        packed.append(place)
        return plain(self, place, *args)

    monkeypatch.setattr(Offloading, "_pack", counted)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda layer: setattr(layer, "_compiled_call_impl", layer._call_impl)
    )
    found = []
    for offloading in (None, Offloading(1 << 30, least=1)):
        model = make(None)
        for layer in optimizations.decoder_layers(model):
            older(layer)
        optimizations.compile_layers(model, offloading)
        loss_of(model, 5).backward()
        found.append(gradients(model))
    assert equal(*found)
    assert packed == list(range(LAYERS))


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=[pytest.mark.long, CXX])])
def test_nothing_else_holds_what_was_moved(compiled: bool) -> None:
    offloading = Watched()
    model = make(offloading, compiled=compiled)
    loss_of(model, 1).backward()
    offloading.given.clear()
    loss = loss_of(model, 1)
    assert [one() is not None for one in offloading.given] == [False] * (LAYERS - 1) + [True]
    assert offloading.there == [LAYERS - 1]
    loss.backward()
    assert not any(one() is not None for one in offloading.given)


def test_only_the_input_is_moved() -> None:
    """Not what is computed inside a layer, nor what stands outside, such as the head's input."""
    offloading = Watched()
    model = make(offloading)
    shapes = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda one: shapes.append(one.shape) or one, lambda one: one
    ):
        loss = loss_of(model, 1)
    assert shapes  # of the head, the loss, the embedding: they keep the hooks that they have
    assert [one.place for one in offloading.alive] == list(range(LAYERS))
    assert {tuple(one.shape) for one in offloading.alive} == {(2, 16, 32)}
    loss.backward()


def test_the_input_before_comes_while_a_layer_runs() -> None:
    offloading = Watched()
    model = make(offloading)
    there: list[list[int]] = []
    for layer in optimizations.decoder_layers(model):  # first comes what recomputes it
        layer.input_layernorm.register_forward_hook(lambda *_: there.append(offloading.there))
    loss = loss_of(model, 1)
    assert there == [[place] for place in range(LAYERS)]
    there.clear()
    loss.backward()
    assert there == [[3], [2], [1], [0], []]


def test_buffers_are_used_again() -> None:
    offloading = Watched()
    model = make(offloading)
    for length in (32, 32, 20, 30):
        loss_of(model, length, length).backward()
    assert len(offloading.free) == LAYERS
    assert ROOM - offloading.room == LAYERS * 2 * 32 * 32 * 4
    loss_of(model, 1, 33).backward()  # the others are too small, and go
    assert len(offloading.free) == LAYERS
    assert ROOM - offloading.room == LAYERS * 2 * 64 * 32 * 4


def test_two_forward_passes_before_a_backward_pass() -> None:
    found = []
    for offloading in (None, Watched()):
        model = make(offloading)
        first, second = loss_of(model, 1), loss_of(model, 2, 20)
        (first + 2 * second).backward()
        found.append(gradients(model))
        first, second = loss_of(model, 1), loss_of(model, 2, 20)
        first.backward()  # the other one's inputs stay
        if offloading is not None:
            assert len(offloading.alive) == LAYERS
        second.backward()
        found.append(gradients(model))
        if offloading is not None:
            assert not offloading.alive
    assert equal(found[0], found[2])
    assert equal(found[1], found[3])


def test_a_backward_pass_may_be_made_twice() -> None:
    found = []
    for offloading in (None, Watched()):
        model = make(offloading)
        loss = loss_of(model, 1)
        loss.backward(retain_graph=True)
        loss.backward()
        found.append(gradients(model))
    assert equal(*found)


def test_what_has_no_backward_pass_gives_its_buffers_back() -> None:
    offloading = Watched()
    model = make(offloading)
    layers = optimizations.decoder_layers(model)

    loss = loss_of(model, 1)
    assert len(offloading.alive) == LAYERS
    del loss
    assert not offloading.alive

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    hook = layers[3].mlp.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        loss_of(model, 1)
    hook.remove()
    assert not offloading.alive

    hook = layers[2].mlp.register_full_backward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        loss_of(model, 1).backward()
    hook.remove()
    assert not offloading.alive
    model.zero_grad()

    with torch.no_grad():
        loss_of(model, 1)
    model.eval()
    loss_of(model, 1).backward()  # nothing is recomputed
    gradients(model)
    model.train()
    assert len(offloading.free) == LAYERS
    seen = len(offloading.seen)

    plain = make(None)
    for one in (plain, model):
        loss_of(one, 1).backward()
    assert equal(gradients(plain), gradients(model))
    assert len(offloading.seen) == seen + LAYERS
    assert ROOM - offloading.room == LAYERS * 2 * 16 * 32 * 4


def test_where_ram_is_short_the_others_stay() -> None:
    one = 2 * 16 * 32 * 4
    found = []
    for offloading in (None, Watched(3 * one)):
        model = make(offloading)
        for _ in range(2):
            loss = loss_of(model, 1)
            if offloading is not None:
                assert [kept.place for kept in offloading.alive] == [0, 1, 2]
                assert offloading.told == 1
            loss.backward()
        found.append(gradients(model))
    assert equal(*found)


STEPS = {"training__max_steps": 8, "training__effective_batch": 8, "training__micro_batch": 2}


def _weights(run: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(next((run / "result" / "model").glob("*.safetensors")))
    return found


def _same(one: Path, other: Path) -> None:
    for kind in ("step", "eval"):
        assert [event["loss"] for event in tiny.events(one, kind)] == [
            event["loss"] for event in tiny.events(other, kind)
        ]
    first, second = _weights(one), _weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "changes",
    [STEPS, STEPS | {"training__activation_checkpointing": 2, "data__padding_free": True}],
    ids=["each layer", "every second, padding-free"],
)
@pytest.mark.parametrize("technique", ["lora", "full"])
def test_a_run_is_the_same(
    technique: str, changes: dict[str, Any], engine: Engine, make_run: Callable[..., Path]
) -> None:
    """With accumulation, and an evaluation and a checkpoint in the middle."""
    changes = changes | {"method__technique": technique}
    runs = [make_run(**levers | changes) for levers in (RECOMPUTED, OFFLOADED)]
    assert [engine.train(run) for run in runs] == [0, 0]
    _same(*runs)


@pytest.mark.parametrize("key", ["dpo", "grpo"])
def test_a_stage_is_the_same(key: str, engine: Engine, make_run: Callable[..., Path], tmp_path: Path) -> None:
    """With forward passes of a reference, and answers that are sampled in between."""
    case = CASES[key]
    rows = tiny.write_rows(tmp_path / f"{key}.jsonl", case.rows())
    changes = SHORT | case.settings | {"method__stage": key, "rows": rows}
    runs = [make_run(**levers | changes) for levers in (RECOMPUTED, OFFLOADED)]
    assert [engine.train(run) for run in runs] == [0, 0]
    _same(*runs)


@pytest.mark.long
@CXX
def test_a_compiled_run_is_the_same(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = STEPS | {"training__compile": True}
    runs = [make_run(**levers | changes) for levers in (RECOMPUTED, OFFLOADED)]
    assert [engine.start("train", run).wait(170) for run in runs] == [0, 0]
    _same(*runs)


def test_a_run_may_be_resumed_without(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {"training__max_steps": 24, "run__save_every": 5}
    whole, broken = make_run(**changes, **RECOMPUTED), make_run(**changes, **OFFLOADED)
    assert engine.train(whole) == 0
    job = engine.start("train", broken)
    job.wait_for_step(broken, 3)
    (broken / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    (broken / "control" / "stop").unlink()
    plan = json.loads((broken / "plan.json").read_text())
    plan["resolved"]["training"]["activation_offloading"] = False
    (broken / "plan.json").write_text(json.dumps(plan))
    assert engine.train(broken, "--resume") == 0
    assert last_weights(broken) == last_weights(whole)
    assert steps_of(broken) == steps_of(whole)
