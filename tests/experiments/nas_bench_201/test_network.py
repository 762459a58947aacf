import nnabla as nn
import numpy as np
import pytest

from deployment.complexity import image_network_cost
from experiments.nas_bench_201.network import CellNetwork
from experiments.nas_bench_201.space import Cell, CellSpace
from models import layers
from models.parameters import ParameterScope

# Without cells: stem 3*16*9 + 32; blocks 16*32*9 + 64 + 32*32*9 + 64 + 16*32 and 32*64*9 + 128 + 64*64*9 + 128 + 32*64;
# last normalization 128; classifier 64*10 + 10. The benchmark publishes 0.073306 M as its smallest network, all none or skip.
SKELETON = 464 + 14_464 + 57_600 + 128 + 650
PARAMETERS = {"nor_conv_1x1": [c * c + 2 * c for c in (16, 32, 64)], "nor_conv_3x3": [9 * c * c + 2 * c for c in (16, 32, 64)]}


def by_hand(cell, cells):
    return SKELETON + cells * sum(sum(PARAMETERS.get(operation, [])) for operation in cell.operations)


def cost(cell, cells=5):
    return image_network_cost(CellNetwork(None, 10, 16, cells), cell, (3, 32, 32))


@pytest.mark.parametrize(
    ("operation", "parameters"), [("skip_connect", 73_306), ("nor_conv_3x3", 1_531_546), ("avg_pool_3x3", 73_306)]
)
def test_published_numbers_of_parameters(operation, parameters):
    assert cost(Cell((operation,) * 6)).parameters == parameters


def test_numbers_of_parameters_counted_by_hand():
    rng = np.random.default_rng(1)
    for number in range(20):
        cell, cells = CellSpace().random(rng), (1, 5)[number % 2]
        assert cost(cell, cells).parameters == by_hand(cell, cells)


def test_multiply_adds_of_one_edge():
    """A 3x3 convolution of 16 channels at 32 x 32, of 32 at 16 x 16 and of 64 at 8 x 8: 2,359,296 each."""
    none = cell_of()
    one = cell_of(e03="nor_conv_3x3")
    assert cost(one, 1).multiply_adds - cost(none, 1).multiply_adds == 3 * 2_359_296


def cell_of(**edges):
    names = ["e01", "e02", "e12", "e03", "e13", "e23"]
    return Cell(tuple(edges.get(name, "none") for name in names))


def outputs(cell):
    scope = ParameterScope(3)
    images = nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32))
    with layers.plain():
        logits = CellNetwork(scope, 10, 4, 1).build(images, cell, layers.BATCH).logits
    logits.forward()
    return logits.d.copy()


def test_nodes_add_what_they_read():
    """Two skip connections in a row are one; two beside each other double what the next normalization takes out again."""
    direct = outputs(cell_of(e03="skip_connect"))
    assert np.allclose(outputs(cell_of(e01="skip_connect", e13="skip_connect")), direct, atol=1e-5)
    assert np.allclose(outputs(cell_of(e02="avg_pool_3x3", e23="skip_connect")), outputs(cell_of(e03="avg_pool_3x3")), atol=1e-5)
    assert not np.allclose(outputs(cell_of(e03="nor_conv_3x3")), direct, atol=1e-2)


def test_a_cell_that_lets_nothing_through_knows_nothing_of_the_image():
    logits = outputs(cell_of())
    assert np.allclose(logits[0], logits[1], atol=1e-5)


def test_cells_share_the_weights_of_what_they_have_in_common():
    scope = ParameterScope(0)
    images = nn.Variable((2, 3, 8, 8))
    network = CellNetwork(scope, 10, 4, 1)
    with layers.plain():
        network.build(images, cell_of(e01="nor_conv_3x3", e13="nor_conv_1x1"), layers.BATCH)
        before = set(scope.all())
        network.build(images, cell_of(e01="nor_conv_3x3", e03="nor_conv_1x1"), layers.BATCH)
    new = set(scope.all()) - before
    assert {name.split("/")[2] for name in new} == {"edge_0_3"}
