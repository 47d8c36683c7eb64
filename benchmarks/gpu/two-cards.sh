#!/usr/bin/env bash
# Two data-parallel processes on two cards of one host: trained, stopped, signalled, both kinds of process killed, resumed
# each time, and compared with the same run undisturbed and with one card. A person runs it by hand:
#
#     benchmarks/gpu/two-cards.sh OUT_FOLDER [cuda|cpu] [ddp|fsdp]
#
# cuda (without a word): two NVIDIA cards, a 1B-shape model with random weights, LoRA. cpu: two processes on the processor,
# the embedded model, two minutes. ddp (without a word): a copy on each; fsdp: one model that both share (FSDP2), and on
# cards then `sharded.sh` as well: full fine-tuning of larger shapes. All of FSDP2 on two cards in one command:
#
#     benchmarks/gpu/two-cards.sh OUT_FOLDER cuda fsdp
#
# On two H200s (November 2026) every check holds and the run that was stopped and killed four times is the same to the
# last bit as the undisturbed one: `results/two-h200-checks.txt`. With `cpu` (gloo, not NCCL) the same.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: two-cards.sh OUT_FOLDER [cuda|cpu] [ddp|fsdp]}
where=${2:-cuda}
parallel=${3:-ddp}
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

steps=60
base=builtin:tiny
if [ "$where" = cuda ]; then
    nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader
    nvidia-smi topo -m
    base=$work/llama-1b
    python3 benchmarks/gpu/shape.py meta-llama/Llama-3.2-1B "$base" >/dev/null || exit 1
fi
settings=(--set "model.base=$base" --set "training.max_steps=$steps" --set run.save_every=10 --set evaluation.rows=8
    --set training.micro_batch=4 --set method.dropout=0.05 --runs "$work/runs")
train() { # NAME PROCESSES OPTION…
    local name=$1 processes=$2 how=none
    shift 2
    [ "$processes" = 1 ] || how=$parallel
    tuiftune train benchmarks/gpu/one-billion.yaml "${settings[@]}" --set "hardware.processes=$processes" --set "hardware.parallel=$how" --name "$name" "$@" \
        >>"$out/said.txt" 2>&1
}
resume() { tuiftune resume broken --runs "$work/runs" "$@" >>"$out/said.txt" 2>&1; }
engine() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["pid"])' "$work/runs/$1/engine.pid"; }
state() { tuiftune runs --runs "$work/runs" --json | python3 -c '
import json, sys
runs = json.load(sys.stdin)
runs = runs["runs"] if isinstance(runs, dict) else runs
print(next(run["state"] for run in runs if run["name"] == sys.argv[1]))' "$1"; }
is_in_state() { [ "$(state "$1")" = "$2" ] || { echo "        it is $(state "$1"), not $2"; return 1; }; }
wait_for_step() { # RUN STEP
    for _ in $(seq 3000); do
        python3 - "$work/runs/$1/events.jsonl" "$2" <<'PYTHON' && return 0
import json, sys
done = [json.loads(line) for line in open(sys.argv[1]) if line.endswith("\n") and '"type":"step"' in line]
sys.exit(not done or done[-1]["step"] < int(sys.argv[2]))
PYTHON
        kill -0 "$(engine "$1")" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}
nobody_left() { # PID of an engine that has ended: whether all of its session is gone within 10 s
    for _ in $(seq 100); do
        [ -z "$(ps -o pid=,stat= -s "$1" | awk '$2 !~ /^Z/')" ] && return 0
        sleep 0.1
    done
    ps -f -s "$1"
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
worker_of() { ps -o pid= --ppid "$1" | head -n 1 | tr -d ' '; }

echo "== one process, then two, undisturbed"
check "one process trains" train one 1
check "two processes train" train whole 2

echo "== stopped, its worker killed, its engine killed, signalled: resumed each time"
check "it starts" train broken 2 --detach
check "step 5" wait_for_step broken 5
pid=$(engine broken)
[ "$where" != cuda ] || nvidia-smi --query-compute-apps=pid,gpu_uuid,used_memory --format=csv,noheader
check "tuiftune stop" tuiftune stop broken --runs "$work/runs"
check "it is stopped" is_in_state broken stopped
check "nobody is left" nobody_left "$pid"

check "it goes on" resume --detach
check "step 14" wait_for_step broken 14
pid=$(engine broken)
kill -9 "$(worker_of "$pid")"
check "kill -9 of the worker ends the engine" ended "$pid"
check "it has died" is_in_state broken died
check "nobody is left" nobody_left "$pid"

check "it goes on" resume --detach
check "step 25" wait_for_step broken 25
pid=$(engine broken)
kill -9 "$pid"
check "kill -9 of the engine leaves nobody" nobody_left "$pid"
check "it has died" is_in_state broken died

check "it goes on" resume --detach
check "step 35" wait_for_step broken 35
pid=$(engine broken)
kill -HUP -- "-$pid"
kill -TERM -- "-$pid"
check "SIGTERM to all of the group ends it" ended "$pid"
check "it is preempted" is_in_state broken preempted
check "nobody is left" nobody_left "$pid"
check "it comes to its end" resume
check "it is done" is_in_state broken done

echo "== compared"
python3 - "$work/runs" "$where" <<'PYTHON' | tee "$out/compared.txt" || failed=1
import hashlib, json, statistics, sys
from pathlib import Path

root, where = Path(sys.argv[1]), sys.argv[2]
wrong = False


def events(run, kind):
    lines = (root / run / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == kind]


def losses(run):
    return {event["step"]: event["loss"] for event in events(run, "step")}


def farthest(one, other):
    return max(abs(one[step] - other[step]) / abs(one[step]) for step in one)


def weights(run):
    paths = sorted((root / run / "result" / "model").glob("*.safetensors"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def say(words, ok):
    global wrong
    wrong |= not ok
    print("ok     " if ok else "FAILED ", words)


one, whole, broken = losses("one"), losses("whole"), losses("broken")
say(f"all have the same {len(whole)} steps", one.keys() == whole.keys() == broken.keys())
exact = whole == broken and weights("whole") == weights("broken")
same = farthest(whole, broken)
say(f"resumed and undisturbed: {'equal to the last bit' if exact else f'losses within {same:.1e}'}", exact or (where == "cuda" and same < 0.02))
said = farthest(one, whole)
print(f"        one process and two: losses within {said:.1e} of one another (dropout differs)")
for run in ("one", "whole"):
    speeds = [event["tokens_per_second"] for event in events(run, "step")[20:] if event["tokens_per_second"]]
    last = [event for event in events(run, "memory") if event.get("reserved")][-1:]
    memory = "".join(f", {e['reserved'] / 2**30:.2f} GiB reserved of {(e['predicted_reserved'] or 0) / 2**30:.2f} predicted" for e in last)
    print(f"        {run}: {statistics.median(speeds):,.0f} tokens/s{memory}")
sys.exit(wrong)
PYTHON
[ "$parallel" != fsdp ] || [ "$where" != cuda ] || benchmarks/gpu/sharded.sh "$out" || failed=1
tar -C "$work/runs" -czf "$out/two-cards.tar.gz" --exclude checkpoints --exclude 'result/model' one whole broken
[ "$failed" = 0 ] && echo "all of it holds" || echo "something does not hold: see above and $out"
exit "$failed"
