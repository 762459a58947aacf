"""Costs against counts by hand, and against the parameters of the networks themselves."""

from types import SimpleNamespace

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from deployment.complexity import Cost, image_network_cost, language_model_cost, latency, multiply_adds
from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from search_spaces import macro, micro, recurrent
from spaces import SPACES

SHAPE = (3, 8, 8)  # of an image; the resolutions are 8x8, 4x4, 2x2


def reduction(filters_in, filters_out, side):
    """(parameters, multiply-adds) of a factorized reduction to `side` x `side`: two 1x1 convolutions, beta and gamma."""
    return filters_in * filters_out + 2 * filters_out, filters_in * filters_out * side**2


def total(*parts):
    return Cost(sum(part[0] for part in parts), sum(part[1] for part in parts))


def test_a_macro_network_of_the_search_counted_by_hand():
    architecture = macro.MacroArchitecture(("conv3x3", "sepconv5x5", "max_pool3x3"), ((), (1,), (0, 0)))
    f, classes = 4, 10
    pointwise = f * f + 2 * f  # a 1x1 convolution with its beta and gamma
    expected = total(
        (3 * f * 9 + 2 * f, 3 * f * 9 * 64),  # stem
        (pointwise + f * f * 9 + 2 * f, (f * f + f * f * 9) * 64),  # layer 0 at 8x8
        reduction(f, f, 4),  # of layer 0, for layer 1
        reduction(f, f, 4),  # of the stem, which layer 1 adds
        (pointwise + f * 25 + f * f + 2 * f + 2 * f, (f * f + f * 25 + f * f) * 16),  # layer 1 at 4x4, with its sum's bn
        reduction(f, f, 2),  # of layer 1
        (pointwise + 2 * f, f * f * 4),  # layer 2: pooling; the bn of a sum that adds nothing
        (f * classes, f * classes),
    )
    assert image_network_cost(macro_cnn.SharedNetwork(ParameterScope(), f, classes), architecture, SHAPE) == expected


def test_a_final_macro_network_counted_by_hand():
    architecture = macro.MacroArchitecture(("conv3x3", "sepconv5x5", "max_pool3x3"), ((), (1,), (0, 0)))
    f, classes = 4, 10
    expected = total(
        (3 * f * 9 + 2 * f, 3 * f * 9 * 64),
        (f * f + 2 * f + f * f * 9 + 2 * f, (f * f + f * f * 9) * 64),  # layer 0, 4 filters
        reduction(f, 2 * f, 4),
        reduction(f, 2 * f, 4),
        (8 * 8 + 16 + 8 * 25 + 8 * 8 + 16, (8 * 8 + 8 * 25 + 8 * 8) * 16),  # layer 1, 8 filters
        (16 * 8 + 16, 16 * 8 * 16),  # its own and the stem's output, mixed
        reduction(2 * f, 4 * f, 2),
        (16 * 16 + 32, 16 * 16 * 4),  # layer 2, 16 filters: pooling
        (16 * 16 + 32, 16 * 16 * 4),  # mixed, although it is alone
        (16 * classes, 16 * classes),
    )
    assert image_network_cost(macro_cnn.FinalNetwork(ParameterScope(), f, classes), architecture, SHAPE) == expected


def test_a_final_micro_network_counted_by_hand():
    """Cells 0 and 3, 4 normal, 1 and 3 reduction: one node, a separable convolution of the last input and the first as it is."""
    cell = (micro.Node(1, "sepconv3x3", 0, "identity"),)
    architecture = micro.MicroArchitecture(cell, cell)
    f, classes = 2, 10

    def adapt(inputs, outputs, side):
        return inputs * outputs + 2 * outputs, inputs * outputs * side**2

    def separable(filters, side):  # twice depthwise, pointwise, bn
        return 2 * (filters * 9 + filters**2 + 2 * filters), 2 * (filters * 9 + filters**2) * side**2

    expected = total(
        (27 * 6 + 12, 27 * 6 * 64),  # stem: 3 f filters
        *(adapt(6, f, 8), adapt(6, f, 8), adapt(f, f, 8), separable(f, 8)),  # cell 0: 6 -> 2 filters, then its base
        *(adapt(6, 4, 8), adapt(f, 4, 8), adapt(4, 4, 8)),  # cell 1 halves: 4 filters
        *(separable(4, 4), reduction(4, 4, 4)),  # stride 2; the identity becomes a reduction
        *(reduction(f, 4, 4), adapt(4, 4, 4), separable(4, 4)),  # cell 2: its first input is still 8x8
        *(adapt(4, 8, 4), adapt(4, 8, 4), adapt(8, 8, 4)),  # cell 3 halves: 8 filters
        *(separable(8, 2), reduction(8, 8, 2)),
        *(reduction(4, 8, 2), adapt(8, 8, 2), separable(8, 2)),  # cell 4
        (8 * classes, 8 * classes),
    )
    network = micro_cnn.FinalNetwork(ParameterScope(), f, classes, num_layers=3)
    assert image_network_cost(network, architecture, SHAPE) == expected


@pytest.mark.parametrize("space", ["macro", "micro", "recurrent"])
def test_counting_draws_no_weights(space, monkeypatch):
    def refuse(self, full_name, *_):
        raise AssertionError(f"{full_name} is drawn")

    monkeypatch.setattr(ParameterScope, "_create", refuse)
    if space == "macro":
        cost = image_network_cost(macro_cnn.FinalNetwork(ParameterScope(), 4, 3), macro.PUBLISHED["enas"], SHAPE)
    elif space == "micro":
        cost = image_network_cost(micro_cnn.FinalNetwork(ParameterScope(), 4, 3, num_layers=3), micro.PUBLISHED["enas"], SHAPE)
    else:
        cost = language_model_cost(LanguageModel(ParameterScope(), 7, 4, 0.1), recurrent.PUBLISHED["darts"])
    assert cost.parameters > 0


@pytest.mark.parametrize("space", ["macro", "micro"])
def test_parameters_are_those_that_the_built_network_has(space):
    """24 layers at 96 filters would be slow to make: the widths are small, the architectures the published ones."""
    module = {"macro": macro, "micro": micro}[space]
    architecture = module.PUBLISHED["enas"]
    options = SimpleNamespace(
        space=space, output_filter=4, additional_filters_on_retrain=2, final_network="searched", keep_prob=1.0, recompute=False,
        num_cells=6, auxiliary_head=False, auxiliary_form=None, drop_path_keep_prob=1.0,
    )  # fmt: skip
    scope = ParameterScope()
    network = SPACES[space].final_network(options, scope, 10)
    cost = image_network_cost(network, architecture, (3, 32, 32))
    assert not scope.all()  # counting makes no weights
    network.build(nn.Variable((1, 3, 32, 32)), architecture, layers.RUNNING)
    assert cost.parameters == sum(variable.size for variable in scope.trainable().values())


def test_products_are_counted_by_what_each_output_number_sums():
    x = nn.Variable((1, 6, 5, 7))
    y = F.convolution(x, nn.Variable((4, 3, 3, 3)), pad=(1, 1), group=2)
    assert multiply_adds(y) == 4 * 5 * 7 * 27
    z = F.affine(F.relu(y), nn.Variable((4 * 5 * 7, 11)))
    assert multiply_adds(z) == 4 * 5 * 7 * 27 + 4 * 5 * 7 * 11
    shared = nn.Variable((1, 8))
    weight = nn.Variable((8, 8))
    assert multiply_adds(F.affine(F.affine(shared, weight), weight)) == 2 * 64


def test_latency_is_that_of_a_forward_pass():
    x, weight = nn.Variable((1, 4)), nn.Variable((4, 2))
    x.d, weight.d = np.ones((1, 4)), np.ones((4, 2))
    y = F.affine(x, weight)
    assert 0 < latency(y, runs=3) < 1
