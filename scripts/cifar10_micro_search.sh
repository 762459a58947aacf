#!/bin/sh
# The authors' micro search on CIFAR-10, for a GPU: their scripts' values, each written out.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/micro_search.py" \
  --preset enas --dataset cifar10 \
  --monitor-path outputs/cifar10_micro_search --recommended-arch micro_arch.npy \
  --batch-size 160 --max-search-iter 150 --epoch-per-search 1 --schedule alternating \
  --num-cells 6 --num-nodes 7 --output-filter 20 --num-ops 5 --keep-prob 0.90 \
  --auxiliary-head True --auxiliary-form authors --auxiliary-weight 0.4 \
  --child-optimizer nesterov --child-lr 0.05 --child-lr-min 0.0005 --lr-schedule cosine-restarts --lr-control-on-search True \
  --weight-decay 0.0002 --with-grad-clip-on-search True --grad-clip-value 5.0 \
  --controller lstm --lstm-size 64 --lstm-layers 1 --controller-steps 30 --num-candidate 10 --val-iter 1 \
  --control-optimizer adam --control-lr 0.0035 --control-weight-decay 0 --use-variance-reduction True --baseline-decay 0.99 \
  --tanh-constant 1.10 --op-tanh-reduce 2.5 --temperature None --entropy-weight 0.0001 --op-prior authors \
  --validation-size 5000 --num-derive 10 --eval-batch-stats True \
  "$@"
