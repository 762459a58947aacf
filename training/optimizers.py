"""How the child networks' weights move: learning-rate schedules, clipping, averaging. Momentum is in `training.momentum`."""

import contextlib
import itertools
import math
from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F

from constants import AVERAGING_PATIENCE, RESTART_FACTOR, RESTART_PERIOD
from training.precision import full_precision


def cosine_restarts(epoch, highest, lowest, first_period, factor):
    """Learning rate of an epoch (counted from 0): cosine with warm restarts (SGDR, arXiv:1608.03983), one value per epoch.

    Periods of `first_period`, `first_period * factor`, ... epochs. The first mini-batch of a period has the highest rate,
    where the authors' code gives it the middle one.
    """
    start = 0
    for end in restarts(first_period, factor):
        if epoch < end:
            return cosine((epoch - start) / (end - start), highest, lowest)
        start = end


def restarts(first_period, factor):
    """The epochs, counted from 0, in which a new period begins, without the first one and without end."""
    end, period = 0, first_period
    while True:
        end, period = end + period, period * factor
        yield end


def cosine(progress, highest, lowest=0.0):
    """From `highest` at progress 0 to `lowest` at 1."""
    return lowest + (highest - lowest) / 2 * (1 + math.cos(math.pi * min(progress, 1.0)))


class LearningRate:
    """The learning rate of every mini-batch, as the options say.

    `schedule` is "constant", "cosine" (to the lowest rate at the end of all epochs, changing with every mini-batch, as
    NNabla's example) or "cosine-restarts" (changing with every epoch, as the authors). In the first `warmup` epochs the rate
    is that of the schedule times the share of them that has passed, so that it rises from near 0 (arXiv:1706.02677, 2.2).
    `restarts_at`: the rate of the first mini-batch of a restart, "highest" or, as in the authors' code, "middle".
    """

    def __init__(
        self, schedule, highest, lowest, epochs, first_period=RESTART_PERIOD, factor=RESTART_FACTOR, warmup=0.0,
        restarts_at="highest",
    ):  # fmt: skip
        self._schedule, self._highest, self._lowest, self._warmup = schedule, highest, lowest, warmup
        self._epochs, self._first_period, self._factor = epochs, first_period, factor
        self._restarts_at = restarts_at

    def at(self, epoch, step=0, steps=1):
        """Of mini-batch `step` of `steps` in `epoch`, both counted from 0."""
        passed = epoch + (step + 1) / steps
        rising = passed / self._warmup if passed < self._warmup else 1.0
        return rising * self._scheduled(epoch, step, steps)

    def cut_off(self, count=3):
        """(share, numbers): where the last epoch is within a period of "cosine-restarts", its share of the highest rate and
        the next `count` numbers of epochs that end with a period; otherwise no numbers.
        """
        share = self.at(self._epochs - 1, 1, 2) / self._highest
        ends = itertools.dropwhile(lambda end: end < self._epochs, restarts(self._first_period, self._factor))
        following = list(itertools.islice(ends, count))
        is_cut_off = self._schedule == "cosine-restarts" and following[0] != self._epochs
        return share, following if is_cut_off else []

    def _scheduled(self, epoch, step, steps):
        if self._schedule == "constant":
            return self._highest
        if self._schedule == "cosine":
            return cosine((epoch + step / steps) / self._epochs, self._highest, self._lowest)
        if self._restarts_at == "middle" and step == 0 and self._restarts(epoch):
            return cosine(0.5, self._highest, self._lowest)
        return cosine_restarts(epoch, self._highest, self._lowest, self._first_period, self._factor)

    def _restarts(self, epoch):
        """Does a period begin with this epoch? The first one is no restart."""
        return epoch in itertools.takewhile(lambda start: start <= epoch, restarts(self._first_period, self._factor))


@dataclass(frozen=True)
class DecayingRate:
    """The learning rate `highest` up to epoch `start`, times `factor` after every `every` epochs from there, down to `lowest`."""

    highest: float
    factor: float = 1.0
    start: int = 0
    every: int = 1
    lowest: float = 0.0

    def at(self, epoch, step=0, steps=1):
        """Of all mini-batches in `epoch`, counted from 0."""
        return max(self.lowest, self.highest * self.factor ** (max(0, epoch - self.start) // self.every))


def clipping_factor(norm, bound, loss_scale):
    """NdArray of one element to multiply gradients with that are those of `loss_scale` times the loss.

    norm: of all of them, of the loss itself; bound: on the norm, None: no bound.
    """
    factor = F.minimum_scalar(F.r_div_scalar(F.add_scalar(norm, 1e-12), math.inf if bound is None else bound), 1.0)
    return F.mul_scalar(factor, 1 / loss_scale)


class GlobalNormClipping:
    """Divides gradients by the loss scale, then scales them down together so that their Euclidean norm is at most a bound.

    A parameter's functions are made when it is first in use: to make them takes longer than to compute them.
    """

    def __init__(self):
        self._factor = _kept(nn.Variable(()))
        self._factors = {}  # number of axes -> the factor with so many axes
        self._parts = {}  # name -> Variables: the sum of squares of a gradient; the gradient times the factor, in its place

    def __call__(self, parameters, bound=None, loss_scale=1.0):
        """Clip the gradients of `parameters` (dict of name -> Variable); bound None: no bound.

        Returns what the norm was before, an NdArray of one element. Never waits for a device.
        """
        parts = [self._parts.get(name) or self._add(name, parameter) for name, parameter in parameters.items()]
        squares, scaled = zip(*parts, strict=True)
        nn.forward_all(squares, clear_buffer=True)
        norm = F.pow_scalar(F.sum(F.stack(*(square.data for square in squares))), 0.5)
        norm = F.mul_scalar(norm, 1 / loss_scale)
        if bound is not None or loss_scale != 1:
            self._clip(squares, scaled, norm, bound, loss_scale)
        return norm

    def _clip(self, squares, scaled, norm, bound, loss_scale):
        self._set_factor(norm, bound, loss_scale)
        nn.forward_all(scaled, clear_buffer=True)

    def _set_factor(self, norm, bound, loss_scale):
        self._factor.data.copy_from(clipping_factor(norm, bound, loss_scale))

    @full_precision()
    def _add(self, name, parameter):
        axes = len(parameter.shape)
        if axes not in self._factors:
            self._factors[axes] = _kept(F.reshape(self._factor, (1,) * axes, inplace=False))
        gradient = _kept(nn.Variable(parameter.shape))
        gradient.data = parameter.grad
        square, scaled = _kept(F.sum(F.mul2(gradient, gradient))), _kept(F.mul2(gradient, self._factors[axes]))
        scaled.data = parameter.grad
        self._parts[name] = square, scaled
        return square, scaled


class TensorNormClipping(GlobalNormClipping):
    """The same with the norm of each gradient alone, as NNabla's example."""

    def _clip(self, squares, scaled, norm, bound, loss_scale):
        for square, product in zip(squares, scaled, strict=True):
            self._set_factor(F.mul_scalar(F.pow_scalar(square.data, 0.5), 1 / loss_scale), bound, loss_scale)
            product.forward(clear_buffer=True)


CLIPPINGS = {"global": GlobalNormClipping, "tensor": TensorNormClipping}  # by the values of --clip-norm


def _kept(variable):
    """`variable`, which now outlives a forward pass that clears."""
    variable.persistent = True
    return variable


class Averaging:
    """The mean of all weights since `start` (ASGD, Polyak and Juditsky 1992), to be measured in place of the last ones."""

    def __init__(self):
        self.count = None  # weights averaged; None: not started
        self._means = {}  # name -> NdArray
        self._set_aside = {}  # the weights themselves, while their means are in their place

    @property
    def started(self):
        return self.count is not None

    def start(self):
        """Average from the next `add` on."""
        self.count = 0

    def add(self, parameters):
        """Take the weights as they are now (dict of name -> Variable) into the means; nothing before `start`."""
        if not self.started:
            return
        self.count += 1
        for name, parameter in parameters.items():
            if name not in self._means:
                self._means[name] = nn.NdArray(parameter.shape)
                self._means[name].zero()
            mean = self._means[name]
            F.add2(mean, F.mul_scalar(F.sub2(parameter.data, mean), 1 / self.count), outputs=[mean])

    @contextlib.contextmanager
    def swapped_in(self, parameters):
        """Context in which the weights are their means, if there are any.

        The values are copied: a graph may hold on to the memory of a weight.
        """
        for name, mean in self._means.items():
            self._set_aside[name] = nn.NdArray(mean.shape)
            self._set_aside[name].copy_from(parameters[name].data, use_current_context=False)
            parameters[name].data.copy_from(mean, use_current_context=False)
        try:
            yield
        finally:
            for name, weight in self._set_aside.items():
                parameters[name].data.copy_from(weight, use_current_context=False)
            self._set_aside = {}

    def set_aside(self):
        """Dict of name -> array of the weights themselves, while their means are in their place."""
        return {name: weight.data.copy() for name, weight in self._set_aside.items()}

    def averaged(self, parameters):
        """`parameters` with the means in place of what they are the means of."""
        averaged = dict(parameters)
        for name, mean in self._means.items():
            averaged[name] = nn.Variable(mean.shape)
            averaged[name].data = mean
        return averaged

    def state(self):
        """Dict of arrays for a checkpoint."""
        arrays = {f"mean/{name}": mean.data.copy() for name, mean in self._means.items()}
        return arrays | ({"count": self.count} if self.started else {})

    def restore(self, arrays):
        """Take up a `state()`."""
        self.count = int(arrays["count"]) if "count" in arrays else None
        means = {key.removeprefix("mean/"): array for key, array in arrays.items() if key.startswith("mean/")}
        self._means = {name: nn.NdArray.from_numpy_array(array) for name, array in means.items()}


def should_start_averaging(perplexities, patience=AVERAGING_PATIENCE):
    """True when the last of the perplexities, one per epoch, exceeds the best of those more than `patience` epochs before it.

    The trigger of AWD-LSTM (Merity et al., arXiv:1708.02182, section 3) as the authors' corrected language-model code has it.
    """
    *earlier, last = perplexities
    return len(earlier) > patience and last > min(earlier[:-patience])
