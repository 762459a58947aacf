"""`--preset authors-2018` holds the values of ptb_search.sh and ptb_final.sh, the authors' first language-model code."""

import pytest

import args
from errors import UserError
from models.final_networks import initial_range_of, recurrent
from models.parameters import ParameterScope

# The table of the two scripts, in the order in which it was written down: search, final.
TABLE = {
    "batch, BPTT, epochs": ((20, 35, 100), (64, 35, 2000)),
    "depth, D": ((12, 720), (12, 748)),
    "keep e, x, h, o": ((0.75, 0.25, 0.75, 0.25), (0.79, 0.25, 0.75, 0.24)),
    "clip": (10.0, 0.25),
    "lr, from epoch, every, factor, minimum": ((0.25, 12, 1, 0.95, 0.0005), (20.0, 14, 1, 0.9991, 0.001)),
    "L2, slowness": ((1e-7, 0.0), (5e-7, 1e-3)),
    "controller: lr, tanh, temperature, entropy": ((0.001, 2.5, 5.0, 0.001), None),
}
# What it does besides, by option; the same in both jobs but for the last.
WAYS = {
    "bptt_length": "constant", "word_dropout": "lasting", "loss_reduction": "sum", "beta_after_dropout": True,
    "validation_segments": "whole", "log_perplexity_cap": 10.0, "drop_i": 0.0, "alpha": 0.0, "init_range": None,
}  # fmt: skip
SEARCH = {
    "arc_form": "old", "node_batch_norm": True, "reward_segment": "anywhere", "update": "all", "num_candidate": 10,
    "controller_steps": 100, "val_iter": 1, "epoch_per_search": 1, "baseline_decay": 0.99, "lstm_size": 64, "lstm_layers": 1,
    "with_grad_clip_on_search": True, "schedule": "alternating", "controller_start": 0, "use_variance_reduction": True,
    "control_optimizer": "adam",
}  # fmt: skip
FINAL = {"node_batch_norm": False, "average_weights": False, "with_grad_clip_on_retrain": True}


def config_of(job, *more):
    return args.parse("recurrent", job, ["--preset", "authors-2018", *more])


def rows_of(config):
    """The options of a job as the table has them."""
    search = config.job == args.SEARCH
    epochs = config.max_search_iter if search else config.epoch_on_retrain
    dropped = config.drop_e, config.drop_x, config.drop_l, config.drop_o
    rates = config.child_lr, config.lr_decay_start, config.lr_decay_every, config.lr_decay, config.child_lr_min
    controller = ("control_lr", "tanh_constant", "temperature", "entropy_weight") if search else ()  # a retraining has none
    return {
        "batch, BPTT, epochs": (config.batch_size, config.bptt, epochs),
        "depth, D": (config.num_nodes + 1 if search else 12, config.hidden_size),
        "keep e, x, h, o": tuple(1 - share for share in dropped),
        "clip": config.grad_clip_value,
        "lr, from epoch, every, factor, minimum": rates,
        "L2, slowness": (config.weight_decay / 2, config.beta),
        "controller: lr, tanh, temperature, entropy": tuple(getattr(config, name) for name in controller),
    }


@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("job", args.BOTH)
def test_a_row_of_the_table(job, row):
    expected = TABLE[row][args.BOTH.index(job)]
    if expected is not None:
        assert rows_of(config_of(job))[row] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("job, ways", [("search", WAYS | SEARCH), ("retrain", WAYS | FINAL)])
def test_its_ways(job, ways):
    config = config_of(job)
    assert {name: getattr(config, name) for name in ways} == ways


def test_the_depth_of_a_retraining_is_that_of_the_arc():
    assert config_of("retrain").num_nodes is None


@pytest.mark.parametrize("size, expected", [(64, 0.1), (300, 0.1), (301, 0.05), (400, 0.05), (401, 0.04), (720, 0.04)])
def test_initial_weights_by_the_hidden_size(size, expected):
    assert initial_range_of(size) == expected
    assert recurrent(config_of("search", "--hidden-size", str(size)), ParameterScope(), 5).initial_range == expected


@pytest.mark.parametrize("space", ["macro", "micro"])
def test_images_have_no_such_preset(space):
    with pytest.raises(UserError, match="--preset: .authors-2018. is not one of enas, nnabla-example, evening, short, quick;"):
        args.parse(space, "search", ["--preset", "authors-2018"])


def test_the_corrected_code_has_none_of_it():
    """Under --preset enas every option that was added for it does what was done before there was any."""
    expected = {
        "bptt_length": "random", "word_dropout": "vocabulary", "loss_reduction": "mean", "beta_after_dropout": False,
        "validation_segments": "all", "log_perplexity_cap": None, "arc_form": "new", "node_batch_norm": False,
        "reward_segment": "aligned", "update": "used", "lr_decay_every": 1, "child_lr_min": 0.0,
    }  # fmt: skip
    config = args.parse("recurrent", "search", [])
    assert {name: getattr(config, name) for name in expected} == expected


def test_the_lowest_rate_must_not_exceed_the_highest():
    with pytest.raises(UserError, match="--child-lr-min must not exceed --child-lr, found 0.0005 and 0.0001"):
        config_of("search", "--child-lr", "0.0001")
