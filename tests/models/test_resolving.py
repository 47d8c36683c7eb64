"""What a model reference becomes: directories, cache, catalogue, hub, and everything a user can get wrong."""

from __future__ import annotations

import json
import math
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.models import local
from tuiftune.models.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "tie_word_embeddings": True,
}


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def model_at(path: Path, *, weights: bool = True, tokenizer: bool = True, template: bool = False) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(SMALL))
    if weights:
        (path / "model.safetensors").write_bytes(b"x" * 1234)
    if tokenizer:
        (path / "tokenizer.json").write_text("{}")
        (path / "tokenizer_config.json").write_text(
            json.dumps({"chat_template": "{{ x }}"} if template else {})
        )
    return path


def test_directory_says_what_it_holds(tmp_path: Path) -> None:
    model = resolve(str(model_at(tmp_path / "mine", template=True)))
    assert (model.source, model.weights, model.weight_bytes) == ("directory", True, 1234)
    assert model.path == tmp_path / "mine"
    assert model.instruct
    assert model.tokenizer
    assert model.notes == ()


def test_directory_without_weights_is_described_not_refused(tmp_path: Path) -> None:
    model = resolve(str(model_at(tmp_path / "mine", weights=False)))
    assert not model.weights
    assert model.weight_bytes is None
    assert any("does not have weights" in note for note in model.notes)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    path = model_at(tmp_path / "mine", weights=False)
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (path / shards["a"]).write_bytes(b"x")
    model = resolve(str(path))
    assert not model.weights
    assert any("model-00002-of-00002" in note for note in model.notes)


def test_licence_of_a_model_card(tmp_path: Path) -> None:
    path = model_at(tmp_path / "mine")
    (path / "README.md").write_text("---\nlicense: mit\ntags: []\n---\n# Mine")
    assert resolve(str(path)).licence == "mit"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("nothing", "directory not found"),
        ("empty", "no config.json"),
        ("adapter", "is an adapter.*Qwen/Qwen2.5-7B"),
        ("gguf", "GGUF"),
        ("file", "is a file"),
        ("gguf-file", "GGUF file cannot be trained"),
        ("broken", "not JSON"),
    ],
)
def test_what_is_not_a_model_directory(tmp_path: Path, made: str, says: str) -> None:
    path = tmp_path / "it"
    if made in {"empty", "adapter", "gguf", "broken"}:
        path.mkdir()
    if made == "adapter":
        (path / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2.5-7B"}')
    if made == "gguf":
        (path / "model.gguf").write_bytes(b"GGUF")
    if made == "broken":
        (path / "config.json").write_text("{")
    if made == "file":
        path.write_text("x")
    if made == "gguf-file":
        path = tmp_path / "it.gguf"
        path.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=says) as caught:
        resolve(str(path))
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)


def test_catalogue_needs_no_network() -> None:
    model = resolve("Qwen/Qwen2.5-7B-Instruct")
    assert (model.parameters, model.source, model.path) == (7_615_616_512, "catalogue", None)
    assert (model.licence, model.gated, model.instruct) == ("apache-2.0", False, True)
    assert resolve("qwen/qwen2.5-7b-instruct").reference == "Qwen/Qwen2.5-7B-Instruct"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Qwen/Qwen2.5-7B-Instuct", "Qwen/Qwen2.5-7B-Instruct"),
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("./SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M"),
        ("mistral/Mistral-7B-v0.3", "mistralai/Mistral-7B-v0.3"),
    ],
)
def test_near_misses_suggest_what_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(UserError, match=meant):
        resolve(typed)


@pytest.mark.parametrize("typed", ["", "  ", "a b", "x\x1b[2Jy", "a//b", "builtin:huge", "-rf"])
def test_nonsense_is_one_clean_line(typed: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(typed)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def cached(root: Path, hub_id: str, **made: bool) -> Path:
    """A snapshot as the hub library lays it out."""
    repository = root / ("models--" + hub_id.replace("/", "--"))
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    return model_at(repository / "snapshots" / "c0ffee", **made)


def test_cache_is_found_without_a_network(tmp_path: Path) -> None:
    snapshot = cached(tmp_path / "hub-cache", "someone/private-model", template=True)
    model = resolve("someone/private-model")
    assert (model.source, model.path, model.weights) == ("cache", snapshot, True)
    assert model.gated is None


def test_cached_copy_of_a_catalogue_model_keeps_its_licence(tmp_path: Path) -> None:
    cached(tmp_path / "hub-cache", "meta-llama/Llama-3.1-8B")
    model = resolve("meta-llama/Llama-3.1-8B")
    assert (model.source, model.licence, model.gated) == ("cache", "llama3.1", True)
    assert model.weights


def test_cached_config_alone_says_that_weights_are_to_come(tmp_path: Path) -> None:
    cached(tmp_path / "hub-cache", "Qwen/Qwen3-8B", weights=False, tokenizer=False)
    model = resolve("Qwen/Qwen3-8B")
    assert not model.weights
    assert model.instruct
    assert any("downloaded first" in note for note in model.notes)


def test_builtin_counts_what_is_in_its_file() -> None:
    model = resolve("builtin:tiny")
    assert model.path is not None
    assert model.instruct
    with (model.path / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
    assert model.parameters == sum(math.prod(shape) for shape in shapes)
    assert model.weight_bytes == (model.path / "model.safetensors").stat().st_size


def test_found_lists_complete_models_smallest_first(tmp_path: Path) -> None:
    cached(tmp_path / "hub-cache", "someone/whole")
    cached(tmp_path / "hub-cache", "someone/config-only", weights=False)
    model_at(tmp_path / "models" / "team" / "mine")
    (tmp_path / "models" / "team" / "broken").mkdir()
    (tmp_path / "models" / "team" / "broken" / "config.json").write_text("{")
    found = local.found([tmp_path / "models", tmp_path / "not-there"])
    assert [model.reference for model in found] == [
        "someone/whole",
        str(tmp_path / "models" / "team" / "mine"),
    ]


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        name, _, rest = self.path.strip("/").partition("/resolve/")
        if name == "stored/model":  # large files lie elsewhere
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        else:
            self.send_response(200 if name == "good/model" else 404)
        if name in ("good/model", "stored/model"):
            self.send_header("X-Repo-Commit", ((rest.startswith("v1/") and "a") or "b") * 40)
        self.end_headers()

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/resolve/")[0]
        bodies = {"good/model": json.dumps(SMALL), "odd/model": "<html>", "list/model": "[]"}
        errors = {
            "gated/model": (401, "GatedRepo"),
            "none/model": (401, "RepoNotFound"),
            "gguf/model": (404, "EntryNotFound"),
            "old/model": (404, "RevisionNotFound"),
            "busy/model": (503, ""),
        }
        code, error = errors.get(name, (200 if name in bodies else 404, ""))
        self.send_response(code)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        self.wfile.write(bodies.get(name, "").encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub on loopback: the real client code against real answers."""
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    template = f"http://127.0.0.1:{server.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield
    server.shutdown()


@pytest.mark.usefixtures("hub")
def test_hub_config_is_enough() -> None:
    model = resolve("good/model")
    embeddings, attention, mlp, norms = 100 * 64, 4 * 64 * 64, 3 * 64 * 96, 2 * 64
    assert model.parameters == embeddings + 2 * (attention + mlp + norms) + 64
    assert (model.source, model.weights, model.path) == ("hub", False, None)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gated/model", "is gated"),
        ("none/model", "model 'none/model' was not found"),
        ("gguf/model", "no config.json"),
        ("old/model", "no revision"),
        ("busy/model", "answered 503"),
        ("odd/model", "did not answer with JSON"),
        ("list/model", "not a JSON object"),
    ],
)
def test_hub_refusals_are_one_line_each(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        resolve(name, "v1")
    assert "\n" not in str(caught.value)


def test_offline_says_so() -> None:
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        resolve("nobody/unheard-of")


def test_unreachable_hub_is_told_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/{revision}/{filename}",
    )
    with pytest.raises(UserError, match="cannot be reached") as caught:
        resolve("nobody/unheard-of")
    assert caught.value.exit_code == ExitCode.FAILED


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_directory(tmp_path: Path) -> None:
    path = model_at(tmp_path / "mine")
    path.chmod(0)
    with pytest.raises(UserError, match="permission"):
        resolve(str(path))
    path.chmod(0o755)


def test_a_runs_base_model_that_is_gone_is_named_with_the_way_out(tmp_path: Path) -> None:
    from tuiftune.models.download import require_base

    for there in (str(tmp_path), "acme/qwen", "builtin:tiny"):
        require_base("tone", there)
    with pytest.raises(
        UserError, match=r"tone: its base model is no longer at .*/gone.*export tone --to merged"
    ):
        require_base("tone", str(tmp_path / "gone"))
