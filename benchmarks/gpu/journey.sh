#!/usr/bin/env bash
# The whole journey on a machine with one NVIDIA card: what NVML answers, `tuiftune doctor`, and 20 steps of LoRA and
# QLoRA on a 1B-shape model with random weights, through `tuiftune train`. Results go to the folder given.
#
#     benchmarks/gpu/journey.sh OUT_FOLDER
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: journey.sh OUT_FOLDER}
work=$(mktemp -d)
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1 XDG_STATE_HOME=$work/state
tuiftune() { python3 -m tuiftune "$@"; }

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
python3 benchmarks/record_nvml.py "$out/nvml.json" || echo "NVML recording failed"
tuiftune doctor || echo "doctor: exit $?"
time python3 benchmarks/gpu/shape.py meta-llama/Llama-3.2-1B "$work/llama-1b"
for technique in lora qlora; do
    tuiftune plan benchmarks/gpu/one-billion.yaml --set "model.base=$work/llama-1b" --set method.technique=$technique --json \
        >"$out/plan-$technique.json" || echo "plan: exit $?"
    time tuiftune train benchmarks/gpu/one-billion.yaml --set "model.base=$work/llama-1b" \
        --set method.technique=$technique --name "h200-$technique" --runs "$work/runs"
    echo "$technique: exit $?"
    run=$work/runs/h200-$technique
    tail -n 5 "$run/engine.log"
    tar -C "$work/runs" -czf "$out/h200-$technique.tar.gz" --exclude checkpoints --exclude 'result/model' "h200-$technique"
    tuiftune report "h200-$technique" --runs "$work/runs" | head -60
done
