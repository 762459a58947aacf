"""Sizes of the experiments: what two CPU cores can do in an afternoon. Options of the scripts, by their names."""

from dataclasses import dataclass, field, replace

SEEDS = 3
PICKED = 5  # derived architectures of a search that are retrained

# In every iteration all arms look at 20,000 held-out images: ENAS in 10 updates x 10 candidates x 2 mini-batches of 50 and
# 10 derived architectures x 1,000 images; chance, which needs no rewards, derives 20. Micro: half of
# that. Recurrent: 64,000 words in rewards and 10 validations of 9,000 words each; chance derives 17.
_IMAGES = {
    "dataset": "cifar10", "validation_size": 1000, "batch_size": 50, "output_filter": 8, "child_lr": 0.1,
    "lr_schedule": "cosine",
}  # fmt: skip
_ENAS = {"controller_steps": 10, "num_candidate": 10, "val_iter": 2, "num_derive": 10}
_CHANCE = {"controller": "random", "num_derive": 20}
_RETRAIN = {
    "dataset": "cifar10", "batch_size": 50, "output_filter": 8, "additional_filters_on_retrain": 0, "lr_schedule": "cosine",
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Searches that differ in how they choose (`arms`), at one size and budget, and how what they find is retrained."""

    space: str
    script: str  # prefix of the scripts' names
    common: dict  # options of all searches
    arms: dict  # name -> more options
    retrain: dict  # options of all retrainings
    chance: str | None = "random"  # the arm whose derived architectures are plain random ones
    cut_lines: dict = field(default_factory=dict)  # part of a text -> lines of it that are used
    first_seed: int = 0
    retrained: tuple | None = None  # the arms whose findings are retrained; None: all


COMPARISONS = {
    "macro": Comparison(
        "macro", "macro",
        common=_IMAGES | {"num_layers": 6, "train_size": 10_000, "max_search_iter": 12, "epoch_per_search": 1},
        arms={"ENAS": _ENAS, "random": _CHANCE},
        retrain=_RETRAIN | {"train_size": 10_000, "epoch_on_retrain": 2, "keep_prob": 0.9},
    ),
    "micro": Comparison(
        "micro", "micro",
        common=_IMAGES | {"num_cells": 3, "num_nodes": 5, "train_size": 5000, "max_search_iter": 10, "epoch_per_search": 1,
                          "auxiliary_head": False, "validation_size": 500},
        arms={"ENAS": _ENAS | {"val_iter": 1}, "random": _CHANCE},
        retrain=_RETRAIN | {"num_cells": 3, "train_size": 5000, "epoch_on_retrain": 2, "keep_prob": 0.9,
                            "drop_path_keep_prob": 1.0, "auxiliary_head": False},
    ),
    "recurrent": Comparison(
        "recurrent", "ptb",
        common={"preset": "quick", "dataset": "ptb", "num_nodes": 6, "bptt": 20, "max_search_iter": 8, "epoch_per_search": 1,
                "val_iter": 1},
        arms={"ENAS": {"controller_steps": 10, "num_candidate": 10, "num_derive": 10},
              "random": {"controller": "random", "num_derive": 17}},
        retrain={"preset": "quick", "dataset": "ptb", "bptt": 20, "epoch_on_retrain": 4},
        cut_lines={"train": 2000, "valid": 400, "test": 400},
    ),
}  # fmt: skip


def _causes(base, changes, retrained=()):
    """ENAS as in the comparison `base`, with something changed in each arm (dict: name -> options).

    What is judged in another way, or what may be decided by the retraining alone, is retrained; that takes most of the time.
    """
    arms = {name: base.arms["ENAS"] | change for name, change in changes.items()}
    return replace(base, arms=arms, chance=None, retrained=retrained)


_FAST = "ten times the controller's learning rate"
_SLOW = "a tenth of the controller's learning rate"
_ENTROPY = "a hundred times the entropy's weight"
_MORE_ENTROPY = "a thousand times the entropy's weight"
_RUNNING = "running batch statistics in rewards"
_NO_PRIOR = "no preference for separable convolutions"
_BOTH = "no preference and ten times the controller's learning rate"
COMPARISONS |= {
    "macro_causes": _causes(
        COMPARISONS["macro"],
        {_FAST: {"control_lr": 0.01}, _ENTROPY: {"entropy_weight": 0.01}, _RUNNING: {"eval_batch_stats": False}},
        retrained=(_RUNNING,),
    ),
    "micro_causes": _causes(
        COMPARISONS["micro"],
        {_NO_PRIOR: {"op_prior": "none"}, _BOTH: {"op_prior": "none", "control_lr": 0.035}},
        retrained=(_NO_PRIOR,),
    ),
    "recurrent_causes": _causes(
        COMPARISONS["recurrent"],
        {_SLOW: {"control_lr": 0.001}, _MORE_ENTROPY: {"entropy_weight": 0.01}},
        retrained=(_SLOW, _MORE_ENTROPY),
    ),
}  # fmt: skip

FRESH = 3  # first seed of the comparisons below: they were devised after seeing what the seeds before had given
COMPARISONS |= {
    # A controller that learns within some hundred updates, from the rewards alone, with as many images in twice as many rewards.
    "macro_fast": replace(
        COMPARISONS["macro"],
        arms={
            "ENAS, fast": _ENAS | {
                "control_lr": 0.03, "skip_weight": 0.0, "baseline_decay": 0.9, "controller_steps": 20, "val_iter": 1,
            },
            "random": _CHANCE,
        },
        first_seed=FRESH + 1,  # of seed 3 a trial was seen
    ),  # fmt: skip
    # The same: no preference to unlearn, no narrower bound for the operations' logits.
    "micro_fast": replace(
        COMPARISONS["micro"],
        arms={
            "ENAS, fast": COMPARISONS["micro"].arms["ENAS"] | {"control_lr": 0.1, "op_prior": "none", "op_tanh_reduce": 1.0},
            "random": _CHANCE,
        },
        first_seed=FRESH,
    ),
    # 24 epochs instead of 8, the learning rate falling after the first half. "Late" holds the controller back for half of the
    # iterations, with as many updates in all.
    "recurrent_long": replace(
        COMPARISONS["recurrent"],
        common=COMPARISONS["recurrent"].common | {"epoch_per_search": 3, "lr_decay": 0.85, "lr_decay_start": 12},
        arms={
            "ENAS": COMPARISONS["recurrent"].arms["ENAS"],
            "ENAS, late": COMPARISONS["recurrent"].arms["ENAS"] | {"controller_start": 4, "controller_steps": 20},
            "random": COMPARISONS["recurrent"].arms["random"],
        },
        first_seed=FRESH,
    ),
}


@dataclass(frozen=True)
class Reference:
    """Published architectures and random ones of their size, retrained at reduced width."""

    space: str
    script: str
    retrain: dict
    cut_lines: dict = field(default_factory=dict)
    others: dict = field(default_factory=dict)  # name -> authors' string of what else is retrained


REFERENCES = {
    "macro": Reference(
        "macro", "macro", _RETRAIN | {"train_size": 5000, "epoch_on_retrain": 3, "keep_prob": 0.9},
    ),
    "micro": Reference(
        "micro", "micro",
        _RETRAIN | {"num_cells": 3, "train_size": 5000, "epoch_on_retrain": 3, "keep_prob": 0.9, "drop_path_keep_prob": 1.0,
                    "auxiliary_head": False},
    ),
    "recurrent": Reference(
        "recurrent", "ptb",
        {"preset": "quick", "dataset": "ptb", "hidden_size": 128, "bptt": 35, "epoch_on_retrain": 5, "grad_clip_value": 0.25},
        cut_lines={"train": 3000, "valid": 400, "test": 400},
        others={"all-tanh chain": "0 0 1 0 2 0 3 0 4 0 5 0 6 0 7 0"},
    ),
}  # fmt: skip
