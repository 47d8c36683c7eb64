"""Reading a preset: a fault is one line with place and remedy; what was written is read back exactly."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tuiftune import techniques
from tuiftune.errors import ExitCode, UserError
from tuiftune.preset import method
from tuiftune.preset.file import check, dump, load, loads, override, save
from tuiftune.preset.migrate import migrate
from tuiftune.preset.words import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.preset.schema import Preset

HEAD = "model: {base: some/model}\ndata: {train: rows.jsonl}\n"


def fault(text: str) -> str:
    with pytest.raises(UserError) as caught:
        loads(text, "support.yaml")
    assert caught.value.exit_code is ExitCode.USAGE
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def preset() -> Preset:
    return loads(HEAD, "head")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("training:\n  epoch: 3\n", "line 4", "unknown key `training.epoch`. Did you mean `epochs`?"),
        ("traning:\n  epochs: 3\n", "line 3", "unknown key `traning`. Did you mean `training`?"),
        ("lora_r: 8\n", "line 3", "Did you mean `method.rank`?"),
        ("training:\n  seed: 1\n  rank: 8\n", "line 5", "Did you mean `method.rank`?"),
        ("training: {lr: 0.1}\n", "line 3", "Did you mean `training.learning_rate`?"),
        ("wholly_else: 1\n", "line 3", "tuiftune preset schema"),
        ("method:\n  rank: 0\n", "line 4", "`method.rank` is 0, but must be auto or a whole number above 0"),
        ("method: {rank: 1.5}\n", "line 3", "`method.rank` is 1.5"),
        ("method: {rank: true}\n", "line 3", "`method.rank` is true"),
        ("method: {technique: qlra}\n", "line 3", "Did you mean `qlora`?"),
        ("method: {dropout: 1.0}\n", "line 3", "a number from 0, below 1"),
        ("training: {epochs: '3'}\n", "line 3", "Write 3 without quotes"),
        ("training: {learning_rate: -1}\n", "line 3", "above 0"),
        ("training: {learning_rate: .nan}\n", "line 3", "nan"),
        ("training: {learning_rate: .inf}\n", "line 3", "inf"),
        ("name: 2024\n", "line 3", "letters, digits"),
        ("name: ..\n", "line 3", "letters, digits"),
        ("name: ../up\n", "line 3", "letters, digits"),
        ("name: -rf\n", "line 3", "letters, digits"),
        ("hardware: {memory_limit: abc}\n", "line 3", "`abc` is not a size"),
        ("hardware: {memory_limit: '24'}\n", "line 3", "has no unit"),
        ("hardware: {memory_limit: 24}\n", "line 3", "a size such as 24GiB"),
        ("hardware: {memory_limit: -3GiB}\n", "line 3", "is not a size"),
        ("hardware: {memory_limit: 24MiB}\n", "line 3", "too little"),
        ("hardware: {memory_limit: 24GX}\n", "line 3", "not a unit of size"),
        ("hardware: {gpus: [0, 0]}\n", "line 3", "listed twice"),
        ("hardware: {gpus: [-1]}\n", "line 3", "`hardware.gpus`"),
        ("hardware: {gpus: 0}\n", "line 3", "`hardware.gpus` is 0"),
        ("budget: {max_usd: -5}\n", "line 3", "`budget.max_usd` is -5"),
        ("training: 3\n", "line 3", "must contain keys"),
        ("run: {report_to: wandb}\n", "line 3", "a list of names"),
        ("version: 2\n", "line 3", "newer than this tuiftune supports"),
        ("version: 0\n", "line 3", "preset version 0 does not exist"),
        ("version: one\n", "line 3", "must be a whole number"),
        ("model: {base: z}\n", "line 3", "key `model` appears twice (first on line 1)"),
        ("run:\n  checkpoints: 1\n  checkpoints: 2\n", "line 5", "appears twice"),
        ("foo: [1\n", "line 4", "not valid YAML"),
        ("\tx: 1\n", "line 3", "not valid YAML"),
        ("evil: !!python/object/apply:os.system [ls]\n", "line 3", "is not allowed"),
        ("evil: !custom x\n", "line 3", "is not allowed"),
        ("? [a, b]\n: 1\n", "line 3", "a key must be a plain word"),
        ('esc: "\\e[31m"\n', "line 3", "unknown key `esc`"),
    ],
)
def test_faults_name_line_and_remedy(text: str, place: str, said: str) -> None:
    line = fault(HEAD + text)
    assert line.startswith(f"support.yaml {place}:" if place.startswith("line") else f"{place}:")
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# nothing but a comment\n", "is empty"),
        ("- a\n- list\n", "does not contain keys"),
        ("just text", "does not contain keys"),
        ("data: {train: x}\n", "`model.base` is missing"),
        ("model: {base: x}\n", "`data.train` is missing"),
        (
            "model: {bas: x}\ndata: {train: x}\n",
            "unknown key `model.bas` (and 1 more). Did you mean `base`?",
        ),
        ("model: {base: ''}\ndata: {train: x}\n", "`model.base` is empty"),
        ("model: {base: x}\ndata: {train: []}\n", "`data.train` is a list"),
        ("model: {base: x}\ndata: {train: x, eval: 1}\n", "`data.eval` is 1"),
        ("model: {base: x}\ndata: {train: x, eval: '0.1'}\n", "without quotes"),
        (
            "model: {base: x}\ndata:\n  train: y\n  mix:\n  - {path: a}\n  - {path: b, wieght: 1}\n",
            "`weight`",
        ),
        (
            "model: {base: x}\ndata: {train: y, mix: [{path: a, weight: 2.0, share: 0.1}]}\n",
            "a weight and a share",
        ),
        (
            "model: {base: x}\ndata: {train: y, mix: [{path: a, share: 0.6}, {path: b, share: 0.5}]}\n",
            "leave nothing for the training data",
        ),
        (
            "model: {base: x}\ndata: {train: y, mix: [{path: a, share: 0.6}], mix_temperature: 2.0}\n",
            "remove the weights and shares",
        ),
        ("model: {base: x}\ndata: {train: y, mix_temperature: 0.5}\n", "from 1"),
    ],
)
def test_what_is_missing_or_empty_is_said(text: str, said: str) -> None:
    assert said in fault(text)


def test_nested_aliases_cannot_grow_without_end() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too many" in fault("\n".join(layers))
    assert "too many" in fault("a: &a [*a]\n")


def test_control_characters_never_reach_the_terminal() -> None:
    assert "\x1b" not in fault(HEAD + '"\\e[31mred": 1\n')
    assert "\x1b" not in fault(HEAD + 'name: "\\e]0;title\\a"\n')


def test_every_fault_of_a_file_is_listed_in_order(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    path.write_text(HEAD + "training:\n  epoch: 3\n  seed: -1\nmethod:\n  rank: 0\n")
    places = [(fault.place.rpartition(" ")[2], fault.message.split("`")[1]) for fault in check(path)]
    assert places == [("4", "training.epoch"), ("5", "training.seed"), ("7", "method.rank")]


def test_a_section_whose_keys_are_all_commented_out_is_empty() -> None:
    assert loads(HEAD + "training:\n  # epochs: 3\n", "x").training.epochs == 3


def test_yaml_1_2_words_and_numbers() -> None:
    preset = loads(HEAD + "name: no\ntraining: {learning_rate: 2e-5, epochs: 1}\n", "x")
    assert preset.name == "no"
    assert preset.training.learning_rate == 2e-5
    assert preset.training.epochs == 1.0


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cases = {
        tmp_path / "missing.yaml": "no such file",
        tmp_path: "is a directory",
        tmp_path / "latin.yaml": "is not UTF-8",
        tmp_path / "big.yaml": "larger than 1 MB",
        tmp_path / "latin.yaml" / "x": "not a directory",
    }
    (tmp_path / "latin.yaml").write_bytes(b"ok: 1\nname: caf\xe9\n")
    (tmp_path / "big.yaml").write_bytes(b"# x\n" * 400_000)
    for path, said in cases.items():
        with pytest.raises(UserError) as caught:
            load(path)
        assert said in str(caught.value)
        assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(UserError) as caught:
        load(tmp_path / "latin.yaml")
    assert caught.value.place.endswith("line 2")


@pytest.fixture
def unprivileged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Without root's rights, which would open everything; the directories above are made passable for it."""
    if os.geteuid() != 0:
        yield
        return
    for directory in (tmp_path_factory.getbasetemp(), *tmp_path_factory.getbasetemp().parents[:2]):
        if directory != Path("/tmp"):
            directory.chmod(0o755)
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_no_permission_to_read(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "closed.yaml"
    path.write_text(HEAD)
    path.chmod(0)
    tmp_path.chmod(0o755)
    request.getfixturevalue("unprivileged")
    with pytest.raises(UserError) as caught:
        load(path)
    assert "no permission to read" in str(caught.value)


def test_no_permission_to_write_leaves_nothing(
    tmp_path: Path, preset: Preset, request: pytest.FixtureRequest
) -> None:
    tmp_path.chmod(0o555)
    request.getfixturevalue("unprivileged")
    with pytest.raises(UserError) as caught:
        save(preset, tmp_path / "new.yaml")
    assert "no permission to write" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_saving_is_whole_and_closed_to_others(tmp_path: Path, preset: Preset) -> None:
    path = tmp_path / "mine.yaml"
    before = os.umask(0)
    try:
        save(preset, path)
    finally:
        os.umask(before)
    assert load(path) == preset
    assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    save(preset, path)
    old = path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError) as caught:
        save(override(preset, ["training.epochs=9"]), path)
    assert caught.value.exit_code is ExitCode.DISK_FULL
    assert path.read_text() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.yaml"]


def test_saving_through_a_link_replaces_what_it_points_to(tmp_path: Path, preset: Preset) -> None:
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    save(preset, tmp_path / "link.yaml")
    assert (tmp_path / "link.yaml").is_symlink()
    assert load(tmp_path / "real.yaml") == preset


def test_saving_where_it_cannot_be(tmp_path: Path, preset: Preset) -> None:
    for path, said in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "such.yaml", "directory does not exist"),
    ):
        with pytest.raises(UserError) as caught:
            save(preset, path)
        assert said in str(caught.value)


@pytest.mark.parametrize("technique", [techniques.AUTO, *techniques.every()])
def test_writing_comments_every_key_and_reads_back_the_same(preset: Preset, technique: str) -> None:
    preset = preset.with_values({"method.technique": technique})
    text = dump(preset)
    assert loads(text, "x") == preset
    assert dump(loads(text, "x")) == text
    lines = text.splitlines()
    taken = {f"method.{option.key}" for option in method.taken(preset.method.stage, technique)}
    others = {f"method.{key}" for key in method.options()} - taken
    for name, key in keys().items():
        if name in others:
            assert f" {name.rpartition('.')[2]}: " not in text
            continue
        leaf = name.rpartition(".")[2]
        at = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{leaf}: "))
        assert lines[at - 1].lstrip().startswith("#"), name
        assert key.does, f"{name} says nothing about what it does"
    assert max(len(line) for line in lines) <= 100


NASTY = [
    "plain",
    "with space",
    "a: b",
    "- dash",
    "#hash",
    "null",
    "True",
    "yes",
    "1e5",
    "0x10",
    "2024-01-01",
    "",
    " lead",
    "trail ",
    "new\nline",
    "tab\t",
    "quote\"'",
    "back\\slash",
    "ünïcödé 漢字 🙂",
    "\u202eoverride",
    "\x1b[31m",
    "\x7f\x85\u2028\ufeff",
    "{brace",
    "[bracket",
    "&anchor",
    "*alias",
    "!tag",
    "%percent",
    "@at",
    "`tick",
    "a,b",
    "~",
    ".5",
    ".inf",
    "./path/to.jsonl",
    "builtin:tiny",
    "x:",
    "<<",
    "=",
]


@pytest.mark.parametrize("text", NASTY)
def test_any_text_comes_back_exactly(preset: Preset, text: str) -> None:
    values = {
        "data.system": text,
        "data.columns": {"prompt": text},
        "method.target_modules": [text or "q", "k"],
    }
    written = preset.with_values(values)
    assert loads(dump(written), "x") == written
    assert yaml.safe_load(dump(written))["data"]["system"] == text  # another reader agrees


def test_random_text_and_numbers_come_back_exactly(preset: Preset) -> None:
    source = random.Random(7)
    for _ in range(60):
        text = "".join(
            chr(source.choice([source.randrange(32, 127), source.randrange(0x110000)])) for _ in range(9)
        )
        text = text.encode("utf-8", "ignore").decode("utf-8")
        rate = source.random() * 10 ** source.randint(-12, 0)
        written = preset.with_values({"data.system": text, "training.learning_rate": rate})
        assert loads(dump(written), "x") == written


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("training.epochs=1", "epochs", 1.0),
        ("training.max_steps=20", "max_steps", 20),
        ("training.max_steps=", "max_steps", None),
        ("training.max_steps=null", "max_steps", None),
        ("training.micro_batch=auto", "micro_batch", "auto"),
        ("training.learning_rate=2e-5", "learning_rate", 2e-5),
        ("training.activation_checkpointing=2", "activation_checkpointing", 2),
        ("training.activation_offloading=true", "activation_offloading", True),
        ("training.compile=false", "compile", False),
    ],
)
def test_overrides(preset: Preset, setting: str, key: str, value: object) -> None:
    assert getattr(override(preset, [setting]).training, key) == value


def test_overrides_of_text_lists_and_columns(preset: Preset) -> None:
    changed = override(
        preset,
        [
            "name=2024",
            "method.target_modules=[q_proj, v_proj]",
            "data.columns.prompt=question",
            "model.revision=1e10",
        ],
    )
    assert (changed.name, changed.model.revision) == ("2024", "1e10")
    assert changed.method.target_modules == ["q_proj", "v_proj"]
    assert changed.data.columns == {"prompt": "question"}
    assert preset.name == "untitled"  # the original stays


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.epoch=1", "Did you mean `epochs`?"),
        ("lr=1", "Did you mean `training.learning_rate`?"),
        ("training=1", "is a group of keys"),
        ("training.epochs", "not a key with a value"),
        ("=3", "not a key with a value"),
        ("training.epochs=0", "a number above 0"),
        ("training.epochs=many", "a number above 0"),
        ("hardware.memory_limit=24", "has no unit"),
        ("data.mix=[", "not valid YAML"),
        ("version=2", "must be 1"),
        ("data.columns.a.b=c", "unknown key"),
        ("method.pull=0.1", "unknown key `method.pull`. List all keys: `tuiftune preset schema`"),
    ],
)
def test_overrides_that_cannot_be(preset: Preset, setting: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        override(preset, [setting])
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--set {setting}")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_not_asked_for_without_quotes(preset: Preset, value: str) -> None:
    with pytest.raises(UserError, match=f"is the text `{value}`, but must be a number above 0") as caught:
        override(preset, [f"training.epochs={value}"])
    assert "quotes" not in str(caught.value)


def test_older_versions_are_lifted_step_by_step() -> None:
    steps = {1: lambda old: {"b": old["a"]}, 2: lambda old: {"c": old["b"]}}
    assert migrate({"version": 1, "a": 5}, "x", steps=steps, target=3) == {"version": 3, "c": 5}
    assert migrate({"c": 5}, "x", steps=steps, target=3) == {"c": 5}


@pytest.mark.parametrize("key", ["[" * 1000, "9" * 5000, "{a: " * 500, "\u202e" * 400])
def test_an_unknown_key_of_any_length_ends_in_one_short_line(preset: Preset, key: str) -> None:
    with pytest.raises(UserError, match="unknown key") as caught:
        override(preset, [f"{key}=1"])
    assert len(str(caught.value)) < 600
