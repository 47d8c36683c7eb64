"""A sharded model and its optimizer in a checkpoint: each process writes and reads its own part.

By torch.distributed.checkpoint, which also divides the parts among another number of processes. It lists them
in a pickle: that is read here by a reader that knows only what such a list is made of.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.engine.distributed.group import Group

DIRECTORY = "sharded"
GROUPS = "optimizer.pt"  # rank 0's: the optimizer's groups, by the names of their parameters
MODEL, STATE = "model/", "state/"
LISTS = "torch.distributed.checkpoint.metadata"
KNOWN = {
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),
}
DTYPES = {name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}


def save(directory: Path, model: Any, optimizer: Any, group: Group) -> None:
    """Write what is trained and its states into `directory`. All processes at once."""
    named = dict(_trained(model))
    states = _plain(optimizer).state
    state = {MODEL + name: one.detach() for name, one in named.items()}
    for name, one in named.items():
        for key, value in states.get(one, {}).items():
            state[f"{STATE}{name}/{key}"] = value
    with _as_raised():
        dcp.save(
            state,
            storage_writer=FileSystemWriter(directory / DIRECTORY, sync_files=True),
            process_group=group.talk,
        )
    if group.leads:
        torch.save(_groups(named, optimizer), directory / GROUPS)


def load_weights(directory: Path, model: Any, group: Group) -> None:
    """Read what is trained back into the model's shards. All processes at once."""
    state = {MODEL + name: one.detach() for name, one in _trained(model)}
    with _as_raised():
        dcp.load(state, storage_reader=_Reader(directory / DIRECTORY), process_group=group.talk)


def load_optimizer(directory: Path, model: Any, optimizer: Any, group: Group) -> None:
    """Read the optimizer's states and groups back. All processes at once."""
    named = dict(_trained(model))
    reader = _Reader(directory / DIRECTORY)
    groups = torch.load(directory / GROUPS, map_location="cpu", weights_only=True)
    state: dict[str, Any] = {}
    for key, held in reader.read_metadata().state_dict_metadata.items():
        if not key.startswith(STATE):
            continue
        assert isinstance(held, TensorStorageMetadata), key
        one = named[key.removeprefix(STATE).rpartition("/")[0]]
        dtype = held.properties.dtype
        state[key] = (
            torch.zeros_like(one.detach(), dtype=dtype)
            if held.size == one.shape
            else torch.zeros(held.size, dtype=dtype)
        )
    with _as_raised():
        dcp.load(state, storage_reader=reader, process_group=group.talk)
    plain = _plain(optimizer)
    numbers = {name: number for number, name in enumerate(_order(named, plain))}
    states: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        name, _, leaf = key.removeprefix(STATE).rpartition("/")
        states.setdefault(numbers[name], {})[leaf] = value
    plain.load_state_dict(
        {
            "state": states,
            "param_groups": [
                {**one, "params": [numbers[name] for name in one["params"]]} for one in groups["groups"]
            ],
        }
    )


@contextmanager
def _as_raised() -> Iterator[None]:
    """On every process, what the first of them that failed met: the disk is full for all, say."""
    try:
        yield
    except CheckpointException as fault:
        met = next(iter(fault.failures.values()))[0]
        raise met from None


def _trained(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, one) for name, one in model.named_parameters() if one.requires_grad)


def _plain(optimizer: Any) -> Any:
    """torch's own, without accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)


def _order(named: dict[str, Any], optimizer: Any) -> list[str]:
    """The parameters' names in the order in which the optimizer numbers them."""
    names = {id(one): name for name, one in named.items()}
    return [names[id(one)] for group in optimizer.param_groups for one in group["params"]]


def _groups(named: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    names = {id(one): name for name, one in named.items()}
    return {
        "groups": [
            {**group, "params": [names[id(one)] for one in group["params"]]}
            for group in _plain(optimizer).param_groups
        ]
    }


class _Reader(FileSystemReader):
    def read_metadata(self, *args: Any, **kwargs: Any) -> Any:
        with (self.path / ".metadata").open("rb") as file:  # raw: verified by the checkpoint's manifest
            metadata = _Unpickler(file).load()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """UnpicklingError for anything but the parts of such a list."""
        if module == LISTS or (module, name) in KNOWN or (module == "torch" and name in DTYPES):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong in a checkpoint's list")
