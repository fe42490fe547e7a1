#!/bin/sh
# Try the proof and the measurements without a GPU: bench/gpu/dry_run.sh MODEL.onnx
#
# On the CPU the proof must pass. On stand-ins for the driver, CUDA and cuDNN, which compute nothing,
# it must find all nodes on CUDA and no feature right, and every section must run to its end. Needs
# onnxruntime-gpu and a C compiler. PYTHON names the interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3} model=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$here/run.sh" proof "$model" --device cpu

PYTHONPATH="$here/../../tests/runtime" "$python" - "$scratch" <<'END'
import sys
from pathlib import Path

import onnxruntime
from stand_ins import build, what_is_missing

capi = Path(onnxruntime.__file__).parent / "capi"
if why := what_is_missing(capi):
    sys.exit(f"error: {why}")
build(capi, Path(sys.argv[1]))
END
export LD_LIBRARY_PATH="$scratch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if "$here/run.sh" proof "$model" --out "$scratch/proof.json" >"$scratch/proof.log"; then
    echo "error: the proof passes on a device that computes nothing"
    exit 1
fi
cat "$scratch/proof.log"
[ "$(grep -c '^PASS.* nodes=' "$scratch/proof.log")" = 3 ]
[ "$(grep -c '^FAIL.* own_features=False' "$scratch/proof.log")" = 3 ]
"$here/run.sh" measure "$model" --quick --faces 64 --out "$scratch/gpu.json" --only whole_data_set \
    --only batches_and_bindings --only calls_with_few_faces --only lanes --only provider_choices
echo "DRY RUN DONE"
