"""Comparison of the controllers with golden files: log-probability, entropy, skip penalty of given architectures, gradients."""

import re
from types import SimpleNamespace

import nnabla as nn
import nnabla.functions as F
import numpy as np

from models.controller import MacroController, MicroController
from models.parameters import ParameterScope
from models.recurrent_controllers import OldRecurrentController
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroArchitecture, MicroSpace
from search_spaces.recurrent import OLD, RecurrentArchitecture, RecurrentSpace
from tests import golden_weights
from tests.authors.differences import gradient_scales, relative


def compare_macro_controller(arrays):
    """Form of controller_macro*.npz."""
    space = MacroSpace(int(arrays["num_layers"]), int(arrays["num_branches"]))
    samples = list(_samples(arrays, "sample{}_arc"))
    architectures = [golden_weights.macro_architecture(arrays[f"{case}_arc"], space.num_ops) for case in samples]

    def controller(skip_weight):
        options = _options(arrays, skip_prob=float(arrays["skip_target"]), skip_weight=skip_weight)
        made = MacroController(space, options, ParameterScope(), len(samples))
        golden_weights.load_authors_controller(made.scope, golden_weights.macro_controller_arrays(arrays))
        return made

    yield from _values(controller(None), architectures, arrays, samples)
    for quantity, skip_weight, advantage in (("log_prob", None, 1.0), ("skip_penalty", 1.0, 0.0)):
        theirs = _gradients(arrays, golden_weights.macro_controller_arrays, quantity)
        yield from _compare_gradients(controller(skip_weight), architectures[0], advantage, theirs, quantity)


def compare_micro_controller(arrays):
    """Form of controller_micro*.npz."""
    samples = list(_samples(arrays, "sample{}_arc_normal"))
    rows = [np.stack([arrays[f"{case}_arc_normal"], arrays[f"{case}_arc_reduce"]]) for case in samples]
    architectures = [MicroArchitecture.from_numbers(numbers) for numbers in rows]
    weights = golden_weights.micro_controller_arrays(arrays)
    options = _options(arrays, op_tanh_reduce=float(arrays.get("op_tanh_reduce", 1.0)), op_prior="authors")
    space = MicroSpace(architectures[0].num_nodes, len(weights["embedding"]))
    controller = MicroController(space, options, ParameterScope(), len(samples))
    golden_weights.load_authors_controller(controller.scope, weights)
    yield from _values(controller, architectures, arrays, samples)
    theirs = _gradients(arrays, golden_weights.micro_controller_arrays, "log_prob")
    yield from _compare_gradients(controller, architectures[0], 1.0, theirs, "log_prob")


def compare_old_recurrent_controller(arrays):
    """Form of controller_ptb*.npz."""
    samples = list(_samples(arrays, "sample{}_arc"))
    architectures = [RecurrentArchitecture.from_numbers(arrays[f"{case}_arc"]) for case in samples]
    weights = golden_weights.recurrent_controller_arrays(arrays)
    space = RecurrentSpace(architectures[0].num_nodes, OLD, len(weights["embedding"]))
    controller = _WithEachChoice(space, _options(arrays), ParameterScope(), len(samples))
    golden_weights.load_authors_controller(controller.scope, weights)
    yield from _values(controller, architectures, arrays, samples)
    theirs = np.stack([arrays[f"{case}_log_probs_each"] for case in samples])
    yield f"log_probs_each of {len(samples)} samples", relative(-controller.log_probabilities(), theirs)
    theirs = _gradients(arrays, golden_weights.recurrent_controller_arrays, "log_prob")
    yield from _compare_gradients(controller, architectures[0], 1.0, theirs, "log_prob")


class _WithEachChoice(OldRecurrentController):
    """Tells the log-probability of each choice beside their sum."""

    def _build(self, choices):
        outputs = super()._build(choices)
        each = {width: iter(self._of_width(choices, width)) for width in choices._logits}
        self._each = [next(each[width]) for width in [len(decision.options) for decision in self.space.decisions()]]
        return outputs

    @staticmethod
    def _of_width(choices, width):
        """Of the choices among so many, in the order of drawing."""
        pairs = zip(choices._logits[width], choices._chosen[width], strict=True)
        return [F.sum(F.log_softmax(logits, axis=2) * chosen, axis=(1, 2)) for logits, chosen in pairs]

    def log_probabilities(self):
        """(candidates, choices) of the architectures that were evaluated last."""
        nn.forward_all(self._each)
        return np.stack([each.d for each in self._each], axis=1)


def _samples(arrays, key):
    number = 0
    while key.format(number) in arrays:
        yield f"sample{number}"
        number += 1


def _options(arrays, **more):
    def number(name):
        return float(arrays[name]) if name in arrays else None

    (size,) = {array.shape[1] for name, array in arrays.items() if re.fullmatch(r"var/controller/emb(edding)?/w:0", name)}
    layers = sum(name.startswith("var/controller/lstm/") for name in arrays)
    shaping = {name: number(name) for name in ("temperature", "tanh_constant")}
    return SimpleNamespace(lstm_size=size, lstm_layers=layers, **shaping, **more)


def _values(controller, architectures, arrays, samples):
    """The authors' log_prob_sum is the positive sum of -log p."""
    sample = controller.sample(controller.forcing_noise(architectures))
    ours = {"log_prob_sum": -sample.log_probability, "entropy": sample.entropy, "skip_penalty": sample.skip_penalty}
    for quantity, values in ours.items():
        if f"{samples[0]}_{quantity}" in arrays:
            theirs = np.array([arrays[f"{case}_{quantity}"] for case in samples])
            yield f"{quantity} of {len(samples)} samples", float(np.max(np.abs(values - theirs) / np.abs(theirs)))


def _gradients(arrays, translate, quantity):
    prefix = f"sample0_grad_{quantity}/"
    return translate(arrays, prefix) if any(name.startswith(prefix) for name in arrays) else {}


def _compare_gradients(controller, architecture, advantage, theirs, quantity):
    if theirs:
        controller.backward(controller.forcing_noise([architecture]), np.array([advantage]))
        ours = {name: variable.g for name, variable in controller.parameters().items()}
        scales = gradient_scales(theirs)
        difference = max(relative(ours[name], theirs[name], scales[name]) for name in theirs)
        yield f"gradients of {quantity} of sample 0", difference
