import numpy as np
import pytest

from tests.kernels.comparison import compare

SHAPE = (4, 3, 5)


def masked(kernels, x, mask):
    return kernels.masked(x, mask)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("mask", [(4, 3, 5), (1, 3, 5), (4, 3, 1)])
def test_it_is_nnablas_product(mask, twice):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(SHAPE).astype(np.float32), (rng.random(mask) > 0.5).astype(np.float32) / 0.5]
    compare("NHWC", masked, arrays, images=0, need_grad=[True, False], twice=twice)
