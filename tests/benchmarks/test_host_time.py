from types import SimpleNamespace

import nnabla as nn
import pytest

import args
from benchmarks import host_time
from training.trainer import TrainingGraph

DEVICE = nn.Context(["cudnn:float", "cuda:float", "cpu:float"], "CpuCachedArray", "0")


@pytest.mark.parametrize("job", args.BOTH)
def test_the_parts_of_a_step_take_time(job, monkeypatch):
    monkeypatch.setattr(TrainingGraph, "backward", TrainingGraph.backward)
    options = SimpleNamespace(space="macro", job=job, type_config="float", options="--preset quick", steps=3, warm_up=1)
    with nn.context_scope(DEVICE):
        row = host_time.measure(options)
    assert row["parameters"] > 10
    assert all(row[part] > 0 for part in host_time.PARTS if part != "building" or job == args.SEARCH)
    assert row["together"] == pytest.approx(sum(row[part] for part in host_time.PARTS), rel=0.3, abs=0.05)
