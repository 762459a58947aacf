import itertools

import nnabla as nn
import numpy as np
import pytest

from models import layers
from models.parameters import ParameterScope

SIZES = [4, 5, 8]


def variable(*shape, seed=0):
    return nn.Variable.from_numpy_array(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def value(y):
    y.forward()
    return y.d.copy()


def windows(x, kernel, stride):
    """Per output position (row, column, the part of x inside the window, the part of the kernel on it): TensorFlow's SAME."""
    height, width = x.shape[2:]
    for row, column in itertools.product(range(-(-height // stride)), range(-(-width // stride))):
        rows, kernel_rows = inside(row, height, kernel, stride)
        columns, kernel_columns = inside(column, width, kernel, stride)
        yield row, column, x[:, :, rows, columns], (kernel_rows, kernel_columns)


def inside(position, length, kernel, stride):
    outputs = -(-length // stride)
    padding = max((outputs - 1) * stride + kernel - length, 0)
    start = position * stride - padding // 2
    first, last = max(start, 0), min(start + kernel, length)
    return slice(first, last), slice(first - start, last - start)


def convolve(x, weight, stride):
    result = np.zeros((len(x), len(weight), -(-x.shape[2] // stride), -(-x.shape[3] // stride)))
    for row, column, part, place in windows(x, weight.shape[2], stride):
        result[:, :, row, column] = np.einsum("ncij,ocij->no", part, weight[:, :, place[0], place[1]])
    return result


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel, stride", [(1, 1), (3, 1), (5, 1), (1, 2), (3, 2), (5, 2)])
def test_convolutions_pad_as_tensorflow(size, kernel, stride):
    scope, x = ParameterScope(), variable(2, 3, size, size + 1)
    dense = value(layers.convolution(x, scope / "dense", 4, kernel, stride))
    np.testing.assert_allclose(dense, convolve(x.d, scope.all()["dense/W"].d, stride), rtol=1e-4, atol=1e-5)
    separable = value(layers.separable_convolution(x, scope / "separable", 4, kernel, stride))
    depthwise = np.concatenate(
        [convolve(x.d[:, c : c + 1], scope.all()["separable/depthwise/W"].d[c : c + 1], stride) for c in range(3)], axis=1
    )
    expected = convolve(depthwise, scope.all()["separable/pointwise/W"].d, 1)
    np.testing.assert_allclose(separable, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 2), (3, 2, 2), (5, 1, 2), (3, 1, 3)])
def test_dilated_convolutions_have_zeros_between_their_weights(size, kernel, stride, dilation):
    scope, x = ParameterScope(), variable(2, 3, size, size + 1)
    dense = value(layers.convolution(x, scope / "dense", 4, kernel, stride, dilation))
    wide = np.zeros((4, 3, dilation * (kernel - 1) + 1, dilation * (kernel - 1) + 1))
    wide[:, :, ::dilation, ::dilation] = scope.all()["dense/W"].d
    assert scope.all()["dense/W"].shape == (4, 3, kernel, kernel)
    np.testing.assert_allclose(dense, convolve(x.d, wide, stride), rtol=1e-4, atol=1e-5)
    separable = value(layers.separable_convolution(x, scope / "one", 4, kernel, stride, dilation))
    wide = np.zeros((3, 1, *wide.shape[2:]))
    wide[:, :, ::dilation, ::dilation] = scope.all()["one/depthwise/W"].d
    between = np.concatenate([convolve(x.d[:, c : c + 1], wide[c : c + 1], stride) for c in range(3)], axis=1)
    expected = convolve(between, scope.all()["one/pointwise/W"].d, 1)
    np.testing.assert_allclose(separable, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_poolings_leave_the_padding_out(size, stride):
    x = variable(2, 3, size, size + 1)
    x.d -= 10  # zeros of the padding would win and would count
    for function, reduce in ((layers.max_pooling, np.max), (layers.average_pooling, np.mean)):
        result = value(function(x, stride))
        for row, column, part, _ in windows(x.d, 3, stride):
            np.testing.assert_allclose(result[:, :, row, column], reduce(part, axis=(2, 3)), rtol=1e-5)


@pytest.mark.parametrize("height, width", [(8, 8), (5, 6), (7, 7)])
def test_factorized_reduction(height, width):
    scope, x = ParameterScope(), variable(4, 3, height, width)
    result = value(layers.factorized_reduction(x, scope, 6, layers.BATCH))
    even, odd = (scope.all()[f"path{number}/W"].d[:, :, 0, 0] for number in (1, 2))
    expected = np.zeros((4, 6, -(-height // 2), -(-width // 2)))
    for row, column in itertools.product(range(expected.shape[2]), range(expected.shape[3])):
        expected[:, :3, row, column] = x.d[:, :, 2 * row, 2 * column] @ even.T
        if 2 * row + 1 < height and 2 * column + 1 < width:
            expected[:, 3:, row, column] = x.d[:, :, 2 * row + 1, 2 * column + 1] @ odd.T
    np.testing.assert_allclose(result, normalized(expected), rtol=1e-3, atol=1e-4)


def test_a_factorized_reduction_makes_an_even_number_of_filters():
    with pytest.raises(ValueError, match="even number of filters, asked for 5"):
        layers.factorized_reduction(variable(1, 3, 4, 4), ParameterScope(), 5, layers.BATCH)


def normalized(x, epsilon=layers.BATCH_NORM_EPSILON):
    return (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + epsilon)


def test_batch_normalization_in_training_moves_the_running_averages_with_the_unbiased_variance():
    scope, x = ParameterScope(), variable(4, 3, 5, 5)
    y = layers.batch_normalization(x, scope, layers.TRAIN)
    scope.all()["mean"].d, scope.all()["var"].d = 0.5, 2.0
    np.testing.assert_allclose(value(y), normalized(x.d), rtol=1e-3, atol=1e-4)
    mean, variance = x.d.mean((0, 2, 3)), x.d.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(scope.all()["mean"].d.ravel(), 0.9 * 0.5 + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(scope.all()["var"].d.ravel(), 0.9 * 2.0 + 0.1 * variance, rtol=1e-5)


def test_batch_normalization_with_the_statistics_of_the_batch_leaves_the_running_averages():
    scope, x = ParameterScope(), variable(4, 3, 5, 5)
    layers.batch_normalization(x, scope, layers.TRAIN)  # makes them
    y = layers.batch_normalization(x, scope, layers.BATCH, epsilon=0.5, activate=True)
    scope.all()["beta"].d, scope.all()["gamma"].d = 0.25, 2.0
    expected = np.maximum(2 * normalized(x.d, 0.5) + 0.25, 0)
    np.testing.assert_allclose(value(y), expected, rtol=1e-3, atol=1e-4)
    assert not scope.all()["mean"].d.any() and (scope.all()["var"].d == 1).all()


def test_batch_normalization_with_the_running_averages():
    scope, x = ParameterScope(), variable(4, 3, 5, 5)
    y = layers.batch_normalization(x, scope, layers.RUNNING)
    scope.all()["mean"].d, scope.all()["var"].d = 0.5, 2.0
    np.testing.assert_allclose(value(y), (x.d - 0.5) / np.sqrt(2 + layers.BATCH_NORM_EPSILON), rtol=1e-4)
    assert (scope.all()["mean"].d == 0.5).all() and (scope.all()["var"].d == 2).all()


def test_the_statistics_of_the_batch_alone_need_no_running_averages():
    scope = ParameterScope()
    layers.batch_normalization(variable(2, 3, 4, 4), scope, layers.BATCH)
    assert set(scope.all()) == {"beta", "gamma"}


@pytest.mark.parametrize("size, expected", [(8, (2, 2)), (4, (1, 1)), (5, (1, 1))])
def test_valid_average_pooling_shrinks_its_window_to_a_small_map(size, expected):
    x = variable(2, 3, size, size)
    result = value(layers.average_pooling_valid(x, kernel=5, stride=3))
    assert result.shape == (2, 3, *expected)
    np.testing.assert_allclose(result[:, :, 0, 0], x.d[:, :, :5, :5].mean((2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_whole_map_convolution(size):
    scope, x = ParameterScope(), variable(2, 3, size, size)
    result = value(layers.whole_map_convolution(x, scope, 4))
    np.testing.assert_allclose(result, convolve(x.d, scope.all()["W"].d, 1), rtol=1e-4, atol=1e-5)


def test_mix_is_a_convolution_of_the_concatenated_tensors():
    scope, a, b = ParameterScope(), variable(2, 3, 4, 4), variable(2, 5, 4, 4, seed=1)
    result = value(layers.mix_named({"a": a, "b": b}, scope, 6))
    weight = np.concatenate([scope.all()["a/W"].d, scope.all()["b/W"].d], axis=1)
    np.testing.assert_allclose(result, convolve(np.concatenate([a.d, b.d], axis=1), weight, 1), rtol=1e-4, atol=1e-5)


def test_a_block_of_a_mix_starts_the_same_whatever_it_is_mixed_with():
    alone, together = ParameterScope(), ParameterScope()
    layers.mix_named({"b": variable(2, 5, 4, 4)}, alone, 6)
    layers.mix_named({"a": variable(2, 3, 4, 4), "b": variable(2, 5, 4, 4)}, together, 6)
    np.testing.assert_array_equal(alone.all()["b/W"].d, together.all()["b/W"].d)


def test_a_mask_keeps_its_share_of_the_elements_and_the_expected_sum():
    masks, x = layers.Masks(active=True), variable(200, 300)
    x.d = 1
    y = x * masks.new(x.shape, lambda progress: 1 - 0.4 * progress)
    (mask,) = masks.items
    for progress, keep_rate in ((0.5, 0.8), (1.0, 0.6)):
        mask.draw(np.random.default_rng(0), progress)
        result = value(y)
        np.testing.assert_allclose(np.unique(result), [0, 1 / keep_rate], rtol=1e-6)
        assert abs((result > 0).mean() - keep_rate) < 0.01


def test_drop_path_drops_whole_examples():
    masks, x = layers.Masks(active=True), variable(64, 3, 4, 4)
    y = layers.drop_path(x, lambda progress: 0.5, masks)
    masks.items[0].draw(np.random.default_rng(0), 1.0)
    factors = np.round(value(y) / x.d, 4).reshape(64, -1)
    assert (factors == factors[:, :1]).all() and set(factors[:, 0]) == {0, 2}


def test_nothing_is_masked_in_evaluation():
    masks, x = layers.Masks(active=False), variable(2, 3, 4, 4)
    assert layers.drop_path(x, lambda progress: 0.5, masks) is x
    layers.classifier(x, ParameterScope(), 10, 0.5, masks)
    assert not masks.items


def test_classifier():
    scope, masks, x = ParameterScope(), layers.Masks(active=True), variable(2, 3, 4, 4)
    logits = layers.classifier(x, scope, 10, 0.5, masks)
    masks.items[0].variable.d = [[2, 0, 2], [0, 0, 2]]
    expected = (x.d.mean((2, 3)) * masks.items[0].variable.d) @ scope.all()["W"].d
    np.testing.assert_allclose(value(logits), expected, rtol=1e-4, atol=1e-6)
