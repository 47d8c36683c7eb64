#!/bin/sh
# Installs tuiftune into an environment of its own, with the PyTorch build that this machine's NVIDIA driver runs.
#
#   sh install.sh [--into DIR] [--from SOURCE] [--dry-run] [--no-prove]
#
# --into DIR      where the environment goes (default: ~/.tuiftune)
# --from SOURCE   a checkout, a wheel or a package name (default: the checkout this file lies in, else tuiftune)
# --dry-run       print what would be chosen and run, and change nothing
# --no-prove      leave out the training step at the end
#
# Nothing outside DIR is changed but uv, which is installed for this user where it is missing. Python and PyTorch
# that are already here stay as they are. Exit codes: 0 done, 1 failed, 2 bad usage or driver, 3 not enough disk.
set -u

INTO=${TUIFTUNE_HOME:-$HOME/.tuiftune}
FROM=
DRY=
PROVE=yes
NEEDED_MIB=16384 # PyTorch with CUDA takes about 7 GiB installed and 4 GiB of downloads; some room for a first model
PYTHON=3.12      # uv brings it where the machine has none that is new enough

say() { printf '%s\n' "$*" >&2; }
fail() {
    code=$1
    shift
    say "error: $*"
    exit "$code"
}
run() {
    say "+ $*"
    [ -n "$DRY" ] || "$@" || fail 1 "\`$1\` failed. Read the lines above, fix the cause, then run this again: it continues."
}

while [ $# -gt 0 ]; do
    case $1 in
    --into | --from)
        [ $# -gt 1 ] || fail 2 "$1: a value is missing. Example: $1 ~/tuiftune"
        [ "$1" = --into ] && INTO=$2 || FROM=$2
        shift
        ;;
    --dry-run) DRY=yes ;;
    --no-prove) PROVE= ;;
    -h | --help)
        sed -n '2,13s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) fail 2 "$1: unknown option. Options: --into DIR, --from SOURCE, --dry-run, --no-prove" ;;
    esac
    shift
done

[ "$(uname -s)" = Linux ] || fail 2 "$(uname -s): training on GPUs needs Linux. On Windows, run this in WSL2."

if [ -z "$FROM" ]; then
    here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." 2>/dev/null && pwd)
    if grep -qs '^name = "tuiftune"' "$here/pyproject.toml"; then FROM=$here; else FROM=tuiftune; fi
fi

# --- Disk: said before anything is downloaded.
there=$INTO
while [ ! -d "$there" ]; do there=$(dirname -- "$there"); done
[ -w "$there" ] || fail 2 "$there: no permission to write. Choose another place: --into DIR"
free=$(df -Pm -- "$there" | awk 'NR == 2 { print $4 }')
case $free in '' | *[!0-9]*) say "warning: the free space of $there is unknown; about $((NEEDED_MIB / 1024)) GiB are needed." ;;
*) [ "$free" -ge "$NEEDED_MIB" ] ||
    fail 3 "$there: $((free / 1024)) GiB are free, about $((NEEDED_MIB / 1024)) GiB are needed. Free some space, or use a larger disk: --into DIR" ;;
esac

# --- The driver, and the oldest GPU's compute capability.
asked() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null; }
driver=
capability=
if command -v nvidia-smi >/dev/null 2>&1; then
    driver=$(asked driver_version | head -n 1 | tr -d ' ')
    capability=$(asked compute_cap | tr -d ' ' | sort -t. -k1,1n -k2,2n | head -n 1)
fi
case $driver in
[0-9]*) ;;
*) driver= ;;
esac
version_file=${TUIFTUNE_DRIVER_FILE:-/proc/driver/nvidia/version}
if [ -z "$driver" ] && [ -r "$version_file" ]; then
    driver=$(sed -n 's/.*Kernel Module[^0-9]*\([0-9][0-9.]*\).*/\1/p' "$version_file" | head -n 1)
fi
major=${driver%%.*}
case $capability in
[0-9]*.[0-9]*) tens=$((${capability%%.*} * 10 + ${capability#*.})) ;;
*) tens= ;;
esac

# The least driver of each CUDA release: NVIDIA, "CUDA Compatibility" and release notes (2025). Within CUDA 12 a newer
# build runs on an older driver from 525 on. PyTorch 2.10 and later is built for CUDA 12.6, 12.8 and 13.0; only
# the first still holds Volta and older GPUs, only the others hold Blackwell.
if [ -z "$driver" ]; then
    backend=cpu
    why="no NVIDIA driver found: the CPU build of PyTorch"
elif [ "$major" -lt 525 ]; then
    fail 2 "NVIDIA driver $driver: PyTorch 2.10 needs 525 or later. Update the driver, or rent a machine with a newer one."
elif [ -n "$tens" ] && [ "$tens" -ge 100 ] && [ "$major" -lt 570 ]; then
    fail 2 "NVIDIA driver $driver: a GPU of compute capability $capability needs 570 or later. Update the driver."
elif [ -n "$tens" ] && [ "$tens" -lt 50 ]; then
    fail 2 "a GPU of compute capability $capability: PyTorch 2.10 needs 5.0 or later. Use a newer GPU."
elif [ -n "$tens" ] && [ "$tens" -lt 75 ]; then
    backend=cu126
    why="driver $driver, and a GPU of compute capability $capability, which later CUDA builds leave out: CUDA 12.6"
elif [ "$major" -ge 580 ]; then
    backend=cu130
    why="driver $driver runs CUDA 13.0"
elif [ "$major" -ge 570 ]; then
    backend=cu128
    why="driver $driver runs CUDA 12.8"
else
    backend=cu126
    why="driver $driver runs CUDA 12, and so the build for CUDA 12.6"
fi
say "PyTorch: $backend ($why)"

other=$(python3 -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null)
[ -z "$other" ] || say "PyTorch $other of the system's Python is left alone and not used."
own=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2], int(sys.version_info >= (3, 11)))' 2>/dev/null)
case $own in
*' 1') PYTHON=${own% *} && say "Python: $PYTHON, which is here" ;;
*' 0') say "Python: $PYTHON, brought by uv (${own% *} of the system is older than 3.11)" ;;
*) say "Python: $PYTHON, brought by uv (the system has none)" ;;
esac

# --- uv
PATH=$HOME/.local/bin:$PATH
if ! command -v uv >/dev/null 2>&1; then
    if command -v curl >/dev/null 2>&1; then
        run sh -c 'curl -LsSf https://astral.sh/uv/install.sh | sh'
    elif command -v wget >/dev/null 2>&1; then
        run sh -c 'wget -qO- https://astral.sh/uv/install.sh | sh'
    elif python3 -m pip --version >/dev/null 2>&1; then
        run python3 -m pip install --user --quiet uv
    else
        fail 1 "uv cannot be installed: curl, wget and pip are all missing. Install curl: apt-get install curl"
    fi
fi

# --- The environment
[ -x "$INTO/bin/python" ] || run uv venv --quiet --python "$PYTHON" "$INTO"
run uv pip install --python "$INTO/bin/python" --torch-backend "$backend" "$FROM"
if [ -n "$PROVE" ]; then
    run "$INTO/bin/tuiftune" doctor --prove
fi
[ -n "$DRY" ] || say "Done. Start it: $INTO/bin/tuiftune (or add $INTO/bin to PATH)"
