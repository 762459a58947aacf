"""Gradients of two programs that agree but for an element that rounding puts on either side."""

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from models import layers
from models.parameters import ParameterScope
from tests import ties
from tests.authors.differences import gradient_scales


def step(scope, images, edge=None):
    """Loss of a small network after a forward and a backward pass; `edge(x)` may move the input of the ReLU or pooling."""
    x = layers.batch_normalization(layers.convolution(images, scope / "first", 4, 3), scope / "first/bn", layers.BATCH)
    x = x if edge is None else edge(x)
    x = F.concatenate(layers.relu(x), layers.max_pooling(x), axis=1)
    x = layers.batch_normalization(layers.convolution(x, scope / "second", 4, 3), scope / "second/bn", layers.BATCH)
    loss = F.mean(layers.relu(x) ** 2)
    for parameter in scope.trainable().values():
        parameter.g = 0
    loss.forward()
    loss.backward()
    return loss


def gradients(scope):
    return {name: parameter.g.copy() for name, parameter in scope.trainable().items()}


@pytest.fixture
def case():
    """Scope, images and the output of the first layer."""
    scope = ParameterScope(3)
    images = nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal((4, 3, 6, 6)).astype(np.float32))
    outputs = []
    step(scope, images, lambda x: outputs.append(x) or x)
    return scope, images, outputs[0].d.copy()


def added(change):
    return lambda x: x + nn.Variable.from_numpy_array(change)


def explained(case, ours, theirs):
    """(largest difference of the gradients before, after, how many elements were moved)."""
    scope, images, _ = case
    step(scope, images, added(theirs))
    reference = gradients(scope)
    loss = step(scope, images, added(ours))
    difference = {name: reference[name] - gradient for name, gradient in gradients(scope).items()}
    scales = gradient_scales(reference)

    def worst():
        return max(np.abs(difference[name]).max() / scales[name] for name in difference)

    before = worst()
    moved = ties.explain(loss, scope.trainable(), difference, scales)
    return before, worst(), moved


def test_a_relu_input_at_zero(case):
    x = case[2]
    ours, theirs = np.zeros_like(x), np.zeros_like(x)
    index = (1, 2, 3, 3)
    ours[index], theirs[index] = -x[index] + 1e-7, -x[index] - 1e-7
    before, after, moved = explained(case, ours, theirs)
    assert before > 1e-3 and after < ties.NOISE and moved == 1


def test_a_relu_input_that_is_exactly_zero_in_one_program(case):
    x = case[2]
    ours, theirs = np.zeros_like(x), np.zeros_like(x)
    index = (1, 2, 3, 3)
    ours[index], theirs[index] = -x[index], -x[index] + 1e-7
    before, after, moved = explained(case, ours, theirs)
    assert before > 1e-3 and after < ties.NOISE and moved == 1


@pytest.mark.parametrize("gap", [1e-6, 0])
def test_two_pooled_pixels_that_are_equal(case, gap):
    x = case[2]
    ours, theirs = np.zeros_like(x), np.zeros_like(x)
    first, second = (0, 1, 2, 2), (0, 1, 3, 3)
    ours[first] = theirs[first] = 5 - x[first]
    ours[second], theirs[second] = 5 + gap - x[second], 5 - 2e-6 - x[second]
    if gap == 0:  # of equal ones the first wins, so let the second be larger for them
        theirs[second] = 5 + 2e-6 - x[second]
    before, after, moved = explained(case, ours, theirs)
    assert before > 1e-3 and after < ties.NOISE and moved == 1


def test_several_at_once(case):
    x = case[2]
    ours, theirs = np.zeros_like(x), np.zeros_like(x)
    for index, side in (((1, 2, 3, 3), 1), ((2, 2, 0, 0), -1), ((3, 0, 5, 1), 1)):
        ours[index], theirs[index] = -x[index] + side * 1e-7, -x[index] - side * 1e-7
    before, after, moved = explained(case, ours, theirs)
    assert before > 1e-3 and after < ties.NOISE and moved == 3


def test_an_element_that_is_not_close_to_zero_is_never_moved(case):
    x = case[2]
    ours, theirs = np.zeros_like(x), np.zeros_like(x)
    index = (1, 2, 3, 3)
    ours[index], theirs[index] = -x[index] + 1e-3, -x[index] - 1e-3
    before, after, moved = explained(case, ours, theirs)
    assert before > 1e-3 and after == before and moved == 0


def test_what_does_not_change_the_difference_stays(case):
    x = case[2]
    change = np.zeros_like(x)
    change[1, 2, 3, 3] = -x[1, 2, 3, 3] + 1e-7  # close to zero, on one side for both
    before, after, moved = explained(case, change, change)
    assert before == after == 0 and moved == 0


def test_a_wrong_gradient_stays_though_elements_lie_at_zero(case):
    scope, images, x = case
    change = np.zeros_like(x)
    for index in ((1, 2, 3, 3), (2, 2, 0, 0), (3, 0, 5, 1), (0, 1, 1, 1)):
        change[index] = -x[index] + 1e-7
    loss = step(scope, images, added(change))
    reference = gradients(scope)
    for name in ("first/W", "first/bn/beta", "second/W", "second/bn/gamma"):
        difference = {other: np.zeros_like(gradient) for other, gradient in reference.items()}
        difference[name] = 0.002 * reference[name]
        moved = ties.explain(loss, scope.trainable(), difference, gradient_scales(reference))
        assert moved == 0
        np.testing.assert_array_equal(difference[name], 0.002 * reference[name])


def test_the_graph_is_left_as_it_was(case):
    scope, images, _ = case
    loss = step(scope, images)
    before, weights = loss.d.copy(), scope.arrays()
    difference = {name: gradient + 1 for name, gradient in gradients(scope).items()}
    ties.explain(loss, scope.trainable(), difference, gradient_scales(gradients(scope)))
    assert loss.d == before
    assert all((array == weights[name]).all() for name, array in scope.arrays().items())
