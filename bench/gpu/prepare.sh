#!/bin/sh
# Make what travels to a machine with a GPU and no package index, in .gpu/ of the checkout:
#
#     bench/gpu/prepare.sh FER2013.csv.gz WEIGHTS.h5 [BEST_CACHE]
#
# Run in the checkout's root, after `make test`. About six minutes, most of it two packs and xz; needs
# zstd and xz. What one part has no room for, the end of the data set, travels with the part before.
# BEST_CACHE is a cache in which `fer-fast pipeline --preset best --head-members 1` has run on these
# faces on a CPU (all six heads are more than may travel); without it, part 3 leaves `best` out.
# LIMIT_MIB bounds what travels at one time.
set -eu
data=$1 weights=$2 best=${3:-} limit=${LIMIT_MIB:-63} faces_mib=${FACES_MIB:-52}
kit=$(dirname "$0")
python=$PWD/.venv/bin/python
mkdir -p .gpu/a/wheels .gpu/b .gpu/c .gpu/full
export FER_FAST_CACHE="$PWD/.gpu/cache"

[ -e .gpu/a/onnxruntime.tar.xz ] || "$python" "$kit/pack_onnxruntime.py" 1.31.1 .gpu/a/onnxruntime.tar.xz
[ -e .gpu/full/onnxruntime.tar.xz ] ||
    "$python" "$kit/pack_onnxruntime.py" 1.31.1 .gpu/full/onnxruntime.tar.xz --all
"$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    -d .gpu/a/wheels platformdirs rich-argparse imbalanced-learn==0.14.2 sklearn-compat==0.1.6 skops \
    prettytable wcwidth tomli-w scikit-learn==1.9.1 joblib threadpoolctl narwhals
rm -rf .gpu/wheel && mkdir .gpu/wheel
if [ -n "${FER_FAST_WHEEL:-}" ]; then
    cp "$FER_FAST_WHEEL" .gpu/wheel/
else
    "$python" -m pip wheel -q --disable-pip-version-check --no-deps -w .gpu/wheel .
fi
# The repository, which travels too, holds the models that the wheel brings.
"$python" - .gpu/wheel/*.whl .gpu/a/wheels <<'END'
import sys
import zipfile
from pathlib import Path

wheel, folder = map(Path, sys.argv[1:])
out = zipfile.ZipFile(folder / wheel.name, "w", zipfile.ZIP_DEFLATED)
with zipfile.ZipFile(wheel) as whole, out:
    for name in whole.namelist():
        if not name.endswith(".onnx"):
            out.writestr(name, whole.read(name))
END

"$python" - "$data" "$weights" <<'END'
import sys
from pathlib import Path

import numpy as np

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import save_npz
from fer_fast.settings.presets import PRESETS

best = PRESETS["best"]
weights = resolve_weights(Path(sys.argv[2]))
for config in (
    BackboneConfig(),
    BackboneConfig(size=best["size"], taps=best["taps"], pooling=best["pooling"]),
):
    cached_model(weights, config)
faces = load_faces(Path(sys.argv[1]))
save_npz(faces, Path(".gpu/faces.npz"))
rows = np.sort(np.random.default_rng(0).choice(len(faces), min(512, len(faces)), replace=False))
np.savez_compressed(".gpu/a/sample.npz", pixels=faces.pixels[rows])
print(f"{len(faces):,} faces")
END
# Where the package looks for ImageNet's weights before it would fetch them.
mkdir -p .gpu/cache/weights && cp "$weights" .gpu/cache/weights/
# Both models hold the same weights, and a window this large sees it.
tar -C .gpu/cache -c models weights | xz -9 >.gpu/a/cache.tar.xz
[ .gpu/faces.npz.xz -nt .gpu/faces.npz ] || xz -9 -c .gpu/faces.npz >.gpu/faces.npz.xz
head -c "${faces_mib}M" .gpu/faces.npz.xz >.gpu/b/faces.npz.xz.1
tail -c "+$((faces_mib * 1048576 + 1))" .gpu/faces.npz.xz >.gpu/a/faces.npz.xz.2
if [ -n "$best" ]; then
    mkdir -p .gpu/c/cache/models && cp -p "$best"/models/mobilenet-v2-head-* .gpu/c/cache/models/
fi

own=$(git ls-files -z --cached --others --exclude-standard | xargs -0 du -cb | tail -1 | cut -f1)
for folder in a b c full; do
    bytes=$(($(du -sb .gpu/$folder | cut -f1) + own))
    echo ".gpu/$folder with the repository: $((bytes / 1048576)) MiB"
    [ "$bytes" -lt $((limit * 1048576)) ] || { echo "too large to travel at one time"; exit 1; }
done
