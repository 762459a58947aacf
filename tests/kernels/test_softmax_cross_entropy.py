import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from kernels import softmax_cross_entropy
from kernels.nnabla_functions import NNablaKernels
from kernels.softmax_cross_entropy import SoftmaxCrossEntropy

CLASSES, SIZE = 11, 5


def nnablas_own(hidden, weight, labels):
    return NNablaKernels().softmax_cross_entropy(hidden, weight, labels, training=True)


def gradients(function, scale=1.0, other_uses=False):
    """Loss per row and the gradients of hidden (3, 7, size) and weight, with unequal weights of the rows."""
    rng = np.random.default_rng(0)
    hidden = nn.Variable.from_numpy_array(scale * rng.normal(size=(3, 7, SIZE)), need_grad=True)
    weight = nn.Variable.from_numpy_array(rng.normal(size=(CLASSES, SIZE)), need_grad=True)
    labels = nn.Variable.from_numpy_array(rng.integers(CLASSES, size=(3, 7, 1)))
    row_weights = nn.Variable.from_numpy_array(rng.normal(size=(3, 7, 1)))
    for variable in (hidden, weight):
        variable.grad.zero()
    losses = function(hidden, weight, labels)
    total = F.sum(losses * row_weights)
    if other_uses:
        total = F.sum(F.tanh(hidden)) + F.sum(weight**2) + total
    losses.persistent = True
    total.forward(clear_no_need_grad=True)
    total.backward(clear_buffer=True)
    return losses.d.copy(), hidden.g.copy(), weight.g.copy()


@pytest.mark.parametrize("other_uses", [False, True])
@pytest.mark.parametrize("rows", [1, 4, 21, 512])
@pytest.mark.parametrize("training", [False, True])
def test_equals_nnablas_functions(monkeypatch, training, rows, other_uses):
    monkeypatch.setattr(softmax_cross_entropy, "ROWS", rows)
    ours = gradients(SoftmaxCrossEntropy(training), other_uses=other_uses)
    for one, other in zip(ours, gradients(nnablas_own, other_uses=other_uses), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-6)


def test_large_logits_do_not_overflow():
    ours, theirs = gradients(SoftmaxCrossEntropy(True), scale=300.0), gradients(nnablas_own, scale=300.0)
    assert ours[0].max() > 500
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_exponentials_are_freed_by_the_backward_pass():
    function = SoftmaxCrossEntropy(True)
    hidden, weight, labels = nn.Variable((2, 3, 4), need_grad=True), nn.Variable((5, 4), need_grad=True), nn.Variable((2, 3, 1))
    for variable in (hidden, weight, labels):
        variable.d = 0
    loss = F.sum(function(hidden, weight, labels))
    loss.forward()
    assert [[part.shape for part in kept] for kept in function._kept] == [[(6, 5), (6,)]]
    loss.backward()
    assert function._kept == []
