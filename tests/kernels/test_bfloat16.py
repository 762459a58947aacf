"""Products in bfloat16, of dense convolutions and of a language model's output layer: against those of rounded numbers."""

import nnabla as nn
import numpy as np
import pytest

import kernels
from errors import UserError
from kernels import softmax_cross_entropy
from kernels.nnabla_functions import NNablaKernels
from tests.kernels.comparison import onednn, relative_error

LAYOUTS = ("NHWC", "NCHW")


@pytest.fixture
def bfloat16():
    """Gives `make(layout)`; afterwards all is as before."""

    def make(layout="NHWC"):
        lines = []
        result = kernels.choose("onednn", 1, layout=layout, log=lines.append, precision="bfloat16")
        if "bfloat16" not in result.description:
            assert len(lines) == 1 and ("bfloat16" in lines[0] or "oneDNN" in lines[0])
            pytest.skip("this processor does not multiply in bfloat16")
        return result

    yield make
    kernels.choose("onednn", 1, log=lambda line: None)


def rounded(x):
    """To the nearest bfloat16, to the even one of two that are as near: the upper half of a float's bits."""
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + (bits >> 16 & 1)
    return (bits >> 16 << 16).astype(np.uint32).view(np.float32)


def convolved(each, x, w, dy, stride, pad):
    """Values and both gradients, in NCHW."""
    x, w = (nn.Variable.from_numpy_array(a).apply(need_grad=True) for a in (x, w))
    y = each.to_nchw(each.convolution(each.from_nchw(x), w, stride, pad))
    y.forward()
    x.g, w.g = 0, 0
    y.backward(dy)
    return y.d.copy(), x.g.copy(), w.g.copy()


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape, np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels, filters, kernel, size, stride", [
    (3, 32, 3, 8, 1), (28, 28, 3, 16, 1), (36, 18, 5, 8, 1), (16, 32, 3, 9, 2), (28, 28, 1, 8, 1), (7, 5, 3, 6, 1),
])  # fmt: skip
def test_products_of_rounded_numbers(bfloat16, layout, channels, filters, kernel, size, stride):
    x, w = normal(4, channels, size, size), normal(filters, channels, kernel, kernel, seed=1)
    dy = normal(4, filters, -(-size // stride), -(-size // stride), seed=2)
    how = ((stride, stride), (kernel // 2, kernel // 2))
    found = convolved(bfloat16(layout), x, w, dy, *how)
    exact = convolved(NNablaKernels(), x, w, dy, *how)
    expected = list(convolved(NNablaKernels(), rounded(x), rounded(w), rounded(dy), *how))
    if kernel == 1 and layout == "NHWC":
        expected[2] = exact[2]  # a product of matrices, in float
    for name, *arrays in zip(("value", "data gradient", "weight gradient"), found, expected, strict=True):
        assert relative_error(*arrays) < 1e-5, name
    assert 1e-4 < relative_error(found[0], exact[0]) < 1e-2, "as coarse as bfloat16, and no coarser"


@pytest.mark.parametrize("rows", [512, 5])
def test_the_output_layer_multiplies_rounded_numbers(bfloat16, monkeypatch, rows):
    monkeypatch.setattr(softmax_cross_entropy, "ROWS", rows)
    hidden, weight, labels = normal(12, 8), normal(40, 8, seed=1), np.arange(12).reshape(12, 1) * 3
    upstream = 0.01 + np.random.default_rng(2).random((12, 1), np.float32)

    def found(training):
        inputs = [nn.Variable.from_numpy_array(a).apply(need_grad=True) for a in (hidden, weight)]
        loss = bfloat16().softmax_cross_entropy(*inputs, nn.Variable.from_numpy_array(labels), training)
        loss.forward()
        for variable in inputs:
            variable.g = 0
        loss.backward(upstream)
        return [loss.d.copy(), *(variable.g.copy() for variable in inputs)]

    def expected(rounded):
        logits = rounded(hidden) @ rounded(weight).T
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        totals = exponentials.sum(axis=1, keepdims=True)
        losses = np.log(totals / np.take_along_axis(exponentials, labels, 1))
        to_logits = exponentials - totals * (np.arange(40) == labels)
        scale = upstream / totals
        to_weight = sum(rounded(to_logits[i : i + rows]).T @ rounded((hidden * scale)[i : i + rows]) for i in range(0, 12, rows))
        return losses, rounded(to_logits) @ rounded(weight) * scale, to_weight

    for one, other, bound in zip(found(training=True), expected(rounded), (1e-5, 1e-3, 1e-3), strict=True):
        assert relative_error(one, other) < bound  # of the gradients not as low, for what differs in a bit may be rounded apart
    for one, other in zip(found(training=False), expected(lambda x: x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert relative_error(found(training=True)[0], found(training=False)[0]) > 1e-4


def test_a_product_that_onednn_refuses_is_numpys(bfloat16, monkeypatch):
    bfloat16()
    from kernels import onednn_binding, onednn_composed

    def refuse(*_):
        raise onednn_binding.RefusedError("no implementation")

    monkeypatch.setattr(onednn_binding, "product", refuse)
    a, b, out = normal(3, 4), normal(4, 5), np.empty((3, 5), np.float32)
    assert onednn_composed.rounded_product(a, b, out) is out
    np.testing.assert_array_equal(out, a @ b)


def test_depthwise_convolutions_stay_in_float(bfloat16):
    x, w = normal(2, 16, 8, 8), normal(16, 1, 3, 3)

    def depthwise(each):
        y = each.to_nchw(each.convolution(each.from_nchw(nn.Variable.from_numpy_array(x)), nn.Variable.from_numpy_array(w),
                                          pad=(1, 1), group=16))  # fmt: skip
        y.forward()
        return y.d.copy()

    assert relative_error(depthwise(bfloat16()), depthwise(NNablaKernels())) < 1e-5


def test_kernels_in_float_afterwards_are_in_float(bfloat16):
    x, w, dy = normal(2, 16, 8, 8), normal(16, 16, 3, 3), normal(2, 16, 8, 8)
    how = (x, w, dy, (1, 1), (1, 1))
    expected = convolved(NNablaKernels(), *how)[0]
    assert relative_error(convolved(bfloat16(), *how)[0], expected) > 1e-4
    assert relative_error(convolved(onednn(), *how)[0], expected) < 1e-5


def test_not_finite_spreads(bfloat16):
    x, w, dy = normal(2, 16, 8, 8), normal(16, 16, 3, 3), normal(2, 16, 8, 8)
    x[0, 0, 3, 3] = np.nan
    with np.errstate(invalid="ignore"):
        found, expected = (convolved(each, x, w, dy, (1, 1), (1, 1))[0] for each in (bfloat16(), NNablaKernels()))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_where_the_processor_has_none(monkeypatch):
    onednn()
    from kernels import onednn_binding

    lines = []
    monkeypatch.setattr(onednn_binding, "HAS_BFLOAT16", False)
    result = kernels.choose("onednn", 1, log=lines.append, precision="bfloat16")
    assert "bfloat16" not in result.description and onednn_binding._precision == "float"
    assert lines == ["kernels: products in float, because this processor does not multiply in bfloat16"]


def test_unknown_precision():
    with pytest.raises(UserError, match="unknown precision 'double': choose one of float, bfloat16"):
        kernels.choose(precision="double")
