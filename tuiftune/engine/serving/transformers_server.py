"""transformers' own server over models of ours: by name, with their templates and stops, behind a key.

It would load a model by its path. Ours are loaded before, adapters share their base model, and generation
ends where evaluation ends an answer. Greedy unless a request asks for a temperature or top_p.
"""

from __future__ import annotations

import copy
import hmac
import inspect
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune.engine.serving import leaving, listening, requests
from tuiftune.engine.serving.requests import Refused, TooLong
from tuiftune.engine.serving.stop_text import Stop
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from tuiftune.engine.evaluation.loaded import Loaded
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.serving.place import Place

OPEN = ("/health",)  # paths that need no key
SEED = "seed_of_the_request"  # under which a generation's settings carry it
CLIENT = "client_of_the_request"
DONE = "data: [DONE]\n\n"  # ends a stream: some clients wait for it
LONGEST_TOLD = 200  # characters of a failure


class Named:
    """A model under its name, in the place of one of transformers: whatever else is asked is the model's."""

    def __init__(
        self, model: Any, adapter: str, loaded: Loaded, lock: threading.Lock, context: Callable[[], Any]
    ) -> None:
        """`adapter`: the name that is switched on; "" for a whole model. `lock`: of all that share it."""
        from transformers import GenerationConfig

        from tuiftune.engine.evaluation import answers

        self._model, self._adapter, self._lock, self._context = model, adapter, lock, context
        self.tokenizer: RowTokenizer = loaded.tokenizer
        self.context, self.note = loaded.context, loaded.note
        self.writes_tools = "tools" in self.tokenizer.template.source
        self._stops = self.tokenizer.stop_tokens()
        self.generation_config = GenerationConfig(**answers.greedy(model, self.tokenizer))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, **given: Any) -> Any:
        """As the model does it, with this one's adapter; the token that ends the answer is left out. It
        ends where the context does. TooLong where the prompt leaves no room.
        """
        self._limit(int(given["input_ids"].shape[-1]), given["generation_config"])
        wanted = copy.deepcopy(given.pop("generation_config"))
        given.pop("token_type_ids", None)  # evaluation sends none, and some models take none
        sampled = bool(wanted.temperature) or (wanted.top_p is not None and wanted.top_p < 1)
        wanted.do_sample, wanted.top_k = sampled, 0 if sampled else None
        if not sampled:
            wanted.temperature = wanted.top_p = None
        if "streamer" in given:
            given["streamer"] = WithoutStops(given["streamer"], self._stops)
        tokenizer = given.pop("tokenizer", None)
        if wanted.stop_strings:
            given["tokenizer"] = tokenizer
        there = getattr(wanted, CLIENT, None)
        if there is not None:
            given["stopping_criteria"] = [there]
        with self._lock, self._context(), _seeded(getattr(wanted, SEED, None)):
            if self._adapter:
                self._model.set_adapter(self._adapter)
            written = self._model.generate(generation_config=wanted, **given)
        return written[:, :-1] if int(written[0, -1]) in self._stops else written

    def _limit(self, prompt: int, config: Any) -> None:
        """Lower the request's own limit of new tokens, by which it is told that an answer reached it."""
        if prompt < 1:
            raise Refused("the prompt is empty: no token comes before the answer")
        if self.context is None:
            return
        room = self.context - prompt
        if room < 1:
            raise TooLong(f"the prompt has {prompt:,} tokens, and the context is {self.context:,}")
        if config.max_new_tokens is None or config.max_new_tokens > room:
            config.max_new_tokens = room


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """A state of the random numbers of its own: no other request changes it, and it changes no other's."""
    import torch

    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class WithoutStops:
    """A streamer that is not told of the tokens that end an answer."""

    def __init__(self, streamer: Any, stops: Sequence[int]) -> None:
        self._streamer, self._stops, self._prompt = streamer, set(stops), True

    def put(self, value: Any) -> None:
        prompt, self._prompt = self._prompt, False
        if prompt or int(value.flatten()[0]) not in self._stops:
            self._streamer.put(value)

    def end(self) -> None:
        self._streamer.end()


def load(given: Sequence[str]) -> dict[str, Named]:
    """The models of `NAME=KIND:WHERE`, by name; adapters of one base model share it. UserError for what
    cannot be loaded, and for a name that is given twice.
    """
    from tuiftune.engine.evaluation import loaded as loading
    from tuiftune.engine.evaluation.streaming import of_run
    from tuiftune.runs.store.directory import RunDir

    found: dict[str, Named] = {}
    shared: dict[tuple[Any, ...], tuple[Any, threading.Lock]] = {}
    for one in given:
        name, _, rest = one.partition("=")
        kind, _, where = rest.partition(":")
        if name in found:
            raise UserError("the name is given twice", place=name, remedy="rename one with NAME=MODEL")
        run = RunDir.open(Path(where)) if kind in ("run", "base") else None
        opened = of_run(run) if run else loading.of_model(where, None)
        adapter = "" if kind in ("base", "model") else _adapter_of(run, where)
        held = opened.settings
        key = (opened.base.source, opened.base.revision, held.held_in, held.traits.base)
        called = f"adapter{len(found)}"
        if adapter and key in shared:
            model, lock = shared[key]
            _add(model, adapter, called)
        else:
            which = loading.BASE if kind in ("base", "model") else loading.TUNED
            with opened.model(which) as model:
                lock = threading.Lock()
            called = "default"
            if adapter:
                shared[key] = (model, lock)
        found[name] = Named(model, called if adapter else "", opened, lock, opened.autocast)
    return found


def _adapter_of(run: Any, where: str) -> str:
    from tuiftune import paths
    from tuiftune.engine.evaluation.loaded import ADAPTER

    directory = run.result_path / "model" if run else Path(where)
    return str(directory) if paths.is_file(directory / ADAPTER) else ""


def _add(model: Any, directory: str, name: str) -> None:
    try:
        model.load_adapter(directory, adapter_name=name)
    except (OSError, ValueError, RuntimeError, KeyError) as fault:
        said = str(fault).strip().splitlines()
        raise UserError(
            f"the adapter cannot be loaded next to the others: {said[0] if said else type(fault).__name__}",
            place=directory,
            remedy="serve it by itself",
        ) from fault


def serve(models: dict[str, Named], place: Place, ready: Callable[[], None]) -> None:
    """Answer requests until the process is asked to end; `ready` is called when it listens."""
    listening.run(app(models, place), place, ready)


def app(models: dict[str, Named], place: Place) -> Any:
    """The server's application: transformers' handlers over our models."""
    from fastapi import HTTPException
    from fastapi.responses import JSONResponse
    from jinja2 import TemplateError
    from transformers.cli.serving.chat_completion import ChatCompletionHandler
    from transformers.cli.serving.completion import CompletionHandler
    from transformers.cli.serving.response import ResponseHandler
    from transformers.cli.serving.server import build_server
    from transformers.cli.serving.transcription import TranscriptionHandler
    from transformers.cli.serving.utils import GenerationState

    manager, state = _manager(models), GenerationState()
    handlers = {
        "chat_handler": _checking(ChatCompletionHandler, models, chat=True),
        "completion_handler": _checking(CompletionHandler, models),
        "response_handler": _checking(ResponseHandler, models),
        "transcription_handler": TranscriptionHandler,
    }
    if "systemone_handler" in inspect.signature(build_server).parameters:  # from transformers 5.2x on
        from transformers.cli.serving.systemone import SystemOneHandler

        handlers["systemone_handler"] = SystemOneHandler
    made = build_server(
        manager,
        generation_state=state,
        **{name: handler(manager, state) for name, handler in handlers.items()},
    )

    async def refuse(_: Any, fault: Refused) -> Any:
        return JSONResponse(fault.document(), 400)

    async def failed(_: Any, fault: Exception) -> Any:
        words = " ".join(f"{type(fault).__name__}: {fault}".split())[:LONGEST_TOLD]
        said = {"message": f"the server failed ({words})", "type": "server_error"}
        return JSONResponse({"error": said}, 500)

    async def declined(_: Any, fault: Any) -> Any:
        said = {"message": str(fault.detail), "type": "invalid_request_error"}
        return JSONResponse({"error": said}, fault.status_code)

    made.exception_handler(Refused)(refuse)
    made.exception_handler(HTTPException)(declined)
    made.exception_handler(Exception)(failed)

    async def guard(request: Any, call: Any) -> Any:
        if request.url.path not in OPEN and (why := refusal(request.headers, place)):
            code = 401 if place.key else 403
            return JSONResponse({"error": {"message": why, "type": "invalid_request_error"}}, code)
        try:
            return await call(request)
        except TemplateError as fault:
            said = Refused(f"the model's chat template refuses these messages: {fault}", "messages")
            return await refuse(request, said)
        except Exception as fault:  # answered here, or the client's connection is closed
            return await failed(request, fault)

    made.middleware("http")(guard)
    made.add_middleware(leaving.Watched)

    @made.get("/v1/models/{name:path}")
    def one_model(name: str) -> Any:
        found = [one for one in manager.list_models() if one["id"] == name]
        if not found:
            raise HTTPException(404, no_model(name, models))
        return JSONResponse(found[0])

    if place.log is not None:
        from tuiftune.engine.serving.request_log import Logged

        made.add_middleware(Logged, file=place.log)
    return made


def _checking(handler: Any, models: dict[str, Named], *, chat: bool = False) -> Any:
    """A handler of transformers' that checks what is asked before it answers."""

    class Checking(handler):
        def _validate_request(self, body: dict[str, Any]) -> None:
            requests.check(body, models)
            body.setdefault("stream", False)  # which it takes for true where responses are asked for
            self._seed.set(body.pop("seed", None))  # transformers seeds whatever is being answered just then
            model = models.get(body["model"])
            if chat and model is not None:  # else it is told that there is no such model
                requests.check_chat(body, tools=model.writes_tools)
            super()._validate_request(body)

        _seed: ContextVar[int | None] = ContextVar("seed", default=None)  # of the request

        def _build_generation_config(self, *given: Any, **more: Any) -> Any:
            config = super()._build_generation_config(*given, **more)
            setattr(config, SEED, self._seed.get())
            setattr(config, CLIENT, leaving.client.get())
            return config

    class Stopping(Checking):
        """OpenAI's answers leave the stop text out, transformers' end with it, or within the token after."""

        _stop: ContextVar[Stop | None] = ContextVar("stop", default=None)  # of the request

        def _validate_request(self, body: dict[str, Any]) -> None:
            super()._validate_request(body)
            stops = body.get("stop") or []
            self._stop.set(Stop([stops] if isinstance(stops, str) else stops) if stops else None)

        def _build_completion(self, request_id: str, content: str, *given: Any, **more: Any) -> Any:
            stop = self._stop.get()
            if stop is not None and content:
                content = stop.feed(content) + stop.rest()
            return super()._build_completion(request_id, content, *given, **more)

        def _build_chunk_sse(
            self, request_id: str = "", content: str | None = None, *given: Any, **more: Any
        ) -> str:
            after = DONE if more.get("finish_reason") else ""
            stop, before = self._stop.get(), ""
            if stop is not None and content is not None:
                content = stop.feed(content)
                if not content:
                    return ""
            elif stop is not None and more.get("finish_reason") and (rest := stop.rest()):
                before = super()._build_chunk_sse(request_id, rest, model=more.get("model"))
            return before + str(super()._build_chunk_sse(request_id, content, *given, **more)) + after

    return Stopping if chat else Checking


def no_model(name: str, models: Iterable[str]) -> str:
    """Say that there is no model of a name, and which there are."""
    return f"no model named {name}; there are: {', '.join(models)}"


def refusal(headers: Any, place: Place) -> str:
    """Why a request is not answered; "" where it is. Without a key only this machine's own name is asked for:
    a page in a browser could reach the loopback interface under another.
    """
    if place.key:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        known = hmac.compare_digest(given.encode(), place.key.encode())
        return "" if known else "an API key is required: Authorization: Bearer KEY"
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    own = host in ("127.0.0.1", "localhost", "[::1]", place.host)
    return "" if own else "this server only answers this machine"


def _manager(models: dict[str, Named]) -> Any:
    from fastapi import HTTPException
    from transformers.cli.serving.model_manager import ModelManager

    class Manager(ModelManager):
        """Our models by name; nothing else is loaded, and nothing unloaded."""

        @staticmethod
        def process_model_name(model_id: str) -> str:
            return model_id

        def load_model_and_processor(self, name: str, *_: Any, **__: Any) -> tuple[Any, Any]:
            if name not in models:
                raise HTTPException(404, no_model(name, models))
            return models[name], models[name].tokenizer.tokenizer

        async def load_model_streaming(self, name: str, **_: Any) -> AsyncIterator[str]:
            self.load_model_and_processor(name)
            yield 'data: {"status": "ready"}\n\n'

        def list_models(self, cache_dir: str | None = None) -> list[dict[str, Any]]:
            fixed = {"object": "model", "created": 0, "owned_by": "tuiftune"}
            return [{"id": name, **fixed, "max_model_len": one.context} for name, one in models.items()]

        get_gen_models = list_models  # as transformers before 5.2x calls it

        def shutdown(self) -> None:
            """They stay until the process ends."""

    return Manager()
