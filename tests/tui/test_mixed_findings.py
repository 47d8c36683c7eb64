"""What the app plans with counts the sources that are mixed in, as a run does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.plan.inputs import checked
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


def test_the_app_counts_the_rows_that_a_run_trains_on(tmp_path: Path) -> None:
    """Rows that keep no trained token within the max length are left out, also those that are mixed in."""
    rows = [{"prompt": f"say {number}", "completion": "it"} for number in range(40)]
    rows += [{"prompt": "word " * 300, "completion": "it"} for _ in range(10)]
    data, more = tmp_path / "rows.jsonl", tmp_path / "more.jsonl"
    for file in (data, more):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = f"""
model: {{base: 'builtin:tiny'}}
data: {{train: '{data}', max_length: 64, eval: 0.1}}
training: {{effective_batch: 1, epochs: 1}}
"""
    draft, findings = Draft.of(loads(text, "rows.yaml")), Findings()
    facts, plan = findings.planned_facts(draft), findings.plan(draft)
    assert (facts.rows + facts.rows_eval, facts.dropped) == (40, 10)
    assert plan.steps == facts.rows
    assert checked(draft.preset()).plan().steps == plan.steps
    mixed = draft.override("data.mix", [{"path": str(more), "weight": 1.0}])
    steps = findings.plan(mixed).steps
    assert checked(mixed.preset()).plan().steps == steps == findings.planned_facts(mixed).rows
    assert findings.planned_facts(mixed).dropped > 10
