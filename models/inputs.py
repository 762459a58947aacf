"""How the numbers of a mini-batch come from the host into the inputs of a graph."""

import math

import nnabla as nn
import nnabla.functions as F
import numpy as np

NARROWED = {np.dtype(wide): np.dtype(narrow) for wide, narrow in {bool: "uint8", "float64": "float32", "int64": "int32"}.items()}
PACKED_FROM = 4096  # elements from which a mask goes to a device as bits
BITS = 8


def put(variable, array):
    """Fill a Variable with an array of the host, in a type that a GPU takes (it has no bool) and in no more bytes than needed.

    Copies of more than 64 KB make the host wait for a GPU: a training step has no such inputs there.
    """
    variable.d = array.astype(NARROWED.get(array.dtype, array.dtype), copy=False)


def kept(shape):
    """A Variable that keeps its values in a forward pass that clears."""
    variable = nn.Variable(shape)
    variable.persistent = True
    return variable


class MaskInput:
    """A mask that the host fills: `value` is its Variable in the graph."""

    def __init__(self, shape):
        self.value = kept(shape)

    def put(self, mask):
        """Fill it with an array of zeros and one other number."""
        put(self.value, mask)


class PackedMaskInput:
    """The same for a device: one bit an element and the number are sent, 1/32 of the bytes, and the graph unpacks them."""

    def __init__(self, shape):
        count = math.prod(shape)
        self._bytes, self._number = kept((-(-count // BITS), 1)), kept((1,) * len(shape))
        bits = F.reshape(_bits(self._bytes), (self._bytes.shape[0] * BITS,))
        if bits.shape[0] > count:
            bits = F.slice(bits, (0,), (count,), (1,))
        self.value = F.mul2(F.reshape(bits, shape), self._number)

    def put(self, mask):
        """As `MaskInput.put`."""
        put(self._bytes, np.packbits(mask.ravel() != 0)[:, None])
        put(self._number, mask.max(keepdims=True, initial=0).reshape(self._number.shape))


def _bits(numbers):
    """(n, 8): the bits of numbers (n, 1) up to 255, the highest first; exact in half precision, too."""
    powers = kept((1, BITS))
    put(powers, np.float32(0.5) ** np.arange(BITS)[::-1])
    shifted = F.floor(F.mul2(numbers, powers))
    return F.sub2(shifted, F.mul_scalar(F.floor(F.mul_scalar(shifted, 0.5)), 2))


def mask_input(shape):
    """The input for a mask of `shape` that fits where NNabla computes."""
    on_device = not nn.get_current_context().backend[0].startswith("cpu")
    return (PackedMaskInput if on_device and math.prod(shape) >= PACKED_FROM else MaskInput)(shape)
