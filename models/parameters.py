"""The parameters of one model: a tree of names that makes a parameter the first time a graph asks for it."""

import contextlib
import zlib
from collections import OrderedDict

import nnabla as nn
import numpy as np

from files import atomic_write


class ParameterScope:
    """Parameters of one model by name.

    `scope / "stem"` is a view of the names below `stem/`. The initial value of a parameter depends on the seed and its full
    name alone, not on the order of creation: a search that was interrupted makes the same weights as one that was not.
    """

    def __init__(self, seed=0):
        self.seed = seed
        self._variables = OrderedDict()
        self._users = []
        self._prefix = ""

    def __truediv__(self, name):
        view = object.__new__(ParameterScope)
        view.seed, view._variables, view._users = self.seed, self._variables, self._users
        view._prefix = f"{self._prefix}{name}/"
        return view

    def get(self, name, shape, initializer, need_grad=True):
        """The parameter `name` of this scope, made with `initializer(rng, shape)` if it is new.

        Raises ValueError naming both shapes when it exists with another one.
        """
        full_name = self._prefix + name
        variable = self._variables.get(full_name)
        if variable is None:
            variable = self._variables[full_name] = self._create(full_name, tuple(shape), initializer, need_grad)
        elif variable.shape != tuple(shape):
            raise ValueError(f"parameter {full_name} has shape {variable.shape}, asked for {tuple(shape)}")
        for used in self._users:
            used[full_name] = variable
        return variable

    @contextlib.contextmanager
    def record_use(self):
        """Gives a dict that collects, name -> Variable, what is asked for inside the block: the parameters of one graph."""
        used = {}
        self._users.append(used)
        try:
            yield used
        finally:
            self._users.remove(used)

    def _create(self, full_name, shape, initializer, need_grad):
        rng = np.random.default_rng([self.seed, zlib.crc32(full_name.encode())])
        variable = nn.Variable(shape, need_grad=need_grad)
        variable.persistent = True
        variable.d = initializer(rng, shape)
        if need_grad:
            variable.g = 0
        return variable

    def all(self):
        """Ordered dict: full name -> Variable, of this scope and below."""
        return OrderedDict((k, v) for k, v in self._variables.items() if k.startswith(self._prefix))

    def trainable(self):
        """Those of `all()` that a gradient may reach."""
        return OrderedDict((k, v) for k, v in self.all().items() if v.need_grad)

    def arrays(self):
        """Copies of all values: dict of full name -> float32 array."""
        return {name: variable.d.copy() for name, variable in self.all().items()}

    def assign(self, arrays, need_grad=None):
        """Set values by full name; a name that no graph has asked for yet is made.

        `need_grad(name)` tells for those whether they are trained (default: all but running statistics, `mean` and `var`).
        Raises ValueError on another shape.
        """
        need_grad = need_grad or (lambda name: name.rsplit("/", 1)[-1] not in ("mean", "var"))
        for name, value in arrays.items():
            value = np.asarray(value, np.float32)
            self.get(name, value.shape, constant(0), need_grad(name)).d = value


def save_parameters(path, variables):
    """Write name -> Variable as NNabla's .h5 parameter file, complete or not at all. Raises UserError if it cannot."""
    with atomic_write(path) as file:
        nn.save_parameters(file, variables, extension=".h5")


def constant(value):
    """Initializer: every element is `value`."""
    return lambda rng, shape: np.full(shape, value, np.float32)


def uniform(limit):
    """Initializer: uniform in [-limit, limit]."""
    return lambda rng, shape: rng.uniform(-limit, limit, shape).astype(np.float32)


def he_normal(fan_in):
    """Initializer: normal with variance 2 / fan_in (He et al. 2015, arXiv:1502.01852), as the authors' code."""
    return lambda rng, shape: (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
