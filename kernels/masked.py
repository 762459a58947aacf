"""Dropout of language models on the CPU by NumPy: NNabla's product takes as long as the matrix products around it."""

import numpy as np

from kernels.cpu_function import CpuFunction, gradient, new_values, to_write, values, view


class Masked(CpuFunction):
    """Inputs x, mask (of its shape or one that spreads to it, without gradient); output x times mask."""

    def grad_depends_input_data(self, i, j):
        return j == 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        np.multiply(values(inputs[0]), values(inputs[1]), out=new_values(outputs[0]))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[1]:
            raise ValueError("a mask has no gradient")
        if not propagate_down[0]:
            return
        dy, mask = gradient(outputs[0]), values(inputs[1])
        if accum[0]:
            gradient(inputs[0])[...] += dy * mask
        else:
            np.multiply(dy, mask, out=view(to_write(inputs[0].grad), inputs[0].shape))
