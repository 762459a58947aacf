"""The stand-in for imports that NNabla tries in vain."""

import importlib.machinery
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
    assert {n for n in sys.modules if n.startswith("nnabla.nnabla.")} == {"nnabla.nnabla.variable", "nnabla.nnabla.functions"}
    assert sys.modules["nnabla.nnabla.functions"] is sys.modules["nnabla.functions"]


class LookUps:
    """Notes what Python looks for in folders."""

    def __init__(self):
        self.names = []

    def find_spec(self, name, path=None, target=None):
        self.names.append(name)


def test_nothing_is_looked_up_when_arrays_are_read_and_filled(monkeypatch):
    x = nnabla.Variable.from_numpy_array([[1.0, 2.0]]).apply(need_grad=True)
    look_ups = LookUps()
    monkeypatch.setattr(sys, "meta_path", [look_ups, *sys.meta_path])
    x.d, x.g = x.d + 1, x.d
    x.data.copy_from(x.grad, use_current_context=False)
    F.sum(F.relu(x.data)).data.item()
    with nnabla.context_scope(nnabla.get_current_context()):
        F.sum(x).forward()
    assert look_ups.names == []


def test_compiled_modules_still_know_where_they_come_from():
    spec = sys.modules["nnabla.function"].__spec__
    assert (spec.name, spec.parent) == ("nnabla.function", "nnabla") and isinstance(spec, importlib.machinery.ModuleSpec)
    assert type(spec).parent == "nnabla"


def test_a_second_installation_changes_nothing():
    before = sys.modules["nnabla.nnabla"]
    quick_imports.install()
    assert sys.modules["nnabla.nnabla"] is before
