# Sourced by each part: the environment of a machine without a package index, and steps that end in
# time. Results gather in $work/results and come back whole with every part, in $OUT.
work=${TMPDIR:-/tmp}/fer-fast-gpu
export PYTHONPATH="$work/site" FER_FAST_GPU_SITE="$work/site" FER_FAST_CACHE="$work/cache"
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CUDA_MODULE_LOADING=LAZY
python=${PYTHON:-python3} faces=${FACES:-35887}
mkdir -p "$work/results" "$work/site" "$work/cache"

# step SECONDS COMMAND...: one that hangs costs itself alone.
step() {
    limit=$1 began=$(date +%s)
    shift
    echo "== $(echo "$*" | tr '\n' ' ' | cut -c1-120)"
    timeout -k 5 "$limit" "$@"
    status=$?
    echo "== status $status after $(($(date +%s) - began)) s"
    tar -czf "${OUT:-$work}/results.tgz" -C "$work/results" .
    return $status
}

# model SIZE: the exported backbone of that size.
model() { ls "$work/cache/models/mobilenet-v2-$1-"*.onnx | head -n 1; }
