#!/bin/sh
# The authors' training of their published macro network (24 layers) on CIFAR-10, for a GPU.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/macro_retrain.py" \
  --preset enas --dataset cifar10 \
  --monitor-path outputs/cifar10_macro_final --recommended-arch enas-macro --final-network authors \
  --batch-size 100 --epoch-on-retrain 310 \
  --output-filter 36 --additional-filters-on-retrain 60 --keep-prob 0.50 --cutout 0 \
  --child-optimizer nesterov --child-lr 0.05 --child-lr-min 0.001 --lr-schedule cosine-restarts --lr-control-on-retrain True \
  --weight-decay 0.0004 --with-grad-clip-on-retrain True --grad-clip-value 5.0 \
  "$@"
