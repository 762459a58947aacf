from functools import partial

import numpy as np
import pytest

from tests.training.test_momentum import variable
from training.host_clipping import HostClipping
from training.optimizers import GlobalNormClipping, LearningRate, TensorNormClipping, cosine_restarts

BY_NORM, BY_TENSOR = (GlobalNormClipping, HostClipping), (TensorNormClipping, partial(HostClipping, by_tensor=True))


@pytest.mark.parametrize("clipping", BY_NORM)
@pytest.mark.parametrize("bound", [2.0, 1e3])
def test_clipping_bounds_the_common_norm_and_keeps_the_direction(bound, clipping):
    a, b = variable(np.zeros(3)), variable(np.zeros((2, 4)))
    a.g, b.g = 3.0, -4.0
    norm = np.sqrt(3 * 9 + 8 * 16)
    found = clipping()({"a": a, "b": b}, bound)
    scale = min(1, bound / norm)
    np.testing.assert_allclose(found.data, norm, rtol=1e-5)
    np.testing.assert_allclose(a.g, 3 * scale, rtol=1e-5)
    np.testing.assert_allclose(b.g, -4 * scale, rtol=1e-5)


@pytest.mark.parametrize("clipping", BY_NORM)
def test_clipping_looks_at_the_gradients_of_the_parameters_in_use(clipping):
    """Their functions are kept from step to step, whichever parameters a step has."""
    clip, variables = clipping(), {name: variable(np.zeros((2,) * axes)) for axes, name in enumerate("abc", 1)}
    rng = np.random.default_rng(0)
    for used in ("ab", "c", "abc", "bc", "a"):
        gradients = {name: rng.normal(size=variables[name].shape).astype(np.float32) for name in "abc"}
        for name, gradient in gradients.items():
            variables[name].g = gradient
        norm = np.sqrt(sum(np.square(gradients[name]).sum() for name in used))
        assert clip({name: variables[name] for name in used}, 0.5, loss_scale=2.0).data == pytest.approx(norm / 2, rel=1e-5)
        for name, gradient in gradients.items():
            expected = gradient * min(0.5, 0.5 / norm) if name in used else gradient
            np.testing.assert_allclose(variables[name].g, expected, rtol=1e-5)


@pytest.mark.parametrize("clipping", BY_NORM)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_without_a_bound_only_the_loss_scale_is_taken_out(scale, clipping):
    a = variable(np.zeros(3))
    a.g = 1e6
    assert clipping()({"a": a}, None, scale).data == pytest.approx(1e6 * np.sqrt(3) / scale)
    assert (a.g == np.float32(1e6 / scale)).all()


@pytest.mark.parametrize("clipping", [*BY_NORM, *BY_TENSOR])
def test_clipping_leaves_zeros(clipping):
    a = variable(np.zeros(3))
    a.g = 0
    clipping()({"a": a}, 1.0)
    assert (a.g == 0).all()


@pytest.mark.parametrize("clipping", BY_TENSOR)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_each_tensor_can_be_clipped_alone(scale, clipping):
    """g min(1, bound / |g|) of each, as F.clip_by_norm where the norm exceeds the bound."""
    a, b, c, clip = variable(np.zeros(3)), variable(np.zeros((2, 4))), variable(np.zeros(2)), clipping()
    for _ in range(2):
        a.g, b.g, c.g = 3.0 * scale, -4.0 * scale, 0.5 * scale
        found = clip({"a": a, "b": b, "c": c}, 2.0, scale)
        np.testing.assert_allclose(found.data, np.sqrt(3 * 9 + 8 * 16 + 0.5), rtol=1e-5)
        np.testing.assert_allclose(a.g, 2 / np.sqrt(3), rtol=1e-5)
        np.testing.assert_allclose(b.g, -2 / np.sqrt(8), rtol=1e-5)
        np.testing.assert_allclose(c.g, 0.5, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("clipping", [*BY_NORM, *BY_TENSOR])
def test_the_norm_tells_of_gradients_that_are_not_finite(clipping, bad):
    a, b = variable(np.zeros(3)), variable(np.zeros(2))
    a.g, b.g = [1, bad, 1], 1
    assert not np.isfinite(clipping()({"a": a, "b": b}, 1.0).data)


def test_restarts_begin_at_the_highest_rate():
    rates = [cosine_restarts(epoch, 0.05, 0.001, 10, 2) for epoch in range(311)]
    assert [epoch for epoch, rate in enumerate(rates) if rate == 0.05] == [0, 10, 30, 70, 150, 310]
    assert min(rates) > 0.001 and rates[5] == pytest.approx(0.0255)


@pytest.mark.parametrize("epochs, share, ends", [(7, 0.35, [10, 30, 70]), (11, 1.0, [30, 70, 150]), (31, 1.0, [70, 150, 310])])
def test_training_that_ends_within_a_cycle_is_told_where_cycles_end(epochs, share, ends):
    assert LearningRate("cosine-restarts", 0.05, 0.0, epochs).cut_off() == (pytest.approx(share, abs=0.01), ends)
    for schedule in ("cosine", "constant"):
        assert LearningRate(schedule, 0.05, 0.0, epochs).cut_off()[1] == []


@pytest.mark.parametrize("epochs", [10, 30, 70, 150, 310, 630])
def test_training_that_ends_with_a_cycle_is_not_cut_off(epochs):
    share, ends = LearningRate("cosine-restarts", 0.05, 0.0, epochs).cut_off()
    assert ends == [] and share < 0.03
    assert LearningRate("cosine-restarts", 0.05, 0.0, epochs, first_period=3, factor=3).cut_off(1)[1]


def test_cosine_ends_at_the_lowest_rate():
    rate = LearningRate("cosine", 0.1, 0.0, epochs=4)
    assert rate.at(0) == 0.1
    assert rate.at(2) == pytest.approx(0.05)
    assert 0 < rate.at(3, 9, 10) < 0.001


def test_constant_rate():
    assert LearningRate("constant", 0.1, 0.0, epochs=4).at(3, 1, 2) == 0.1


def test_the_rate_rises_to_its_schedule_in_the_warmup():
    warm, plain = (LearningRate("cosine", 0.1, 0.0, epochs=4, warmup=warmup) for warmup in (1.5, 0.0))
    assert warm.at(0, 0, 10) == pytest.approx(0.1 / 15)
    assert warm.at(0, 9, 10) == pytest.approx(plain.at(0, 9, 10) * 2 / 3)
    assert [warm.at(1, step, 10) == plain.at(1, step, 10) for step in (3, 4, 5)] == [False, True, True]
