"""A stand-in that ends failing imports inside NNabla 1.39: building a graph node takes a third of the time.

NNabla's compiled modules first look up every import at run time as a sibling (`nnabla.nnabla`), which does not exist,
walking `sys.path` each time: 20 microseconds, five times for a Python function, twice for one of NNabla's own.
"""

import importlib
import sys
import types

import nnabla
import nnabla.variable

NAME = "nnabla.nnabla"


def install():
    """Answer those look-ups with the real modules; names not known here fail at once and NNabla goes on as before."""
    if NAME in sys.modules:
        return
    stand_in = types.ModuleType(NAME)
    stand_in.__path__ = []
    stand_in.__getattr__ = _attribute
    stand_in.context_scope = nnabla.context_scope  # what is asked for most
    sys.modules[NAME] = stand_in
    sys.modules[f"{NAME}.variable"] = nnabla.variable


def _attribute(name):
    if hasattr(nnabla, name):
        return getattr(nnabla, name)
    try:
        return importlib.import_module(f"nnabla.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(name) from error
