"""Randomness that needs no memory."""

import zlib

import numpy as np


def generator(seed, purpose, *position):
    """The random generator of one purpose at one position, for example ("augmentation", epoch, step).

    It depends on its arguments alone: a run that continues draws what it would have drawn.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *position])
