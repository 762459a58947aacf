"""Every operation by oneDNN against NNabla's own: values and all gradients."""

import itertools

import nnabla as nn
import numpy as np
import pytest

from kernels.nnabla_functions import NNablaKernels
from tests.kernels.comparison import compare, onednn, relative_error, run

LAYOUTS = ("NHWC", "NCHW")
CHANNELS = (3, 8, 36)  # odd; full vectors of 8; of 4


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape, np.float32)


@pytest.mark.parametrize("size", [7, 8, 16])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_convolution(layout, kernel, size):
    middle = kernel // 2
    pads = ((middle, middle), ((0, middle), (middle, 0)), (0, 0))
    for channels, stride, pad, depthwise, twice in itertools.product(CHANNELS, (1, 2), pads, (False, True), (False, True)):
        group = channels if depthwise else 1
        arrays = [normal(2, channels, size, size), normal(channels, channels // group, kernel, kernel)]
        compare(layout, lambda k, x, w: k.convolution(x, w, (stride, stride), pad, group), arrays, twice=twice)  # noqa: B023


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "x, w, stride, pad, group",
    [
        ((1, 4, 8, 8), (8, 4, 3, 3), (1, 1), (1, 1), 1),  # batch of one
        ((1, 6, 6, 6), (6, 1, 5, 5), (1, 1), (2, 2), 6),
        ((3, 6, 5, 9), (4, 6, 3, 5), (2, 1), (1, 2), 1),  # neither square image nor square kernel
        ((2, 6, 7, 7), (12, 1, 3, 3), (1, 1), (1, 1), 6),  # two outputs per group
        ((2, 6, 7, 7), (4, 3, 3, 3), (1, 1), (1, 1), 2),  # groups of three
        ((2, 8, 4, 4), (16, 8, 4, 4), (1, 1), (0, 0), 1),  # the whole map
        ((2, 3, 4, 4), (5, 3, 1, 1), (1, 1), (2, 2), 1),  # nothing but padding at the border
        ((2, 4, 6, 6), (4, 1, 3, 3), (1, 1), (3, 3), 4),  # padding beyond the kernel's reach
        ((2, 4, 6, 8), (4, 1, 3, 5), (1, 1), (1, 2), 4),
    ],
)
def test_convolution_of_other_shapes(layout, x, w, stride, pad, group):
    compare(layout, lambda k, x, w: k.convolution(x, w, stride, pad, group), [normal(*x), normal(*w)], twice=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("need_grad", [(True, False), (False, True)])
def test_convolution_propagates_to_those_that_need_it(layout, need_grad):
    arrays = [normal(2, 4, 8, 8), normal(4, 1, 5, 5)]
    compare(layout, lambda k, x, w: k.convolution(x, w, pad=(2, 2), group=4), arrays, need_grad=need_grad)


@pytest.mark.parametrize("kernel, stride", [(3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_separable_convolution(layout, kernel, stride):
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    needs = [(True,) * 3, (True, False, False), (False, True, False), (False, False, True)]
    for channels, twice, need_grad in itertools.product(CHANNELS, (False, True), needs):
        arrays = [normal(2, channels, 8, 8), normal(channels, 1, kernel, kernel), normal(10, channels, 1, 1)]
        pad = ((before, after), (before, after))
        compare(
            layout,
            lambda k, *inputs: k.separable_convolution(*inputs, (stride, stride), pad),  # noqa: B023
            arrays, need_grad=need_grad, twice=twice,
        )  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stride, dilation", [(1, 2), (2, 2), (1, 3)])
def test_dilated_convolutions(layout, stride, dilation):
    """With zeros between the weights by oneDNN, by NNabla with its own dilation."""
    options = {"stride": (stride, stride), "pad": ((dilation, dilation - 1), (1, dilation)), "dilation": dilation}
    arrays = [normal(2, 6, 9, 8), normal(4, 6, 3, 3)]
    compare(layout, lambda k, x, w: k.convolution(x, w, **options), arrays, twice=True)
    arrays = [normal(2, 6, 9, 8), normal(6, 1, 3, 3), normal(4, 6, 1, 1)]
    compare(layout, lambda k, *inputs: k.separable_convolution(*inputs, **options), arrays, twice=True)


def test_a_separable_convolution_keeps_nothing_between():
    """Its memory is that of input and output: the tensor between the two convolutions is computed anew."""
    k = onednn()
    x = nn.Variable.from_numpy_array(normal(1, 8, 8, 4)).apply(need_grad=True)
    y = k.separable_convolution(x, *(nn.Variable.from_numpy_array(normal(*s)) for s in ((4, 1, 3, 3), (6, 4, 1, 1))), pad=(1, 1))
    assert y.parent.inputs[0] == x


@pytest.mark.parametrize("counts", [(4,), (3, 5), (36, 8, 20)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("twice", [False, True])
def test_mixture(layout, counts, twice):
    arrays = [*(normal(2, count, 6, 4, seed=i) for i, count in enumerate(counts)), normal(10, sum(counts), 1, 1)]
    for need_grad in ([True] * len(arrays), [False] + [True] * len(counts), [True] * len(counts) + [False]):
        compare(layout, lambda k, *xs: k.mix(xs[:-1], xs[-1]), arrays, len(counts), need_grad, twice)


@pytest.mark.parametrize("height, width, twice", [(8, 8, False), (6, 10, True), (7, 8, False), (7, 7, True)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_factorized_reduction(layout, height, width, twice):
    arrays = [normal(2, 6, height, width), normal(3, 6, 1, 1), normal(5, 6, 1, 1, seed=1)]
    compare(layout, lambda k, *inputs: k.factorized_reduction(*inputs), arrays, twice=twice)


def test_factorized_reduction_reads_every_second_pixel():
    x = normal(1, 2, 4, 4)
    even, odd = np.eye(2, dtype=np.float32)[:, :, None, None], 2 * np.eye(2, dtype=np.float32)[:, :, None, None]
    y = run(onednn(), lambda k, *inputs: k.factorized_reduction(*inputs), [x, even, odd], 1, [True] * 3, False)[0]
    np.testing.assert_allclose(y, np.concatenate([x[:, :, ::2, ::2], 2 * x[:, :, 1::2, 1::2]], 1), rtol=1e-6)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("batch_stat", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_normalization(layout, batch_stat, relu):
    needs = [(True, True, True), (True, False, False), (False, True, False), (False, False, True)]
    for channels, size, twice in itertools.product((*CHANNELS, 16), (7, 8), (False, True)):
        shape = (1, channels, 1, 1)
        arrays = [normal(3, channels, size, size) * 3 + 1, normal(*shape), 1 + normal(*shape, seed=1) / 4]

        def operation(kernels, x, beta, gamma):
            mean = nn.Variable.from_numpy_array(np.full((1, channels, 1, 1), 0.3))  # noqa: B023
            var = nn.Variable.from_numpy_array(np.full((1, channels, 1, 1), 2))  # noqa: B023
            return kernels.batch_normalization(x, beta, gamma, mean, var, 0.9, 1e-3, batch_stat, relu)

        for need_grad in needs if size == 8 else needs[:1]:
            compare(layout, operation, arrays, need_grad=need_grad, twice=twice)


@pytest.mark.parametrize("shape", [(3, 36, 8, 8), (1, 4, 1, 1), (2, 3, 1, 1)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("eps, decay", [(1e-5, 0.9), (1e-3, 0.5)])
def test_running_statistics(layout, shape, eps, decay):
    """Two steps of NumPy's; the variance of one value per channel is 0, not 0 / 0."""
    each, channels, count = onednn(layout), (1, shape[1], 1, 1), shape[0] * shape[2] * shape[3]
    mean, var = nn.Variable.from_numpy_array(np.full(channels, 5)), nn.Variable.from_numpy_array(np.full(channels, 2))
    expected_mean, expected_var = np.full(shape[1], 5.0), np.full(shape[1], 2.0)
    beta, gamma = nn.Variable.from_numpy_array(np.zeros(channels)), nn.Variable.from_numpy_array(np.ones(channels))
    for step in range(2):
        x = normal(*shape, seed=step)
        y = each.batch_normalization(each.from_nchw(nn.Variable.from_numpy_array(x)), beta, gamma, mean, var, decay, eps)
        y = each.to_nchw(y)
        y.forward()
        batch_mean, batch_var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        expected_mean = decay * expected_mean + (1 - decay) * batch_mean
        expected_var = decay * expected_var + (1 - decay) * batch_var * count / max(count - 1, 1)
        normalized = (x - batch_mean[:, None, None]) / np.sqrt(batch_var + eps)[:, None, None]
        np.testing.assert_allclose(y.d, normalized, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean.d.ravel(), expected_mean, rtol=1e-5)
    np.testing.assert_allclose(var.d.ravel(), expected_var, rtol=1e-5)


def test_batch_normalization_without_running_statistics():
    arrays = [normal(3, 8, 4, 4), normal(1, 8, 1, 1), normal(1, 8, 1, 1, seed=1)]
    compare("NHWC", lambda k, x, beta, gamma: k.batch_normalization(x, beta, gamma, None, None), arrays)


def test_a_large_mean_does_not_spoil_the_variance():
    arrays = [normal(4, 36, 8, 8) + 1000, np.zeros((1, 36, 1, 1), np.float32), np.ones((1, 36, 1, 1), np.float32)]
    y = run(onednn(), lambda k, *inputs: k.batch_normalization(*inputs, None, None), arrays, 1, [True] * 3, False)[0]
    x = arrays[0].astype(np.float64)
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    assert relative_error(y, expected) < 2e-4  # float32 keeps 6e-5 of values near 1000


def test_backward_leaves_the_gradient_of_the_output_alone():
    each = onednn()
    x = nn.Variable.from_numpy_array(normal(2, 4, 4, 36)).apply(need_grad=True)
    beta, gamma = (nn.Variable.from_numpy_array(np.full((1, 36, 1, 1), v)).apply(need_grad=True) for v in (0, 1))
    y = each.batch_normalization(x, beta, gamma, None, None, relu=True)
    y.forward()
    y.g = normal(2, 4, 4, 36, seed=1)
    y.backward(None)
    np.testing.assert_array_equal(y.g, normal(2, 4, 4, 36, seed=1))


@pytest.mark.parametrize("size", [7, 8, 16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pooling(layout, size):
    windows = [(3, 1, 1, True), (3, 2, 1, True), (3, 2, 0, False), (3, 2, 1, False), (2, 2, 0, True), (5, 3, 0, True)]
    for channels, window, twice in itertools.product((*CHANNELS, 16), windows, (False, True)):
        kernel, stride, pad, ignore_border = window
        arguments = ((kernel, kernel), (stride, stride), (pad, pad), ignore_border)
        x = [normal(2, channels, size, size)]
        compare(layout, lambda k, x: k.max_pooling(x, *arguments), x, twice=twice)  # noqa: B023
        for including in (False, True):
            compare(layout, lambda k, x: k.average_pooling(x, *arguments, including), x, twice=twice)  # noqa: B023


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pooling_windows_beyond_the_image(layout):
    """Such shapes are NNabla's: the last windows see padding alone."""
    arguments = ((3, 3), (1, 1), (1, 1), False)
    compare(layout, lambda k, x: k.average_pooling(x, *arguments, True), [normal(1, 4, 5, 6)])
    compare(layout, lambda k, x: k.average_pooling(x, (1, 1), (2, 2)), [normal(1, 4, 5, 6)])


@pytest.mark.parametrize("shape", [(2, 36, 8, 8), (1, 3, 7, 5), (4, 16, 1, 1)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("twice", [False, True])
def test_the_rest(layout, shape, twice):
    x, y = normal(*shape), normal(*shape, seed=1)
    factors = nn.Variable.from_numpy_array(np.arange(shape[0]).reshape(-1, 1, 1, 1))
    compare(layout, lambda k, x: k.relu(x), [x], twice=twice)
    compare(layout, lambda k, x: k.global_average_pooling(x), [x], twice=twice)
    compare(layout, lambda k, x: k.scale_examples(x, factors), [x], twice=twice)
    compare(layout, lambda k, *xs: k.add(*xs), [x], images=1, twice=twice)
    compare(layout, lambda k, *xs: k.add(*xs), [x, y], images=2, twice=twice)
    compare(layout, lambda k, x, y: k.add(x, y, x), [x, y], images=2, need_grad=[False, True], twice=twice)
    compare(layout, lambda k, x, y: k.add(x, y, x), [x, y], images=2, twice=twice)
    compare(layout, lambda k, *xs: k.concatenate(*xs), [x, y], images=2, twice=twice)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_that_are_not_finite_spread_as_with_nnabla(layout, bad):
    x = normal(2, 36, 6, 6)
    x[0, 2, 3, 3] = bad
    x[1, :, 0, 0] = bad
    operations = {
        "relu": lambda k, x: k.relu(x),
        "add": lambda k, x: k.add(x, x),
        "mean": lambda k, x: k.global_average_pooling(x),
        "maximum": lambda k, x: k.max_pooling(x, (3, 3), (1, 1), (1, 1)),
        "maximum of halves": lambda k, x: k.max_pooling(x, (2, 2)),
        "average": lambda k, x: k.average_pooling(x, (3, 3), (1, 1), (1, 1)),
        "dense": lambda k, x: k.convolution(x, nn.Variable.from_numpy_array(normal(36, 36, 3, 3)), pad=(1, 1)),
        "depthwise": lambda k, x: k.convolution(x, nn.Variable.from_numpy_array(normal(36, 1, 5, 5)), pad=(2, 2), group=36),
        "normalized": lambda k, x: k.batch_normalization(x, *_parameters(36), None, None),
        "normalized and cut": lambda k, x: k.batch_normalization(x, *_parameters(36), None, None, relu=True),
        "normalized by constants": lambda k, x: k.batch_normalization(x, *_parameters(36) * 2, batch_stat=False),
    }
    for name, operation in operations.items():
        with np.errstate(invalid="ignore"):
            results = [run(k, operation, [x], 1, [True], False) for k in (onednn(layout), NNablaKernels())]
        for found, expected in zip(*results, strict=True):
            for test in (np.isnan, np.isinf):
                np.testing.assert_array_equal(test(found), test(expected), err_msg=name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_the_maximum_of_nothing_but_bad_values(layout, bad):
    x = [np.full((1, 8, 4, 4), bad, np.float32)]
    y = run(onednn(layout), lambda k, x: k.max_pooling(x, (3, 3), (1, 1), (1, 1)), x, 1, [True], False)[0]
    np.testing.assert_array_equal(y, np.broadcast_to(np.float32(bad), y.shape))


def test_a_function_follows_when_the_batch_grows():
    """NNabla sets functions up anew when the shape of an input has changed."""
    each = onednn()
    x, w = nn.Variable((1, 4, 4, 8)), nn.Variable.from_numpy_array(normal(8, 8, 3, 3))
    y = each.average_pooling(each.relu(each.convolution(x, w, pad=(1, 1))), (2, 2))
    y = each.batch_normalization(y, *_parameters(8), None, None)
    x.reset_shape((3, 4, 4, 8), True)
    x.d = normal(3, 4, 4, 8)
    y.forward()
    assert y.shape == (3, 2, 2, 8)
    reference = NNablaKernels("NHWC")
    z = reference.average_pooling(reference.relu(reference.convolution(x, w, pad=(1, 1))), (2, 2))
    z = reference.batch_normalization(z, *_parameters(8), None, None)
    z.forward()
    assert relative_error(y.d, z.d) < 1e-5


def _parameters(channels):
    return [nn.Variable.from_numpy_array(np.full((1, channels, 1, 1), value)) for value in (0.5, 1.5)]
