from experiments.nas_bench_201 import frozen
from tests.experiments.nas_bench_201.test_search import TINY, TRUTH, dataset, own_kernels  # noqa: F401 - a fixture


def test_controllers_learn_from_the_same_weights(own_kernels):  # noqa: F811
    controllers = {"slow": {"control_lr": 1e-6}, "again": {"control_lr": 1e-6}, "fast": {"control_lr": 0.3}}
    result = frozen.explore(dataset(), TRUTH, 0, lambda line: None, TINY, controllers, updates=2)
    assert [row["epochs"] for row in result["ranks"]] == [1, 2]
    curves = result["controllers"]
    assert [row["update"] for row in curves["slow"]] == [0, 1, 2]
    assert curves["slow"] == curves["again"]
    assert abs(curves["slow"][-1]["entropy"] - curves["slow"][0]["entropy"]) < 1e-3
    assert curves["fast"][-1]["entropy"] < curves["slow"][-1]["entropy"] - 0.05
