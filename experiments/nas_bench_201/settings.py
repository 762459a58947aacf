"""Sizes and arms of the searches. Chosen before any truth was read, but for what RESULTS.md names."""

JOB = "nas_bench_201_search"

# The network is the benchmark's with one cell in a stage instead of five, on images of 16 x 16 pixels, not 32 x 32: an epoch
# takes half a minute of one core, and shared weights need tens of thousands of mini-batches before they rank (see frozen.py).
COMMON = {
    "space": "nas_bench_201", "preset": "none", "cells": 1, "filters": 16,
    "image_size": 16, "train_size": 40_000, "validation_size": 2000, "batch_size": 64,
    "max_search_iter": 12, "epoch_per_search": 1, "schedule": "alternating", "update": "used",
    # Weights: as the benchmark trains its supernets, the restarts left out (one cosine).
    "lr_schedule": "cosine", "child_lr": 0.05, "child_lr_min": 0.0005, "weight_decay": 2.5e-4, "clip": 5.0,
    # Controller and rewards: as the preset `enas` has them for the macro space.
    "controller": "lstm", "lstm_size": 64, "lstm_layers": 1, "temperature": None, "tanh_constant": 1.5,
    "control_lr": 0.001, "adam_eps": 1e-3, "baseline_decay": 0.99, "entropy_weight": 1e-4,
    "controller_start": 0, "controller_steps": 20, "num_candidate": 10, "val_iter": 1, "num_derive": 10,
    "eval_batch_stats": True, "train_uniformly": False,
    "select_strategy": "last", "max_parameters": None, "max_macs": None, "early_stop_over": 1.0,
    # Measuring alone: 100 fixed cells on 128 images in some iterations, 500 in the last one.
    "rank_every": 4, "rank_cells": 100, "rank_cells_at_end": 500, "rank_batches": 2,
}  # fmt: skip
_FAST = {"control_lr": 0.03, "baseline_decay": 0.9, "tanh_constant": 2.5}  # as `preset short` has it, with a wider range
ARMS = {
    "random": {"controller": "random", "num_derive": 22},  # judges as many images as ENAS with its 200 rewards of 64 images
    "ENAS": {},
    "ENAS, running statistics": {"eval_batch_stats": False},
    "ENAS, fast controller": _FAST,
    "ENAS, late": _FAST | {"controller_start": 8, "controller_steps": 60},
    "ENAS, trained by chance": _FAST | {"controller_start": 8, "controller_steps": 60, "train_uniformly": True},
    "example": {"schedule": "best-candidate", "num_candidate": 10, "val_iter": 3},
}


def options_of(arm, seed, changes=()):
    """Dict of all options of one search."""
    return {**COMMON, **ARMS[arm], "seed": seed, **dict(changes)}
