"""Training the first convolution of an image network in coordinates in which the patches that it reads are white.

Neighboring pixels are nearly equal: of the 27 numbers of a 3x3 patch one direction has ten thousand times the variance of
another, and gradient descent learns along the first alone. A weight matrix w = v e over patches, where e whitens them, learns
along all when v is trained. That is the same as training w with gradients times e'e, which is what happens here: the network and
its files stay as they are. Whitening the input of the first layer: Page, "How to train your ResNet" (2019), part 8; Jordan,
arXiv:2404.00498, section 3.2, whose bound on small variances this is.
"""

import nnabla as nn
import nnabla.functions as F
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

STEM = "stem/W"  # full name of the weight (filters, channels, height, width)
IMAGES = 2000  # about so many, spread over all, give the patches
LEAST_VARIANCE = 5e-4  # added to all


class StemWhitening:
    """Of the weight `STEM` for a training `Split` whose images a `Normalizer` normalizes."""

    def __init__(self, split, normalizer):
        self._split, self._normalizer = split, normalizer
        self._whitener = None  # (n, n) for n numbers in a patch, made when its size is known

    def initialize(self, weight):
        """Give the new Variable the whitened form of the values that it has."""
        self._prepare(weight.shape[2:])
        weight.d = (weight.d.reshape(len(weight.d), -1) @ self._whitener).reshape(weight.shape)

    def precondition(self, weight):
        """Multiply the gradient of the Variable."""
        self._prepare(weight.shape[2:])
        gradient = F.reshape(weight.grad, (weight.shape[0], len(self._whitener)), inplace=False)
        changed = F.reshape(F.affine(gradient, self._metric), weight.shape, inplace=False)
        weight.grad.copy_from(changed, use_current_context=False)

    def _prepare(self, window):
        if self._whitener is None:
            some = self._split.images[:: -(-len(self._split) // IMAGES)]
            self._whitener = whitener(self._normalizer(some), window)
            self._metric = nn.NdArray.from_numpy_array(self._whitener.T @ self._whitener)


def whitener(images, window):
    """(n, n) float32: times the patches (n,) of `images` (number, channels, height, width) as large as `window` it is white.

    Their second moments, not their variances: a convolution sees the mean, too. `LEAST_VARIANCE` is added to all of them.
    """
    patches = sliding_window_view(images, window, axis=(2, 3))[:, :, :: window[0], :: window[1]]
    patches = np.moveaxis(patches, 1, 3).reshape(-1, images.shape[1] * window[0] * window[1]).astype(np.float64)
    moments, directions = np.linalg.eigh(patches.T @ patches / len(patches))
    return (directions.T / np.sqrt(np.maximum(moments, 0) + LEAST_VARIANCE)[:, None]).astype(np.float32)
