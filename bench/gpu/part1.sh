#!/bin/sh
# Part 1 of 3: unpack, prove agreement and placement, measure the whole data set at 48 and 160 pixels.
here=$(dirname "$0") a=.gpu/a
rm -rf "${TMPDIR:-/tmp}/fer-fast-gpu"
. "$here/steps.sh"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
echo "$(nproc) CPUs, $(grep MemTotal /proc/meminfo), $("$python" --version)"
unpack() { step 60 "$python" -c "import tarfile; tarfile.open('$1').extractall('$2', filter='data')"; }
unpack $a/onnxruntime.tar.xz "$work/site" || exit 3
unpack $a/cache.tar.xz "$work/cache" || exit 3
cp $a/faces.npz.xz.2 $a/sample.npz "$work/" || exit 3
step 60 "$python" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-compile \
    --no-cache-dir --upgrade --target "$work/site" $a/wheels/*.whl || exit 3
cp python/fer_fast/recognition/assets/*.onnx "$work/site/fer_fast/recognition/assets/" || exit 3
step 60 "$python" -m fer_fast doctor --no-color || exit 4
step 150 sh "$here/run.sh" proof "$(model 48)" "$(model 160)" --faces "$work/sample.npz" \
    --out "$work/results/proof.json"
proof=$?
step 60 "$python" -m pytest -q -p no:cacheprovider tests/runtime/test_cuda.py -k agree --tb=line
# Speeds of wrong features are worth nothing.
[ "$proof" = 0 ] || { echo "PART 1 FAILED: features disagree"; exit 5; }
touch "$work/proved"
measure() { step "$1" sh "$here/run.sh" measure "$2" --faces "$faces" --out "$work/results/gpu-$3.json" $4; }
measure 120 "$(model 48)" 48 "--only whole_data_set --only host_memory"
measure 90 "$(model 160)" 160 "--only whole_data_set --only calls_with_few_faces --quick"
measure 90 "$(model 48)" 48 "--only lanes --only calls_with_few_faces"
echo "PART 1 DONE"
