"""An OpenAI-compatible server of models: what is served, by what, and how it is asked."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.chat.record import PRIVATE, append
from tuiftune.chat.source import source
from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRANSFORMERS, LLAMA_CPP, VLLM = "transformers", "llama.cpp", "vllm"
ENGINES = (TRANSFORMERS, LLAMA_CPP, VLLM)
UNWRITTEN = "the request log cannot be written"  # begins what the server says of it
NEEDS = {TRANSFORMERS: ("fastapi", "serve"), LLAMA_CPP: ("xllamacpp", "gguf")}


@dataclass(frozen=True, slots=True)
class Served:
    """A model under the name that requests give. `given` is what the engine's job takes; `system`: the
    system message of its training.
    """

    name: str
    given: str
    system: str | None = None

    @property
    def messages(self) -> list[dict[str, str]]:
        """A question as its rows asked one."""
        first = [{"role": "system", "content": self.system}] if self.system else []
        return [*first, {"role": "user", "content": "Hello"}]


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served where. `key_from`: the environment variable with the key of requests; "" for none.
    `log`: the file that answered requests are written to; None: none.
    """

    models: tuple[Served, ...]
    engine: str
    host: str
    port: int
    key_from: str
    log: Path | None = None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"

    def job(self) -> Job:
        """The engine's job that serves."""
        words = [f"--host={self.host}", f"--port={self.port}"]
        if self.key_from:
            words.append(f"--key-from={self.key_from}")
        if self.log is not None:
            words.append(f"--log={paths.absolute(self.log)}")
        return Job("serve", (*(f"{one.name}={one.given}" for one in self.models), *words))

    def curl(self) -> str:
        """A line for a shell that asks the first model."""
        asked = {"model": self.models[0].name, "messages": self.models[0].messages}
        key = f'-H "Authorization: Bearer ${self.key_from}" ' if self.key_from else ""
        return (
            f'curl -s {self.url}/chat/completions {key}-H "Content-Type: application/json" '
            f"-d {shlex.quote(json.dumps(asked))}"
        )

    def python(self) -> str:
        """A line of Python that does the same with the openai package."""
        key = f'os.environ["{self.key_from}"]' if self.key_from else '"none"'
        messages = json.dumps(self.models[0].messages)
        return (
            f"{'import os; ' if self.key_from else ''}from openai import OpenAI; "
            f'print(OpenAI(base_url="{self.url}", api_key={key}).chat.completions.create('
            f'model="{self.models[0].name}", messages={messages}).choices[0].message.content)'
        )


def serving(
    names: Sequence[str],
    host: str,
    port: int,
    key_from: str,
    engine: str,
    root: Path | None = None,
    log: Path | None = None,
) -> Serving:
    """Check what is to be served. UserError for a model that isn't there, a port that is taken, an address
    beyond this machine without a key, a package that is missing, and a log that cannot be written.
    """
    models = tuple(_served(name, root) for name in names)
    gguf = [one for one in models if one.given.startswith("gguf:")]
    if gguf and len(models) > 1:
        raise UserError("llama.cpp serves one GGUF file at a time", place=gguf[0].name)
    engine = engine or (LLAMA_CPP if gguf else TRANSFORMERS)
    if engine not in ENGINES:
        raise UserError(f"{printable(engine)} is none of {', '.join(ENGINES)}", place="--engine")
    if bool(gguf) != (engine == LLAMA_CPP):
        what = "a GGUF file is" if gguf else "safetensors are"
        raise UserError(f"{what} not served by {engine}", place="--engine", remedy="leave --engine out")
    _check_package(engine)
    _check_key(host, key_from)
    _check_port(host, port)
    if log is not None:
        _check_log(log, engine)
    return Serving(models, engine, host, port, key_from, log)


def vllm(found: Serving) -> list[str]:
    """The command that serves adapters of one base model, or a whole model, by vLLM. UserError for what vLLM
    does not take.
    """
    adapters: list[str] = []
    bases: set[str] = set()
    highest = 0
    for one in found.models:
        directory = _directory(one)
        config = documents.read_json(directory / "adapter_config.json") if _adapter(directory) else {}
        if not config:
            bases.add(str(directory))
            continue
        refused = (
            "DoRA" if config.get("use_dora") else "modules_to_save" if config.get("modules_to_save") else ""
        )
        if refused:
            raise UserError(
                f"vLLM does not take an adapter with {refused}",
                place=one.name,
                remedy=f"merge it first: tuiftune export {one.name} --to merged",
            )
        bases.add(str(config.get("base_model_name_or_path")))
        highest = max(highest, int(config.get("r") or 0))
        adapters.append(f"{one.name}={directory}")
    if len(bases) != 1:
        raise UserError("vLLM serves adapters of one base model", place=", ".join(sorted(bases)))
    words = ["vllm", "serve", *bases, f"--host={found.host}", f"--port={found.port}"]
    if adapters:
        rank = next((size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= highest), highest)
        words += ["--enable-lora", f"--max-lora-rank={rank}", "--lora-modules", *adapters]
    else:
        words.append(f"--served-model-name={found.models[0].name}")
    return words


def _directory(one: Served) -> Path:
    kind, _, where = one.given.partition(":")
    return paths.given(where) / "result" / "model" if kind == "run" else paths.given(where)


def _adapter(directory: Path) -> bool:
    return paths.is_file(directory / "adapter_config.json")


def _served(text: str, root: Path | None) -> Served:
    """`NAME=MODEL`, or a model that is served under its own name."""
    name, equals, rest = text.partition("=")
    named = bool(equals) and "/" not in name
    model = rest if named else text
    if not model.strip():
        raise UserError("it names no model", place=text, remedy="write NAME=RUN")
    path = paths.given(model)
    if path.suffix == ".gguf":
        paths.require(path)
        return Served(name if named else path.stem, f"gguf:{paths.absolute(path)}")
    found = source(model, root)
    return Served(name if named else found.name.rpartition("/")[2], found.given, found.system)


def _check_package(engine: str) -> None:
    if engine == VLLM:
        if shutil.which("vllm") is None:
            raise UserError(
                "vllm is not installed here",
                place="--engine vllm",
                remedy="install it in an environment of its own: uv tool install vllm",
            )
        return
    module, extra = NEEDS[engine]
    if find_spec(module) is None:
        raise UserError(
            f"{module} is not installed, which the server needs",
            place="serve",
            remedy=f"pip install 'tuiftune[{extra}]'",
        )


def _check_log(log: Path, engine: str) -> None:
    """UserError where nothing can be written there, or answers do not pass through this program."""
    if engine == VLLM:
        raise UserError(
            "vLLM answers its clients by itself, and keeps no answers",
            place="--log-requests",
            remedy="leave it out, or serve by another engine",
        )
    if engine == LLAMA_CPP:  # answers pass through a server of ours
        _check_package(TRANSFORMERS)
    append(log, [], PRIVATE)


def _check_key(host: str, key_from: str) -> None:
    if key_from and not os.environ.get(key_from):
        raise UserError(
            f"the environment has no {printable(key_from)}",
            place="--api-key-env",
            remedy=f"export {printable(key_from)}=… first",
        )
    if host not in LOOPBACK and not key_from:
        raise UserError(
            f"{printable(host)} can be reached from other machines, so a key is required",
            place="--host",
            remedy="put one in the environment and name it: --api-key-env NAME",
        )


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as fault:
            why = getattr(fault, "strerror", None) or str(fault)
            raise UserError(
                f"cannot listen on {printable(host)}:{port} ({why})",
                place="--port",
                remedy=f"name another: --port {port + 1 if port < 65535 else 8001}",
            ) from None
