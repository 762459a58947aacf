"""Convolution of every channel by itself: two forms with the same numbers, of which a GPU has the choice."""

import json
import sys

import nnabla as nn
import numpy as np
import pytest

import kernels
from benchmarks import depthwise
from kernels.nnabla_functions import DEPTHWISE, GROUPED, OWN, NNablaKernels

DEVICE = nn.Context(["cudnn:float", "cuda:float", "cpu:float"], "CpuCachedArray", "0")
CPU = nn.Context(["cpu:float"], "CpuCachedArray", "0")


def computed(form, context, **how):
    """(types of functions, output, gradients)"""
    chosen, rng = NNablaKernels(), np.random.default_rng(0)
    chosen.depthwise = form
    x, w = (nn.Variable(shape, need_grad=True) for shape in ((2, 4, 8, 7), (4, 1, 3, 3)))
    for variable in (x, w):
        variable.d, variable.g = rng.standard_normal(variable.shape), 0
    with nn.context_scope(context):
        y = chosen.depthwise_convolution(x, w, **how)
    names = []
    y.visit(lambda function: names.append(function.info.type_name))
    y.forward()
    y.backward(1.0)
    return names, [y.d, x.g, w.g]


@pytest.mark.parametrize("how", [
    {"pad": (1, 1)}, {"pad": ((0, 1), (1, 1)), "stride": (2, 2)}, {"pad": (2, 2), "dilation": 2}, {},
])  # fmt: skip
def test_both_forms_have_the_same_numbers(how):
    grouped, own = (computed(form, DEVICE, **how) for form in (GROUPED, OWN))
    assert "Convolution" in grouped[0] and "DepthwiseConvolution" in own[0]
    for one, other in zip(grouped[1], own[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_cpu_has_no_choice():
    assert "DepthwiseConvolution" not in computed(OWN, CPU, pad=(1, 1))[0]


def test_runs_use_what_is_recorded_and_exported_graphs_the_groups():
    assert kernels.choose("nnabla").depthwise == DEPTHWISE
    assert NNablaKernels().depthwise == GROUPED


def test_the_benchmark_names_the_faster_form(monkeypatch, capsys):
    monkeypatch.setattr(depthwise, "SIZES", [(4, 6, 3)])
    monkeypatch.setattr(sys, "argv", ["depthwise", "--batch-size", "2", "--repeat", "1", "--json"])
    assert depthwise.main() == 0
    row = json.loads(capsys.readouterr().out)
    assert row["faster"] == min((OWN, GROUPED), key=lambda form: row[f"{form}_ms"]) and row["in_use"] == DEPTHWISE
