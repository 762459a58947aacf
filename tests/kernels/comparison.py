"""Runs one operation with two sets of kernels and compares values and gradients."""

import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

import kernels
from kernels.nnabla_functions import NNablaKernels

TOLERANCE = 1e-5  # greatest difference relative to the greatest absolute value


def onednn(layout="NHWC", threads=1):
    """oneDNN's kernels; skips the test if they cannot be had."""
    lines = []
    result = kernels.choose("onednn", threads, layout=layout, log=lines.append)
    if result.name != "onednn":
        pytest.skip("onednn-cpu-gomp missing")
    return result


def compare(layout, operation, arrays, images=1, need_grad=None, twice=False):
    """Assert that `operation(kernels, *variables)` gives the same with oneDNN in `layout` as with NNabla in NCHW.

    The first `images` of the arrays are images `(batch, channels, height, width)`, and so is the result if it has four
    axes. need_grad: one bool per array (default: all). twice: every input is used twice, so that gradients are added.
    """
    need_grad = need_grad or [True] * len(arrays)
    results = [
        run(each, operation, arrays, images, need_grad, twice) for each in (onednn(layout), NNablaKernels("NCHW"))
    ]
    for number, (found, expected) in enumerate(zip(*results, strict=True)):
        what = f"gradient {number - 1}" if number else "value"
        assert found.shape == expected.shape, what
        assert relative_error(found, expected) < TOLERANCE, what


def relative_error(found, expected):
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)


def run(each, operation, arrays, images, need_grad, twice):
    """Value and gradients; the gradient of an input without one is what stood there before, ones."""
    inputs = [nn.Variable.from_numpy_array(a.copy()).apply(need_grad=need) for a, need in zip(arrays, need_grad, strict=True)]
    shared = [x * 1.0 for x in inputs] if twice else inputs
    y = _apply(each, operation, shared, images)
    if twice:
        y = y + 2.0 * _apply(each, operation, shared, images)
    y.persistent = True
    loss = F.sum(y * nn.Variable.from_numpy_array(np.random.default_rng(1).standard_normal(y.shape)))
    loss.forward(clear_no_need_grad=True)
    for x, need in zip(inputs, need_grad, strict=True):
        x.g = 0 if need else 1
    loss.backward(clear_buffer=True)
    return [y.d.copy(), *(x.g.copy() for x in inputs)]


def _apply(each, operation, variables, images):
    y = operation(each, *(each.from_nchw(x) for x in variables[:images]), *variables[images:])
    return each.to_nchw(y) if y.ndim == 4 else y
