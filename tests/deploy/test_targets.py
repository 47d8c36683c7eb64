"""What goes with an export and can't be run here: Modelfiles, units, containers, refusals, cards."""

from __future__ import annotations

import configparser
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tuiftune import assets
from tuiftune.data.chat.template import Template
from tuiftune.data.example import Message
from tuiftune.deploy import every, go_template, llama_cpp
from tuiftune.deploy.base import Facts
from tuiftune.deploy.targets import hub, ollama
from tuiftune.errors import UserError

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
COUNTS = "{% for m in messages %}[{{ loop.index }}] {{ m['role'] }}: {{ m['content'] }}\n{% endfor %}answer:"


def template(source: str) -> Template:
    return Template(source, {"bos_token": "<s>", "eos_token": "</s>"}, place="test")


def facts(**changes: Any) -> Facts:
    given = Facts(
        name="Support",
        result=assets.BASE,
        adapter={"r": 16, "peft_type": "LORA"},
        base="builtin:tiny",
        source=assets.BASE,
        stored="bfloat16",
        quantization=None,
        size=2_000_000,
        architectures=("LlamaForCausalLM",),
        license="apache-2.0",
        context=512,
        positions=2048,
    )
    return replace(given, **changes)


def test_code_that_loads_a_model_asks_as_the_rows_did() -> None:
    """With the training's system message, not its words; texts are continued, by no chat template."""
    from tuiftune.deploy.card import _load

    secret = "You answer for Acme's board."
    code = "\n".join(_load("transformers", facts(system=secret))[1:-2])
    assert compile(code, "README.md", "exec")
    assert '"role": "system", "content": SYSTEM' in code
    assert secret not in code
    assert "system" not in "\n".join(_load("peft", facts()))
    texts = "\n".join(_load("transformers", facts(texts=True))[1:-2])
    assert compile(texts, "card", "exec")
    assert "apply_chat_template" not in texts


def test_the_lines_of_a_server_ask_with_the_system_message() -> None:
    from tuiftune.chat.serving import Served, Serving

    system = 'It\'s "short".\n$HOME `x` \\'
    served = Serving((Served("a", "run:x", system),), "transformers", "127.0.0.1", 8000, "")
    words = shlex.split(served.curl())
    messages = json.loads(words[words.index("-d") + 1])["messages"]
    assert [one["content"] for one in messages] == [system, "Hello"]
    assert f"messages={json.dumps(messages)}" in served.python()
    assert compile(served.python(), "line", "exec")


@pytest.mark.parametrize("source", [CHATML, LLAMA], ids=["chatml", "llama"])
def test_ollamas_template_renders_what_the_models_does(source: str) -> None:
    own = template(source)
    parts = go_template.derive(own)
    for messages in (
        [Message("user", "Hello")],
        [Message("system", "Short."), Message("user", "a"), Message("assistant", "b"), Message("user", "c")],
    ):
        assert parts.render(messages) == own.render(messages, prompt=True)
    assert parts.go().count("{{") == parts.go().count("}}")
    assert "{{ range .Messages }}" in parts.go()


def test_bos_that_the_file_adds_is_not_written_twice() -> None:
    assert go_template.derive(template(LLAMA)).start == "<s>"
    assert go_template.derive(template(LLAMA), "<s>").start == ""


def test_a_template_that_ollama_cannot_write_is_refused() -> None:
    with pytest.raises(UserError, match="does not write every message of a role alike"):
        go_template.derive(template(COUNTS))


def test_text_cannot_end_what_it_stands_in() -> None:
    text = 'a {{ b }} and """ c'
    escaped = go_template.escaped(text)
    assert '"""' not in escaped
    # Read as Go does: a string in braces is its characters.
    read, rest = "", escaped
    while "{{ " in rest:
        plain, _, rest = rest.partition("{{ ")
        quoted, _, rest = rest.partition(" }}")
        read += plain + json.loads(quoted.replace("\\x", "\\u00"))
    assert read + rest == text


@pytest.mark.parametrize("system", ['Say "hi".', 'End with "', 'Three """ quotes and {{ braces }}'])
def test_a_quote_in_the_system_prompt_stays_one(system: str, tmp_path: Path) -> None:
    text = ollama.modelfile(tmp_path, facts(system=system), ollama.FORMS[0])
    assert text.startswith("FROM ./Support-Q8_0.gguf\n")
    # Three quotes open and close, and nothing else does: every second piece is a value.
    pieces = text.split('"""')
    assert len(pieces) % 2 == 1
    if system.endswith("."):
        assert f'SYSTEM """{system}"""' in text
    else:
        assert "SYSTEM" not in text
        assert go_template.escaped(system) in pieces[1]
    assert 'PARAMETER stop "<|end|>"' in text
    assert "PARAMETER temperature 0\n" in text
    assert "PARAMETER num_ctx 2048\n" in text


def test_ollama_is_run_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ollama"
    program.write_text('#!/bin/sh\necho "$@" > called\necho "no such file" >&2\nexit $(cat code)\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "code").write_text("0")
    assert ollama.create(tmp_path, facts(), {}) is None
    assert not (tmp_path / "called").exists()
    assert ollama.create(tmp_path, facts(), {"upload": "yes"}) == "support"
    assert (tmp_path / "called").read_text() == "create support -f Modelfile\n"
    (tmp_path / "code").write_text("1")
    with pytest.raises(UserError, match="no such file"):
        ollama.create(tmp_path, facts(), {"upload": "yes"})


@pytest.mark.parametrize("key", ["vllm", "sglang"])
def test_units_and_containers_hold_the_command(key: str, tmp_path: Path) -> None:
    target = every()[key]
    staged = tmp_path / ".my model.partial"
    staged.mkdir()
    named = facts(name="100%-mine")
    target.finish(staged, named, target.forms[0])
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(staged / f"{key}.service")
    line = unit["Service"]["ExecStart"].replace("%%", "%")
    place = tmp_path / "my model"
    command = shlex.split(target.use(place, named, target.forms[0])[0])
    assert shlex.split(line) == ["/usr/bin/env", *command]
    assert "127.0.0.1" in command
    service = yaml.safe_load((staged / "compose.yaml").read_text())["services"][key]
    assert "/model" in service["command"]
    assert service["ports"][0].startswith("127.0.0.1:")
    assert "100%-mine" in service["command"]


def test_every_target_says_how_it_is_used_and_what_was_not_run() -> None:
    for key, target in every().items():
        assert target.key == key
        assert target.forms
        assert all(target.use(Path("/out"), facts(), form) for form in target.forms)
    not_run = {key for key, target in every().items() if target.not_run}
    assert not_run >= {"adapter", "ollama", "lmstudio", "vllm", "sglang", "mlx", "hub"}
    assert not {"merged", "gguf"} & not_run


def test_a_quantized_base_model_takes_no_merge() -> None:
    for key in ("merged", "gguf", "ollama", "vllm", "hub"):
        target = every()[key]
        refused = target.refuses(facts(quantization="gptq"), target.forms[0])
        assert refused is not None
        assert "quantized (gptq)" in refused[0]
    assert every()["adapter"].refuses(facts(quantization="gptq"), every()["adapter"].forms[0]) is None


def test_a_reward_model_leaves_in_no_form_that_writes_text() -> None:
    for key in ("merged", "gguf", "vllm"):
        refused = every()[key].refuses(facts(scores=True), every()[key].forms[0])
        assert refused is not None
        assert "reward model" in refused[0]


def test_a_converter_that_is_missing_is_named_with_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUIFTUNE_LLAMA_CPP", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"convert_hf_to_gguf.*git clone --depth 1 .*--llama-cpp DIR"):
        llama_cpp.converter({})
    with pytest.raises(UserError, match="is not in this directory"):
        llama_cpp.converter({"llama_cpp": str(tmp_path)})
    with pytest.raises(UserError, match="llama-quantize, which is not on this machine"):
        llama_cpp.quantizer({})
    (tmp_path / "vendor" / "llama.cpp").mkdir(parents=True)
    script = tmp_path / "vendor" / "llama.cpp" / "convert_hf_to_gguf.py"
    script.touch()
    assert llama_cpp.converter({"llama_cpp": str(tmp_path)}) == script


def test_a_family_that_the_converter_lacks_is_named_before_anything_is_written(tmp_path: Path) -> None:
    """By the converter's own list: a dictionary in newer versions, decorators in older ones."""
    script = tmp_path / "convert_hf_to_gguf.py"
    script.write_text('@ModelBase.register("LlamaForCausalLM", "MistralForCausalLM")\nclass A: ...\n')
    llama_cpp.check_family(facts(), script)
    with pytest.raises(UserError, match=r"does not know XLSTMForCausalLM.* newer llama\.cpp"):
        llama_cpp.check_family(facts(architectures=("XLSTMForCausalLM",)), script)
    (tmp_path / "conversion").mkdir()
    listed = tmp_path / "conversion" / "__init__.py"
    listed.write_text('TEXT_MODEL_MAP: dict[str, str] = {"XLSTMForCausalLM": "xlstm"}\n')
    llama_cpp.check_family(facts(architectures=("XLSTMForCausalLM",)), script)
    with pytest.raises(UserError, match="does not know LlamaForCausalLM"):
        llama_cpp.check_family(facts(), script)
    listed.write_text("made otherwise")  # a list of another form refuses nothing
    script.write_text("")
    llama_cpp.check_family(facts(), script)


def test_an_upload_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    form = hub.TARGET.forms[0]
    for name in hub.TOKENS:
        monkeypatch.delenv(name, raising=False)
    hub.tools(facts(), form, {})
    for options, words in (
        ({"upload": "yes"}, "no repository is named"),
        ({"upload": "yes", "repo": "me/it"}, "HF_TOKEN"),
        ({"repo": "only-a-name"}, "OWNER/NAME"),
    ):
        with pytest.raises(UserError, match=words):
            hub.tools(facts(), form, options)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    hub.tools(facts(), form, {"upload": "yes", "repo": "me/it"})
    assert hub.refuses_public(facts(license=None), "me/it")
    assert "begins with Llama" in (hub.refuses_public(facts(license="llama3.1"), "me/it") or "")
    assert hub.refuses_public(facts(license="llama3.1"), "me/Llama-it") is None
    line = next(one for one in hub.use(Path("/home/me/out"), facts(), form) if one.startswith("hf "))
    assert line.endswith("--exclude tuiftune-export.json"), "it names this machine's directories"
