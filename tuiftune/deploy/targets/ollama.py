"""A GGUF file with a Modelfile for Ollama: template, stops and parameters from the model."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.data.chat.local import read_tokenizer
from tuiftune.deploy import go_template
from tuiftune.deploy.base import Facts, Form, Target, merges
from tuiftune.deploy.gguf_forms import FORMS, file_name
from tuiftune.deploy.targets import gguf
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuiftune.data.chat.tokenize import RowTokenizer

PROGRAM, UPLOAD = "ollama", "upload"
LONGEST = 8192  # tokens of context that Ollama is told at most: it reserves memory for all of them
# Generation settings of transformers, and what Ollama calls them.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def refuses(facts: Facts, form: Form) -> tuple[str, str] | None:
    """Why a result cannot be merged, or its template not be written as Ollama's."""
    if (refused := merges(facts, form)) is not None:
        return refused
    try:
        go_template.derive(_tokenizer(facts).template)
    except UserError as fault:
        return fault.message, fault.remedy
    return None


def finish(directory: Path, facts: Facts, form: Form) -> None:
    """Write the Modelfile next to the GGUF file."""
    text = modelfile(directory, facts, form)
    (directory / "Modelfile").write_text(text, encoding="utf-8")


def modelfile(directory: Path, facts: Facts, form: Form) -> str:
    """The Modelfile of a directory with the GGUF file in it."""
    tokenizer = _tokenizer(facts)
    file = file_name(facts.name, form.key)
    parts = go_template.derive(tokenizer.template, _added(directory / file, tokenizer))
    template, lines = parts.go(), []
    if facts.system:
        if quotable(facts.system):
            lines.append(f'SYSTEM """{facts.system}"""')
        else:  # three quotes would end it: the template holds it instead
            whole = parts.system[0] + facts.system + parts.system[1]
            template = replace(parts, default=whole).go()
    stops = [str(tokenizer.backend.id_to_token(stop)) for stop in tokenizer.stop_tokens()]
    lines += [f"PARAMETER stop {_value(stop)}" for stop in stops]
    lines += [f"PARAMETER {name} {value}" for name, value in _parameters(facts).items()]
    head = [f"FROM ./{file}", f'TEMPLATE """{template}"""']
    licenses = [f'LICENSE """{facts.license}"""'] if facts.license else []
    return "\n".join([*head, *lines, *licenses]) + "\n"


def quotable(text: str) -> bool:
    """Return True if text can stand between three quotes in a Modelfile, which has no way to escape them."""
    return '"""' not in text and not text.startswith('"') and not text.endswith('"')


def _value(text: str) -> str:
    return f'"{text}"' if '"' not in text else f'"""{text}"""'


def _tokenizer(facts: Facts) -> RowTokenizer:
    return read_tokenizer(facts.result, max_length=facts.context or LONGEST)


def _added(file: Path, tokenizer: RowTokenizer) -> str:
    """What llama.cpp puts before every text by itself: the BOS token, if the file says so."""
    if not paths.is_file(file):
        return ""
    from gguf import GGUFReader

    field = GGUFReader(file).fields.get("tokenizer.ggml.add_bos_token")
    adds = field is not None and bool(field.parts[field.data[0]][0])
    return tokenizer.template.special.get("bos_token", "") if adds else ""


def _parameters(facts: Facts) -> Mapping[str, Any]:
    """Generation settings that the result carries, under Ollama's names."""
    place = facts.result / "generation_config.json"
    document = documents.read_json(place) if paths.is_file(place) else {}
    found: dict[str, Any] = {"num_ctx": min(facts.positions or LONGEST, LONGEST)}
    if document.get("do_sample") is False:
        return {"temperature": 0, **found}
    for theirs, ours in SAMPLING.items():
        value = document.get(theirs)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[ours] = value
    return found


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where llama.cpp's converter is not here, or Ollama, if it is to be run."""
    gguf.tools(facts, form, options)
    if options.get(UPLOAD) and shutil.which(PROGRAM) is None:
        raise UserError(
            "Ollama is not installed on this machine",
            place="--upload",
            remedy="leave --upload out, and run the Modelfile where Ollama is",
        )


def create(directory: Path, facts: Facts, options: Mapping[str, str]) -> str | None:
    """Make the model known to Ollama by `ollama create`, if that is asked for. Returns its name there."""
    program = shutil.which(PROGRAM)
    if not options.get(UPLOAD) or program is None:
        return None
    name = facts.name.lower()
    command = [program, "create", name, "-f", "Modelfile"]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"])[-1]
        raise UserError(f"`ollama create` failed ({printable(last)[:160]})", place=str(directory))
    return name


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that make the model known to Ollama and start it."""
    del form
    name, here = shlex.quote(facts.name.lower()), shlex.quote(str(directory))
    return [f"cd {here} && ollama create {name} -f Modelfile", f"ollama run {name}"]


TARGET = Target(
    key="ollama",
    name="Ollama",
    order=40,
    does="a GGUF file and a Modelfile with the model's template, stops and parameters",
    writer="gguf",
    forms=FORMS,
    answers="gguf",
    loader="gguf",
    use=use,
    not_run="there is no Ollama server on our machines; its GGUF file is verified with llama.cpp, and the "
    "template of the Modelfile by what it renders",
    needs=gguf.NEEDS,
    refuses=refuses,
    tools=tools,
    upload=create,
    finish=finish,
    options=(*gguf.TARGET.options, UPLOAD),
    share=gguf.SHARE,
)
