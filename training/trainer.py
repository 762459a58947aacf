"""Moving the weights of child networks: what images and text have in common."""

import nnabla as nn
import nnabla.functions as F

from training.divergence import MiniBatchMeans
from training.exchange import exchange
from training.loss_scale import LossScale
from training.optimizers import GlobalNormClipping
from training.precision import full_precision
from training.processes import SINGLE


class Trainer:
    """Moves the weights of a network's architectures, one mini-batch after the other.

    `config` holds the options, `learning_rate` gives the rate by `at(epoch, step, steps)`, `means` names what a training graph
    measures. The `processes` share out every mini-batch; gradients, running statistics and losses are means over them, so that
    all hold the same numbers after a step. Kinds of data differ in `steps`, `_filled_graph`, `_update`, `_optimizer_state`,
    `_restore_optimizer` and `_shown`.
    """

    def __init__(self, network, config, learning_rate, means, processes=SINGLE, clipping=GlobalNormClipping):
        self.network, self.config, self._schedule, self._processes = network, config, learning_rate, processes
        self.graphs = Graphs()
        self.rate_factor = 1.0  # multiplies the learning rate
        self._part = processes.rows(config.batch_size)  # of a mini-batch, for this process
        half = config.type_config == "half"
        self._exchange, self._scale = exchange(processes, clipping), LossScale(half)
        self._means = MiniBatchMeans(means, config.on_nan_after, deferred=False if half else None)

    def train_step(self, architecture, epoch, step):
        """Move the weights in use on mini-batch `step` of `epoch`, unless loss, gradients or running statistics are not finite.

        On a GPU nothing here waits for the device, in half precision but for the loss scale: the host goes on to the next graph.
        Raises `Diverged` when numbers are not finite too often in a row.
        """
        graph = self._filled_graph(architecture, epoch, step)
        put_statistics_back = self._means.keep(graph.statistics)
        graph.backward(self._scale.value)
        self._exchange.average(graph.parameters, graph.results())
        if not self.move(graph, self._rate(epoch, step)):
            put_statistics_back()

    @full_precision()
    def move(self, graph, rate):
        """Move the weights by the gradients; False when the mini-batch is skipped."""
        parameters = self._before_clipping(graph.parameters)
        norm = self._exchange.clip(parameters, self.config.clip, self._scale.value)
        if self._scale.overflows(graph.loss.data, norm):
            return False
        if not self._means.admit(graph.measured(), guards=[norm, *graph.sum_of_statistics()]):
            return False
        self._update(graph, rate)
        return True

    def learning_rate(self, epoch, step):
        """Of mini-batch `step` of `epoch`."""
        return self._schedule.at(epoch, step, self.steps(epoch)) * self.rate_factor

    def averages(self):
        """Dict of what the mini-batches since `reset_averages` measured, unless all were skipped; how many were if any."""
        return self._shown(self._means.means()) | self._scale.figures()

    def lap(self):
        """As `averages`, of the mini-batches since the last `lap`, and nothing but what they measured."""
        return self._shown(self._means.lap())

    def reset_averages(self):
        """Begin new averages."""
        self._means.reset()

    def epoch_done(self, measures):
        """Given what was measured after each epoch so far; returns lines for the user."""
        return []

    def weights(self):
        """The weights to keep: dict of name -> Variable."""
        return self.network.scope.all()

    def state(self):
        """Groups of arrays for a checkpoint."""
        groups = {"child": self._arrays(), "child_optimizer": self._optimizer_state(), "measured": self._means.state()}
        return groups | self._scale.state()

    def restore(self, groups):
        """Take up a `state()`."""
        self.network.scope.assign(groups["child"])
        self._restore_optimizer(groups["child_optimizer"])
        self._means.restore(groups["measured"])
        self._scale.restore(groups)

    def _rate(self, epoch, step):
        return self.learning_rate(epoch, step)

    def _before_clipping(self, parameters):
        """Change the gradients, which are still those of the scaled loss. Returns the parameters to move."""
        return parameters

    def _arrays(self):
        return self.network.scope.arrays()


class TrainingGraph:
    """Loss of one architecture on a mini-batch, with the parameters it uses.

    `used`: dict of name -> Variable, parameters and running statistics; `loss`: scalar, which is shown; `total`: scalar, which
    is minimized; `beside`: Variables computed with it; `figures`: those that are means over all processes, like the loss.
    """

    def __init__(self, used, loss, total, beside, figures):
        self.parameters = {name: variable for name, variable in used.items() if variable.need_grad}
        self.statistics = [variable for variable in used.values() if not variable.need_grad]  # running ones
        self._sum_of_statistics = _sum(self.statistics)
        self.loss, self._total, self._beside, self._figures = loss, total, beside, figures
        for variable in (loss, *beside):
            variable.persistent = True

    def backward(self, scale=1.0):
        """Forward and backward; the gradients of `parameters` hold those of `scale` times the total loss alone."""
        for parameter in self.parameters.values():
            parameter.grad.zero()
        nn.forward_all([self._total, *self._beside], clear_no_need_grad=True)
        self._total.backward(scale, clear_buffer=True)

    def results(self):
        """NdArrays that are means over the processes: gradients, running statistics, loss and figures."""
        gradients = [parameter.grad for parameter in self.parameters.values()]
        return [*gradients, *(variable.data for variable in [*self.statistics, self.loss, *self._figures])]

    def sum_of_statistics(self):
        """List of one NdArray of one element, the sum of the running statistics as they are now; empty if there are none."""
        if self._sum_of_statistics is None:
            return []
        self._sum_of_statistics.forward()
        return [self._sum_of_statistics.data]


@full_precision()
def _sum(variables):
    """Variable: the sum of all elements of some (1, channels, 1, 1), not finite unless all are; None without any."""
    if not variables:
        return None
    total = F.sum(F.concatenate(*variables, axis=1))
    total.persistent = True
    return total


class Graphs:
    """The graphs of one architecture, by what they are for; those of the next one take their memory."""

    def __init__(self):
        self._architecture, self._graphs = None, {}

    def get(self, architecture, key, make):
        """The graph `key` of an architecture, which `make()` builds when there is none."""
        if self._architecture != architecture:
            self.forget()
            self._architecture = architecture
        if key not in self._graphs:
            self._graphs[key] = make()
        return self._graphs[key]

    def forget(self):
        """Build anew what is asked for next."""
        self._architecture = None
        self._graphs.clear()
