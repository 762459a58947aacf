import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from tests.kernels.comparison import onednn


def two_steps(network, space, images):
    """Loss, gradients and running statistics of two forward and backward passes of one graph."""
    with network.scope.record_use() as used:
        logits = network.build(images, space.random(np.random.default_rng(3)), layers.TRAIN, training=True).logits
    loss = F.mean(F.softmax_cross_entropy(logits, nn.Variable.from_numpy_array(np.array([[1], [2], [3], [0]]))))
    loss.persistent = True
    found = []
    for _ in range(2):
        for variable in used.values():
            variable.grad.zero()
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)
        found.append(loss.d.copy())
        found += [v.g.copy() if v.need_grad else v.d.copy() for v in used.values()]
    return found


@pytest.mark.parametrize("form, space, more", [
    (macro_cnn.FinalNetwork, MacroSpace(6), {}), (micro_cnn.FinalNetwork, MicroSpace(3), {"num_layers": 3}),
])  # fmt: skip
def test_what_is_recomputed_is_the_same_and_running_averages_move_once(form, space, more):
    images = nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype(np.float32))
    layers.use(onednn())
    networks = [form(ParameterScope(), 4, 10, **more, recompute=recompute) for recompute in (True, False)]
    for one, other in zip(*(two_steps(network, space, images) for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batch_normalization_forgets_its_result_until_the_gradient_needs_it():
    kernels, rng = onednn(), np.random.default_rng(0)
    shapes = (8, 4, 4, 16), *[(1, 16, 1, 1)] * 4
    x, beta, gamma, mean, var = (nn.Variable.from_numpy_array(rng.standard_normal(shape)) for shape in shapes)
    for variable in (x, beta, gamma):
        variable.need_grad = True
    y = kernels.batch_normalization(x, beta, gamma, mean, var, relu=True, recompute=True)
    total = F.sum(kernels.relu(y * y, recompute=True))
    before = mean.d.copy()
    total.forward(clear_no_need_grad=True)
    after = mean.d.copy()
    assert y.data.clear_called and (after != before).any()
    total.backward(clear_buffer=True)
    np.testing.assert_array_equal(mean.d, after)
