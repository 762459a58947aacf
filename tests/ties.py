"""ReLU inputs that are zero up to rounding: which side two programs put them on is chance, and one flip moves every gradient below.

`resolve` finds such elements in our graph and takes, one by one, the side on which our gradients agree with the reference.
"""

import contextlib
from unittest import mock

import nnabla as nn
import nnabla.functions as F
import numpy as np

from models import layers

ROUNDING = 3e-5  # of a tensor's standard deviation
MOST = 200  # elements looked at, the closest to zero first


class Ties:
    """Stands between every ReLU of the graphs built inside `watch()` and its input."""

    def __init__(self):
        self._inputs = []  # (input, shift): shift is zero but where an element is moved to the other side

    @contextlib.contextmanager
    def watch(self):
        with mock.patch.object(layers, "relu", self._relu):
            yield

    def _relu(self, x):
        shift = nn.Variable(x.shape)
        shift.d = 0
        x.persistent = shift.persistent = True
        self._inputs.append((x, shift))
        return F.relu(x + shift)

    def resolve(self, error, good_enough):
        """Flip elements as long as that brings the gradients closer.

        `error()` runs the graph and returns (difference that counts, distance). Returns (elements flipped, difference left).
        """
        (difference, least), flipped = error(), 0
        for shift, index, value in self._close_to_zero():
            if difference <= good_enough:
                break
            before = shift.d[index]
            shift.d[index] = -2 * value
            new_difference, distance = error()
            if distance < least:
                difference, least, flipped = new_difference, distance, flipped + 1
            else:
                shift.d[index] = before
        return flipped, difference

    def _close_to_zero(self):
        found = []
        for x, shift in self._inputs:
            distance = np.abs(x.d) / (x.d.std() + 1e-30)
            for index in np.argwhere(distance < ROUNDING):
                found.append((distance[tuple(index)], len(found), shift, tuple(index), x.d[tuple(index)]))
        return [item[2:] for item in sorted(found, key=lambda item: item[:2])[:MOST]]
