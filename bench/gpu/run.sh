#!/bin/sh
# Measure or prove features on this machine's GPU: bench/gpu/run.sh measure|proof MODEL.onnx [options]
#
# MODEL.onnx comes from `fer-fast export`, made on any machine. Beside it, only this repository is
# needed, its extension not built, and a Python with NumPy, onnx, platformdirs and onnxruntime-gpu,
# and PyTorch for what is compared with it: neither TensorFlow nor scikit-learn nor torchvision. What
# that Python lacks may lie unpacked in a folder that FER_FAST_GPU_SITE names; it goes before the rest.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
PYTHONPATH=${FER_FAST_GPU_SITE:+$FER_FAST_GPU_SITE:}$root/python:$root/bench${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH FER_FAST_CACHE="$scratch/cache"
if ! "$python" -c 'import importlib.metadata as m; m.version("fer-fast")' 2>/dev/null; then
    # The package asks for its own version, which only an installation has.
    mkdir "$scratch/fer_fast-0.dist-info"
    printf 'Metadata-Version: 2.1\nName: fer-fast\nVersion: 0\n' \
        >"$scratch/fer_fast-0.dist-info/METADATA"
    PYTHONPATH=$PYTHONPATH:$scratch
fi
what=$1
shift
"$python" -m "gpu.$what" "$@"
