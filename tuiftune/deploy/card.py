"""The card of an exported directory: the result's own, how its files are used and how they were verified."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.deploy.words import verified
from tuiftune.printable import printable
from tuiftune.runs.reports import asking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.deploy.base import Facts
    from tuiftune.deploy.request import Prepared

USE = re.compile(r"^## Use$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
LIBRARY = re.compile(r"^library_name: .*$", re.MULTILINE)
MARK = "> **Verification failed.** These files do not answer as the run did: {why}."
HERE = "path/to/this/directory"
STATE = {
    "verified": "The evaluation rows were answered from these files and compared with the run.",
    "failed": "The evaluation rows were answered from these files, and the comparison with the run failed.",
    "not verified": "Nothing was answered from these files yet.",
}


def card(prepared: Prepared, document: Mapping[str, Any]) -> str:
    """The model card of an export."""
    place = prepared.facts.result / "README.md"
    own = documents.read_text(place) if paths.is_file(place) else f"# {prepared.run.name}\n"
    target, form = prepared.target, prepared.form
    section = [
        f"## This export: {target.name}",
        "",
        f"{target.does[:1].upper()}{target.does[1:]} ({form.does}), written by tuiftune.",
        "",
        "```bash",
        *[_anywhere(printable(str(line)), prepared) for line in document.get("use") or ()],
        "```",
        "",
        *_load(target.loader, prepared.facts),
        STATE[str(document["state"])],
        *(["", f"Not run by us: {target.not_run}."] if target.not_run else []),
        "",
        *[f"- {printable(line)}" for line in verified(document)],
        "",
    ]
    own = LIBRARY.sub(f"library_name: {target.loader}", own, count=1)
    body = USE.sub("", own).rstrip() + "\n\n" + "\n".join(section)
    if document["state"] != "failed":
        return body
    why = "; ".join(document["verified"]["faults"])
    return _after_head(body, MARK.format(why=printable(why)))


def _anywhere(line: str, prepared: Prepared) -> str:
    """A command without the directory of this machine: the card is read elsewhere, too."""
    place = str(prepared.place)
    return line.replace(shlex.quote(place), HERE).replace(place, HERE)


def _load(library: str, facts: Facts) -> list[str]:
    """How these files are loaded and asked in Python, with the template they were trained with."""
    auto = {"transformers": "AutoModelForCausalLM", "peft": "AutoPeftModelForCausalLM"}.get(library)
    if auto is None:
        return []
    names = facts.architectures
    if library == "transformers" and any(name.endswith("ForConditionalGeneration") for name in names):
        auto = "AutoModelForImageTextToText"
    return [
        "```python",
        f"from {library} import {auto}",
        f'model = {auto}.from_pretrained("{HERE}")',
        *asking.in_python(f'"{HERE}"', system=facts.system is not None, texts=facts.texts),
        "```",
        "",
    ]


def _after_head(text: str, mark: str) -> str:
    """The text with a paragraph before its first heading, after the YAML that describes it."""
    head, found, rest = text.partition("\n# ")
    return f"{head}\n{mark}\n\n# {rest}" if found else f"{mark}\n\n{text}"
