#!/bin/sh
# The authors' training of their published micro network on CIFAR-10, for a GPU; --cutout 16 is their better run.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/micro_retrain.py" \
  --preset enas --dataset cifar10 \
  --monitor-path outputs/cifar10_micro_final --recommended-arch enas-micro \
  --batch-size 144 --epoch-on-retrain 630 \
  --num-cells 15 --output-filter 20 --additional-filters-on-retrain 16 --keep-prob 0.80 --drop-path-keep-prob 0.60 --cutout 0 \
  --auxiliary-head True --auxiliary-form authors --auxiliary-weight 0.4 \
  --child-optimizer nesterov --child-lr 0.05 --child-lr-min 0.0001 --lr-schedule cosine-restarts --lr-control-on-retrain True \
  --weight-decay 0.0004 --with-grad-clip-on-retrain True --grad-clip-value 5.0 \
  "$@"
