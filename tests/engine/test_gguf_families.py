"""A tiny random model of every family that llama.cpp's converter knows: its logits there and here.

`TUIFTUNE_GGUF_TABLE=FILE` writes what was found as rows of a table.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import test_engine_families

from tuiftune.deploy import llama_cpp as tool

if TYPE_CHECKING:
    from conftest import Engine

KINDS = list(test_engine_families.TABLE["tested"])
# Families that the converter lists and whose tiny model is not written, not loaded, or computes something
# else, with the reason that was found (llama-cpp-python 0.3.36): most for its tiny form.
KNOWN: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "gguf_families.json").read_text(encoding="utf-8")
)
CLOSE = 0.05  # of the standard deviation of the log-probabilities: llama.cpp keeps keys and values in float16


def looked_at(engine: Engine, room: Path, script: Path, kind: str) -> dict[str, Any]:
    """What became of one family: `difference`, or why there is none."""
    known = sorted(tool.known(script))
    engine.wait_for("gguf_families:reference", str(room), kind, known)  # type: ignore[arg-type]
    found: dict[str, Any] = json.loads((room / "reference.json").read_text())
    if "fault" in found or "refused" in found:
        return found
    for spare in (False, True):  # a second time with a SentencePiece file, where that is what it asks for
        if spare:
            engine.wait_for("gguf_families:sentencepiece", str(room / "model"))
        request = {
            "script": str(script),
            "arguments": [str(room / "model"), "--outfile", str(room / "it.gguf"), "--outtype", "f32"],
            "texts": [],
            "stops": [],
            "place": kind,
        }
        (room / "request.json").write_text(json.dumps(request))
        code, said = engine.run("convert", "--request", str(room / "request.json"))
        if code == 0:
            break
    if code:
        return {"converter": (said.strip().splitlines() or [""])[-1]}
    said_there = room / "said"
    call = engine.parent.start([str(room)], said_there, call="gguf_families:compare")
    if engine.job(call, said_there).wait():
        return {"llama.cpp": (said_there.read_text().strip().splitlines() or [""])[-1]}
    return dict(json.loads((room / "found.json").read_text()))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_family_computes_the_same_in_llama_cpp(
    engine: Engine, tmp_path: Path, llama_cpp: Path, kind: str
) -> None:
    script = tool.converter({"llama_cpp": str(llama_cpp)})
    found = looked_at(engine, tmp_path, script, kind)
    if place := os.environ.get("TUIFTUNE_GGUF_TABLE"):
        with Path(place).open("a") as table:
            table.write(json.dumps({"kind": kind, **found}) + "\n")
    assert "fault" not in found, found["fault"]
    if "refused" in found:
        pytest.skip(f"{found['refused']} is not in the converter's list")
    if kind in KNOWN and found.get("difference", 9.0) >= CLOSE * found.get("spread", 1.0):
        pytest.xfail(KNOWN[kind])
    assert found.get("difference", 9.0) < CLOSE * found.get("spread", 1.0), found
