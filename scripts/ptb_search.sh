#!/bin/sh
# The authors' search with their first language-model code, for a GPU: its script's values, each written out.
# Further options come last and win, --data-dir DIR for one. docs/authors_scripts.md tells what became of the authors' flags.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
if [ -z "$PYTHON" ] && [ -x "$home/.venv/bin/python" ]; then PYTHON=$home/.venv/bin/python; fi
exec "${PYTHON:-python}" "$home/ptb_search.py" \
  --preset authors-2018 --dataset ptb \
  --monitor-path outputs/ptb_search --recommended-arch recurrent_arch.npy \
  --batch-size 20 --bptt 35 --bptt-length constant --max-search-iter 100 --epoch-per-search 1 --schedule alternating \
  --arc-form old --num-nodes 11 --hidden-size 720 --init-range None --node-batch-norm True \
  --drop-e 0.25 --word-dropout lasting --drop-i 0 --drop-x 0.75 --drop-l 0.25 --drop-o 0.75 \
  --child-lr 0.25 --lr-decay 0.95 --lr-decay-start 12 --lr-decay-every 1 --child-lr-min 0.0005 \
  --weight-decay 0.0000002 --update all --loss-reduction sum --alpha 0 --beta 0 \
  --with-grad-clip-on-search True --grad-clip-value 10.0 \
  --controller lstm --lstm-size 64 --lstm-layers 1 --controller-steps 100 --num-candidate 10 --val-iter 1 \
  --reward-segment anywhere --control-optimizer adam --control-lr 0.001 --control-weight-decay 0 \
  --use-variance-reduction True --baseline-decay 0.99 --tanh-constant 2.5 --temperature 5.0 --entropy-weight 0.001 \
  --validation-segments whole --log-perplexity-cap 10 --num-derive 10 \
  "$@"
