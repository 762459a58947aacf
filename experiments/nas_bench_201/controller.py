"""The controller over spaces of equal choices in a row, such as the cells, and its exact distribution over all of them."""

import nnabla.functions as F
import numpy as np

from experiments.nas_bench_201.space import NUM_CELLS
from models.controller import Controller, draw_one


class ChainController(Controller):
    """LSTM policy over a space of decisions with equal options. The entropy is that of the distributions drawn from."""

    def _build(self, choices):
        x, state, size = self._start, self._zero_state(), self.options.lstm_size
        for decision in self.space.decisions():
            width = len(decision.options)
            state = self._step(x, state)
            logits = self._shape(F.affine(state[-1][1], self._weights("operation/W", size, width)))
            x = F.affine(draw_one(choices, logits), self._weights("embedding", width, size))
        return choices.entropy(), F.constant(0, (self.num_candidates,))

    def _to_actions(self, architecture):
        return architecture.to_numbers()

    def _from_actions(self, actions):
        return self.space.architecture.from_numbers(actions)


def log_policy(controller):
    """float64 (15625,): log-probability of every cell, in the order of its `index`; so of another space.

    Enumerates the tree of choices, an LSTM step for each of its inner nodes (of cells 3,906), all of one depth together.
    """
    weights = {name: array.astype(np.float64) for name, array in controller.scope.arrays().items()}
    options, log_probability = controller.options, np.zeros(1)
    x, state = weights["start"], [(np.zeros((1, options.lstm_size)),) * 2] * options.lstm_layers
    for decision in controller.space.decisions():
        x, state = _lstm_step(weights, x, state)
        log_p = _log_softmax(_shaped(x @ weights["operation/W"], options))
        log_probability = (log_probability[:, None] + log_p).ravel()
        state = [tuple(np.repeat(part, len(decision.options), axis=0) for part in pair) for pair in state]
        x = np.tile(weights["embedding"], (len(x), 1))
    return log_probability


def uniform_log_policy():
    """What chance does, in the form of `log_policy`."""
    return np.full(NUM_CELLS, -np.log(NUM_CELLS))


def _lstm_step(weights, x, state):
    """As `models.controller.lstm_step`; returns the output and the new state."""
    new_state = []
    for layer, (c, h) in enumerate(state):
        gates = np.concatenate([x, h], axis=1) @ weights[f"lstm/layer_{layer}/W"]
        input_gate, forget_gate, output_gate, candidate = np.split(gates, 4, axis=1)
        c = _sigmoid(input_gate) * np.tanh(candidate) + _sigmoid(forget_gate) * c
        x = _sigmoid(output_gate) * np.tanh(c)
        new_state.append((c, x))
    return x, new_state


def _shaped(logits, options):
    if options.temperature is not None:
        logits = logits / options.temperature
    return logits if options.tanh_constant is None else options.tanh_constant * np.tanh(logits)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _log_softmax(logits):
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
