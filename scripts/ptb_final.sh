#!/bin/sh
# The authors' training of their published cell with their first language-model code, for a GPU.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/ptb_retrain.py" \
  --preset authors-2018 --dataset ptb \
  --monitor-path outputs/ptb_final --recommended-arch enas-rnn-old \
  --batch-size 64 --bptt 35 --bptt-length constant --epoch-on-retrain 2000 \
  --hidden-size 748 --init-range None --node-batch-norm False \
  --drop-e 0.21 --word-dropout lasting --drop-i 0 --drop-x 0.75 --drop-l 0.25 --drop-o 0.76 \
  --child-lr 20.0 --lr-decay 0.9991 --lr-decay-start 14 --lr-decay-every 1 --child-lr-min 0.001 \
  --weight-decay 0.000001 --loss-reduction sum --alpha 0 --beta 0.001 --beta-after-dropout True \
  --with-grad-clip-on-retrain True --grad-clip-value 0.25 --average-weights False \
  --validation-segments whole --log-perplexity-cap 10 \
  "$@"
