"""Momentum of the child networks' weights: Nesterov's (the authors'), plain (NNabla's example), and of weights not in use."""

import nnabla.functions as F
import nnabla.solvers as S
import numpy as np

from constants import MOMENTUM
from training.precision import full_precision


class PlainMomentum:
    """m = momentum m + rate g; w -= m, as NNabla's `Momentum`.

    One solver per parameter: the parameters that a sampled architecture does not use stay as they are, their momentum with them.
    """

    make_solver = staticmethod(S.Momentum)

    def __init__(self, momentum=MOMENTUM):
        self._momentum = momentum
        self._solvers = {}  # name -> (solver, momentum variable)
        self._rates = {}  # name -> rate of its last update

    def step(self, parameters, rate, weight_decay=0.0, exempt=lambda name: False):
        """Update `parameters` (dict of name -> Variable); their gradients get weight_decay * w added unless `exempt(name)`."""
        for name, parameter in parameters.items():
            solver, moment = self._solvers.get(name) or self._add(name, parameter)
            if self._rates[name] != rate:
                self._change_rate(moment, rate / self._rates[name])
                self._rates[name] = rate
                solver.set_learning_rate(rate)
            if weight_decay and not exempt(name):
                solver.weight_decay(weight_decay)
            solver.update()

    def forget(self):
        """Begin anew: all momentum is 0."""
        self._solvers.clear()
        self._rates.clear()

    def idle_step(self, rate, weight_decay):
        """The 2 x 2 matrix that a step is for (w, m) without a gradient."""
        return np.array([[1 - rate * weight_decay, -self._momentum], [rate * weight_decay, self._momentum]])

    def idle_unit(self, name):
        """What the solver's moment is a multiple of, seen from `idle_step`."""
        return 1.0

    def transform(self, name, parameter, matrix):
        """(w, m) become `matrix` (w, m), with m in units of `idle_unit`."""
        _, moment = self._solvers.get(name) or self._add(name, parameter)
        unit = self.idle_unit(name)
        weight, moment = parameter.data, moment.data
        new_moment = F.add2(F.mul_scalar(weight, matrix[1, 0] * unit), F.mul_scalar(moment, matrix[1, 1]))
        F.add2(F.mul_scalar(weight, matrix[0, 0]), F.mul_scalar(moment, matrix[0, 1] / unit), outputs=[weight])
        moment.copy_from(new_moment, use_current_context=False)

    @full_precision()
    def _add(self, name, parameter, rate=1.0):
        solver = self.make_solver(rate, self._momentum)
        solver.set_parameters({name: parameter})
        moment = solver.get_states()[name].pstate["m"]
        moment.data.zero()
        self._solvers[name], self._rates[name] = (solver, moment), rate
        return solver, moment

    def _change_rate(self, moment, ratio):
        """The moment holds every gradient times the rate of its own time."""

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


class NesterovMomentum(PlainMomentum):
    """m = momentum m + g; w -= rate (g + momentum m), as TensorFlow's.

    NNabla's solver keeps -rate * m instead of m, so m is scaled when the rate has changed since the parameter was last in use.
    """

    make_solver = staticmethod(S.Nesterov)

    def idle_step(self, rate, weight_decay):
        momentum = self._momentum
        return np.array([[1 - rate * weight_decay * (1 + momentum), -rate * momentum**2], [weight_decay, momentum]])

    def idle_unit(self, name):
        return -self._rates[name]

    def _change_rate(self, moment, ratio):
        F.mul_scalar(moment.data, ratio, outputs=[moment.data])


OPTIMIZERS = {"nesterov": NesterovMomentum, "momentum": PlainMomentum}  # by the values of --child-optimizer


class IdleWeights:
    """What steps do to weights that are not in use: momentum goes on and weight decay pulls, as in the authors' code.

    Without a gradient a step is linear in a weight and its moment, and the same for all weights that decay alike: steps are
    2 x 2 matrices, many of them are one. A weight catches up when it is next read; that it waits costs next to nothing.
    """

    def __init__(self, optimizer, weight_decay, exempt):
        """`exempt(name)`: this weight does not decay, it only moves on."""
        self._optimizer, self._exempt = optimizer, exempt
        self._decays = 0.0, weight_decay  # of the exempt and of the others
        self._rates = []  # of the steps since all weights had caught up
        self._done = {}  # name -> how many of those a weight has gone through
        self._before = np.stack([np.eye(2)] * 2)  # the steps before them, for weights that are made later; as `_decays`

    def stepped(self, names, rate):
        """Note a step of the optimizer at `rate` that moved the weights of these names."""
        self._rates.append(rate)
        self._done.update(dict.fromkeys(names, len(self._rates)))

    @full_precision()
    def catch_up(self, parameters):
        """Give `parameters` (dict of name -> Variable) the steps that they have missed."""
        count = len(self._rates)
        late = {name: variable for name, variable in parameters.items() if self._done.get(name, -1) < count}
        if not late:
            return
        products = self._products(count - min(self._done.get(name, 0) for name in late))
        for name, variable in late.items():
            kind = int(not self._exempt(name))
            matrix = products[count - self._done.get(name, 0)][kind]
            self._optimizer.transform(name, variable, matrix if name in self._done else matrix @ self._before[kind])
            self._done[name] = count

    def settle(self, parameters):
        """`catch_up` of all there are."""
        if not self._rates and len(parameters) == len(self._done):
            return
        self.catch_up(parameters)
        self._before = self._products(len(self._rates))[-1] @ self._before
        self._rates, self._done = [], dict.fromkeys(self._done, 0)

    def forget(self):
        """The moments of all weights, which have caught up, are zero from now on: so are those of weights that are made later."""
        self._before[:, 1, :] = 0

    def _products(self, count):
        """List: the last n steps as one, n from 0 to `count`; each (2, 2, 2), of weights that do not and that do decay."""
        products = [np.stack([np.eye(2)] * 2)]
        for rate in self._rates[::-1][:count]:
            products.append(products[-1] @ np.stack([self._optimizer.idle_step(rate, decay) for decay in self._decays]))
        return products

    def state(self):
        """Dict of arrays for a checkpoint."""
        names = {f"done/{name}": count for name, count in self._done.items()}
        return {"rates": np.array(self._rates), "before": self._before, **names}

    def restore(self, arrays):
        """Take up a `state()`."""
        self._rates, self._before = arrays["rates"].tolist(), arrays["before"]
        self._done = {key.removeprefix("done/"): int(count) for key, count in arrays.items() if key.startswith("done/")}
