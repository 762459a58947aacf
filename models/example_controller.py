"""The controller in a controller_params.h5 of NNabla's ENAS example, under the names of ours.

Of the names in such a file only those of the LSTM are relied on, `controller_lstm/<layer>/lstm/affine/W`. All else is known by
its shape: one (size, operations) and one (operations, size) are logits and embeddings of the operations, two (size, size) and
one (size, 1) the attention, of the anchors first. A file written during the search also has the child networks' weights.
"""

import h5py
import numpy as np

from errors import UserError

LSTM = "controller_lstm"
GATES = [0, 2, 1, 3]  # NNabla's cell has input, output, forget, candidate; ours input, forget, output, candidate
MOST_UNITS = 4096


def is_example(path):
    """Does this .h5 file hold the example's controller?"""
    try:
        with h5py.File(path, "r") as file:
            return f"{LSTM}/0/lstm/affine/W" in file
    except (OSError, ValueError, RuntimeError):
        return False


class ExampleController:
    """`arrays` (dict by our names), `lstm_size`, `lstm_layers`, `num_ops`. Raises UserError when the file is not of that form."""

    def __init__(self, path, most_ops):
        """`most_ops`: how many operations the space has."""
        self._path, self.arrays = path, {}
        try:
            with h5py.File(path, "r") as file:
                self._read(file, most_ops)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0].strip("'\"")
            raise UserError(f"{path} is not a controller of NNabla's example: {reason}; give the right file") from error

    def _read(self, file, most_ops):
        self.lstm_layers = next(k for k in range(MOST_UNITS) if f"{LSTM}/{k}/lstm/affine/W" not in file)
        self.lstm_size = size = file[f"{LSTM}/0/lstm/affine/W"].shape[-1]
        if size > MOST_UNITS:
            raise ValueError(f"an LSTM of {size} units")
        for layer in range(self.lstm_layers):
            self._read_layer(file[f"{LSTM}/{layer}/lstm/affine"], layer)
        tensors = _by_shape(file)
        number = next((k for k in range(most_ops, 1, -1) if (size, k) in tensors), None)
        if number is None:
            raise ValueError(f"no logits of 2 to {most_ops} operations, ({size}, operations), in it")
        self.num_ops = number
        wanted = {(size, number): ["operation"], (size, size): ["attention/W1", "attention/W2"], (size, 1): ["attention/v"]}
        for shape, names in wanted.items():
            found = tensors.get(shape, [])
            if len(found) != len(names):
                raise ValueError(f"{len(found)} arrays {shape} in it, not {len(names)}")
            for name, dataset in zip(names, found, strict=True):
                self._add(name, dataset)
        for dataset in tensors.get((number, size), [])[:1]:
            self.arrays["embedding"] = _finite(dataset)

    def _read_layer(self, group, layer):
        size = self.lstm_size
        weight = _finite(group["W"], (2 * size, 4, size))
        self.arrays[f"lstm/layer_{layer}/W"] = weight[:, GATES].reshape(2 * size, 4 * size)
        if "b" in group:
            self.arrays[f"lstm/layer_{layer}/b"] = _finite(group["b"], (4, size))[GATES].ravel()

    def _add(self, name, dataset):
        """A matrix, and the bias that may lie beside it."""
        weight, bias = (f"{name}/W", f"{name}/b") if name == "operation" else (name, f"{name}_b")
        self.arrays[weight] = _finite(dataset)
        beside = dataset.parent.get("b")
        if isinstance(beside, h5py.Dataset) and beside.shape == dataset.shape[1:]:
            self.arrays[bias] = _finite(beside)

    def fill(self, parameters):
        """Set those of `parameters` (dict of name -> Variable) that the file has; returns the names of the others.

        Biases that it lacks are 0.
        """
        missing = []
        for name, variable in parameters.items():
            if name in self.arrays:
                variable.d = self.arrays[name]
            elif name.endswith("b"):
                variable.d = 0
            else:
                missing.append(name)
        return missing


def _by_shape(file):
    """Dict: shape -> datasets outside the LSTM with two axes, in the order in which NNabla wrote them."""
    found = []

    def look(name, entry):
        if isinstance(entry, h5py.Dataset) and len(entry.shape) == 2 and not name.startswith(f"{LSTM}/"):
            found.append((int(entry.attrs.get("index", 0)), name, entry))

    file.visititems(look)
    shapes = {}
    for _, _, dataset in sorted(found, key=lambda item: item[:2]):
        shapes.setdefault(dataset.shape, []).append(dataset)
    return shapes


def _finite(dataset, shape=None):
    if shape is not None and dataset.shape != shape:
        raise ValueError(f"{dataset.name} is of shape {dataset.shape}, not {shape}")
    if dataset.dtype.kind != "f":
        raise ValueError(f"{dataset.name} is {dataset.dtype}")
    array = np.asarray(dataset[()], np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{dataset.name} has numbers that are not finite")
    return array
