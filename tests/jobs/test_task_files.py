"""Task files of other programs: valid by their schemas, and what they run on another machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner
from waiting import wait_until

from tuiftune.cli.main import build
from tuiftune.cli.sync import begun
from tuiftune.errors import UserError
from tuiftune.hardware.known_gpus import GPUS, find
from tuiftune.jobs.task_files import base, dstack, gpu_names, making
from tuiftune.jobs.task_files.script import script
from tuiftune.jobs.task_files.task import Options, Task
from tuiftune.preset.schema import Preset
from tuiftune.schemas import registry

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "task_files"
PRESET = "name: tone\nmodel: {base: 'builtin:tiny'}\ndata: {train: rows.jsonl, eval: 0.1}\n"
TASK = Task("Tone_1", "name: tone\n", (), "H100 80GB HBM3", 2, 120, "s3://bucket/runs", 5.5, 8.0)
RENTED = ("sky", "dstack", "k8s")


@cache
def validators(kind: str) -> dict[str, Any]:
    """By the part of a document that they are for."""
    known = json.loads((SCHEMAS / f"{kind}.json").read_text())
    shared = {"definitions": known.pop("definitions", {})}
    del known["about"]
    return {part: jsonschema.Draft202012Validator(schema | shared) for part, schema in known.items()}


def check(kind: str, text: str) -> dict[str, Any]:
    """The task of a file, valid by the program's own schema."""
    known, documents = validators(kind), list(yaml.load_all(text, yaml.CSafeLoader))
    if kind == "k8s":
        for document in documents:
            known[document["kind"]].validate(document)
        return documents[-1]  # type: ignore[no-any-return]
    (document,) = documents
    known["task"].validate(document)
    if kind == "sky":
        known["resources"].validate(document["resources"])
    return document  # type: ignore[no-any-return]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a preset and its rows, in which commands are called."""
    rows = [{"prompt": f"thing {at}", "completion": f"colour {at}"} for at in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "p.yaml").write_text(PRESET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tuiftune(*words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(build(), list(words), catch_exceptions=True)
    text = done.stderr
    if isinstance(done.exception, UserError):
        return done, str(done.exception)
    assert done.exit_code == code, (done.output, done.exception)
    return done, text


@pytest.mark.parametrize("kind", RENTED)
def test_every_gpu_and_option_is_valid_by_the_programs_own_schema(kind: str) -> None:
    writes = base.every()[kind].text
    image = "registry/tuiftune:1" if kind == "k8s" else ""
    plain = replace(TASK, options=Options(image=image))
    for gpu in GPUS[::5]:
        check(kind, writes(replace(plain, gpu=gpu.name)))
    options = [
        Options(region, spot, "registry/tuiftune:1")
        for region in ("", "aws/us-east-1", "gcp/a/b-c")
        for spot in (True, False)
    ]
    for one in options:
        check(kind, writes(replace(TASK, options=one)))
    bare = check(kind, writes(replace(plain, hours=None, hourly=None, name="Ä", bucket="gs://bucket")))
    assert "tuiftune-run" in str(bare) or bare["name"] == "run"
    unknown = {**bare, "invented": 1}
    with pytest.raises(jsonschema.ValidationError):
        check(kind, yaml.safe_dump(unknown))


def test_each_says_what_the_plan_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asked = replace(TASK, options=Options("aws/us-east-1/us-east-1a", True, ""))
    kinds = base.every()
    sky = check("sky", kinds["sky"].text(asked))
    assert sky["resources"] == {
        "accelerators": ["H100:2", "H100-SXM:2"],
        "infra": "aws/us-east-1/us-east-1a",
        "use_spot": True,
        "disk_size": 120,
        "max_hourly_cost": 12.0,
        "autostop": {"idle_minutes": 10, "down": True},
    }
    assert "[s3]" in sky["setup"]
    dstack = check("dstack", kinds["dstack"].text(asked))
    assert dstack["resources"]["gpu"] == {"name": ["H100"], "count": 2, "memory": "76GB.."}
    assert (dstack["backends"], dstack["regions"], dstack["spot_policy"]) == (["aws"], ["us-east-1"], "spot")
    assert (dstack["max_duration"], dstack["max_price"], dstack["env"]) == ("330m", 12.0, ["HF_TOKEN"])
    job = check("k8s", kinds["k8s"].text(replace(asked, options=Options("aws/us-east-1", image="me/it:2"))))
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 2, "ephemeral-storage": "120Gi"}
    assert pod["nodeSelector"] == {
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "topology.kubernetes.io/region": "us-east-1",
    }
    assert job["spec"]["activeDeadlineSeconds"] == 19800
    slurm = kinds["slurm"].text(asked)
    assert "#SBATCH --gres=gpu:2\n#SBATCH --time=330\n" in slurm
    assert not any(
        "hf_secret" in kind.text(replace(asked, options=Options(image="i"))) for kind in kinds.values()
    )


FAKE = """#!/bin/sh
echo "$@" >> "$LOG"
case $1 in
train) trap 'echo told >> "$LOG"; exit 4' TERM
    [ -z "$HANGS" ] || while :; do sleep 0.05; done
    exit "$TRAINS";;
sync) exit "$SYNCS";;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which `tuiftune` notes how it is called."""
    program = tmp_path / "bin" / "tuiftune"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "LOG": str(tmp_path / "log"),
        "HANGS": "",
        "TRAINS": "0",
        "SYNCS": "0",
    }


@pytest.mark.parametrize(("trains", "syncs", "code"), [(0, 0, 0), (9, 0, 9), (0, 1, 1), (4, 1, 4)])
def test_the_exit_code_is_the_runs_and_a_lost_copy_is_a_failure(
    machine: dict[str, str], trains: int, syncs: int, code: int
) -> None:
    told = machine | {"TRAINS": str(trains), "SYNCS": str(syncs)}
    assert subprocess.run(["sh", "-c", script(TASK)], env=told, check=False).returncode == code
    assert Path(machine["LOG"]).read_text().splitlines() == [
        "train preset.yaml --name Tone_1 --runs runs --or-resume",
        "sync Tone_1 --runs runs --follow --wait",
    ]


def test_a_signal_to_the_script_is_passed_on_and_waited_for(machine: dict[str, str]) -> None:
    log = Path(machine["LOG"])
    with subprocess.Popen(
        ["sh", "-c", script(TASK, after='echo "after $told" >> "$LOG"')], env=machine | {"HANGS": "1"}
    ) as shell:
        wait_until(log.exists)
        time.sleep(0.2)
        shell.send_signal(signal.SIGTERM)
        assert shell.wait(30) == 4
    assert log.read_text().splitlines()[1:] == ["told", "sync Tone_1 --runs runs --follow --wait", "after 1"]


def test_a_plan_becomes_a_directory_that_another_machine_can_start(here: Path) -> None:
    words = f"plan p.yaml --as sky --gpu L4 --image reg/it:1 -o out {BUCKET}".split()
    done, said = tuiftune(*words)
    assert done.stdout == ""
    assert "start it: cd out && sky jobs launch sky.yaml" in said
    names = sorted(one.name for one in (here / "out").iterdir())
    assert names == ["inputs", "preset.yaml", "sky.yaml"]  # without an image, a wheel and a script too
    check("sky", (here / "out/sky.yaml").read_text())
    preset = yaml.safe_load((here / "out/preset.yaml").read_text())
    rows = here / "out" / preset["data"]["train"]
    assert rows.read_text() == (here / "rows.jsonl").read_text()
    assert preset["run"]["sync_to"] == "s3://bucket/runs"
    _, said = tuiftune(*[word if word != "out" else "it's here; x" for word in words])
    assert """start it: cd 'it'"'"'s here; x' && sky jobs launch sky.yaml""" in said
    _, said = tuiftune(*words)
    assert said == "out: is not empty. Name another directory with --output"


def test_the_document_holds_its_schema(here: Path) -> None:
    done, _ = tuiftune("plan", "p.yaml", "--as", "slurm", "--json")
    found = json.loads(done.stdout)
    jsonschema.validate(found, registry.json_schema("task-file"))
    assert found["command"] == "sbatch job.sh"
    assert subprocess.run(["bash", "-n"], input=found["text"], text=True, check=False).returncode == 0


BUCKET = "--set run.sync_to=s3://bucket/runs"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--as moon", r"^--as: moon is not a kind of task file\. Use one of: dstack, k8s, sky, slurm\.$"),
        (f"--as sky --gpu X9 {BUCKET}", r"^--gpu: unknown GPU `X9`"),
        (f"--as sky {BUCKET}", r"^--gpu: no GPU is named\. Name the one to rent"),
        (f"--as k8s --gpu L4 {BUCKET}", r"^--image: Kubernetes needs a container image"),
        (
            f"--as k8s --gpu L4 {BUCKET} --image '$(touch owned)'",
            r"^--image: '\$\(touch owned\)' is not a conta",
        ),
        (f"--as sky --gpu L4 {BUCKET} --image ''", r"^--image: '' is not a container image"),
        (f"--as sky --gpu L4 {BUCKET} --image -it", r"^--image: '-it' is not a container image"),
        (f"--as sky --gpu L4 {BUCKET} --region ''", r"^--region: '' is not a region"),
        (f"--as dstack --gpu L4 {BUCKET} --region mars", r"^--region: dstack does not know mars"),
        (f"--as sky --gpu any {BUCKET}", r"^--gpu: a task file is for one GPU\. Name it"),
        ("--as dstack --gpu L4 --set run.sync_to=hf://me", r"^run\.sync_to: hf://me names no repository"),
        ("--as ''", r"^--as: '' is not a kind of task file"),
        ("--region aws", r"^--region: is of use with --as only"),
        ("--on-demand", r"^--on-demand: is of use with --as only"),
    ],
)
def test_what_another_machine_could_not_use_is_one_line(words: str, said: str, here: Path) -> None:
    done = CliRunner().invoke(build(), ["plan", "p.yaml", *shlex.split(words)])
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.exit_code == 2
    line = str(done.exception)
    assert "\n" not in line
    assert re.search(said, line), line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", r"^run\.sync_to: a rented machine loses its disk"),
        ("s3:/b/runs", r"^run\.sync_to: .* is not a bucket"),
        ("/home/me/runs", r"^run\.sync_to: .* is not a bucket"),
        ("s3://B_/r", r"B_ is not a valid name of a bucket"),
        ("s3://a:b@bucket/r", r"no user, password or query"),
    ],
)
def test_what_is_no_bucket_is_one_line(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        making.check_bucket(url)
    assert "\n" not in str(refused.value)
    assert "a:b" not in str(refused.value)


def test_regions_clouds_and_gpus_that_a_program_does_not_know_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^--region: us east is not a region\. Write it like aws"):
        making.check_region("us east")
    with pytest.raises(UserError, match=r"^--region: SkyPilot does not know mars"):
        base.every()["sky"].text(replace(TASK, options=Options("mars/a")))
    with pytest.raises(UserError, match=r"^--gpu: dstack does not know the A30"):
        base.every()["dstack"].text(replace(TASK, gpu="A30"))


@pytest.mark.parametrize("image", ["tuiftune", "ghcr.io/me/tuiftune:1.0", f"host:5000/a/b@sha256:{'a' * 64}"])
def test_images_of_registries_are_taken(image: str) -> None:
    making.check_image(image)


def test_the_clouds_of_dstack_are_those_of_its_schema() -> None:
    known = json.loads((SCHEMAS / "dstack.json").read_text())
    assert sorted(dstack.BACKENDS) == sorted(known["task"]["$defs"]["BackendType"]["enum"])


def test_rows_too_large_for_a_configmap_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"x" * 1_000_000)
    large = replace(TASK, files=(str(tmp_path / "rows.jsonl"),), options=Options(image="registry/it:1"))
    with pytest.raises(UserError, match="977 KiB of files are too large for a ConfigMap"):
        base.find("kubernetes").text(large)


def test_keys_are_put_on_no_command_line() -> None:
    for kind in RENTED:
        task = replace(TASK, options=Options(image="reg/it:1"))
        assert not re.search(r"(HF_TOKEN|AWS_\w+)=", base.every()[kind].text(task))


def test_names_of_gpus_are_those_of_their_memory() -> None:
    for gpu in GPUS:
        assert gpu_names.memory_gb(gpu.name) * gpu_names.GB < find(gpu.name).memory_bytes
        assert " " not in gpu_names.for_kubernetes(gpu.name)
        assert gpu.name in gpu_names.NOT_IN_DSTACK or " " not in gpu_names.for_dstack(gpu.name)


def test_what_was_begun_is_found_here_then_in_its_copy_else_nowhere(tmp_path: Path) -> None:
    preset = Preset.model_validate(
        {"name": "tone", "model": {"base": "builtin:tiny"}, "data": {"train": "t"}}
    )
    away = preset.with_values({"run.sync_to": str(tmp_path / "away")})
    assert begun(preset, None, tmp_path / "runs") is None
    assert begun(away, "tone", tmp_path / "runs") is None
    (tmp_path / "away/tone").mkdir(parents=True)
    (tmp_path / "away/tone/plan.json").write_text('{"resolved": {}}')
    assert begun(away, "tone", tmp_path / "runs") is None, "no checkpoint of it was copied yet"
    (tmp_path / "runs/tone").mkdir(parents=True)
    (tmp_path / "runs/tone/plan.json").write_text('{"resolved": {}}')
    (tmp_path / "runs/tone/preset.yaml").write_text("")
    found = begun(away, "tone", tmp_path / "runs")
    assert found is not None
    assert found.path == tmp_path / "runs/tone"
