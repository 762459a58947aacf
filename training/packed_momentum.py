"""Momentum of weights of which all move in every step, on a device: a handful of functions for all of them.

`training.momentum` moves each weight by itself, which takes the host some thousand calls for a large network. In a search
other weights move in each step; there it stays so.
"""

import nnabla as nn
import nnabla.function
import nnabla.functions as F
import numpy as np

from constants import MOMENTUM
from training.exchange import pack
from training.precision import full_precision


class PackedPlainMomentum:
    """m = momentum m + rate g; w -= m.

    Weights and gradients are gathered in one array for a step, and the weights put back by functions that are kept. In a
    checkpoint it is as `training.momentum.PlainMomentum`.
    """

    sign = 1  # of the moment in a checkpoint

    def __init__(self, momentum=MOMENTUM):
        self._momentum = momentum
        self._restored = {}  # name -> array of the moment
        self._moment = self._decay = None  # NdArrays (elements,): m; the weight decay of each weight
        self._shapes = {}  # name -> shape of the weight
        self._weights, self._slices = None, {}  # Variable (elements,); name -> function, inputs and outputs that put one back

    @full_precision()
    def step(self, parameters, gradients, rate, weight_decay=0.0, exempt=lambda name: False):
        """Update `parameters` (dict of name -> Variable) by packed `gradients`, an NdArray (elements,).

        `weight_decay` * w is added to the gradients unless `exempt(name)`. All but gradients and rate are the same in each step.
        """
        if self._moment is None:
            self._begin(parameters, weight_decay, exempt)
        weights = pack([parameter.data for parameter in parameters.values()])
        change = self._change(F.add2(gradients, F.mul2(weights, self._decay)), rate)
        F.sub2(weights, change, outputs=[self._weights.data])
        for function, inputs, outputs in self._slices.values():
            function.forward(inputs, outputs)

    def _change(self, gradients, rate):
        """Move the moment on; returns what is taken from the weights, an NdArray (elements,)."""
        self._moment = F.add2(F.mul_scalar(self._moment, self._momentum), F.mul_scalar(gradients, rate))
        return self._moment

    def _begin(self, parameters, weight_decay, exempt):
        self._shapes = {name: parameter.shape for name, parameter in parameters.items()}
        sizes = [parameter.size for parameter in parameters.values()]
        decays = [0.0 if exempt(name) else weight_decay for name in parameters]
        self._decay = nn.NdArray.from_numpy_array(np.repeat(np.array(decays, np.float32), sizes))
        zero = {name: np.zeros(parameter.shape, np.float32) for name, parameter in parameters.items()} | self._restored
        self._moment = nn.NdArray.from_numpy_array(np.concatenate([zero[name].ravel() for name in parameters]))
        self._weights, start = nn.Variable((sum(sizes),)), 0
        for (name, parameter), size in zip(parameters.items(), sizes, strict=True):
            weight, array = nn.Variable((size,)), parameter.data
            weight.data = array.view((size,))
            function = nnabla.function.Slice(nn.get_current_context(), (start,), (start + size,), (1,))
            function.setup((self._weights,), (weight,))
            self._slices[name] = function, (self._weights,), (weight,)
            start += size

    def state(self):
        """Dict of arrays for a checkpoint."""
        if self._moment is None:  # before the first step: what was restored, if anything
            arrays = {f"momentum/{name}": self.sign * moment for name, moment in self._restored.items()}
            return arrays | {f"rate/{name}": 1.0 for name in self._restored}
        ends = np.cumsum([outputs[0].size for _, _, outputs in self._slices.values()])
        parts = zip(self._slices, np.split(self._moment.data, ends[:-1]), strict=True)
        arrays = {f"momentum/{name}": self.sign * part.reshape(self._shapes[name]) for name, part in parts}
        return arrays | {f"rate/{name}": 1.0 for name in self._slices}

    def restore(self, arrays, parameters):
        """Take up a `state()`, also one of `training.momentum`; `parameters` is not needed."""
        moments = {key.removeprefix("momentum/"): array for key, array in arrays.items() if key.startswith("momentum/")}
        self._restored = {name: self._scaled(moment, float(arrays[f"rate/{name}"])) for name, moment in moments.items()}
        self._moment = None

    def _scaled(self, moment, rate):
        return moment


class PackedNesterovMomentum(PackedPlainMomentum):
    """m = momentum m + g; w -= rate (g + momentum m). In a checkpoint stands -rate m, as NNabla's solver keeps it."""

    sign = -1

    def _change(self, gradients, rate):
        self._moment = F.add2(F.mul_scalar(self._moment, self._momentum), gradients)
        return F.mul_scalar(F.add2(gradients, F.mul_scalar(self._moment, self._momentum)), rate)

    def _scaled(self, moment, rate):
        return moment / np.float32(-rate)


PACKED_OPTIMIZERS = {"nesterov": PackedNesterovMomentum, "momentum": PackedPlainMomentum}  # by the values of --child-optimizer
