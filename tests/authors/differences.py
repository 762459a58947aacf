"""Relative differences."""

import numpy as np

# A tensor whose gradient vanishes in exact arithmetic (an offset before a batch normalization) holds only rounding errors.
SMALLEST_GRADIENT_SCALE = 0.1


def relative(ours, theirs, scale=None):
    """Largest |ours - theirs| over the largest |theirs|, or over `scale`; infinity if it is not finite."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = np.abs(ours - theirs).max() / (np.abs(theirs).max() if scale is None else scale)
    return float(difference) if np.isfinite(difference) else np.inf


def gradients(ours, theirs):
    """Two dicts of the same names -> (largest relative difference, distance as a Euclidean norm).

    The scale of a tensor is its largest value, but at least a tenth of the largest of all.
    """
    largest = {name: np.abs(array).max() for name, array in theirs.items()}
    floor = SMALLEST_GRADIENT_SCALE * max(largest.values())
    worst = max(relative(ours[name], theirs[name], max(largest[name], floor)) for name in theirs)
    return worst, float(np.sqrt(sum(np.square(ours[name] - theirs[name], dtype=np.float64).sum() for name in theirs)))
