"""Do small runs of the authors' first language-model code end and learn?

    python -m experiments.first_code --data-dir PTB          about 25 minutes of one core

`--preset authors-2018` with 64 units: a search on a part of the text, and a retraining of the published cell. Beside their
perplexities stands that of the words' frequencies: who has learned no more has it. The same command goes on where it was stopped.
"""

import pathlib

import numpy as np

from datasets.penn_treebank import load_text
from errors import report_and_exit
from experiments import record
from experiments.commands import Command, run_all
from experiments.measures import derived_means
from experiments.search_or_chance import parse_options
from reporting.comparison import final_quality
from reporting.run_files import read_run

NAME = "first_code"
_COMMON = {"preset": "authors-2018", "hidden_size": 64}
# The loss is summed over a segment, so that its length multiplies the learning rate: with 35 words the frequencies of the words
# swing at this size (gradients of norm 15 to 110, the bound is 10) and the search stands still at 1,030; shorter ones learn them.
# Few nodes share the few steps. Of 64 units the preset's dropout, made for 720, leaves 16: with it three iterations learn the
# frequencies and no more.
SEARCH = _COMMON | {
    "batch_size": 64, "bptt": 10, "num_nodes": 4, "train_size": 320_000, "max_search_iter": 8, "controller_steps": 15,
    "num_derive": 3, "drop_e": 0.05, "drop_x": 0.1, "drop_l": 0.1, "drop_o": 0.1,
}  # fmt: skip
RETRAIN = _COMMON | {"recommended_arch": "enas-rnn-old", "epoch_on_retrain": 6}


def main():
    """Search, retrain, and record what came of it."""
    options = parse_options(__doc__, seeds=False)
    folder = pathlib.Path(options.folder or f"tmp.{NAME}").absolute()
    origin, place = record.origin(), {"data_dir": pathlib.Path(options.data_dir).absolute()}
    search = Command("ptb_search", folder / "search", SEARCH | place | {"recommended_arch": folder / "found.npy"})
    retrain = Command("ptb_retrain", folder / "retrain", RETRAIN | place)
    run_all([search, retrain], options.workers, print)
    text = load_text("ptb", options.data_dir, print)
    frequencies = {"valid": of_frequencies(text.train, text.valid), "test": of_frequencies(text.train, text.test)}
    print(record.write(NAME, _result(origin, frequencies, read_run(search.run), read_run(retrain.run)), options.results))


def of_frequencies(train, part):
    """Perplexity of a part (words,) of a text under the frequencies of the words in `train`, which has all of them."""
    counts = np.bincount(train)
    return float(np.exp(-np.mean(np.log(counts[part] / len(train)))))


def _result(origin, frequencies, search, retrain):
    curves = {"train": "Training-perplexity", "valid": "Validation-perplexity"}
    of_search = curves | {"reward": "Controller-reward", "baseline": "Controller-baseline", "entropy": "Controller-entropy"}
    settings = {"search": SEARCH, "retrain": RETRAIN}
    return origin | {
        "space": "recurrent", "measure": "perplexity", "settings": settings, "frequencies": frequencies,
        "search": _curves(search, of_search) | {"derived": derived_means(search.derived), "found": search.architecture},
        "retrain": _curves(retrain, curves) | {"test": final_quality(retrain)},
    }  # fmt: skip


def _curves(run, names):
    return {key: [value for _, value in run.series[name]] for key, name in names.items()}


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
