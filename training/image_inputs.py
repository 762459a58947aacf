"""How the images and labels of a mini-batch come into a graph: prepared on the host, or on a device that holds the data set.

Both take the same numbers from the same generator and give the same images, element for element.
"""

import nnabla as nn
import nnabla.functions as F
import numpy as np

from datasets.batches import draw_chance, plain_batch, training_batch
from models.inputs import put
from training.precision import full_precision

BLOCK = 5000  # images that are normalized at a time on their way to the device


class HostImages:
    """A `Split` in the host's memory: every mini-batch is prepared by NumPy and handed over."""

    def __init__(self, split, normalizer):
        self._split, self._normalizer = split, normalizer

    def inputs(self, batch_size, augmentation=None):
        """Inputs of a graph of `batch_size` images, varied as the `Augmentation` says, if there is one."""
        return _HostInputs(self._split, self._normalizer, batch_size, augmentation)


class _HostInputs:
    def __init__(self, split, normalizer, batch_size, augmentation):
        self._split, self._normalizer, self._augmentation = split, normalizer, augmentation
        self.images = _variable((batch_size, *split.images.shape[1:]))
        self.labels = _variable((batch_size, 1))

    def fill(self, indices, rng=None, part=slice(None)):
        """Put in the `part` of the mini-batch of `indices` (batch,); `rng` is what augmentation draws from."""
        if self._augmentation is None:
            images, labels = plain_batch(self._split, self._normalizer, indices[part])
        else:
            images, labels = training_batch(self._split, self._normalizer, indices, rng, self._augmentation, part)
        put(self.images, images)
        put(self.labels, labels[:, None])


class DeviceImages:
    """A `Split` in the device's memory, normalized; the graph gathers and augments, the host sends only which images and how.

    They are held in float32: NNabla's functions compute in floating point and keep a copy in it of whatever they read, so that
    8-bit images would only come on top.
    """

    def __init__(self, split, normalizer):
        normalized = np.empty(split.images.shape, np.float32)
        for first in range(0, len(split), BLOCK):
            normalized[first : first + BLOCK] = normalizer(split.images[first : first + BLOCK])
        self._images, self._labels = _variable(normalized.shape), _variable((len(split), 1))
        self._images.d, self._labels.d = normalized, split.labels[:, None]
        self._inputs = {}  # by what `inputs` is asked for: to make them takes a third of the time of making a small graph

    def inputs(self, batch_size, augmentation=None):
        """Inputs of a graph of `batch_size` images, varied as the `Augmentation` says, if there is one.

        Graphs share them: fill those of a graph each time before it computes.
        """
        key = batch_size, augmentation
        if key not in self._inputs:
            self._inputs[key] = self._new_inputs(*key)
        return self._inputs[key]

    @full_precision()
    def _new_inputs(self, batch_size, augmentation):
        indices = _variable((batch_size,))
        images, labels = F.gather(self._images, indices, axis=0), F.gather(self._labels, indices, axis=0)
        if augmentation is None:
            return _DeviceInputs(images, labels, indices)
        return _AugmentedInputs(images, labels, indices, augmentation)


class _DeviceInputs:
    def __init__(self, images, labels, indices):
        self.images, self.labels, self._indices = images, labels, indices

    def fill(self, indices, rng=None, part=slice(None)):
        """As `_HostInputs.fill`."""
        put(self._indices, indices[part])


class _AugmentedInputs(_DeviceInputs):
    """Crops and mirror images are gathered out of the padded images, row by row and then column by column."""

    def __init__(self, images, labels, indices, augmentation):
        batch_size, _, height, width = images.shape
        self._augmentation, self._size = augmentation, (height, width)
        self._rows, self._columns = _variable((batch_size, height)), _variable((batch_size, width))
        self._cut, self._turn = (), None
        if augmentation.angle:
            self._turn = _variable((batch_size, 2, 3))
            grid = F.affine_grid(self._turn, (height, width), align_corners=True)
            images = F.warp_by_grid(images, grid, padding_mode="repeat", align_corners=True)
        images = F.pad(images, (augmentation.pad,) * 4)
        images = F.gather(images, self._rows, axis=2, batch_dims=1)
        images = F.gather(images, self._columns, axis=3, batch_dims=1)
        if augmentation.cutout:
            self._cut = _variable((batch_size, 1, height, 1)), _variable((batch_size, 1, 1, width))
            images = images * (1 - F.mul2(*self._cut))
        super().__init__(images, labels, indices)

    def fill(self, indices, rng=None, part=slice(None)):
        super().fill(indices, rng, part)
        height, width = self._size
        chance = draw_chance(rng, len(indices), self._size, self._augmentation, part)
        if self._turn is not None:
            put(self._turn, _rotations(chance.angle, height, width))
        columns = np.where(chance.mirrored[:, None], np.arange(width)[::-1], np.arange(width))
        put(self._rows, chance.top[:, None] + np.arange(height))
        put(self._columns, chance.left[:, None] + columns)
        for variable, covered in zip(self._cut, chance.cut, strict=True):
            put(variable, covered.reshape(variable.shape))


def _rotations(angles, height, width):
    """(images, 2, 3): what `affine_grid` takes for `datasets.batches.rotated`; its coordinates are -1 to 1 along each axis."""
    sine, cosine, zero = np.sin(angles), np.cos(angles), np.zeros(len(angles))
    stretch = (width - 1) / max(height - 1, 1)
    rows = [[cosine, -sine / stretch, zero], [sine * stretch, cosine, zero]]
    return np.moveaxis(np.array(rows), 2, 0)


def held_images(split, normalizer, on_device=None):
    """`DeviceImages` if `on_device`, by default where NNabla computes on a GPU, else `HostImages`."""
    if on_device is None:
        on_device = not nn.get_current_context().backend[0].startswith("cpu")
    return (DeviceImages if on_device else HostImages)(split, normalizer)


def _variable(shape):
    variable = nn.Variable(shape)
    variable.persistent = True
    return variable
