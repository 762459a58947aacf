"""What the Python functions of the CPU kernels share: NNabla's memory without a copy, and answers to what NNabla asks.

Memory is reached by its address, for `Variable.d` looks a module up at every call.
"""

import ctypes
import math

import nnabla_ext.cpu
import numpy as np
from nnabla.function import PythonFunction

CPU = nnabla_ext.cpu.context()
FLOAT32 = np.dtype(np.float32)
FLOAT_SIZE = FLOAT32.itemsize


class CpuFunction(PythonFunction):
    """One output; its gradients need no values unless a function says so."""

    library = "NumPy"  # whose kernels compute it
    ctx = CPU  # NNabla asks at every call; its own property looks the context up anew

    def __init__(self):
        """Nothing of the parent's: it would only store the context."""

    @property
    def name(self):
        return f"{self.library}{type(self).__name__}"

    def min_outputs(self):
        return 1

    def grad_depends_output_data(self, i, o):
        return False

    def grad_depends_input_data(self, i, j):
        return False


def to_read(array):
    """Address of the float32 values of an `NdArray`."""
    return array.data_ptr(FLOAT32, CPU)


def to_write(array):
    """Address of an `NdArray` all of which is about to be overwritten."""
    return array.data_ptr(FLOAT32, CPU, True)


def view(pointer, shape):
    """A NumPy view of the float32 memory at an address."""
    return np.frombuffer((ctypes.c_float * math.prod(shape)).from_address(pointer), np.float32).reshape(shape)


def values(variable):
    """A view of the values of a `Variable`."""
    return view(to_read(variable.data), variable.shape)


def new_values(variable):
    """The same, all about to be overwritten."""
    return view(to_write(variable.data), variable.shape)


def gradient(variable):
    """A view of the gradient that is there."""
    return view(to_read(variable.grad), variable.shape)


def give_gradient(variable, add, value):
    """Write a gradient, or add it to the one that is there; `value` has as many elements as the variable."""
    value = value.reshape(variable.shape)
    if add:
        gradient(variable)[...] += value
    else:
        view(to_write(variable.grad), variable.shape)[...] = value
