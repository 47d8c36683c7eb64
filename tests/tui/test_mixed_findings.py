"""What the app plans with counts the sources that are mixed in, as a run does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.preset.file import loads
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_preset_with_a_mixture_is_planned_with_it(tmp_path: Path) -> None:
    general = tmp_path / "general.jsonl"
    rows = [{"prompt": f"say {number}", "completion": "it"} for number in range(40)]
    general.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = f"""
model: {{base: 'builtin:tiny'}}
data: {{train: 'builtin:tickets', mix: [{{path: '{general}', weight: 0.5}}, {{path: '{general}'}}]}}
"""
    draft = Draft.of(loads(text, "mixed.yaml"))
    findings = Findings()
    facts = findings.facts(draft, findings.model("builtin:tiny"))
    assert [portion.seen for portion in facts.portions[1:]] == [20, 40]
    assert facts.rows == facts.portions[0].seen + 60
    assert any("mixed in" in note for note in findings.plan(draft).notes)
