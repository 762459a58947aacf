import nnabla as nn
import numpy as np
import pytest

from training.momentum import IdleWeights, NesterovMomentum, PlainMomentum

KINDS = [NesterovMomentum, PlainMomentum]
RATES = [0.1, 0.05, 0.2, 0.2, 0.01, 0.1, 0.03]


def variable(values):
    made = nn.Variable(np.shape(values), need_grad=True)
    made.d = values
    return made


def test_momentum_follows_tensorflow_when_the_rate_changes():
    """m = 0.9 m + g; w -= rate (g + 0.9 m), in float64."""
    weight, optimizer = variable([1.0, 2.0, 3.0]), NesterovMomentum()
    expected, moment = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    for step, rate in enumerate([0.1, 0.05, 0.2, 0.2, 0.01]):
        gradient = np.array([0.3, -0.2, 0.5]) * (step + 1)
        weight.g = gradient
        optimizer.step({"w": weight}, rate)
        moment = 0.9 * moment + gradient
        expected = expected - rate * (gradient + 0.9 * moment)
        np.testing.assert_allclose(weight.d, expected, rtol=1e-6)


def test_parameters_that_are_not_in_use_stay_with_their_momentum():
    used, idle, optimizer = variable([1.0]), variable([1.0]), NesterovMomentum()
    used.g = idle.g = 1.0
    optimizer.step({"used": used, "idle": idle}, 0.1)
    before = idle.d.copy()
    used.g = 1.0
    optimizer.step({"used": used}, 0.1, weight_decay=0.5)
    assert idle.d == before
    idle.g = np.zeros(1)
    optimizer.step({"idle": idle}, 0.1)
    np.testing.assert_allclose(idle.d, before - 0.1 * 0.9 * 0.9, rtol=1e-6)


def test_weight_decay_spares_the_exempt():
    weight, scale, optimizer = variable([2.0]), variable([2.0]), NesterovMomentum(momentum=0.0)
    weight.g = scale.g = np.zeros(1)  # a plain 0 would mark the gradient as not computed
    optimizer.step({"conv/W": weight, "bn/gamma": scale}, 1.0, 0.25, exempt=lambda name: name.endswith("gamma"))
    assert weight.d == 1.5 and scale.d == 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_optimizer_continues_to_the_bit(kind):
    def steps(optimizer, weight, gradients, rate):
        for gradient in gradients:
            weight.g = gradient
            optimizer.step({"w": weight}, rate)

    gradients = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    weight, optimizer = variable(np.ones(5)), kind()
    steps(optimizer, weight, gradients[:3], 0.1)
    saved, values = optimizer.state(), weight.d.copy()
    steps(optimizer, weight, gradients[3:], 0.03)

    again, resumed = variable(values), kind()
    resumed.restore(saved, {"w": again})
    steps(resumed, again, gradients[3:], 0.03)
    assert again.d.tobytes() == weight.d.tobytes()


def test_plain_momentum_follows_nnabla_when_the_rate_changes():
    """m = 0.9 m + rate (g + decay w); w -= m, in float64."""
    weight, optimizer = variable([1.0, 2.0, 3.0]), PlainMomentum()
    expected, moment = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    for step, rate in enumerate(RATES):
        gradient = np.array([0.3, -0.2, 0.5]) * (step + 1)
        weight.g = gradient
        optimizer.step({"w": weight}, rate, 0.25)
        moment = 0.9 * moment + rate * (gradient + 0.25 * expected)
        expected = expected - moment
        np.testing.assert_allclose(weight.d, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_forgotten_momentum_is_zero(kind):
    weight, fresh, optimizer = variable([1.0]), variable([1.0]), kind()
    weight.g = 1.0
    optimizer.step({"w": weight}, 0.1)
    optimizer.forget()
    weight.d, weight.g, fresh.g = fresh.d, 1.0, 1.0
    optimizer.step({"w": weight}, 0.3)
    kind().step({"w": fresh}, 0.3)
    assert weight.d == fresh.d and optimizer.state()["momentum/w"] != 0


def exempt(name):
    return name.startswith("bn")


class Both:
    """The same weights moved twice: idle ones when they are next read, and all at every step with a gradient of zero."""

    def __init__(self, kind, decay=0.2):
        self.decay, self.lazy, self.eager = decay, kind(), kind()
        self.idle = IdleWeights(self.lazy, decay, exempt)
        self.ours, self.theirs = {}, {name: variable([1.0, -2.0]) for name in ("a", "b", "bn/a", "bn/b")}

    def step(self, rate, **gradients):
        used = {name.replace("_", "/"): gradient for name, gradient in gradients.items()}
        for name in used:
            self.ours.setdefault(name, variable([1.0, -2.0]))
        parameters = {name: self.ours[name] for name in used}
        self.idle.catch_up(parameters)
        for name, weight in self.theirs.items():
            weight.g = np.full(2, used.get(name, 0.0))
            if name in used:
                self.ours[name].g = weight.g
                np.testing.assert_allclose(self.ours[name].d, weight.d, rtol=1e-5, atol=1e-6)
        self.lazy.step(parameters, rate, self.decay, exempt)
        self.idle.stepped(parameters, rate)
        self.eager.step(self.theirs, rate, self.decay, exempt)

    def compare(self):
        self.idle.settle(self.ours)
        for name, weight in self.ours.items():
            np.testing.assert_allclose(weight.d, self.theirs[name].d, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_not_in_use_move_as_if_they_had_a_gradient_of_zero(kind):
    both = Both(kind)
    for number, rate in enumerate(RATES):
        both.step(rate, a=0.5) if number % 3 else both.step(rate, a=0.3, b=-0.4, bn_a=1.0)
    both.compare()
    both.step(0.1, b=0.2)
    both.step(0.2, bn_b=0.7)  # made late: it has missed all
    both.compare()
    both.step(0.1, a=0.2)
    both.compare()


@pytest.mark.parametrize("kind", KINDS)
def test_restored_idle_weights_go_on_to_the_bit(kind):
    whole, first, second = Both(kind), Both(kind), Both(kind)
    steps = [(0.1, {"a": 0.3, "b": -0.4}), (0.2, {"a": 0.5}), (0.1, {"bn_a": 0.1}), (0.3, {"b": 0.2}), (0.1, {"bn_b": 1.0})]
    for rate, gradients in steps:
        whole.step(rate, **gradients)
    for rate, gradients in steps[:3]:
        first.step(rate, **gradients)
    second.ours = {name: variable(weight.d.copy()) for name, weight in first.ours.items()}
    second.theirs, second.eager = first.theirs, first.eager
    second.lazy.restore(first.lazy.state(), second.ours)
    second.idle.restore({name: np.array(array) for name, array in first.idle.state().items()})
    for rate, gradients in steps[3:]:
        second.step(rate, **gradients)
    whole.compare()
    second.compare()
    assert {name: weight.d.tobytes() for name, weight in whole.ours.items()} == {
        name: weight.d.tobytes() for name, weight in second.ours.items()
    }
