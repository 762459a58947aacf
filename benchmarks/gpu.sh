#!/usr/bin/env bash
# Everything that is to be measured on a GPU, one part after the other. A part that fails does not stop the others; the exit
# status is 1 then, and the last lines name it.
#
#   benchmarks/gpu.sh                                       what needs no data and no PyTorch; --quick: less of each
#   benchmarks/gpu.sh --data-dir DIR --torch-python PYTHON  with CIFAR-10 too, and against a Python with PyTorch for the GPU
#   benchmarks/gpu.sh --context cpu                         the same commands at tiny sizes on a CPU, to try the script
#
# --python PYTHON: with NNabla and its CUDA extension [.venv/bin/python]. --output DIR: for logs, runs and results.jsonl.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

context=cudnn quick=false data_dir='' torch_python='' python=.venv/bin/python output=tmp.gpu.$(date +%Y%m%d-%H%M%S)
while (($#)); do
    case $1 in
        --quick) quick=true; shift; continue ;;
        --context | --data-dir | --torch-python | --python | --output)
            (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; }
            name=${1#--}
            printf -v "${name//-/_}" %s "$2"
            shift 2 ;;
        *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
    esac
done
mkdir -p "$output" || exit
results=$output/results.jsonl failed=() not_run=()

seconds=30 epochs=5 retrain_epochs=20 repeat=300 half=half types=(float half) device=cuda
depthwise='' step='' final='--num-cells 6 --output-filter 36 --additional-filters-on-retrain 0 --batch-size 144'
torch='--batch-size 144 --output-filter 36' cifar=''
if $quick; then
    seconds=8 epochs=1 retrain_epochs=4 repeat=50
fi
short='--preset quick --train-size 256 -i 1 -e 1 --controller-steps 1 --num-candidate 2 --num-derive 2'
if [[ $context == cpu ]]; then
    seconds=0.1 epochs=1 retrain_epochs=1 repeat=1 half=float types=(float) device=cpu
    step='--batch-size 2 --output-filter 4 --additional-filters-on-retrain 0'
    final='--num-cells 6 --output-filter 4 --additional-filters-on-retrain 0 --batch-size 2'
    torch='--batch-size 2 --output-filter 4' depthwise='--batch-size 2 --repeat 1'
    cifar='--train-size 64 --validation-size 32 --batch-size 32 --output-filter 4 --num-layers 3 --controller-steps 1 --num-candidate 2
        --num-derive 1'
fi

# part NAME COMMAND...: run it, its output in NAME.txt.
part() {
    local name=$1 begin=$SECONDS status
    shift
    printf '%-34s' "$name"
    timeout 3600 "$@" >"$output/$name.txt" 2>&1 </dev/null
    status=$?
    if ((status)); then
        echo "FAILED with status $status: $(tail -n 1 "$output/$name.txt")"
        failed+=("$name")
    else
        echo "done in $((SECONDS - begin)) s"
    fi
    return "$status"
}

skip() {
    printf '%-34snot run: %s\n' "$1" "$2"
    not_run+=("$1")
}

# measure NAME COMMAND...: a part whose JSON line goes into the results.
measure() {
    part "$@" && grep '^{' "$output/$1.txt" >>"$results"
}

# script NAME SCRIPT OPTIONS...: one of the six, in a run directory of its own.
script() {
    local name=$1 program=$2
    shift 2
    part "$name" "$python" "$program.py" --context "$context" --monitor-path "$output/$name" --quiet "$@"
}

# resumed NAME SCRIPT OPTIONS...: a script that is stopped at its first checkpoint, then the same command, which must go on from there.
resumed() {
    local name=$1 program=$2 process
    shift 2
    local command=("$python" "$program.py" --context "$context" --monitor-path "$output/$name" --checkpoint-interval 0.001 "$@")
    "${command[@]}" >"$output/${name}_stopped.txt" 2>&1 </dev/null &
    process=$!
    until compgen -G "$output/$name/checkpoint/0*" >/dev/null || ! kill -0 "$process" 2>/dev/null; do sleep 0.05; done
    kill -USR1 "$process" 2>/dev/null
    wait "$process"
    part "$name" "${command[@]}" && part "${name}_went_on" grep "resuming the run" "$output/$name.txt"
}

# never_nan NAME: no loss of that run was not a number.
never_nan() {
    part "$1_is_finite" awk '/nan|inf/ { bad = 1 } END { exit bad || NR == 0 }' "$output/$1/Training-loss.series.txt"
}

if [[ $context == cudnn ]]; then
    part devices nvidia-smi
fi

part golden "$python" -m tests.parity --context "$context" --tolerance 1e-3 tests/golden/*.npz

for space in macro micro ptb; do
    # shellcheck disable=SC2086
    script "${space}_search" "${space}_search" $short --recommended-arch "$output/$space.npy" || continue
    script "${space}_retrain" "${space}_retrain" --preset quick -r "$retrain_epochs" --recommended-arch "$output/$space.npy"
done

for space in macro micro ptb; do
    [[ -e $output/$space.npy ]] || { skip "${space}_half" "there is no architecture"; continue; }
    script "${space}_half" "${space}_retrain" --preset quick -r "$retrain_epochs" --recommended-arch "$output/$space.npy" \
        --type-config "$half" && never_nan "${space}_half"
done
# shellcheck disable=SC2086
script macro_search_half macro_search $short --recommended-arch "$output/macro_half.npy" --type-config "$half" && never_nan macro_search_half

# shellcheck disable=SC2086
resumed resume macro_search $short -i 3 --recommended-arch "$output/resume.npy"

processes=2
[[ $context == cudnn ]] && processes=$(nvidia-smi --list-gpus 2>/dev/null | grep -c .)
mpirun=$(PATH=$(dirname "$python"):$PATH command -v mpirun)
if [[ -z $mpirun ]]; then
    skip mpirun "there is no mpirun; pip install '.[distributed]'"
elif ((processes < 2)); then
    skip mpirun "there are no two GPUs"
else
    # shellcheck disable=SC2086
    part mpirun env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$mpirun" -n "$processes" "$python" macro_search.py \
        --context "$context" --monitor-path "$output/mpirun" --quiet $short --batch-size $((32 * processes)) \
        --recommended-arch "$output/mpirun.npy" && never_nan mpirun
fi

throughput=("$python" -m benchmarks.throughput --context "$context" --seconds "$seconds" --json)
if [[ $context == cpu ]]; then
    throughput+=(--warm-up 1)
fi
for type in "${types[@]}"; do
    for space in macro micro; do
        for job in search retrain; do
            measure "${space}_${job}_step_$type" "${throughput[@]}" --space "$space" --job "$job" --type-config "$type" --options "$step"
        done
    done
done
measure micro_final_step "${throughput[@]}" --space micro --job retrain --options "$final" --name 'final micro network, 8 cells'

for type in "${types[@]}"; do
    # shellcheck disable=SC2086
    part "depthwise_$type" "$python" -m benchmarks.depthwise --context "$context" --type-config "$type" $depthwise
done

if [[ $torch_python ]]; then
    for layout in NCHW NHWC; do
        # shellcheck disable=SC2086
        measure "pytorch_$layout" "$torch_python" -m benchmarks.torch_step --space micro --architecture published --device "$device" \
            --layout "$layout" $torch --repeat "$repeat" --name 'final micro network, 8 cells' --json
    done
else
    skip pytorch "--torch-python names no Python with PyTorch"
fi

if [[ $data_dir ]]; then
    # shellcheck disable=SC2086
    script cifar10_search macro_search --data-dir "$data_dir" --max-search-iter "$epochs" $cifar \
        --recommended-arch "$output/cifar10.npy"
else
    skip cifar10_search "--data-dir names no folder with CIFAR-10"
fi

echo
part summary "$python" -m benchmarks.throughput --summarize "$results" && cat "$output/summary.txt"
cat "$output"/depthwise_*.txt
if [[ -e $output/cifar10_search/Validation-accuracy.series.txt ]]; then
    echo "CIFAR-10: validation accuracy of the best derived architecture after each epoch (shared weights):"
    cat "$output/cifar10_search/Validation-accuracy.series.txt"
fi
echo "logs and $results: $output"
((${#not_run[@]})) && echo "not run: ${not_run[*]}"
((${#failed[@]})) && echo "failed: ${failed[*]}" && exit 1
exit 0
