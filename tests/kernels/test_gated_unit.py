import numpy as np
import pytest

from tests.kernels.comparison import compare

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
def test_large_numbers_saturate_without_overflow(activation):
    with np.errstate(over="raise"):
        compare("NHWC", unit(activation), arrays((BATCH, SIZE), (BATCH, SIZE), (SIZE, 2 * SIZE), scale=100.0), images=0)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("shape", [(1, SIZE), (BATCH, SIZE), (4, BATCH, SIZE)])
def test_a_product_is_nnablas_affine(shape, twice):
    compare("NHWC", lambda kernels, x, weight: kernels.product(x, weight), arrays(shape, (SIZE, 7)), images=0, twice=twice)


@pytest.mark.parametrize("need_grad", [[False, True], [True, False]])
def test_a_product_gives_only_wanted_gradients(need_grad):
    inputs = arrays((2, 3, SIZE), (SIZE, 7))
    compare("NHWC", lambda kernels, x, weight: kernels.product(x, weight), inputs, images=0, need_grad=need_grad)
