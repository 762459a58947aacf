"""Relative differences."""

import numpy as np

# A tensor whose gradient vanishes in exact arithmetic (an offset before a batch normalization) holds only rounding errors.
SMALLEST_GRADIENT_SCALE = 0.1


def relative(ours, theirs, scale=None):
    """Largest |ours - theirs| over the largest |theirs|, or over `scale`; infinity if it is not finite."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = np.abs(ours - theirs).max() / (np.abs(theirs).max() if scale is None else scale)
    return float(difference) if np.isfinite(difference) else np.inf


def gradient_scales(gradients):
    """Dict of name -> what is large for this gradient: its largest value, but at least a tenth of the largest of all."""
    largest = {name: float(np.abs(array).max()) for name, array in gradients.items()}
    floor = SMALLEST_GRADIENT_SCALE * max(largest.values())
    return {name: max(value, floor) for name, value in largest.items()}
