#!/usr/bin/env bash
# A base model in FP8 on one card: runs through `tuiftune train` next to 16-bit ones, its products' errors and times, and
# single levers. A person runs it by hand:
#
#     benchmarks/gpu/fp8.sh OUT_FOLDER "NAME;NAME" "LEVER;LEVER" [MODEL_FOLDER]
#
# Names are those of benchmarks/speed/compare.py and benchmarks/fp8/levers.py; "-" leaves a part out.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: fp8.sh OUT_FOLDER NAMES LEVERS [MODEL_FOLDER]}
model=${4:-$(mktemp -d)/llama-8b}
mkdir -p "$out"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
[ "$2" = - ] || python3 benchmarks/speed/compare.py "$out/speed.jsonl" --model "$model" --steps "${STEPS:-25}" --only "$2"
[ "$3" = - ] || python3 benchmarks/fp8/products.py 2>&1 | tee "$out/products.txt"
[ "$3" = - ] || python3 benchmarks/fp8/levers.py "$3" 2>&1 | tee "$out/levers.txt"
