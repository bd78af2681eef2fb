#!/usr/bin/env bash
# Runs the same work here and in the Python reference, alternately, and prints
# medians and their ratio.
#
#   bench/compare.sh step [FLAGS]       a training step, beside transformers and PEFT
#   bench/compare.sh images [FLAGS]     preprocessing, beside transformers' processor
#   bench/compare.sh start IMAGE [FLAGS]  a decision, and the start of a process before it
#
# FLAGS are those of mole bench. Those of a step that the reference has too go to
# both: --widths --layers --vision-layers --vocab --image --text --labels --batch --steps
# --rank --preset --threads. The others (--cached, --shared-image, --shared-prompt,
# --precision, --tier, --pass-tokens) go to this program alone: the reference can
# neither store nor share, and does the same samples in full.
#
# Environment: PYTHON, the interpreter (python3); REFERENCE, the folder of the
# reference's scripts (../shared/bench); PEFT, further flags of the step there
# (its best ones); ROUNDS (3); CSV, a file to add a row to; STATE, the state folder
# with a deployed router, for start (.mole).
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
reference=${REFERENCE:-../shared/bench}
# What makes PEFT fastest: no logits without a label, fused attention, and
# bfloat16 where the processor multiplies in it.
dtype=float32
if grep -qsE 'avx512_bf16|amx_bf16' /proc/cpuinfo; then dtype=bfloat16; fi
peft=${PEFT:---keep-label-logits --dtype $dtype --attn sdpa}
rounds=${ROUNDS:-3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# demand MODULE... ends the script unless Python has these modules.
demand() {
    local module
    for module in "$@"; do
        "$python" -c "import $module" 2>/dev/null && continue
        echo "$0: $python has no $module; install it: $python -m pip install torch torchvision transformers peft" >&2
        exit 1
    done
}

build() {
    warn
    go build -o "$scratch/mole" ./cmd/mole
}

# read_json EXPRESSION prints an expression of d, the JSON object on the last
# line of standard input or all of it.
read_json() {
    "$python" -c 'import json, sys
text = sys.stdin.read()
d = json.loads(text if text.startswith("{\n") else text.strip().splitlines()[-1])
print('"$1"')'
}

# median FILE prints the median of the numbers in a file.
median() { "$python" -c 'import statistics, sys; print(f"{statistics.median(map(float, open(sys.argv[1]))):.4g}")' "$1"; }

# largest FILE prints the largest number of a file of bytes in GB.
largest() { "$python" -c 'import sys; print(f"{max(map(float, open(sys.argv[1])))/1e9:.3g}")' "$1"; }

# warn says so if more is running than there are cores: what waits for all its
# threads at every turn, as the reference does, then suffers most.
warn() {
    [ -r /proc/loadavg ] || return 0
    awk -v cores="$(nproc)" '$1 > cores + 1 { print "warning: load average " $1 " on " cores " cores: do not rely on the ratio" }' /proc/loadavg >&2
}

# conclude WHAT UNIT [OPTIONS] prints the medians of ours and theirs, and their ratio,
# and adds them to CSV.
conclude() {
    local ours theirs ratio
    ours=$(median "$scratch/ours")
    theirs=$(median "$scratch/theirs")
    ratio=$("$python" -c 'import sys; print(f"{float(sys.argv[1])/float(sys.argv[2]):.3g}")' "$ours" "$theirs")
    echo "median: mole $ours $2, reference $theirs $2, ratio $ratio"
    local memory=,
    if [ -s "$scratch/ours.rss" ]; then
        memory=$(largest "$scratch/ours.rss"),$(largest "$scratch/theirs.rss")
        echo "peak resident memory: mole ${memory%,*} GB, reference ${memory#*,} GB"
    fi
    if [ -n "${CSV-}" ]; then
        [ -s "$CSV" ] || echo "date,processor,commit,what,reference,unit,mole,reference_value,ratio,mole_gb,reference_gb" >"$CSV"
        echo "$(date -u +%FT%TZ),\"$(processor)\",$(git rev-parse --short=12 HEAD),\"$1\",\"${3-}\",$2,$ours,$theirs,$ratio,$memory" >>"$CSV"
    fi
}

processor() { "$scratch/mole" doctor --json | read_json 'd["processor"]["model"]'; }

# split_flags sorts the flags of a step into those for both and those for us.
split_flags() {
    both=() own=()
    while [ $# -gt 0 ]; do
        local flag=$1 value=()
        shift
        case $flag in
        --*=*) ;;
        --cached | --shared-image) ;;
        --*) [ $# -gt 0 ] || usage
            value=("$1")
            shift ;;
        *) usage ;;
        esac
        case $flag in
        --cached | --shared-image | --shared-prompt* | --precision* | --tier* | --pass-tokens*) own+=("$flag" "${value[@]}") ;;
        *) both+=("$flag" "${value[@]}") ;;
        esac
    done
}

# The reference's script, and then the most memory that it had, in bytes.
with_memory='import json, resource, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))'

step() {
    demand torch transformers peft
    split_flags "$@"
    build
    local i flags=()
    read -ra flags <<<"$peft"
    for ((i = 1; i <= rounds; i++)); do
        "$python" -c "$with_memory" "$reference/peft_step.py" "${both[@]}" "${flags[@]}" >"$scratch/out" 2>"$scratch/log" ||
            { cat "$scratch/log" >&2; exit 1; }
        tail -n 1 "$scratch/out" >>"$scratch/theirs.rss"
        sed -i '$d' "$scratch/out"
        read_json 'd["samples_per_s"]' <"$scratch/out" >>"$scratch/theirs"
        "$scratch/mole" bench step --json "${both[@]}" "${own[@]}" >"$scratch/json"
        read_json 'd["figures"][0]["value"]' <"$scratch/json" >>"$scratch/ours"
        read_json 'd["peak_rss_bytes"]' <"$scratch/json" >>"$scratch/ours.rss"
        echo "round $i: mole $(tail -n 1 "$scratch/ours"), reference $(tail -n 1 "$scratch/theirs") samples/s"
    done
    conclude "step $*" samples/s "$peft"
}

images() {
    demand torch torchvision transformers
    build
    local i picture=vision/testdata/processor/853x1155.png threads=2
    for ((i = 1; i <= rounds; i++)); do
        OMP_NUM_THREADS=$threads "$python" "$reference/processor.py" "$picture" 2>"$scratch/log" >"$scratch/out" ||
            { cat "$scratch/log" >&2; exit 1; }
        read_json 'max(v for k, v in d.items() if k != "bytes")' <"$scratch/out" >>"$scratch/theirs"
        "$scratch/mole" bench preprocess --json --threads "$threads" --picture "$picture" "$@" |
            read_json 'd["figures"][0]["value"]' >>"$scratch/ours"
        echo "round $i: mole $(tail -n 1 "$scratch/ours"), reference $(tail -n 1 "$scratch/theirs") images/s"
    done
    conclude "images $threads threads" images/s
}

# start measures both the time of a whole process, first answer included, and
# that of a warm decision.
start() {
    [ $# -ge 1 ] || usage
    demand torch torchvision transformers
    build
    local i begin image=$1
    shift
    for ((i = 1; i <= rounds; i++)); do
        "$python" "$reference/start.py" "$reference/../tiny-base" "$image" 2>"$scratch/log" >"$scratch/out" ||
            { cat "$scratch/log" >&2; exit 1; }
        sed -n 's/.*together \([0-9.]*\) s.*/\1/p' "$scratch/out" | awk '{ print 1 / $1 }' >>"$scratch/first.theirs"
        sed -n 's/.*p50 \([0-9.]*\) ms.*/\1/p' "$scratch/out" | awk '{ print 1000 / $1 }' >>"$scratch/theirs"
        begin=$(date +%s%N)
        "$scratch/mole" infer --state "${STATE:-.mole}" "$image" >/dev/null
        awk -v t="$(($(date +%s%N) - begin))" 'BEGIN { print 1e9 / t }' >>"$scratch/first.ours"
        "$scratch/mole" bench route "$@" --json | read_json 'd["figures"][0]["value"]' >>"$scratch/ours"
    done
    echo "warm decisions"
    conclude "warm decision" 1/s "$*"
    mv "$scratch/first.ours" "$scratch/ours"
    mv "$scratch/first.theirs" "$scratch/theirs"
    echo "process starts with a first answer"
    conclude "start to first answer" 1/s
}

[ $# -gt 0 ] || usage
what=$1
shift
case $what in
step | images | start) "$what" "$@" ;;
*) usage ;;
esac
