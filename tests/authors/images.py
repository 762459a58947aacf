"""Comparison of the image networks with golden files: the same for macro and micro, shared and final."""

import nnabla as nn
import nnabla.functions as F

from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from search_spaces.macro import MacroArchitecture
from search_spaces.micro import MicroArchitecture
from tests.authors import macro, micro
from tests.authors.differences import gradients, relative
from tests.ties import Ties

AUXILIARY_WEIGHT = 0.4
GOOD_ENOUGH = 2e-5


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
        yield from compare_network(
            arrays, network, architecture, micro.search_translator(), f"{case}_", layers.BATCH
        )


def _common_fields(arrays):
    classes = arrays["var/child/fc/w:0"].shape[1]
    return {"scope": ParameterScope(), "filters": int(arrays["out_filters"]), "num_classes": classes}


def _text(numbers):
    return " ".join(map(str, numbers))


def _cells(arrays, prefix):
    return MicroArchitecture.from_text(_text([*arrays[f"{prefix}normal"], *arrays[f"{prefix}reduce"]]))


def _cases(arrays, key):
    """"arc0", "arc1", ... as long as `key.format(number)` is in the file."""
    number = 0
    while key.format(number) in arrays:
        yield f"arc{number}"
        number += 1


def compare_network(arrays, network, architecture, translator, case="", evaluation=layers.RUNNING):
    """Yield (quantity, difference): logits in evaluation and in training, losses, moving statistics, gradients.

    `case` is the prefix of this architecture's arrays, "arc0_" say.
    """
    images = nn.Variable.from_numpy_array(arrays["images"].transpose(0, 3, 1, 2))
    labels = nn.Variable.from_numpy_array(arrays["labels"][:, None])
    ties = Ties()
    with ties.watch():
        outputs = network.build(images, architecture, layers.TRAIN, training=True)
    evaluated = network.build(images, architecture, evaluation)
    for name, parameter in network.scope.all().items():
        if evaluation == layers.RUNNING or parameter.need_grad:
            parameter.d = translator.find(arrays, name)

    evaluated.logits.forward(clear_buffer=True)
    yield f"{case}logits_eval", relative(evaluated.logits.d, arrays[f"{case}logits_eval"])
    loss, shown = _losses(outputs, labels, arrays)
    loss.forward()
    for quantity, variable in shown.items():
        yield case + quantity, relative(variable.d, arrays[case + quantity])
    yield from _compare_gradients(arrays, network.scope, loss, ties, translator, f"grad_{case}".rstrip("_") + "/", case)


def _losses(outputs, labels, arrays):
    """The loss that is differentiated, and by name what else the file may hold."""
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
    return F.mean(F.softmax_cross_entropy(logits, labels))


def _compare_gradients(arrays, scope, loss, ties, translator, prefix, case):
    theirs = _golden_gradients(arrays, scope, translator, prefix)
    if theirs:
        flipped, difference = ties.resolve(lambda: _gradient_error(loss, scope, theirs), GOOD_ENOUGH)
        note = f" ({flipped} ReLU inputs at zero)" if flipped else ""
        yield f"{case}gradients of {len(theirs)} parameters{note}", difference


def _golden_gradients(arrays, scope, translator, prefix):
    """Of the parameters that the file has a gradient for (the authors do not train the auxiliary head)."""
    theirs = {}
    for name in scope.trainable():
        try:
            theirs[name] = translator.find(arrays, name, prefix)
        except KeyError:
            continue
    return theirs


def _gradient_error(loss, scope, theirs):
    for parameter in scope.trainable().values():
        parameter.g = 0
    loss.forward()
    loss.backward()
    ours = {name: scope.trainable()[name].g.copy() for name in theirs}
    return gradients(ours, theirs)
