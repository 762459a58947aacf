from functools import partial
from types import SimpleNamespace

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from models import final_networks, layers, macro_cnn
from models.parameters import ParameterScope
from search_spaces.macro import OPERATIONS, PUBLISHED, MacroArchitecture, MacroSpace

NO_SKIPS = MacroArchitecture(OPERATIONS, tuple((0,) * layer for layer in range(6)))  # 6 layers: halvings after 1 and 3
FORMS = [macro_cnn.SharedNetwork, macro_cnn.FinalNetwork, partial(macro_cnn.FinalNetwork, added=True)]


def variable(*shape):
    return nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def random_architecture(num_layers=6):
    return MacroSpace(num_layers).random(np.random.default_rng(1))


def layer_scopes(scope):
    return {"/".join(name.split("/")[:2]) for name in scope.all() if name.startswith("layer_")}


@pytest.mark.parametrize("form", FORMS)
def test_only_operations_in_use_have_parameters(form):
    scope = ParameterScope()
    form(scope, 4, 10).build(variable(2, 3, 16, 16), NO_SKIPS, layers.TRAIN)
    skips = {f"layer_{layer}/skip" for layer in range(1, 6)}
    assert layer_scopes(scope) == skips | {f"layer_{layer}/{operation}" for layer, operation in enumerate(OPERATIONS)}


def test_a_further_architecture_finds_the_shared_weights_and_makes_what_it_lacks():
    scope, images = ParameterScope(), variable(2, 3, 16, 16)
    network = macro_cnn.SharedNetwork(scope, 4, 10)
    network.build(images, NO_SKIPS, layers.BATCH)
    before = scope.all()
    other = MacroArchitecture(("conv5x5", *OPERATIONS[1:]), NO_SKIPS.skips)
    network.build(images, other, layers.BATCH)
    assert {name: scope.all()[name] for name in before} == before
    assert {name.split("/bn")[0] for name in set(scope.all()) - set(before)} == {
        "layer_0/conv5x5/W",
        "layer_0/conv5x5",
        "layer_0/conv5x5/conv1x1/W",
        "layer_0/conv5x5/conv1x1",
    }


def test_weights_start_the_same_whichever_architecture_comes_first():
    scopes = ParameterScope(), ParameterScope()
    architectures = [random_architecture(), NO_SKIPS]
    for scope, order in zip(scopes, (architectures, architectures[::-1]), strict=True):
        for architecture in order:
            macro_cnn.SharedNetwork(scope, 4, 10).build(variable(2, 3, 16, 16), architecture, layers.BATCH)
    first, second = (scope.arrays() for scope in scopes)
    assert set(first) == set(second)
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("form", FORMS)
def test_a_reduction_that_nobody_reads_is_not_built(form):
    scope = ParameterScope()
    form(scope, 4, 10).build(variable(2, 3, 16, 16), NO_SKIPS, layers.BATCH)
    reductions = {"/".join(name.split("/")[:2]) for name in scope.all() if name.startswith("reduction_")}
    # tensor 0 is the stem and tensor i + 1 layer i: layer 2 reads layer 1, layer 4 reads layer 3
    assert reductions == {"reduction_1/from_2", "reduction_2/from_4"}


def test_a_tensor_that_is_read_after_both_reductions_goes_through_both():
    scope = ParameterScope()
    skips = (*NO_SKIPS.skips[:5], (1, 0, 0, 0, 0))  # the last layer adds the stem
    macro_cnn.FinalNetwork(scope, 4, 10).build(variable(2, 3, 16, 16), MacroArchitecture(OPERATIONS, skips), layers.BATCH)
    assert scope.all()["reduction_1/from_0/path1/W"].shape == (4, 4, 1, 1)
    assert scope.all()["reduction_2/from_0/path1/W"].shape == (8, 8, 1, 1)


def test_the_final_network_doubles_its_filters_and_the_shared_one_does_not():
    for form, expected in ((macro_cnn.SharedNetwork, [4, 4, 4]), (macro_cnn.FinalNetwork, [4, 8, 16])):
        scope = ParameterScope()
        form(scope, 4, 10).build(variable(2, 3, 16, 16), NO_SKIPS, layers.BATCH)
        widths = [scope.all()[f"layer_{layer}/{OPERATIONS[layer]}/conv1x1/W"].shape[0] for layer in (1, 2, 4)]
        assert widths == expected


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_in_use_gets_a_gradient(form):
    scope = ParameterScope()
    outputs = form(scope, 4, 10).build(variable(4, 3, 16, 16), random_architecture(), layers.TRAIN, training=True)
    loss = F.mean(F.softmax_cross_entropy(outputs.logits, variable(4, 1) * 0))
    loss.forward(clear_no_need_grad=True)
    loss.backward(clear_buffer=True)
    assert [name for name, parameter in scope.trainable().items() if not parameter.g.any()] == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 3, 32, 32), (2, 3, 30, 34)])
def test_shapes(form, shape):
    outputs = form(ParameterScope(), 4, 7).build(variable(*shape), random_architecture(12), layers.BATCH)
    outputs.logits.forward(clear_buffer=True)
    assert outputs.logits.shape == (2, 7)
    assert np.isfinite(outputs.logits.d).all()
    assert outputs.auxiliary_logits is None


def test_dropout_only_in_training():
    network = macro_cnn.SharedNetwork(ParameterScope(), 4, 10, keep_rate=0.9)
    images = variable(2, 3, 16, 16)
    (mask,) = network.build(images, NO_SKIPS, layers.TRAIN, training=True).masks.items
    assert mask.variable.shape == (2, 4)
    assert mask.keep_rate(0.1) == mask.keep_rate(1.0) == 0.9
    assert not network.build(images, NO_SKIPS, layers.BATCH).masks.items


def test_the_authors_final_network_has_dense_convolutions_only():
    scope = ParameterScope()
    macro_cnn.FinalNetwork(scope, 4, 10, dense_only=True).build(variable(2, 3, 16, 16), NO_SKIPS, layers.BATCH)
    sizes = {scope.all()[f"layer_{layer}/conv{size}x{size}/W"].shape[2:] for layer, size in ((2, 3), (3, 5))}
    assert sizes == {(3, 3), (5, 5)}
    assert not any("sepconv" in name or "depthwise" in name for name in scope.all())


def test_the_final_network_may_add_skip_connections_as_the_search():
    scope = ParameterScope()
    macro_cnn.FinalNetwork(scope, 4, 10, added=True).build(variable(2, 3, 16, 16), random_architecture(), layers.BATCH)
    shapes = {name: parameter.shape for name, parameter in scope.all().items()}
    assert not any(name.endswith("skip/W") for name in shapes)
    assert [shapes[f"layer_{layer}/skip/bn/beta"] for layer in (1, 2, 4)] == [(1, width, 1, 1) for width in (4, 8, 16)]


def test_retraining_may_build_the_network_of_the_search_for_one_architecture_alone():
    options = SimpleNamespace(final_network="shared", output_filter=4, additional_filters_on_retrain=2, keep_prob=0.5)
    scope, whole, images = ParameterScope(), ParameterScope(), variable(2, 3, 16, 16)
    logits = final_networks.macro(options, scope, 10).build(images, NO_SKIPS, layers.BATCH).logits
    shared = macro_cnn.SharedNetwork(whole, 6, 10)
    shared.build(images, random_architecture(), layers.BATCH)  # makes weights that the other has not
    wanted = shared.build(images, NO_SKIPS, layers.BATCH).logits
    for name, parameter in whole.all().items():
        if name in scope.all():
            parameter.d = scope.all()[name].d
    logits.forward()
    wanted.forward()
    np.testing.assert_array_equal(logits.d, wanted.d)
    assert len(scope.all()) < len(whole.all())


def test_the_published_architecture_builds():
    scope = ParameterScope()
    outputs = macro_cnn.FinalNetwork(scope, 4, 10).build(variable(2, 3, 32, 32), PUBLISHED["enas"], layers.BATCH)
    assert outputs.logits.shape == (2, 10)
    assert len({name.split("/")[0] for name in scope.all() if name.startswith("layer_")}) == 24
