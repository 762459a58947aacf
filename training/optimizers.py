"""How the child networks' weights move: learning-rate schedules, clipping by the global norm, Nesterov momentum."""

import math

import nnabla.functions as F
import nnabla.solvers as S


def cosine_restarts(epoch, highest, lowest, first_period, factor):
    """Learning rate of an epoch (counted from 0): cosine with warm restarts (SGDR, arXiv:1608.03983), one value per epoch.

    Periods of `first_period`, `first_period * factor`, ... epochs. The first mini-batch of a period has the highest rate,
    where the authors' code gives it the middle one.
    """
    start, period = 0, first_period
    while epoch >= start + period:
        start, period = start + period, period * factor
    return cosine((epoch - start) / period, highest, lowest)


def cosine(progress, highest, lowest=0.0):
    """From `highest` at progress 0 to `lowest` at 1."""
    return lowest + (highest - lowest) / 2 * (1 + math.cos(math.pi * min(progress, 1.0)))


class LearningRate:
    """The learning rate of every mini-batch, as the options say.

    `schedule` is "constant", "cosine" (to the lowest rate at the end of all epochs, changing with every mini-batch, as
    NNabla's example) or "cosine-restarts" (changing with every epoch, as the authors).
    """

    def __init__(self, schedule, highest, lowest, epochs, first_period=10, factor=2):
        self._schedule, self._highest, self._lowest = schedule, highest, lowest
        self._epochs, self._first_period, self._factor = epochs, first_period, factor

    def at(self, epoch, step=0, steps=1):
        """Of mini-batch `step` of `steps` in `epoch`, both counted from 0."""
        if self._schedule == "constant":
            return self._highest
        if self._schedule == "cosine":
            return cosine((epoch + step / steps) / self._epochs, self._highest, self._lowest)
        return cosine_restarts(epoch, self._highest, self._lowest, self._first_period, self._factor)


def clip_by_global_norm(parameters, bound):
    """Scale all gradients down together so that their common Euclidean norm is at most `bound`. Never waits for a device."""
    gradients = [parameter.grad for parameter in parameters]
    squares = [F.sum(F.mul2(gradient, gradient)) for gradient in gradients]
    norm = F.pow_scalar(F.sum(F.stack(*squares)), 0.5)
    scale = F.minimum_scalar(F.r_div_scalar(F.add_scalar(norm, 1e-12), bound), 1.0)
    for gradient in gradients:
        F.mul2(gradient, F.reshape(scale, (1,) * len(gradient.shape)), outputs=[gradient])


class NesterovMomentum:
    """m = momentum m + g; w -= rate (g + momentum m), as TensorFlow's.

    One solver per parameter: the parameters that a sampled architecture does not use stay as they are, their momentum with them.
    NNabla's solver keeps rate * m instead of m, so m is scaled when the rate has changed since the parameter was last in use.
    """

    def __init__(self, momentum=0.9):
        self._momentum = momentum
        self._solvers = {}  # name -> (solver, momentum variable)
        self._rates = {}  # name -> rate of its last update

    def step(self, parameters, rate, weight_decay=0.0, exempt=lambda name: False):
        """Update `parameters` (dict of name -> Variable); their gradients get weight_decay * w added unless `exempt(name)`."""
        for name, parameter in parameters.items():
            solver, moment = self._solvers.get(name) or self._add(name, parameter)
            if self._rates[name] != rate:
                self._rescale(moment, rate / self._rates[name])
                self._rates[name] = rate
                solver.set_learning_rate(rate)
            if weight_decay and not exempt(name):
                solver.weight_decay(weight_decay)
            solver.update()

    def _add(self, name, parameter, rate=1.0):
        solver = S.Nesterov(rate, self._momentum)
        solver.set_parameters({name: parameter})
        moment = solver.get_states()[name].pstate["m"]
        moment.data.zero()
        self._solvers[name], self._rates[name] = (solver, moment), rate
        return solver, moment

    @staticmethod
    def _rescale(moment, ratio):
        F.mul_scalar(moment.data, ratio, outputs=[moment.data])

    def state(self):
        """Dict of arrays for a checkpoint."""
        arrays = {f"momentum/{name}": moment.d.copy() for name, (_, moment) in self._solvers.items()}
        return arrays | {f"rate/{name}": rate for name, rate in self._rates.items()}

    def restore(self, arrays, parameters):
        """Take up a `state()`; `parameters` holds the variables by name."""
        for key, moment in arrays.items():
            kind, _, name = key.partition("/")
            if kind == "momentum":
                solver, variable = self._add(name, parameters[name], float(arrays[f"rate/{name}"]))
                variable.d = moment
