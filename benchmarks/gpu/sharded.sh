#!/usr/bin/env bash
# Full fine-tuning of shapes that two cards share (FSDP2): predicted and measured memory, tokens per second, one process
# killed and the run resumed, the result gathered and loaded by plain transformers. A person runs it by hand, on two cards:
#
#     benchmarks/gpu/sharded.sh OUT_FOLDER [SHAPE…]      Llama 3.2 3B and Llama 3.1 8B without a word
#     benchmarks/gpu/sharded.sh OUT_FOLDER cpu           two processes on the processor, the embedded model
#
# A shape needs 14 bytes of disk per parameter and checkpoint (three of them while one is replaced): the next one is left
# out, in words, where there is less.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: sharded.sh OUT_FOLDER [cpu|SHAPE…]}
shift
[ $# -gt 0 ] || set -- meta-llama/Llama-3.2-3B meta-llama/Llama-3.1-8B
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1 XDG_STATE_HOME=$work/state
failed=0
tuiftune() { python3 -m tuiftune "$@"; }
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then echo "ok      $what"; else
        echo "FAILED  $what"
        failed=1
    fi
}
engine() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["pid"])' "$work/runs/$1/engine.pid"; }
wait_for() { # RUN TYPE STEP
    for _ in $(seq 3000); do
        [ -f "$work/runs/$1/events.jsonl" ] && python3 - "$work/runs/$1/events.jsonl" "$2" "$3" <<'PYTHON' && return 0
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1]) if line.endswith("\n")]
sys.exit(not any(e["type"] == sys.argv[2] and e.get("step", 0) >= int(sys.argv[3]) for e in lines))
PYTHON
        kill -0 "$(engine "$1")" 2>/dev/null || return 1
        sleep 0.3
    done
    return 1
}
ended() { # PID
    for _ in $(seq 1200); do
        kill -0 "$1" 2>/dev/null || return 0
        [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ] && return 0
        sleep 0.1
    done
    return 1
}

for shape in "$@"; do
    name=$(basename "$shape")
    echo "== $shape: full fine-tuning, sharded over two"
    base=builtin:tiny
    on=(--set hardware.processes=2)
    if [ "$shape" != cpu ]; then
        base=$work/$name
        on=(--set hardware.gpus=2)
        parameters=$(python3 -c 'import sys; from tuiftune.models import catalogue; print(catalogue.find(sys.argv[1]).parameters)' "$shape")
        free=$(df --output=avail -B1 "$work" | tail -n 1)
        if [ "$free" -lt $((parameters * 30)) ]; then
            echo "left out: $((free >> 30)) GiB of disk are free, $((parameters * 30 >> 30)) are needed"
            continue
        fi
        python3 benchmarks/gpu/shape.py "$shape" "$base" >/dev/null || exit 1
    fi
    settings=(--set "model.base=$base" --set method.technique=full --set hardware.parallel=fsdp "${on[@]}"
        --set training.max_steps=12 --set run.save_every=6 --set run.checkpoints=1 --set evaluation.rows=4
        --set data.max_length=1024)
    tuiftune plan benchmarks/gpu/one-billion.yaml "${settings[@]}" --json >"$out/$name-plan.json" 2>>"$out/said.txt"
    check "it starts" tuiftune train benchmarks/gpu/one-billion.yaml "${settings[@]}" --runs "$work/runs" --name "$name" --detach >>"$out/said.txt" 2>&1
    check "a checkpoint of step 6" wait_for "$name" checkpoint 6
    check "step 8" wait_for "$name" step 8
    pid=$(engine "$name")
    [ "$shape" = cpu ] || nvidia-smi --query-compute-apps=pid,gpu_uuid,used_memory --format=csv,noheader
    kill -9 "$(ps -o pid= --ppid "$pid" | head -n 1 | tr -d ' ')"
    check "kill -9 of one process ends the run" ended "$pid"
    check "it goes on to its end" tuiftune resume "$name" --runs "$work/runs" >>"$out/said.txt" 2>&1
    python3 - "$work/runs/$name" "$out/$name-plan.json" <<'PYTHON' | tee "$out/$name.txt" || failed=1
import json, statistics, sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

run, GIB = Path(sys.argv[1]), 2**30
events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
told = {kind: [event for event in events if event["type"] == kind] for kind in ("step", "memory", "shards", "checkpoint", "start", "end")}
wrong = False


def say(words, ok):
    global wrong
    wrong |= not ok
    print("ok     " if ok else "FAILED ", words)


held, whole = told["shards"][-1]["parameter_bytes"], 4 * told["start"][-1]["parameters"]
say(f"each process holds {' and '.join(f'{one / GIB:.2f} GiB' for one in held)} of {whole / GIB:.2f} GiB of parameters", max(held) < 0.52 * whole)
peak = [event for event in told["memory"] if event.get("reserved")][-1:]
plan = json.loads(Path(sys.argv[2]).read_text())
for event in peak:
    needs = plan["memory"]["needs"]
    print(f"        {event['reserved'] / GIB:.2f} GiB reserved, {plan['memory']['reserved'] / GIB:.2f} predicted, bound {needs / GIB:.2f}")
    say("what was reserved is within the plan's bound", event["reserved"] <= needs)
speeds = [event["tokens_per_second"] for event in told["step"][3:] if event["tokens_per_second"]]
print(f"        {statistics.median(speeds):,.0f} tokens/s, {plan['speed']['tokens_per_second']:,.0f} predicted")
print(f"        checkpoints: {told['checkpoint'][-1]['bytes'] / GIB:.2f} GiB in {told['checkpoint'][-1]['seconds']:.0f} s")
steps = {}
for event in told["step"]:
    steps.setdefault(event["step"], set()).add(event["loss"])
say(f"resumed from step {told['start'][-1]['resumed_from']}, {len(steps)} steps, the repeated ones the same: {all(len(one) == 1 for one in steps.values())}", len(steps) == 12)
model, report = AutoModelForCausalLM.from_pretrained(run / "result" / "model", dtype=torch.bfloat16, output_loading_info=True)
say("the result loads in plain transformers, nothing missing or left over", not any(report.values()))
with torch.no_grad():
    logits = model(input_ids=torch.arange(5, 45)[None]).logits
say("its logits are numbers", bool(torch.isfinite(logits).all()))
sys.exit(wrong)
PYTHON
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
    rm -rf "$work/runs/$name/checkpoints" "$work/runs/$name/result/model"
    [ "$shape" = cpu ] || rm -rf "$base"
done
[ "$failed" = 0 ] && echo "all of it holds" || echo "something does not hold: see above and $out"
exit "$failed"
