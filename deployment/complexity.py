"""What a network costs: parameters and multiply-adds, read off its graph, and the time it takes here."""

import dataclasses
import math
import statistics
import time
from dataclasses import dataclass

import nnabla as nn

from models import layers
from models.parameters import ParameterScope

TIMED_RUNS = 15


@dataclass(frozen=True)
class Cost:
    """Trained numbers, and multiplications with an addition for one example (convolutions and matrix products)."""

    parameters: int
    multiply_adds: int

    def __str__(self):
        return f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds"


def image_network_cost(network, architecture, image_shape):
    """`Cost` of an architecture for one image (channels, height, width), in evaluation: no auxiliary head, no dropout.

    The weights of `network` are neither read nor made.
    """
    network = dataclasses.replace(network, scope=_Shapes())
    with layers.plain():
        logits = network.build(nn.Variable((1, *image_shape)), architecture, layers.RUNNING).logits
    return Cost(network.scope.size(), multiply_adds(logits))


def language_model_cost(model, architecture):
    """`Cost` of an architecture for one word. The weights of `model` are neither read nor made."""
    model = dataclasses.replace(model, scope=_Shapes())
    hidden = model.hidden_states(nn.Variable((1, 1)), nn.Variable((1, model.size)), architecture)
    logits = model.logits(hidden)
    return Cost(model.scope.size(), multiply_adds(logits))


class _Shapes(ParameterScope):
    """Parameters without values."""

    def _create(self, full_name, shape, initializer, need_grad):
        return nn.Variable(shape, need_grad=need_grad)

    def size(self):
        """How many numbers are trained."""
        return sum(variable.size for variable in self.trainable().values())


def multiply_adds(output):
    """Of all convolutions and matrix products that `output` (of one example) depends on."""
    counts = []

    def count(function):
        terms = _SUMMED.get(function.info.type_name)
        if terms:
            counts.append(math.prod(function.outputs[0].shape) * terms(function.inputs))

    output.visit(count)
    return sum(counts)


# How many products each number of a function's output is the sum of.
_SUMMED = {
    "Convolution": lambda inputs: math.prod(inputs[1].shape[1:]),  # (outputs, inputs per group, height, width)
    "Affine": lambda inputs: inputs[1].shape[0],  # (inputs, outputs)
}


def latency(output, runs=TIMED_RUNS):
    """Seconds of one forward pass of `output` where NNabla computes now: the median of some runs."""
    seconds = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        output.forward(clear_buffer=True)
        _ = output.d  # waits for the device
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])
