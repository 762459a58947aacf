import re

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from models import layers, micro_cnn
from models.parameters import ParameterScope
from search_spaces.micro import PUBLISHED, MicroArchitecture, MicroSpace, Node, loose_ends

FORMS = [micro_cnn.SharedNetwork, micro_cnn.FinalNetwork]
CELL = (Node(0, "sepconv3x3", 0, "sepconv3x3"), Node(2, "identity", 0, "max_pool3x3"))  # loose: input 1 and node 1
SMALL = MicroArchitecture(CELL, CELL)
AUXILIARY = {form: {"auxiliary": True, "auxiliary_form": form} for form in ("authors", "example")}


def variable(*shape):
    return nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def random_architecture(seed=1):
    return MicroSpace().random(np.random.default_rng(seed))


def built(form, architecture=SMALL, shape=(2, 3, 16, 16), statistics=layers.BATCH, training=False, **options):
    """The scope of a network of one layer (3 cells, reductions 0 and 1) or more, and what its graph puts out."""
    scope = ParameterScope()
    network = form(scope, 4, 10, options.pop("num_layers", 1), **options)
    return scope, network.build(variable(*shape), architecture, statistics, training)


def scopes_of(scope, pattern):
    return {match[0] for match in (re.match(pattern, name) for name in scope.all()) if match}


@pytest.mark.parametrize("num_layers, expected", [(1, (0, 1)), (3, (1, 3)), (6, (2, 5)), (15, (5, 11))])
def test_reduction_cells(num_layers, expected):
    assert micro_cnn.reduction_cells(num_layers) == expected


def test_only_operations_in_use_have_parameters():
    scope, _ = built(micro_cnn.SharedNetwork)
    assert scopes_of(scope, r"cell_2/node_.*?sepconv\dx\d") == {
        "cell_2/node_0/x/input_0/sepconv3x3",
        "cell_2/node_0/y/input_0/sepconv3x3",
    }
    scope, _ = built(micro_cnn.FinalNetwork)
    assert scopes_of(scope, r"cell_2/node_\d/./\w+") == {"cell_2/node_0/x/sepconv3x3", "cell_2/node_0/y/sepconv3x3"}


def test_the_two_operations_of_a_node_share_no_weight():
    scope, _ = built(micro_cnn.SharedNetwork)
    x, y = (scope.all()[f"cell_0/node_0/{side}/input_0/sepconv3x3/stack_0/depthwise/W"] for side in "xy")
    assert (x.d != y.d).any()


def test_another_input_has_other_shared_weights_and_an_equal_choice_the_same():
    scope = ParameterScope()
    network = micro_cnn.SharedNetwork(scope, 4, 10, 1)
    network.build(variable(2, 3, 16, 16), SMALL, layers.BATCH)
    before = scope.all()
    cell = (Node(1, "sepconv3x3", 0, "sepconv3x3"), CELL[1])
    network.build(variable(2, 3, 16, 16), MicroArchitecture(SMALL.normal, cell), layers.BATCH)
    assert {name: scope.all()[name] for name in before} == before
    added = {name.split("/stack")[0] for name in set(scope.all()) - set(before)}
    # input 1 is no loose end any more; input 0 is read as before
    assert added == {f"cell_{index}/node_0/x/input_1/sepconv3x3" for index in (0, 1)}


def test_weights_start_the_same_whichever_architecture_comes_first():
    scopes = ParameterScope(), ParameterScope()
    architectures = [random_architecture(1), random_architecture(2)]
    for scope, order in zip(scopes, (architectures, architectures[::-1]), strict=True):
        for architecture in order:
            micro_cnn.SharedNetwork(scope, 4, 10, 1).build(variable(2, 3, 16, 16), architecture, layers.BATCH)
    first, second = (scope.arrays() for scope in scopes)
    assert set(first) == set(second)
    assert all((first[name] == second[name]).all() for name in first)


def test_the_output_mixes_the_loose_ends():
    scope, _ = built(micro_cnn.SharedNetwork)
    assert loose_ends(CELL) == (1, 3)
    assert scopes_of(scope, r"cell_2/output/\w+") == {"cell_2/output/from_1", "cell_2/output/from_3", "cell_2/output/bn"}
    assert scope.all()["cell_2/output/from_3/W"].shape == (16, 16, 1, 1)


def test_a_final_reduction_cell_halves_an_input_that_is_a_loose_end_and_an_identity():
    cell = (Node(0, "identity", 0, "max_pool3x3"), Node(2, "identity", 2, "average_pool3x3"))
    scope, outputs = built(micro_cnn.FinalNetwork, MicroArchitecture(CELL, cell))
    for index, filters in ((0, 8), (1, 16)):  # each doubles
        for place in (f"cell_{index}/output/from_1", f"cell_{index}/node_0/x/identity"):
            assert scope.all()[f"{place}/path1/W"].shape[0] == filters // 2
    assert not scopes_of(scope, r"cell_\d/node_1/|cell_2/node_\d/./identity|cell_2/output")
    outputs.logits.forward()
    assert scope.all()["fc/W"].shape[0] == 2 * 16  # two loose ends


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed, auxiliary", [(1, AUXILIARY["authors"]), (2, AUXILIARY["authors"]), (1, AUXILIARY["example"])])
def test_every_parameter_in_use_gets_a_gradient(form, seed, auxiliary):
    scope, outputs = built(form, random_architecture(seed), (4, 3, 16, 16), layers.TRAIN, True, num_layers=3, **auxiliary)
    labels = variable(4, 1) * 0
    cross_entropy = F.softmax_cross_entropy(outputs.logits, labels)
    loss = F.mean(cross_entropy + F.softmax_cross_entropy(outputs.auxiliary_logits, labels))
    loss.forward(clear_no_need_grad=True)
    loss.backward(clear_buffer=True)
    assert [name for name, parameter in scope.trainable().items() if not parameter.g.any()] == []


@pytest.mark.parametrize("form", FORMS)
def test_the_auxiliary_head_is_there_in_training_only_and_if_asked_for(form):
    for training, auxiliary in ((True, True), (True, False), (False, True)):
        scope, outputs = built(form, training=training, auxiliary=auxiliary)
        present = training and auxiliary
        assert (outputs.auxiliary_logits is not None) == present
        assert any(name.startswith("auxiliary/") for name in scope.all()) == present


@pytest.mark.parametrize("size, pooled", [(16, 1), (32, 2), (64, 4)])
def test_the_auxiliary_head_fits_the_image(size, pooled):
    scope, outputs = built(micro_cnn.FinalNetwork, shape=(2, 1, size, size), training=True, auxiliary=True)
    assert scope.all()["auxiliary/conv1x1/W"].shape[0] == 128
    assert scope.all()["auxiliary/map/W"].shape == (768, 128, pooled, pooled)
    outputs.auxiliary_logits.forward(clear_buffer=True)
    assert outputs.auxiliary_logits.shape == (2, 10)


def test_drop_path_keeps_less_with_depth_and_progress():
    _, outputs = built(micro_cnn.FinalNetwork, training=True, num_layers=3, drop_path_keep_rate=0.6, shape=(2, 3, 16, 16))
    masks = outputs.masks.items
    assert [mask.variable.shape for mask in masks] == [(2, 1, 1, 1)] * 15  # 5 cells, 3 operations that are no identity
    for cell in range(5):
        last = 1 - 0.4 * (cell + 1) / 5
        for mask in masks[3 * cell : 3 * cell + 3]:
            assert mask.keep_rate(1.0) == pytest.approx(last)
            assert mask.keep_rate(0.25) == pytest.approx(1 - 0.25 * (1 - last))


def test_drop_path_zeroes_an_operation_of_one_example():
    """Without node 0's operations, node 1 is the pooling alone; with all dropped, the loose end node 1 is zero."""
    scope, outputs = built(micro_cnn.FinalNetwork, training=True, drop_path_keep_rate=0.5)
    assert len(outputs.masks.items) == 9
    for mask in outputs.masks.items:
        mask.variable.d = np.reshape([0, 1], (2, 1, 1, 1))
    outputs.logits.forward()
    features = outputs.logits.parent.inputs[0].d  # (2, 2 x 16): input 1 of the cell, then node 1
    assert not features[0, 16:].any() and features[0, :16].any() and features[1, 16:].any()


@pytest.mark.parametrize("form", FORMS)
def test_masks_only_in_training(form):
    options = {"drop_path_keep_rate": 0.6} if form is micro_cnn.FinalNetwork else {}
    _, outputs = built(form, keep_rate=0.8, **options)
    assert not outputs.masks.items
    _, outputs = built(form, keep_rate=0.8, training=True, **options)
    assert outputs.masks.items[-1].keep_rate(0.5) == 0.8


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (2, 3, 32, 32), (2, 3, 30, 34)])
def test_shapes(form, shape):
    _, outputs = built(form, random_architecture(), shape, num_layers=3)
    outputs.logits.forward(clear_buffer=True)
    assert outputs.logits.shape == (2, 10)
    assert np.isfinite(outputs.logits.d).all()


@pytest.mark.parametrize("form", FORMS)
def test_the_published_architecture_builds(form):
    scope, outputs = built(form, PUBLISHED["enas"], (2, 3, 32, 32), layers.TRAIN, True, num_layers=6, auxiliary=True)
    assert outputs.logits.shape == outputs.auxiliary_logits.shape == (2, 10)
    assert len(scopes_of(scope, r"cell_\d+")) == 8


@pytest.mark.parametrize("form", FORMS)
def test_the_convolutions_of_the_auxiliary_head(form):
    """Behind the last reduction 8 x 8 pixels are pooled to 2 x 2, which is the whole map."""
    shapes = {}
    for name, auxiliary in AUXILIARY.items():
        scope, _ = built(form, SMALL, (2, 3, 32, 32), layers.TRAIN, True, num_layers=3, **auxiliary)
        found = {key: value.shape for key, value in scope.all().items() if re.fullmatch(r"auxiliary/(conv|map)\w*/W", key)}
        shapes[name] = [(shape[0], *shape[2:]) for shape in found.values()]
    assert shapes == {"authors": [(128, 1, 1), (768, 2, 2)], "example": [(128, 3, 3), (768, 3, 3)]}
