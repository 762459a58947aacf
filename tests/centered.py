"""Batch normalization that loses less to rounding, for comparisons at 1e-4.

NNabla's CPU kernel takes the variance as the mean of x^2 less the square of the mean, summed in float32 one by one: with a mean
of ten standard deviations that is wrong by 5e-4, and a deep network multiplies such errors. Taking the mean away first changes
nothing in exact arithmetic. Training does not need it (and oneDNN's kernel has no such flaw), so the networks do without.
"""

import contextlib
from unittest import mock

import nnabla.functions as F


@contextlib.contextmanager
def centered_batch_normalization():
    """Graphs built in the block take the mean away before each batch normalization; their running means stay at zero."""
    original = F.batch_normalization

    def centered(x, *parameters, batch_stat=True, **options):
        if batch_stat:
            mean = F.mean(x, axis=(0, 2, 3), keepdims=True)
            mean.need_grad = False  # in exact arithmetic the gradient of batch normalization sums to zero
            x = x - mean
        return original(x, *parameters, batch_stat=batch_stat, **options)

    with mock.patch.object(F, "batch_normalization", centered):
        yield
