"""The authors' controller variables under our names: explicit tables, for the parity tests."""

from types import MappingProxyType

from search_spaces import macro

CONTROLLER_NAMES = {
    "g_emb": "start",
    "emb/w": "embedding",
    "lstm/layer_0/w": "lstm/layer_0/W",
    "softmax/w": "operation/W",
    "softmax/b": "operation/b",
    "attention/w_1": "attention/W1",
    "attention/w_2": "attention/W2",
    "attention/v": "attention/v",
}
RECURRENT_CONTROLLER_NAMES = {
    "embedding/g_emb": "start",
    "embedding/w": "embedding",
    "softmax/w": "function/W",
}


def authors_operation_numbers(num_ops):
    """The authors' number of each of the first `num_ops` operations in our order, by name.

    For the counts at which the two orders begin with different operations there is no name to go by (a
    controller sees numbers only): there a number stands for itself.
    """
    if set(macro.OPERATIONS[:num_ops]) != set(macro.AUTHORS_OPERATIONS[:num_ops]):
        return list(range(num_ops))
    return [macro.AUTHORS_OPERATIONS.index(name) for name in macro.OPERATIONS[:num_ops]]


def macro_architecture(arc, num_ops):
    """The authors' flat `arc` (per layer operation, then skip bits) as a `MacroArchitecture`."""
    ours_of = {authors: ours for ours, authors in enumerate(authors_operation_numbers(num_ops))}
    numbers, start, layer = arc.copy(), 0, 0
    while start < len(arc):
        numbers[start] = ours_of[int(arc[start])]
        layer += 1
        start += layer
    return macro.MacroArchitecture.from_numbers(numbers)


def macro_controller_arrays(npz, prefix="var/"):
    """Our names -> arrays of a macro controller, or of its gradients (`prefix="sample0_grad_log_prob/"`)."""
    arrays = _controller_arrays(npz, prefix)
    order = authors_operation_numbers(len(arrays["embedding"]))
    arrays["embedding"] = arrays["embedding"][order]
    arrays["operation/W"] = arrays["operation/W"][:, order]
    return arrays


def micro_controller_arrays(npz, prefix="var/"):
    """Our names -> arrays of a micro controller, or of its gradients; the operations' numbers agree."""
    arrays = _controller_arrays(npz, prefix)
    arrays["operation/b"] = arrays["operation/b"].ravel()
    return arrays


def recurrent_controller_arrays(npz, prefix="var/"):
    """Our names -> arrays of the first code's recurrent controller, or of its gradients; the functions' numbers agree."""
    return _controller_arrays(npz, prefix, CONTROLLER_NAMES | RECURRENT_CONTROLLER_NAMES)


def load_authors_controller(scope, arrays):
    """Put arrays of one of the functions above into a controller's scope.

    Raises ValueError when a shape differs or their names are not those of the scope.
    """
    expected = len(scope.all())
    scope.assign(arrays)
    if not expected == len(arrays) == len(scope.all()):
        raise ValueError(f"the golden file has {sorted(arrays)}, the controller now {sorted(scope.all())}")


def _controller_arrays(npz, prefix, names=MappingProxyType(CONTROLLER_NAMES)):
    """All of the file's variables under `prefix`; KeyError for one that `names` does not have."""
    start = f"{prefix}controller/"
    found = {key[len(start) :].removesuffix(":0"): npz[key] for key in npz if key.startswith(start)}
    return {names[name]: array for name, array in found.items()}
