"""NNabla's memory as NumPy arrays, without a copy and without the module that `Variable.d` looks for at every call."""

import ctypes
import math

import nnabla_ext.cpu
import numpy as np

CPU = nnabla_ext.cpu.context()
FLOAT32 = np.dtype(np.float32)


def view(pointer, shape):
    """A NumPy view of float32 memory."""
    count = math.prod(shape)
    return np.frombuffer((ctypes.c_float * count).from_address(pointer), np.float32).reshape(shape)


def values(variable):
    """Of a variable that a function gets as an input."""
    return view(variable.data.data_ptr(FLOAT32, CPU), variable.shape)


def new_values(variable):
    """The same, all about to be overwritten."""
    return view(variable.data.data_ptr(FLOAT32, CPU, True), variable.shape)


def gradient(variable):
    """Of a variable whose gradient is there."""
    return view(variable.grad.data_ptr(FLOAT32, CPU), variable.shape)


def give_gradient(variable, add, value):
    """Write a gradient, or add it to the one that is there; `value` has as many elements as the variable."""
    value = value.reshape(variable.shape)
    if add:
        gradient(variable)[...] += value
    else:
        view(variable.grad.data_ptr(FLOAT32, CPU, True), variable.shape)[...] = value
