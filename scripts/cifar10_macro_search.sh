#!/bin/sh
# The authors' macro search on CIFAR-10, for a GPU: their scripts' values, each written out.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/macro_search.py" \
  --preset enas --dataset cifar10 \
  --monitor-path outputs/cifar10_macro_search --recommended-arch macro_arch.npy \
  --batch-size 128 --max-search-iter 310 --epoch-per-search 1 --schedule alternating \
  --num-layers 12 --output-filter 36 --num-ops 6 --keep-prob 0.90 \
  --child-optimizer nesterov --child-lr 0.05 --child-lr-min 0.0005 --lr-schedule cosine-restarts --lr-control-on-search True \
  --weight-decay 0.0005 --with-grad-clip-on-search True --grad-clip-value 5.0 \
  --controller lstm --lstm-size 64 --lstm-layers 1 --controller-steps 50 --num-candidate 20 --val-iter 1 \
  --control-optimizer adam --control-lr 0.001 --control-weight-decay 0 --use-variance-reduction True --baseline-decay 0.99 \
  --tanh-constant 1.5 --temperature None --entropy-weight 0.0001 --skip-prob 0.4 --skip-weight 0.8 \
  --validation-size 5000 --num-derive 10 --eval-batch-stats True \
  "$@"
