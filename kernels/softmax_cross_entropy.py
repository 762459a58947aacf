"""The output layer of a language model on the CPU by NumPy's BLAS: product, softmax and cross-entropy in one function.

NNabla's own three functions take most of a training step there, for they run without AVX and write the logits, ten thousand
per word, four times. This one writes them once and computes the same values and gradients. In training oneDNN may multiply in
bfloat16; the softmax and all sums are float32.
"""

import numpy as np

from kernels.cpu_function import CpuFunction, give_gradient, gradient, new_values, values

ROWS = 512  # in one product: enough for BLAS, and small beside the logits of a mini-batch


class SoftmaxCrossEntropy(CpuFunction):
    """Inputs hidden (..., size), weight (words, size), labels (..., 1); output (..., 1): -log softmax(hidden weight')[label].

    `training`: keep the exponentials for a backward pass that is to follow; otherwise it computes them anew.
    `multiply`: what computes the matrix products, called as `numpy.matmul`.
    """

    def __init__(self, training, multiply=np.matmul):
        self._training, self._multiply, self._kept = training, multiply, []

    def grad_depends_input_data(self, i, j):
        return True

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[2].shape, True)

    def forward_impl(self, inputs, outputs):
        hidden, weight, labels = _arrays(inputs)
        self._kept.clear()
        losses = np.empty(len(hidden), np.float32)
        for rows in _chunks(len(hidden)):
            *kept, losses[rows] = self._softmax(hidden[rows], weight, labels[rows])
            if self._training:
                self._kept.append(kept)
        new_values(outputs[0])[...] = losses.reshape(outputs[0].shape)

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        hidden, weight, labels = _arrays(inputs)
        upstream = gradient(outputs[0]).reshape(-1, 1)
        to_hidden, to_weight, of_rows = np.empty_like(hidden), np.zeros_like(weight), np.empty_like(weight)
        for rows in _chunks(len(hidden)):
            kept = self._kept.pop(0) if self._kept else self._softmax(hidden[rows], weight, labels[rows])
            to_logits, totals = kept[:2]
            to_logits[np.arange(len(to_logits)), labels[rows]] -= totals
            scale = upstream[rows] / totals[:, None]  # on what is narrow, for the logits are ten thousand wide
            self._multiply(to_logits, weight, out=to_hidden[rows])
            to_hidden[rows] *= scale
            to_weight += self._multiply(to_logits.T, hidden[rows] * scale, out=of_rows)
        for variable, wanted, add, value in zip(inputs, propagate_down, accum, (to_hidden, to_weight), strict=False):
            if wanted:
                give_gradient(variable, add, value)

    def _softmax(self, hidden, weight, labels):
        """Exponentials (rows, words) of the logits, their sums (rows,), and -log of the labels' probabilities (rows,)."""
        logits = self._multiply(hidden, weight.T, out=np.empty((len(hidden), len(weight)), np.float32))
        logits -= logits.max(axis=1, keepdims=True)
        of_labels = logits[np.arange(len(labels)), labels]
        np.exp(logits, out=logits)
        totals = logits.sum(axis=1)
        return logits, totals, np.log(totals) - of_labels



def _arrays(inputs):
    hidden, weight, labels = map(values, inputs)
    return hidden.reshape(-1, weight.shape[1]), weight, labels.ravel().astype(np.int64)


def _chunks(count):
    return [slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS)]
