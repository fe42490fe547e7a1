#!/usr/bin/env bash
# Two hosts on one machine: network namespaces joined by a virtual cable, which share no cache.
# Needs root, and `fer-fast` with the extra dask. Usage: bench/two_hosts.sh WEIGHTS [OPTIONS...]
#
# The run's process and the scheduler are on one host, two workers of one thread on the other. The
# run is done on one machine first, then on both hosts, then with a worker killed in the extraction,
# then with one killed in the search. It says how many bytes crossed the cable, and fails unless all
# four chose and scored alike.
set -euo pipefail

python=${PYTHON:-python}
weights=$1
shift
options=(--weights "$weights" --device cpu --balance none --ants 8 --iterations 3 --trees 30 "$@")
home=$(mktemp -d)
near=fer-near far=fer-far
near_ip=10.91.7.1 far_ip=10.91.7.2
export OMP_NUM_THREADS=1 DASK_LOGGING__DISTRIBUTED=error

stop_cluster() {
    for namespace in "$near" "$far"; do
        for pid in $(ip netns pids "$namespace" 2>/dev/null); do kill -KILL "$pid" || true; done
    done
    wait 2>/dev/null || true
}

clean_up() {
    stop_cluster
    for namespace in "$near" "$far"; do ip netns del "$namespace" 2>/dev/null || true; done
    rm -rf "$home"
}
trap clean_up EXIT

ip netns add "$near"
ip netns add "$far"
ip link add fer0 netns "$near" type veth peer name fer1 netns "$far"
ip -n "$near" addr add "$near_ip/24" dev fer0
ip -n "$far" addr add "$far_ip/24" dev fer1
for pair in "$near fer0" "$far fer1"; do
    read -r namespace device <<<"$pair"
    ip -n "$namespace" link set lo up
    ip -n "$namespace" link set "$device" up
done

on() { # HOST COMMAND...: on a host, whose folders for large files are its own
    local host=$1
    shift
    # A mount that nobody else sees stands for a disk that the hosts do not share.
    ip netns exec "$host" unshare --mount bash -c '
        mkdir -p "$0" && mount -t tmpfs none "$0" && exec "$@"' "$home/private" "$@"
}

start_cluster() {
    rm -f "$home/scheduler.json"
    on "$near" "$python" -m distributed.cli.dask_scheduler --host "$near_ip" --port 8786 \
        --no-dashboard --scheduler-file "$home/scheduler.json" 2>"$home/scheduler.log" &
    until [ -e "$home/scheduler.json" ]; do sleep 0.1; done
    for number in 1 2; do
        FER_FAST_CACHE="$home/private/cache" on "$far" "$python" -m distributed.cli.dask_worker \
            "tcp://$near_ip:8786" --host "$far_ip" --nthreads 1 --no-nanny --no-dashboard \
            --local-directory "$home/private" 2>"$home/worker-$number.log" &
    done
}

crossed() { ip netns exec "$near" cat "/sys/class/net/fer0/statistics/$1_bytes"; }

run() { # NAME OPTIONS...
    local name=$1
    shift
    FER_FAST_CACHE="$home/private/cache" on "$near" bash -c '
        cp -r "$0" "$FER_FAST_CACHE" && exec "$@"' "$home/models" \
        "$python" -m fer_fast pipeline "${options[@]}" --quiet --out "$home/$name" "$@" \
        >/dev/null
}

has_features() { [ $(($(crossed rx) - received)) -gt 4000000 ]; }

journalled() { cat "$home/$1/evaluations.jsonl" 2>/dev/null | wc -l; }

has_scores() { [ "$(journalled search)" -gt 4 ]; }

run_and_kill() { # NAME CONDITION: run, and kill a worker as soon as a function returns true
    start_cluster
    received=$(crossed rx)
    run "$1" --dask "tcp://$near_ip:8786" &
    local running=$!
    until "$2"; do
        kill -0 "$running"
        sleep 0.01
    done
    for pid in $(ip netns pids "$far"); do
        if grep -qa dask_worker "/proc/$pid/cmdline"; then
            kill -KILL "$pid"
            break
        fi
    done
    echo "$1: a worker killed with $(journalled "$1") lines in the journal"
    wait "$running"
    stop_cluster
    compare "$1"
}

compare() { # NAME
    "$python" - "$home/alone" "$home/$1" <<'PYTHON'
import json, sys

alone, other = (json.load(open(f"{folder}/metrics.json")) for folder in sys.argv[1:])
for document in (alone, other):
    for name in ("run_id", "timings_s", "parameters", "warnings"):
        document.pop(name)
assert alone == other, "the runs differ"
print(f"{sys.argv[2].rpartition('/')[2]}: equal to the last bit, "
      f"{alone['features']['selected']} features, {len(alone['colony']['history'])} iterations")
PYTHON
}

# The exported model alone is given to every run: each computes its own features.
FER_FAST_CACHE="$home/models" "$python" -m fer_fast export --weights "$weights" --quiet \
    --out "$home/backbone.onnx" >/dev/null

run alone --jobs 1

start_cluster
received=$(crossed rx) sent=$(crossed tx)
run both --dask "tcp://$near_ip:8786"
received=$(($(crossed rx) - received)) sent=$(($(crossed tx) - sent))
stop_cluster
compare both
echo "crossed the cable: $sent bytes to the workers, $received back"

# The features are 65 MB, and nothing else of size comes back before them.
run_and_kill extraction has_features
run_and_kill search has_scores
