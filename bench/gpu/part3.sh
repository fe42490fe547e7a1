#!/bin/sh
# Part 3 of 3: PyTorch, the card, `best` with one head that a CPU trained, and other options.
here=$(dirname "$0") c=.gpu/c
. "$here/steps.sh"
[ -e "$work/proved" ] || { echo "PART 3 FAILED: part 1 did not pass on this machine"; exit 3; }
measure() {
    limit=$1
    shift
    step "$limit" sh "$here/run.sh" measure "$(model 48)" --faces "$faces" \
        --out "$work/results/gpu-48.json" "$@"
}
measure 70 --only card --only pytorch_agreement
measure 130 --only pytorch_whole_data_set
if [ -e "$work/faces.npz" ] && [ -d $c/cache ]; then
    # Without TensorFlow, a head of any device is taken.
    cp -R $c/cache/. "$work/cache/"
    step 90 "$python" -m fer_fast pipeline --preset best --head-members 1 \
        --data "$work/faces.npz" --device cuda --no-color --out "$work/best"
    cp "$work/best/metrics.json" "$work/results/best-metrics.json"
fi
measure 90 --only batches_and_bindings --only roofline --only kernels
measure 120 --only provider_choices
measure 120 --only pytorch_compiled
measure 90 --only pytorch
echo "PART 3 DONE"
