"""The operations of the two image spaces: one table with one entry each, where everything that concerns an operation stands.

Encodings, networks, drawings, genotypes and the command line look here; what an operation costs is counted on the graph that
its layer builds. CONTRIBUTING.md shows how to add one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from choices import wrong_choice
from errors import UserError


@dataclass(frozen=True)
class Operation:
    """One entry. `macro` and `micro` are its numbers in the .npy form of these spaces, None where it does not exist."""

    name: str
    # layer(layers, x, scope, filters, stride=1) builds it: tensor x -> tensor of `filters` channels with its weights in `scope`.
    # `layers` is models.layers, handed in so that this file needs no NNabla. None: x itself.
    layer: Callable | None
    color: str  # of its box in a drawing
    macro: int | None = None
    micro: int | None = None
    authors: int | None = None  # its number in the authors' macro strings, if it is not `macro`
    weighted: bool = True  # has weights: a micro cell puts a ReLU before it, all put batch normalization behind it
    in_a_row: int = 1  # how often a micro cell applies it, one after the other
    darts: str | None = None  # its name in a genotype of DARTS


def dense(kernel, dilation=1):
    """Layer: convolution of all channels."""
    return lambda layers, x, scope, filters, stride=1: layers.convolution(x, scope, filters, kernel, stride, dilation)


def separable(kernel, dilation=1):
    """Layer: convolution of every channel by itself, then 1x1 of all."""
    return lambda layers, x, scope, filters, stride=1: layers.separable_convolution(x, scope, filters, kernel, stride, dilation)


def max_pooling(layers, x, scope, filters, stride=1):
    """Layer: maximum over 3x3 windows."""
    return layers.max_pooling(x, stride)


def average_pooling(layers, x, scope, filters, stride=1):
    """Layer: mean over 3x3 windows."""
    return layers.average_pooling(x, stride)


# fmt: off
TABLE = (
    Operation("conv3x3", dense(3), "#b5d1f2", macro=0),
    Operation("conv5x5", dense(5), "#82acdf", macro=1, authors=2),
    Operation("sepconv3x3", separable(3), "#bfe3bf", macro=2, authors=1, micro=0, in_a_row=2, darts="sep_conv_3x3"),
    Operation("sepconv5x5", separable(5), "#88c791", macro=3, micro=1, in_a_row=2, darts="sep_conv_5x5"),
    Operation("max_pool3x3", max_pooling, "#f6c48b", macro=4, authors=5, micro=3, weighted=False, darts="max_pool_3x3"),
    Operation("average_pool3x3", average_pooling, "#f8e39c", macro=5, authors=4, micro=2, weighted=False, darts="avg_pool_3x3"),
    Operation("identity", None, "#dcdcdc", micro=4, weighted=False, darts="skip_connect"),
)
# fmt: on
BY_NAME = {operation.name: operation for operation in TABLE}


def names_of(space):
    """Names of the operations of the "macro" or "micro" space; the position is the number."""
    return _ordered({operation.name: getattr(operation, space) for operation in TABLE})


def authors_names():
    """Names of the macro operations, in the order of the numbers in the authors' strings."""
    return _ordered({o.name: o.macro if o.authors is None else o.authors for o in TABLE if o.macro is not None})


def _ordered(numbers):
    numbers = {name: number for name, number in numbers.items() if number is not None}
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise ValueError(f"operations must be numbered from 0 without a gap, found {numbers}")
    return tuple(sorted(numbers, key=numbers.get))


def chosen(space, text):
    """Names that a text such as "conv3x3,max_pool3x3" lists, in the order of the space. Raises UserError for another name."""
    names = names_of(space)
    given = [name.strip() for name in text.split(",")]
    for name in given:
        if name not in names:
            raise UserError(f"--ops: {wrong_choice(name, names)}")
        if given.count(name) > 1:
            raise UserError(f"--ops names {name} twice; name it once")
    return tuple(name for name in names if name in given)
