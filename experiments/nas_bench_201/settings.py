"""Sizes and arms of the searches. RESULTS.md says what they were chosen by."""

JOB = "nas_bench_201_search"
FIRST_SEED = 30  # trials had seeds 0 to 2, 10, 15, 20 and 25

# The network is the benchmark's with one cell in a stage instead of five, on images of 16 x 16 pixels, not 32 x 32: an epoch
# takes half a minute of one core, and shared weights need thousands of mini-batches before they rank (see frozen.py).
COMMON = {
    "space": "nas_bench_201", "preset": "none", "cells": 1, "filters": 16,
    "image_size": 16, "train_size": 40_000, "validation_size": 2000, "batch_size": 64,
    "max_search_iter": 16, "epoch_per_search": 1, "schedule": "alternating", "update": "used",
    # Weights: as the benchmark trains its supernets, but at a constant rate: with a cosine they ranked worse in trials.
    "lr_schedule": "constant", "child_lr": 0.05, "child_lr_min": 0.05, "weight_decay": 2.5e-4, "clip": 5.0,
    # A controller that learns within 480 updates: a usual Adam, and a baseline that follows the rewards.
    "controller": "lstm", "lstm_size": 64, "lstm_layers": 1, "temperature": None, "tanh_constant": 2.5,
    "control_lr": 0.003, "adam_eps": 1e-8, "baseline_decay": 0.9, "entropy_weight": 0.01,
    "controller_start": 0, "controller_steps": 30, "num_candidate": 10, "val_iter": 1, "num_derive": 10,
    "eval_batch_stats": True, "train_uniformly": False,
    "select_strategy": "last", "max_parameters": None, "max_macs": None, "early_stop_over": 1.0,
    # Measuring alone: 100 fixed cells on 512 images in some iterations, 500 in the last one.
    "rank_every": 8, "rank_cells": 100, "rank_cells_at_end": 500, "rank_batches": 8,
}  # fmt: skip
_LATE = {"controller_start": 8, "controller_steps": 60}
ARMS = {
    # Sixteen epochs like all others. Its last iteration judges as many images as ENAS in its whole search: 480 updates of 10
    # candidates on 64 images, and 10 architectures on 2,000.
    "random": {"controller": "random", "max_search_iter": 2, "epoch_per_search": 8, "rank_every": 1, "num_derive": 164},
    "ENAS, late": _LATE,
    "ENAS, late, all weights": _LATE | {"update": "all"},
    "ENAS, trained by chance": _LATE | {"train_uniformly": True},
    "ENAS": {},
    "ENAS, running statistics": {"eval_batch_stats": False},
    # As the preset `enas` has the controller for the macro space.
    "ENAS, slow": {
        "control_lr": 0.001, "adam_eps": 1e-3, "tanh_constant": 1.5, "baseline_decay": 0.99, "entropy_weight": 1e-4,
    },
    "example": {"schedule": "best-candidate", "val_iter": 30},  # an update an epoch, of rewards on as many images
}  # fmt: skip


def options_of(arm, seed, changes=()):
    """Dict of all options of one search."""
    return {**COMMON, **ARMS[arm], "seed": seed, **dict(changes)}
