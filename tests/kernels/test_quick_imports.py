"""The stand-in for imports that NNabla tries in vain."""

import sys

import nnabla
import nnabla.functions as F
import pytest

import kernels  # noqa: F401  installs it
from kernels import quick_imports


def test_it_answers_with_the_real_things():
    stand_in = sys.modules["nnabla.nnabla"]
    assert stand_in.context_scope is nnabla.context_scope
    assert stand_in.Variable is nnabla.Variable
    assert stand_in.solvers is __import__("nnabla.solvers").solvers
    assert sys.modules["nnabla.nnabla.variable"] is sys.modules["nnabla.variable"]
    with pytest.raises(AttributeError):
        _ = stand_in.no_such_thing


def test_no_module_of_nnabla_is_loaded_twice():
    x = nnabla.Variable.from_numpy_array([[1.0, 2.0]]).apply(need_grad=True)
    y = F.mean(x * 2)
    y.forward()
    y.backward()
    assert y.parent.inputs[0].parent.inputs[0] == x
    assert {n for n in sys.modules if n.startswith("nnabla.nnabla.")} == {"nnabla.nnabla.variable"}


def test_a_second_installation_changes_nothing():
    before = sys.modules["nnabla.nnabla"]
    quick_imports.install()
    assert sys.modules["nnabla.nnabla"] is before
