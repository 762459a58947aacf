"""What a network costs: parameters and multiply-adds, read off its graph."""

import math
from dataclasses import dataclass

import nnabla as nn

from models import layers


@dataclass(frozen=True)
class Cost:
    """Trained numbers, and multiplications with an addition for one example (convolutions and affine layers)."""

    parameters: int
    multiply_adds: int


def image_network_cost(network, architecture, image_shape):
    """`Cost` of the evaluation graph of an architecture for one image (channels, height, width)."""
    with network.scope.record_use() as used:
        logits = network.build(nn.Variable((1, *image_shape)), architecture, layers.RUNNING).logits
    parameters = sum(variable.size for variable in used.values() if variable.need_grad)
    return Cost(parameters, multiply_adds(logits))


def multiply_adds(output):
    """Of all convolutions and affine layers that `output` (batch 1) depends on."""
    counts = []

    def count(function):
        kind = function.info.type_name
        if kind == "Convolution":
            weight = function.inputs[1].shape
            counts.append(math.prod(function.outputs[0].shape) * math.prod(weight[1:]))
        elif kind == "Affine":
            counts.append(math.prod(function.outputs[0].shape) * function.inputs[1].shape[0])

    output.visit(count)
    return sum(counts)
