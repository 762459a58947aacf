from types import SimpleNamespace

import numpy as np
import pytest

from experiments.nas_bench_201.controller import ChainController, log_policy, uniform_log_policy
from experiments.nas_bench_201.space import NUM_CELLS, CellSpace
from models.parameters import ParameterScope, uniform
from tests.experiments.nas_bench_201.cells import all_cells


@pytest.fixture(params=[(1, None, None), (2, 5.0, 2.5)], ids=["plain", "two layers, bounded"])
def controller(request):
    """With weights so large that it has strong preferences."""
    lstm_layers, temperature, tanh_constant = request.param
    options = SimpleNamespace(lstm_size=8, lstm_layers=lstm_layers, temperature=temperature, tanh_constant=tanh_constant)
    controller = ChainController(CellSpace(), options, ParameterScope(0), 64)
    rng = np.random.default_rng(5)
    for variable in controller.parameters().values():
        variable.d = uniform(1.5)(rng, variable.shape)
    return controller


def test_the_exact_policy_is_a_distribution(controller):
    log_p = log_policy(controller)
    assert log_p.shape == (NUM_CELLS,)
    assert abs(np.exp(log_p).sum() - 1) < 1e-5
    assert np.exp(log_p).max() > 5 / NUM_CELLS


def test_the_exact_policy_is_that_of_the_graph(controller):
    cells = [CellSpace().random(np.random.default_rng(i)) for i in range(150)]
    graph = controller.sample(controller.forcing_noise(cells)).log_probability
    assert np.allclose(graph, log_policy(controller)[[cell.index for cell in cells]], atol=2e-4)


def test_samples_follow_the_exact_policy(controller):
    drawn = controller.sample(controller.draw_noise(lambda row: np.random.default_rng([1, row]), 3000)).architectures
    counts = np.bincount([cell.to_numbers()[0] for cell in drawn], minlength=5) / 3000
    exact = np.exp(log_policy(controller)).reshape(5, -1).sum(axis=1)
    assert abs(counts - exact).max() < 0.04


def test_forced_noise_gives_the_cell(controller):
    cells = [all_cells()[index] for index in (0, 777, NUM_CELLS - 1)]
    assert controller.sample(controller.forcing_noise(cells)).architectures == cells


def test_chance():
    assert abs(np.exp(uniform_log_policy()).sum() - 1) < 1e-12
