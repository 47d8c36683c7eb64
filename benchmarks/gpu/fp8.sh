#!/usr/bin/env bash
# A base model in FP8 on one card: its products' errors and times, then runs through `tuiftune train` next to 16-bit ones.
#
#     benchmarks/gpu/fp8.sh OUT_FOLDER "NAME;NAME" [MODEL_FOLDER]      names: those of benchmarks/speed/compare.py
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: fp8.sh OUT_FOLDER NAMES [MODEL_FOLDER]}
model=${3:-$(mktemp -d)/llama-8b}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
[ -e "$out/products.txt" ] || timeout 90 python3 benchmarks/fp8/products.py | tee "$out/products.txt"
timeout 480 python3 benchmarks/speed/compare.py "$out/speed.jsonl" --model "$model" --steps "${STEPS:-25}" --only "$2"
