import warnings

import nnabla as nn
import numpy as np
import pytest

from kernels.nnabla_functions import NNablaKernels
from tests.kernels.comparison import compare, onednn

SIZE, BATCH = 5, 3


def arrays(*shapes, scale=1.0):
    rng = np.random.default_rng(0)
    return [scale * rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def unit(activation):
    return lambda kernels, previous, x, weight, *shift: kernels.gated_unit(previous, x, weight, activation, *shift)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("shift", [[], [(BATCH, 2 * SIZE)]])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity"])
def test_a_gated_unit_is_nnablas_functions(activation, shift, twice):
    compare("NHWC", unit(activation), arrays((BATCH, SIZE), (BATCH, SIZE), (SIZE, 2 * SIZE), *shift), images=0, twice=twice)


@pytest.mark.parametrize("need_grad", [[False, True, True], [True, False, True], [True, True, False]])
def test_gradients_go_where_they_are_wanted(need_grad):
    shapes = (BATCH, SIZE), (BATCH, SIZE), (SIZE, 2 * SIZE)
    compare("NHWC", unit("sigmoid"), arrays(*shapes), images=0, need_grad=need_grad)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_large_numbers_saturate(activation):
    compare("NHWC", unit(activation), arrays((BATCH, SIZE), (BATCH, SIZE), (SIZE, 2 * SIZE), scale=100.0), images=0)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_row_and_warns_of_nothing(bad):
    layers, variables = onednn(), [nn.Variable.from_numpy_array(a, need_grad=True) for a in arrays((2, 3), (2, 3), (3, 6))]
    variables[1].d[0, 0] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = layers.gated_unit(*variables, "relu")
        y.forward()
        y.backward()
    assert np.isnan(y.d[0]).any() == np.isnan(bad) and np.isfinite(y.d[1]).all()


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("shape", [(1, SIZE), (BATCH, SIZE), (4, BATCH, SIZE)])
def test_a_product_is_nnablas_affine(shape, twice):
    compare("NHWC", lambda kernels, x, weight: kernels.product(x, weight), arrays(shape, (SIZE, 7)), images=0, twice=twice)


@pytest.mark.parametrize("need_grad", [[False, True], [True, False]])
def test_a_product_gives_only_wanted_gradients(need_grad):
    inputs = arrays((2, 3, SIZE), (SIZE, 7))
    compare("NHWC", lambda kernels, x, weight: kernels.product(x, weight), inputs, images=0, need_grad=need_grad)


def normalized_unit(activation, output=0, eps=1.0):
    return lambda kernels, *inputs: kernels.normalized_unit(*inputs[:3], activation, *inputs[3:5], eps, *inputs[5:])[output]


NORMALIZED = (BATCH, SIZE), (BATCH, SIZE), (SIZE, 2 * SIZE), (1, 2 * SIZE), (1, 2 * SIZE)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("shift", [[], [(BATCH, 2 * SIZE)]])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity"])
def test_a_normalized_unit_is_nnablas_functions(activation, shift, twice):
    compare("NHWC", normalized_unit(activation, eps=0.1), arrays(*NORMALIZED, *shift), images=0, twice=twice)


@pytest.mark.parametrize("wanted", range(5))
def test_gradients_of_a_normalized_unit_go_where_they_are_wanted(wanted):
    need_grad = [number == wanted for number in range(5)]
    compare("NHWC", normalized_unit("relu"), arrays(*NORMALIZED), images=0, need_grad=need_grad)


@pytest.mark.parametrize("kernels", ["onednn", "nnabla"])
def test_a_normalized_unit_equals_numpy(kernels):
    """Its output and the moments of the rows, whose variance is biased; eps is added to the variance."""
    previous, x, weight, gamma, beta, shift = inputs = arrays(*NORMALIZED, (BATCH, 2 * SIZE))
    kernels = onednn() if kernels == "onednn" else NNablaKernels()
    outputs = kernels.normalized_unit(
        *map(nn.Variable.from_numpy_array, inputs[:3]), "tanh", *map(nn.Variable.from_numpy_array, inputs[3:5]), 1.0,
        nn.Variable.from_numpy_array(shift),
    )  # fmt: skip
    nn.forward_all(outputs)
    product = x @ weight + shift
    mean, variance = product.mean(axis=0), product.var(axis=0)
    h, t = np.split((product - mean) / np.sqrt(variance + 1) * gamma + beta, 2, axis=1)
    expected = previous + (np.tanh(h) - previous) / (1 + np.exp(-t)), mean[None], variance[None]
    for found, array in zip(outputs, expected, strict=True):
        assert found.shape == array.shape
        np.testing.assert_allclose(found.d, array, rtol=2e-5, atol=1e-6)
