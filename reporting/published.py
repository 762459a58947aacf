"""Results that others published, to stand beside ours where those rest on the same data and the same training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Results of a space: their unit, (what, result) of each, and the options of the retraining that they rest on."""

    unit: str
    results: tuple
    training: dict


# Sources: arXiv:1802.03268 (tables 1 to 3), its authors' scripts and their corrected language-model code, and others who ran
# ENAS on CIFAR-10 again.
_RERUNS = (("independent rerun, 95.7 % accuracy", 4.3), ("another rerun, 96.2 % accuracy", 3.8))
_CIFAR = {
    "dataset": "cifar10", "train_size": None, "lr_schedule": "cosine-restarts", "lr_control_on_retrain": True, "child_lr": 0.05,
}  # fmt: skip
PUBLISHED = {
    "macro": Published(
        "% error", (("paper", 4.23), ("paper, more filters", 3.87), *_RERUNS),
        _CIFAR | {"epoch_on_retrain": 310, "batch_size": 100, "child_lr_min": 0.001},
    ),
    "micro": Published(
        "% error", (("paper", 3.54), ("paper, with CutOut", 2.89), *_RERUNS),
        _CIFAR | {"epoch_on_retrain": 630, "batch_size": 144, "child_lr_min": 0.0001},
    ),
    "recurrent": Published(
        "test perplexity", (("authors' corrected code, 10 runs ± 0.1", 57.3),),
        {"dataset": "ptb", "data_dir": None, "train_size": None, "epoch_on_retrain": 3000, "batch_size": 64, "child_lr": 20.0},
    ),
}  # fmt: skip


def comparable(run):
    """The `Published` that a retraining (`run_files.Run`) may stand beside, or None.

    It has done all epochs, on the same data (--data-dir may hold any text) and with the same schedule.
    """
    published = PUBLISHED.get(run.space)
    if published is None or run.done < run.rounds:
        return None
    same = all(run.options.get(name) == value for name, value in published.training.items())
    return published if same else None
