"""The parameters of one model: a tree of names that makes a parameter the first time a graph asks for it."""

import contextlib
import copy
import io
import os
import zlib
from collections import OrderedDict

import h5py
import nnabla as nn
import numpy as np

from errors import UserError
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
        self._views = {}  # name -> view: networks are built out of the same names again and again

    def __truediv__(self, name):
        return self._views.get(name) or self._view(name)

    def _view(self, name):
        view = self._views[name] = copy.copy(self)  # of the same class, with whatever else that has
        view._prefix, view._views = f"{self._prefix}{name}/", {}
        return view

    def get(self, name, shape, initializer, need_grad=True):
        """The parameter `name` of this scope, made with `initializer(rng, shape)` if it is new.

        Raises ValueError naming both shapes when it exists with another one.
        """
        full_name = self._prefix + name
        variable, shape = self._variables.get(full_name), tuple(shape)
        if variable is None:
            variable = self._variables[full_name] = self._create(full_name, shape, initializer, need_grad)
        elif variable.shape != shape:
            raise ValueError(f"parameter {full_name} has shape {variable.shape}, asked for {shape}")
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
        need_grad = need_grad or (lambda name: not is_running_statistic(name))
        for name, value in arrays.items():
            value = np.asarray(value, np.float32)
            self.get(name, value.shape, constant(0), need_grad(name)).d = value


def is_running_statistic(name):
    """Is a parameter of this full name a running mean or variance of batch normalization?"""
    return name.rsplit("/", 1)[-1] in ("mean", "var")


def save_parameters(path, variables):
    """Write name -> Variable as NNabla's .h5 parameter file, complete or not at all. Raises UserError if it cannot.

    The same values make the same bytes, in whatever order the variables come.
    """
    image = io.BytesIO()  # HDF5 itself does not stand a disk that gets full
    nn.save_parameters(image, dict(sorted(variables.items())), extension=".h5")
    with atomic_write(path) as file:
        file.write(image.getbuffer())


def load_parameters(path, variables, file=None):
    """Set the values of name -> Variable from an .h5 parameter file; what else the file holds is not read.

    file: what to read instead, an object with `read` and `seek`; `path` is its name in messages then.

    Raises UserError, before any value is set, when the file cannot be read or is of another network.
    """
    arrays = read_parameters(path, {name: variable.shape for name, variable in variables.items()}, file)
    for name, variable in variables.items():
        variable.d = arrays[name]


def read_parameters(path, shapes, file=None):
    """Dict of name -> array of an .h5 parameter file; `shapes`: dict of what to read; `file` and errors: `load_parameters`."""
    with _opened(path, file) as stored:
        return {name: _read(stored.get(name), name, shape) for name, shape in shapes.items()}


def stored_shapes(path, file=None):
    """Dict of name -> shape of all that an .h5 parameter file holds. `file` and errors as of `load_parameters`."""
    shapes = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    with _opened(path, file) as stored:
        stored.visititems(add)
    return shapes


@contextlib.contextmanager
def _opened(path, file):
    if file is None and not os.path.isfile(path):
        raise UserError(f"there is no parameter file {path}; check the name")
    try:
        with h5py.File(file or path, "r") as stored:
            yield stored
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0].strip("'\"")
        raise UserError(f"{path} does not hold the parameters of this network: {reason}; give the right file") from error


def _read(dataset, name, shape):
    """The float array of an h5 dataset whose shape is known, so that no header can ask for more memory."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"no {name} in it")
    if dataset.shape != shape or dataset.dtype.kind != "f":
        raise ValueError(f"{name} is {dataset.dtype} of shape {dataset.shape}, here it is float32 of shape {shape}")
    array = dataset[()]
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has numbers that are not finite")
    return array


def constant(value):
    """Initializer: every element is `value`."""
    return lambda rng, shape: np.full(shape, value, np.float32)


def uniform(limit):
    """Initializer: uniform in [-limit, limit]."""
    return lambda rng, shape: rng.uniform(-limit, limit, shape).astype(np.float32)


def he_normal(fan_in):
    """Initializer: normal with variance 2 / fan_in (He et al. 2015, arXiv:1502.01852), as the authors' code."""
    return lambda rng, shape: (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
