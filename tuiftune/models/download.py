"""Downloading a model of the Hub: which of its files are needed, what is said first, and where it is then."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.figures import plural, size
from tuiftune.hub import fetch, progress, remote
from tuiftune.hub.faults import offline
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.hub.remote import Remote, RemoteFile
    from tuiftune.models.reference import BaseModel

PLACE = "model.base"
ADAPTER = "adapter_config.json"
BY_NAME = ("catalogue", "cache", "hub")  # sources of models that are named by their ID
BYTES_A_PARAMETER = 2  # most are published in bfloat16
_SMALL = re.compile(r"[^/]+\.(json|jinja|model|txt|tiktoken|py)|README\.md")
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
LARGEST_SMALL = 200 * 2**20  # bytes: a tokenizer.json has up to 40 MiB


@dataclass(frozen=True, slots=True)
class Download:
    """What is to be downloaded of a model: its `small` files (config, tokenizer, template) and `weights`."""

    remote: Remote
    small: tuple[RemoteFile, ...]
    weights: tuple[RemoteFile, ...]

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        return (*self.small, *self.weights)

    @property
    def bytes_left(self) -> int:
        return fetch.bytes_left(self.remote, self.files)

    def __str__(self) -> str:
        return self.announced(self.files)

    def announced(self, files: Sequence[RemoteFile]) -> str:
        """Return what is said before `files` are downloaded. The time is known once a rate was measured."""
        lacking, left = fetch.missing(self.remote, files), fetch.bytes_left(self.remote, files)
        whole = sum(one.size for one in lacking)
        began = f", {size(whole - left)} of them here already" if left < whole else ""
        facts = [f"license {self.remote.licence}" if self.remote.licence else "license not stated"]
        facts += ["gated: your access was checked"] if self.remote.gated else []
        what = "" if files == self.files else "the tokenizer of "
        return (
            f"{what}{self.remote.id} is not on this machine: {size(whole)} to download in "
            f"{plural(len(lacking), 'file')}{began} ({', '.join(facts)}), {size(fetch.free_bytes())} free"
        )


def of_hub(name: str, revision: str | None = None, *, fresh: bool = False) -> Download:
    """Return what a model of the Hub consists of, as remembered, or (`fresh`: always) as the Hub says now.

    UserError in one line where it can't be had, or has no weights that can be trained.
    """
    found = None if fresh else remote.known("model", name, revision)
    found = found or remote.look("model", name, revision, PLACE)
    small = tuple(one for one in found.files if _SMALL.fullmatch(one.name) and one.size <= LARGEST_SMALL)
    weights = tuple(one for one in found.files if _WEIGHTS.fullmatch(one.name))
    if any("-of-" in one.name for one in weights):  # a whole file next to the parts is a second copy
        weights = tuple(one for one in weights if "-of-" in one.name)
    if not any(one.name == "config.json" for one in small):
        raise UserError(
            f"'{name}' has no config.json",
            place=PLACE,
            remedy="name the original model: a GGUF or adapter repository cannot be trained",
        )
    if not weights:
        raise UserError(
            f"'{name}' has no weights as safetensors, and other formats can run code when opened",
            place=PLACE,
            remedy="name another model, or convert its weights to safetensors",
        )
    return Download(found, small, weights)


def planned(model: BaseModel) -> Download | None:
    """Return the download that a model still needs; None if it is here, or not the Hub's, or offline.

    UserError if its owner has not given this account access, or the Hub cannot be asked.
    """
    if model.source not in BY_NAME or model.weights or offline():
        return None
    found = of_hub(model.reference, model.revision)
    remote.check_access(found.remote, found.weights[0].name, PLACE)
    return found


def with_tokenizer(model: BaseModel, say: Callable[[str], None]) -> BaseModel:
    """Return the model with its tokenizer on this machine, so that tokens are counted rather than estimated.

    Config, tokenizer and template are some megabytes. UserError where they can't be had.
    """
    download = planned(model)
    if download is None or not fetch.missing(download.remote, download.small):
        return model
    say(f"downloading the tokenizer of {model.reference}")
    fetch.fetch(download.remote, download.small)
    return _found_again(model)


def with_weights(model: BaseModel, say: Callable[[str], None]) -> BaseModel:
    """Return the model with all its files on this machine. UserError, or what a listener raises, ends it."""
    download = planned(model)
    if download is None:
        return model
    say(f"downloading {model.reference}")
    fetch.fetch(download.remote, download.files)
    return _found_again(model)


def require_base(run: str, reference: str) -> None:
    """Raise UserError if the base model of a run, by its name, was a directory that is gone."""
    if reference.startswith(("/", "./", "../", "~")) and not paths.is_dir(paths.given(reference)):
        raise UserError(
            f"its base model is no longer at {printable(reference)}",
            place=printable(run),
            remedy=f"move it back, or merge: tuiftune export {printable(run)} --to merged --base DIR",
        )


def bring(reference: str, revision: str | None = None, *, weights: bool = True) -> None:
    """Bring the files of a model that is to be loaded onto this machine; of an adapter, its base model's.

    The one way for whatever loads a model that no preset plans (chat, evaluation, export, a server): the
    listener of `hub.progress` is told size, license, gate and free space first, then the progress.

    Args:
        weights: False if only its config, tokenizer and template are needed.

    Raises:
        UserError: if there is no such model, no access, no space or no network, or it was stopped.
    """
    from tuiftune.models.resolve import HUB_ID, resolve
    from tuiftune.models.weights import require_reachable

    path = paths.given(reference)
    if paths.is_file(path / ADAPTER):
        named = documents.read_json(path / ADAPTER).get("base_model_name_or_path")
        if isinstance(named, str) and named and not paths.is_file(paths.given(named) / ADAPTER):
            bring(named, weights=weights)
        return
    if not HUB_ID.match(reference) or paths.exists(path):
        return  # a directory, or built in
    model = resolve(reference, revision)
    if weights:
        require_reachable(model)
    download = planned(model)
    if download is None:
        return
    files = download.files if weights else download.small
    if fetch.missing(download.remote, files):
        whole, left = sum(one.size for one in files), fetch.bytes_left(download.remote, files)
        progress.announce(download.remote.id, whole - left, whole, download.announced(files))
        fetch.fetch(download.remote, files)


def check(download: Download, also: int) -> None:
    """UserError (exit code 3) unless the disk has space for it, and `also` bytes of a run."""
    fetch.check_space(download.remote, download.files, also)


def roughly(model: BaseModel) -> int:
    """Return the bytes of a model's weights by its parameters, for when the Hub cannot be asked."""
    return model.parameters * BYTES_A_PARAMETER


def to_download(model: BaseModel) -> str:
    """Return that a model has to be downloaded, and its likely size, without asking the Hub; "" if not."""
    if model.source not in BY_NAME or model.weights:
        return ""
    gate = "; gated: accept its terms on the Hugging Face Hub first" if model.gated else ""
    return (
        f"{model.reference} is not on this machine: about {size(roughly(model))} to download first{gate}. "
        f"Do it now: `tuiftune download {model.reference}`"
    )


def _found_again(model: BaseModel) -> BaseModel:
    from tuiftune.models.resolve import resolve

    again = resolve(model.reference, model.revision)
    return replace(again, revision=model.revision)
