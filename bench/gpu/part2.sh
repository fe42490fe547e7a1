#!/bin/sh
# Part 2 of 3: the whole pipeline on the real faces, on the machine where part 1 passed.
here=$(dirname "$0") b=.gpu/b
. "$here/steps.sh"
[ -e "$work/proved" ] || { echo "PART 2 FAILED: part 1 did not pass on this machine"; exit 3; }
cat $b/faces.npz.xz.1 "$work/faces.npz.xz.2" >"$work/faces.npz.xz"
step 60 "$python" -c "
import lzma, shutil
with lzma.open('$work/faces.npz.xz') as packed, open('$work/faces.npz', 'wb') as out:
    shutil.copyfileobj(packed, out, 1 << 20)" || exit 3
step 200 "$python" -m fer_fast pipeline --preset paper --data "$work/faces.npz" --device cuda \
    --no-color --out "$work/paper"
cp "$work/paper/metrics.json" "$work/results/paper-metrics.json"
step 60 "$python" "$here/all_faces.py" "$work/faces.npz" "$(model 48)"
step 60 sh "$here/run.sh" answers --faces "$work/sample.npz" --pictures docs/drawn-face.png \
    --out "$work/results/answers.json"
for size in 48 160; do
    step 60 sh "$here/run.sh" measure "$(model $size)" --device cpu --faces "$faces" \
        --only whole_data_set --out "$work/results/cpu-$size.json" --quick
done
echo "PART 2 DONE"
