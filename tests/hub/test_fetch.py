"""Downloads from the Hub: resumed, verified, and each refusal told in one line, against a stand-in of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.hub import fetch, progress, remote
from tuiftune.hub.cache import cache_root
from tuiftune.models import download
from tuiftune.models.resolve import resolve

if TYPE_CHECKING:
    from stand_in import StandIn

ROOT = Path(__file__).parents[2]
BIG = random.Random(1).randbytes(1_500_000)
MODEL = "acme/small"


def files() -> dict[str, bytes]:
    """A model whose tables would be a Llama's; its weights are noise, which nothing here loads."""
    from tuiftune import assets

    small = {name: (Path(assets.BASE) / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    return {
        **small,
        "tokenizer_config.json": b"{}",
        "model.safetensors": BIG,
        "consolidated.safetensors": BIG[::-1],
        "pytorch_model.bin": b"x" * 100_000,
        "original/model.safetensors": b"y" * 100_000,
        "README.md": b"---\nlicense: mit\n---\n",
    }


def whole(hub: StandIn) -> Path:
    found = download.of_hub(MODEL)
    return fetch.fetch(found.remote, found.files)


def test_a_model_is_found_again_and_only_what_is_needed_was_fetched(hub: StandIn) -> None:
    hub.model(MODEL, files())
    before = resolve(MODEL)
    assert (before.source, before.weights) == ("hub", False)
    told: list[progress.Progress] = []
    progress.listen(told.append)
    directory = whole(hub)
    assert (directory / "model.safetensors").read_bytes() == BIG
    assert {one.name for one in directory.iterdir()} == {
        "config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md"
    }  # fmt: skip
    after = resolve(MODEL)
    assert (after.source, after.weights, after.path) == ("cache", True, directory)
    assert told[-1].over
    assert told[-1].done == told[-1].total == sum(len(files()[one.name]) for one in directory.iterdir())
    hub.log.clear()
    again = download.of_hub(MODEL)  # remembered: the network is not asked
    assert fetch.fetch(again.remote, again.files) == directory
    assert not hub.log
    assert download.planned(after) is None


def test_a_dropped_connection_goes_on_where_it_ended(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].extend([("drop", 800_000), 503, ("drop", 300_000)])
    assert (whole(hub) / "model.safetensors").read_bytes() == BIG
    starts = [int(span.removeprefix("bytes=").rstrip("-") or 0) for span in hub.asked("/model.safetensors")]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert starts[-1] >= 500_000  # nothing that had come was asked for again


def test_an_interrupted_download_is_resumed_by_the_next(hub: StandIn) -> None:
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].append(("slow", 0.02))

    def stop(state: progress.Progress) -> None:
        if state.done > 600_000:
            raise progress.Stopped

    progress.listen(stop)
    with pytest.raises(UserError, match=r"stopped, with .* here\. Run the same command again") as stopped:
        whole(hub)
    assert stopped.value.exit_code is ExitCode.STOPPED
    assert resolve(MODEL).weights is False  # what is half there is not taken for a model
    left = download.of_hub(MODEL).bytes_left
    assert 0 < left < len(BIG) - 250_000
    progress.listen(None)
    hub.log.clear()
    assert (whole(hub) / "model.safetensors").read_bytes() == BIG
    assert hub.asked("/model.safetensors") == [f"bytes={len(BIG) - left}-"]


def test_a_killed_process_loses_nothing(hub: StandIn, tmp_path: Path) -> None:
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].append(("slow", 0.02))
    words = [sys.executable, "-m", "tuiftune", "download", MODEL]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    blobs = cache_root() / "models--acme--small" / "blobs"
    part = blobs / f"{remote.look('model', MODEL).named(['model.safetensors'])[0].blob}.incomplete"
    for _ in range(1500):
        if part.exists() and part.stat().st_size > 250_000:
            break
        assert process.poll() is None
        process.poll()
        signal.sigtimedwait([], 0.02)
    process.kill()
    process.wait()
    there = part.stat().st_size
    assert 0 < there < len(BIG)
    hub.log.clear()
    again = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "of them here already (license apache-2.0)" in again.stderr
    assert "downloaded and verified" in again.stderr
    assert hub.asked("/model.safetensors") == [f"bytes={there}-"]
    assert (Path(again.stdout.strip()) / "model.safetensors").read_bytes() == BIG


def test_the_command_prints_documents_of_their_schemas(
    hub: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import jsonschema

    from tuiftune.cli.download import download as command
    from tuiftune.schemas import registry

    hub.model(MODEL, files())
    hub.dataset("acme/rows", {"train.jsonl": b'{"prompt": "a", "completion": "b"}\n' * 9})
    whole = {"revision": None, "rows": None, "output": None, "dry_run": False, "quiet": False, "json": True}
    part = whole | {"rows": 4, "output": tmp_path / "part.jsonl"}
    for name, options, schema in (
        (MODEL, whole | {"dry_run": True}, "download"),
        (MODEL, whole, "download"),
        ("hf:acme/rows", whole, "download"),
        ("hf:acme/rows", part, "download-rows"),
    ):
        command(name, **options)
        document = json.loads(capsys.readouterr().out)
        jsonschema.validate(document, registry.json_schema(schema))
        assert document["id"] == name.removeprefix("hf:")
    assert len((tmp_path / "part.jsonl").read_text().splitlines()) == document["rows"] == 4


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (("short", 1000), r"model\.safetensors has 1,500,000 bytes on the Hub, but 1,499,000 came"),
        (("corrupt",), r"model\.safetensors was damaged on its way"),
    ],
)
def test_what_is_not_the_hubs_file_is_not_kept(hub: StandIn, fault: tuple[object, ...], says: str) -> None:
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].append(fault)
    with pytest.raises(UserError, match=says) as failed:
        whole(hub)
    assert failed.value.exit_code is ExitCode.FAILED
    assert resolve(MODEL).weights is False
    assert (whole(hub) / "model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize(
    ("status", "says", "code"),
    [
        ([500, 502, 503], "", 0),
        ([503] * 9, r"acme/small: the Hub answered 503\. Try again later", 1),
        ([401], "the Hub refused the token", 2),
        ([404], "the Hub answered 404", 1),
    ],
)
def test_statuses(hub: StandIn, status: list[int], says: str, code: int) -> None:
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].extend(status)
    if not code:
        assert (whole(hub) / "model.safetensors").read_bytes() == BIG
        return
    with pytest.raises(UserError, match=says) as failed:
        whole(hub)
    assert failed.value.exit_code == code
    assert "\n" not in str(failed.value)


def test_a_limit_of_requests_is_told(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.model(MODEL, files())
    hub.faults["model.safetensors"].extend([429, 429])
    assert (whole(hub) / "model.safetensors").read_bytes() == BIG
    shutil.rmtree(cache_root())
    hub.faults["api"].extend([429] * 9)
    with pytest.raises(UserError, match=r"limits requests \(429\)\. Wait some minutes, or log in"):
        whole(hub)


def test_a_gated_model_says_where_to_ask(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.model(MODEL, files(), gated=True, token="hf_yes")
    with pytest.raises(
        UserError, match=r"is gated, and no token is set\. Accept its terms at http.*/acme/small"
    ):
        download.planned(resolve_as_listed())
    monkeypatch.setenv("HF_TOKEN", "hf_no")
    with pytest.raises(UserError, match="your account has no access yet"):
        download.planned(resolve_as_listed())
    monkeypatch.setenv("HF_TOKEN", "hf_yes")
    found = download.planned(resolve_as_listed())
    assert found is not None
    assert "gated: your access was checked" in str(found)
    assert "to download in 5 files (license apache-2.0" in str(found)


def resolve_as_listed() -> object:
    """The model as the catalog would list it, which needs no access."""
    from dataclasses import replace

    return replace(resolve("builtin:tiny"), reference=MODEL, source="catalogue", path=None, weights=False)


@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("acme/none", None, r"model 'acme/none' was not found on the Hugging Face Hub, or it is private"),
        (MODEL, "v9", r"acme/small: has no revision 'v9'"),
        ("acme/pickled", None, "no weights as safetensors"),
        ("acme/adapter", None, "no config.json"),
    ],
)
def test_what_is_not_there(hub: StandIn, name: str, revision: str | None, says: str) -> None:
    hub.model(MODEL, files())
    hub.model("acme/pickled", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    hub.model("acme/adapter", {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"})
    with pytest.raises(UserError, match=says):
        download.of_hub(name, revision)


def test_a_hub_out_of_reach_and_an_offline_one(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.model(MODEL, files())
    found = download.of_hub(MODEL)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids downloads"):
        fetch.fetch(found.remote, found.files)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(UserError, match="cannot be reached") as failed:
        fetch.fetch(found.remote, found.files)
    assert failed.value.exit_code is ExitCode.FAILED


def test_the_disk_is_checked_before_the_first_byte(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.model(MODEL, files())
    monkeypatch.setattr(fetch, "free_bytes", lambda: 1_000_000)
    with pytest.raises(UserError, match=r"not enough disk space: .* to download, .* free in") as failed:
        whole(hub)
    assert failed.value.exit_code is ExitCode.DOES_NOT_FIT
    assert not hub.asked("/model.safetensors")


def test_a_full_disk_has_its_exit_code(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.model(MODEL, files())
    small = ("tmpfs", "size=1m")
    place = cache_root()
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", small[0], "-o", small[1], "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk here")
    monkeypatch.setattr(fetch, "free_bytes", lambda: 10**12)
    try:
        with pytest.raises(UserError, match="the disk is full") as failed:
            whole(hub)
        assert failed.value.exit_code is ExitCode.DISK_FULL
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_parts_are_taken_rather_than_a_second_copy(hub: StandIn) -> None:
    parts = {f"model-0000{number}-of-00002.safetensors": BIG[:100_000] * number for number in (1, 2)}
    hub.model(MODEL, {**files(), **parts})
    assert {one.name for one in download.of_hub(MODEL).weights} == set(parts)


def test_tokens_are_counted_before_the_weights_are_here(hub: StandIn) -> None:
    hub.model(MODEL, files())
    said: list[str] = []
    model = download.with_tokenizer(resolve(MODEL), said.append)
    assert (model.tokenizer, model.weights) == (True, False)
    assert said == [f"downloading the tokenizer of {MODEL}"]
    assert not hub.asked("/model.safetensors")
    assert download.with_tokenizer(model, said.append) is model
    assert os.listdir(cache_root() / "models--acme--small" / "refs") == ["main"]
