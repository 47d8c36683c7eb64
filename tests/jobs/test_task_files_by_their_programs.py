"""Task files read by the programs themselves, each in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from test_task_files import SCHEMAS, TASK

from tuiftune.hardware.known_gpus import GPUS
from tuiftune.jobs.task_files import base, gpu_names
from tuiftune.jobs.task_files.task import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SKY = """
import json, sys
import sky, yaml
from sky.utils import schemas
tasks = [sky.Task.from_yaml_config(yaml.safe_load(text)) for text in json.load(sys.stdin)]
said = [[[one.name, str(it.cloud), it.region, it.zone, it.accelerators, it.use_spot, it.autostop_config.down]
         for it in one.resources] for one in tasks]
print(json.dumps([said, schemas.get_task_schema(), schemas.get_resources_schema()]))
"""
DSTACK = """
import json, sys
import gpuhunt, yaml
from dstack._internal.core.models.configurations import parse_run_configuration
read = [parse_run_configuration(yaml.safe_load(text)) for text in json.load(sys.stdin)]
said = [[one.name, one.resources.gpu.name, one.resources.gpu.memory.min, one.max_price] for one in read]
print(json.dumps([said, [[one.name, one.memory] for one in gpuhunt.KNOWN_NVIDIA_GPUS]]))
"""
K8S = """
import json, sys
import kubernetes_validate, yaml
for text in json.load(sys.stdin):
    for document in yaml.safe_load_all(text):
        kubernetes_validate.validate(document, "1.37", strict=True)
print(json.dumps(kubernetes_validate.__version__))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, list[str]], Any]:
    """Runs a script on texts, with packages of the index in an environment of its own. Gives what it says."""

    def run(packages: str, script: str, texts: list[str]) -> Any:
        place = tmp_path_factory.mktemp("program")
        uv = shutil.which("uv") or pytest.skip("uv is not installed")
        made, own = ["venv", "-p", "3.11", str(place / "env")], str(place / "env/bin/python")
        for words in (made, ["pip", "install", "-p", own, packages]):
            done = subprocess.run([str(uv), *words], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{packages} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        home = {"HOME": str(place), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [str(place / "env/bin/python"), "-c", script],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            env=home,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def texts(kind: str) -> list[str]:
    write = base.every()[kind].text
    image = "registry/tuiftune:1"
    asked = [Options("aws/us-east-1", True, ""), Options("", False, image), Options("gcp/a/b", True, image)]
    plain = Options(image=image if kind == "k8s" else "")
    tasks = [
        replace(TASK, gpu=gpu.name, options=plain)
        for gpu in GPUS
        if kind != "dstack" or gpu.name not in gpu_names.NOT_IN_DSTACK
    ]
    tasks += [replace(TASK, options=one) for one in asked if kind != "k8s" or one.image]
    return [write(one) for one in tasks]


def bare(schema: Any) -> Any:
    """A schema as the fixture has it; see its `about`."""
    script = {"$id", "description", "title", "default", "examples", "$schema"}
    named = ("properties", "patternProperties", "$defs", "definitions")

    def without(value: Any, *, names: bool = False) -> Any:
        if isinstance(value, dict):
            kept = value if names else {key: one for key, one in value.items() if key not in script}
            return {key: without(one, names=key in named and not names) for key, one in kept.items()}
        return [without(one) for one in value] if isinstance(value, list) else value

    return without(schema)


def test_skypilots_loader_takes_them(python: Callable[[str, str, list[str]], Any]) -> None:
    said, task, resources = python("skypilot==0.14.1", SKY, texts("sky"))
    assert said[-3] == [
        ["tone-1", "AWS", "us-east-1", None, {"H100": 2}, True, True],
        ["tone-1", "AWS", "us-east-1", None, {"H100-SXM": 2}, True, True],
    ]
    assert said[-1][0][1:4] == ["GCP", "a", "b"]
    assert not any(spot for one in said[-2] for spot in [one[5]])
    known = json.loads((SCHEMAS / "sky.json").read_text())
    assert bare(task) == known["task"]
    assert bare(resources) == known["resources"]


def test_dstacks_parser_takes_them_and_knows_the_gpus(python: Callable[[str, str, list[str]], Any]) -> None:
    said, known = python("dstack==0.22.5", DSTACK, texts("dstack"))
    for name, gpus, least, price in said:
        assert (name, price) == ("tone-1", 12.0)
        assert [one for one, memory in known if [one] == gpus and memory >= least], gpus
    assert not [one for one, _ in known if one == "A30"], "refused, since dstack's own list has none"


def test_kubernetes_schemas_take_them(python: Callable[[str, str, list[str]], Any]) -> None:
    assert python("kubernetes-validate==1.37.0", K8S, texts("k8s")) == "1.37.0"


def test_the_wheel_next_to_a_task_file_installs_with_the_extra_of_its_bucket(tmp_path: Path) -> None:
    from tuiftune.jobs.rented import wheel

    built = wheel.build(tmp_path)
    words = ["uv", "pip", "install", "--dry-run", "-p", sys.executable]
    for package in ("tuiftune", "s3fs"):  # what is there already isn't told
        words += ["--reinstall-package", package]
    done = subprocess.run([*words, f"{built.path}[s3]"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "s3fs" in done.stderr


def test_every_gpu_of_the_table_has_a_name_that_skypilot_or_a_cloud_of_it_uses() -> None:
    assert gpu_names.for_sky("GeForce RTX 4090") == ("RTX4090",)
    assert gpu_names.for_sky("RTX A6000") == ("RTXA6000",)
    assert gpu_names.for_sky("A100-SXM4-40GB") == ("A100",)


def test_a_machine_that_vanishes_is_replaced_and_the_run_continues_to_the_bit(tmp_path: Path) -> None:
    """The commands of a task file, killed with everything, and started again in an empty directory."""
    from tuiftune.jobs.task_files.script import script

    preset = (
        "name: tone\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
        "training: {max_steps: 40}\nevaluation: {score: none, samples: 0}\n"
        f"run: {{save_every: 4, sync_to: '{tmp_path / 'bucket'}'}}\n"
    )
    program = f"{sys.executable} -m tuiftune"
    commands = script(replace(TASK, name="tone"), program)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def machine(name: str, **more: Any) -> subprocess.Popen[bytes]:
        place = tmp_path / name
        place.mkdir()
        (place / "preset.yaml").write_text(preset)
        state = {"XDG_STATE_HOME": str(place / "state")}
        return subprocess.Popen(["sh", "-c", commands], cwd=place, env=environment | state | more)

    import psutil
    from waiting import wait_until

    first = machine("first")
    copied = tmp_path / "bucket/tone/checkpoints"
    wait_until(lambda: list(copied.glob("checkpoint-*/manifest.json")), 300, every=0.1)
    every, own = psutil.process_iter(["cwd", "environ"]), str(tmp_path / "first")
    processes = [one for one in every if own in str(one.info)]
    for process in processes:
        process.kill()
    first.wait(60)
    shutil.rmtree(tmp_path / "first")
    assert machine("second").wait(600) == 0
    log = (tmp_path / "second/runs/tone/events.jsonl").read_text().splitlines()
    starts = [event for line in log if (event := json.loads(line))["type"] == "start"]
    assert starts[-1]["resumed_from"] >= 4
    shutil.move(tmp_path / "bucket", tmp_path / "bucket-of-the-second")
    assert machine("third").wait(600) == 0
    files = [tmp_path / name / "runs/tone/result/result.json" for name in ("second", "third")]
    results = [json.loads(file.read_text()) for file in files]
    assert results[0]["after"]["loss"] == results[1]["after"]["loss"]
    assert (tmp_path / "bucket-of-the-second/tone/result/model").is_dir()
