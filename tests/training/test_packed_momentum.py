"""Packed momentum moves weights as the solvers do that move each by itself."""

import nnabla as nn
import numpy as np
import pytest

from tests.training.test_momentum import RATES, exempt, variable
from training.exchange import pack
from training.momentum import OPTIMIZERS
from training.packed_momentum import PACKED_OPTIMIZERS

SHAPES = {"a": (3,), "bn/b": (2, 3), "c": (4, 1, 2)}


def weights():
    """Dict of name -> Variable; the same at every call."""
    rng = np.random.default_rng(0)
    return {name: variable(rng.standard_normal(shape)) for name, shape in SHAPES.items()}


def move(optimizer, parameters, steps, decay=0.1):
    """Steps of these numbers."""
    for step in steps:
        rng = np.random.default_rng(step)
        for parameter in parameters.values():
            parameter.g = rng.standard_normal(parameter.shape)
        packed = optimizer.__class__ in PACKED_OPTIMIZERS.values()
        gradients = [pack([parameter.grad for parameter in parameters.values()])] if packed else []
        optimizer.step(parameters, *gradients, RATES[step], decay, exempt)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_weights_are_those_of_the_solvers(kind, decay):
    ours, theirs = weights(), weights()
    move(PACKED_OPTIMIZERS[kind](), ours, range(7), decay)
    move(OPTIMIZERS[kind](), theirs, range(7), decay)
    for name in SHAPES:
        np.testing.assert_allclose(ours[name].d, theirs[name].d, rtol=1e-5, atol=1e-6)
        assert abs(ours[name].d - weights()[name].d).max() > 0.1


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_restored_optimizer_continues_to_the_bit(kind):
    first, again = weights(), weights()
    optimizer, resumed = PACKED_OPTIMIZERS[kind](), PACKED_OPTIMIZERS[kind]()
    assert optimizer.state() == {}
    move(optimizer, first, range(3))
    for name, parameter in first.items():
        again[name].d = parameter.d
    resumed.restore(dict(reversed(optimizer.state().items())), again)
    for taken, parameters in ((optimizer, first), (resumed, again)):
        move(taken, parameters, range(3, 7))
    for name in SHAPES:
        assert first[name].d.tobytes() == again[name].d.tobytes()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_checkpoint_before_the_first_step_after_a_resume_keeps_the_moments(kind):
    first, optimizer, resumed = weights(), PACKED_OPTIMIZERS[kind](), PACKED_OPTIMIZERS[kind]()
    move(optimizer, first, range(3))
    resumed.restore(optimizer.state(), first)
    once_more = resumed.state()
    assert once_more.keys() == optimizer.state().keys()
    for name, array in optimizer.state().items():
        np.testing.assert_array_equal(once_more[name], array)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("tables", [(OPTIMIZERS, PACKED_OPTIMIZERS), (PACKED_OPTIMIZERS, OPTIMIZERS)])
def test_checkpoints_are_those_of_the_solvers(kind, tables):
    before, after = (table[kind]() for table in tables)
    mine, wanted = weights(), weights()
    move(before, mine, range(3))
    after.restore(before.state(), mine)
    move(after, mine, range(3, 7))
    move(OPTIMIZERS[kind](), wanted, range(7))
    for name in SHAPES:
        np.testing.assert_allclose(mine[name].d, wanted[name].d, rtol=1e-5, atol=1e-6)


def test_weights_that_are_set_from_outside_are_moved_on_from_there():
    mine, optimizer = weights(), PACKED_OPTIMIZERS["momentum"](momentum=0.0)
    move(optimizer, mine, range(2), decay=0.0)
    mine["a"].d = 5.0
    for parameter in mine.values():
        parameter.g = np.zeros(parameter.shape)
    optimizer.step(mine, nn.NdArray.from_numpy_array(np.ones(sum(p.size for p in mine.values()), np.float32)), 0.5)
    np.testing.assert_array_equal(mine["a"].d, np.full(3, 4.5))
