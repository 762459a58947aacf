"""Comparison of the image networks with golden files: the same for macro and micro, shared and final."""

import nnabla as nn
import nnabla.functions as F

from models import layers
from models.macro_cnn import FinalNetwork, SharedNetwork
from models.parameters import ParameterScope
from search_spaces.macro import MacroArchitecture
from tests.authors import macro
from tests.authors.differences import gradients, relative
from tests.ties import Ties

AUXILIARY_WEIGHT = 0.4
GOOD_ENOUGH = 2e-5


def compare_macro_final(arrays):
    """Form of macro_fixed_*.npz (and its gradients)."""
    architecture = MacroArchitecture.from_text(" ".join(map(str, arrays["arc"])))
    network = FinalNetwork(ParameterScope(), int(arrays["out_filters"]), 10, dense_only=True)
    translator = macro.final_translator(int(arrays["num_layers"]))
    yield from compare_network(arrays, network, architecture, translator)


def compare_macro_search(arrays):
    """Form of macro_search_*.npz: several architectures on one set of shared weights."""
    translator = macro.search_translator(int(arrays["num_layers"]))
    for case in cases(arrays, "arc{}"):
        architecture = MacroArchitecture.from_text(" ".join(map(str, arrays[case])))
        network = SharedNetwork(ParameterScope(), int(arrays["out_filters"]), 10)
        yield from compare_network(arrays, network, architecture, translator, f"{case}_", f"grad_{case}/")


def cases(arrays, key):
    """"arc0", "arc1", ... as long as `key.format(number)` is in the file."""
    number = 0
    while key.format(number) in arrays:
        yield f"arc{number}"
        number += 1


def compare_network(arrays, network, architecture, translator, case="", gradient_prefix="grad/"):
    """Yield (quantity, difference): logits with running and with batch statistics, loss, gradients."""
    images = nn.Variable.from_numpy_array(arrays["images"].transpose(0, 3, 1, 2))
    labels = nn.Variable.from_numpy_array(arrays["labels"][:, None])
    ties = Ties()
    with ties.watch():
        outputs = network.build(images, architecture, layers.TRAIN, training=True)
    evaluation = network.build(images, architecture, layers.RUNNING)
    for name, parameter in network.scope.all().items():
        parameter.d = translator.find(arrays, name)

    evaluation.logits.forward(clear_buffer=True)
    yield f"{case}logits_eval", relative(evaluation.logits.d, arrays[f"{case}logits_eval"])
    yield from _compare_training(arrays, network.scope, outputs, labels, ties, translator, case, gradient_prefix)


def _compare_training(arrays, scope, outputs, labels, ties, translator, case, gradient_prefix):
    loss = cross_entropy = _mean_cross_entropy(outputs.logits, labels)
    shown = {"logits_train": outputs.logits, "loss_ce": cross_entropy}
    if outputs.auxiliary_logits is not None and "aux_logits" in arrays:
        auxiliary = _mean_cross_entropy(outputs.auxiliary_logits, labels)
        loss = cross_entropy + AUXILIARY_WEIGHT * auxiliary
        shown |= {"aux_logits": outputs.auxiliary_logits, "aux_loss": auxiliary, "loss_total": loss}
    for variable in shown.values():
        variable.persistent = True
    loss.forward()
    for quantity, variable in shown.items():
        yield case + quantity, relative(variable.d, arrays[case + quantity])

    theirs = _golden_gradients(arrays, scope, translator, gradient_prefix)
    if theirs:
        flipped, difference = ties.resolve(lambda: _gradient_error(loss, scope, theirs), GOOD_ENOUGH)
        note = f" ({flipped} ReLU inputs at zero)" if flipped else ""
        yield f"{case}gradients of {len(theirs)} parameters{note}", difference


def _mean_cross_entropy(logits, labels):
    return F.mean(F.softmax_cross_entropy(logits, labels))


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
