"""Comparison of the image networks with golden files: the same for macro and micro, shared and final."""

import nnabla as nn
import nnabla.functions as F
import numpy as np

from errors import UserError
from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from search_spaces.macro import MacroArchitecture
from search_spaces.micro import MicroArchitecture
from tests import ties
from tests.authors import macro, micro
from tests.authors.differences import gradient_scales, relative
from tests.centered import centered_batch_normalization

AUXILIARY_WEIGHT = 0.4


def compare_macro_final(arrays):
    """Form of macro_fixed_*.npz (and its gradients)."""
    network = macro_cnn.FinalNetwork(**_common_fields(arrays), dense_only=True)
    architecture = MacroArchitecture.from_text(_text(arrays["arc"]))
    yield from compare_network(arrays, network, architecture, macro.final_translator(int(arrays["num_layers"])))


def compare_macro_search(arrays):
    """Form of macro_search_*.npz: several architectures on one set of shared weights."""
    translator = macro.search_translator(int(arrays["num_layers"]))
    for case in _cases(arrays, "arc{}"):
        network = macro_cnn.SharedNetwork(**_common_fields(arrays))
        architecture = MacroArchitecture.from_text(_text(arrays[case]))
        yield from compare_network(arrays, network, architecture, translator, f"{case}_")


def compare_micro_final(arrays):
    """Form of micro_fixed_*.npz (and its gradients)."""
    fields = _common_fields(arrays) | {"num_layers": int(arrays["num_layers"])}
    network = micro_cnn.FinalNetwork(**fields, auxiliary="aux_logits" in arrays)
    yield from compare_network(arrays, network, _cells(arrays, "arc_"), micro.final_translator())


def compare_micro_search(arrays):
    """Form of micro_search.npz: as for macro, but with the statistics of the batch even in evaluation."""
    arrays = micro.split_rows(arrays)
    fields = _common_fields(arrays) | {"num_layers": int(arrays["num_layers"])}
    for case in _cases(arrays, "arc{}_normal"):
        network = micro_cnn.SharedNetwork(**fields)
        architecture = _cells(arrays, f"{case}_")
        yield from compare_network(arrays, network, architecture, micro.search_translator(), f"{case}_", layers.BATCH)


def _common_fields(arrays):
    classes = arrays["var/child/fc/w:0"].shape[1]
    return {"scope": ParameterScope(), "filters": int(arrays["out_filters"]), "num_classes": classes}


def _text(numbers):
    return " ".join(map(str, numbers))


def _cells(arrays, prefix):
    return MicroArchitecture.from_text(_text([*arrays[f"{prefix}normal"], *arrays[f"{prefix}reduce"]]))


def _cases(arrays, key):
    """The names arc0, arc1, ... for which `key.format(number)` is in the file."""
    number = 0
    while key.format(number) in arrays:
        yield f"arc{number}"
        number += 1


def compare_network(arrays, network, architecture, translator, case="", evaluation=layers.RUNNING):
    """Yield (quantity, difference): logits in evaluation and in training, losses, running statistics, gradients.

    `case` is the prefix of this architecture's arrays, "arc0_" say. Raises UserError for a file that the network does not fit.
    """
    graph = nn.Variable.from_numpy_array(arrays["images"].transpose(0, 3, 1, 2)), architecture
    evaluated = network.build(*graph, evaluation)
    trained = network.build(*graph, layers.BATCH if evaluation == layers.BATCH else layers.TRAIN, training=True)
    for name, parameter in network.scope.all().items():
        _set(name, parameter, translator.find(arrays, name))

    evaluated.logits.forward(clear_buffer=True)
    yield f"{case}logits_eval", relative(evaluated.logits.d, arrays[f"{case}logits_eval"])
    yield from _compare_step(arrays, network.scope, trained, translator, case)
    if _has(arrays, _gradients(case)):
        with layers.plain(), centered_batch_normalization():
            trained = network.build(*graph, layers.BATCH, training=True)
        yield from _compare_gradients(arrays, network.scope.trainable(), trained, translator, case)


def _set(name, parameter, array):
    if array.shape != parameter.shape:
        shapes = f"{array.shape} in the file, {parameter.shape} in our network"
        raise UserError(f"{name} has the shape {shapes}; give golden data of one of the known forms")
    parameter.d = array


def _compare_step(arrays, scope, outputs, translator, case):
    """A training step forward: logits, losses and the running statistics, which take a tenth of the batch's."""
    statistics = {name: variable for name, variable in scope.all().items() if not variable.need_grad}
    for variable in statistics.values():
        variable.d = 0
    loss, shown = _losses(outputs, arrays["labels"])
    loss.forward(clear_buffer=True)
    for quantity, variable in shown.items():
        yield case + quantity, relative(variable.d, arrays[case + quantity])
    prefix, decay = f"{case}after1/", layers.BATCH_NORM_DECAY
    if _has(arrays, prefix):
        ours = {name: variable.d / (1 - decay) for name, variable in statistics.items()}
        theirs = {name: translator.find_batch_statistics(arrays, name, prefix, decay) for name in statistics}
        difference = max(relative(ours[name], theirs[name]) for name in statistics)
        yield f"{case}statistics of {len(statistics) // 2} batch normalizations", difference


def _losses(outputs, labels):
    """The loss that is differentiated, and by name what the file holds."""
    loss = cross_entropy = _mean_cross_entropy(outputs.logits, labels)
    shown = {"logits_train": outputs.logits, "loss_ce": cross_entropy}
    if outputs.auxiliary_logits is not None:
        auxiliary = _mean_cross_entropy(outputs.auxiliary_logits, labels)
        loss = cross_entropy + AUXILIARY_WEIGHT * auxiliary
        shown |= {"aux_logits": outputs.auxiliary_logits, "aux_loss": auxiliary, "loss_total": loss}
    for variable in shown.values():
        variable.persistent = True
    return loss, shown


def _mean_cross_entropy(logits, labels):
    return F.mean(F.softmax_cross_entropy(logits, nn.Variable.from_numpy_array(labels[:, None])))


def _compare_gradients(arrays, parameters, outputs, translator, case):
    trained = [name for name in parameters if not name.startswith("auxiliary/")]  # the authors do not train the auxiliary head
    theirs = {name: translator.find(arrays, name, _gradients(case)) for name in trained}
    loss, _ = _losses(outputs, arrays["labels"])
    for parameter in parameters.values():
        parameter.g = 0
    loss.forward()
    loss.backward()
    difference = {name: theirs[name] - parameters[name].g for name in theirs}
    moved = ties.explain(loss, parameters, difference, gradient_scales(theirs))
    largest = max(np.abs(array).max() for array in theirs.values())
    note = f", elements moved: {moved}" if moved else ""
    yield f"{case}gradients of {len(theirs)} parameters{note}", max(relative(array, 0, largest) for array in difference.values())


def _gradients(case):
    return f"grad_{case}".rstrip("_") + "/"


def _has(arrays, prefix):
    return any(name.startswith(prefix) for name in arrays)
