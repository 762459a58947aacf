"""The controller: an LSTM policy over the architectures of a search space; the classes of the image spaces.

A controller is ONE static graph, built once per run, in which a batch of candidates is sampled by adding
Gumbel noise to the logits and taking the largest: `argmax(logits + noise)` is a draw from `softmax(logits)`.
The noise is an input, so whoever owns the generators owns the sample, and a given architecture is evaluated
by noise that leaves the policy no choice.
"""

from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F
import numpy as np

from constants import CONTROLLER_ADAM, CONTROLLER_RANGE
from models.parameters import constant, uniform
from search_spaces.macro import MacroArchitecture
from search_spaces.micro import MicroArchitecture

FORCED = 1e4  # noise that outweighs every logit


@dataclass(frozen=True)
class Sample:
    """Architectures and what the policy says of each; arrays are float32 `(candidates,)`."""

    architectures: list
    log_probability: np.ndarray  # sum of log p over the choices made, negative
    entropy: np.ndarray  # nats; see each controller for how it is counted
    skip_penalty: np.ndarray  # macro only, else 0


def shape_logits(logits, temperature, tanh_constant):
    """`tanh_constant * tanh(logits / temperature)` (Bello et al. 2017, arXiv:1611.09940); None: without."""
    if temperature is not None:
        logits = logits / temperature
    if tanh_constant is not None:
        logits = tanh_constant * F.tanh(logits)
    return logits


def lstm_step(scope, x, state, initializer, biased=False):
    """One step of a stacked LSTM, without bias unless `biased`; `x` (batch, size), `state` a list of (c, h) per layer.

    Each layer has one matrix `(2 size, 4 size)` on [x, h]; gates in the order input, forget, output,
    candidate (authors' code). Returns the new state; the output is h of its last pair.
    """
    batch, size = x.shape
    new_state = []
    for layer, (c, h) in enumerate(state):
        weight = scope.get(f"lstm/layer_{layer}/W", (2 * size, 4 * size), initializer)
        bias = scope.get(f"lstm/layer_{layer}/b", (4 * size,), constant(0)) if biased else None
        gates = F.affine(F.concatenate(x, h, axis=1), weight, bias)
        sigmoids = F.reshape(F.sigmoid(gates[:, : 3 * size]), (batch, 3, size))
        input_gate, forget_gate, output_gate = F.split(sigmoids, axis=1)
        c = input_gate * F.tanh(gates[:, 3 * size :]) + forget_gate * c
        x = output_gate * F.tanh(c)
        new_state.append((c, x))
    return new_state


class Choices:
    """The choices made in one graph, each drawn with its part of `noise` (batch, sum of all widths)."""

    def __init__(self, noise):
        self._noise, self._used = noise, 0
        self._indices, self._logits, self._chosen, self._probabilities = [], {}, {}, []

    def draw(self, logits):
        """Draw `n` times among `k` actions, `logits` (batch, n, k); the one-hot result has no gradient."""
        batch, n, k = logits.shape
        noise = F.reshape(self._noise[:, self._used : self._used + n * k], logits.shape)
        self._used += n * k
        index = F.max(logits + noise, axis=2, only_index=True)
        index.need_grad = False
        chosen = F.one_hot(F.reshape(index, (batch, n, 1)), (k,))
        self._indices.append(index)
        self._probabilities.append(F.reshape(F.softmax(logits, axis=2), (batch, n * k)))
        self._logits.setdefault(k, []).append(logits)
        self._chosen.setdefault(k, []).append(chosen)
        return chosen

    def indices(self):
        """(batch, choices): the number of each action, in the order of drawing."""
        return _concatenate(self._indices)

    def log_probability(self):
        """(batch,): sum over all choices of log p(action)."""
        return F.add_n(*[F.sum(log_p * chosen, axis=(1, 2)) for log_p, chosen in self._records()])

    def entropy(self):
        """(batch,): sum over all choices of the entropy of the distribution that was drawn from."""
        return F.add_n(*[-1 * F.sum(F.exp(log_p) * log_p, axis=(1, 2)) for log_p, _ in self._records()])

    def sampled_entropy(self):
        """(batch,): sum over all choices of -p log p of the drawn action alone (authors' code)."""
        chosen_log_p = [F.sum(log_p * chosen, axis=2) for log_p, chosen in self._records()]
        return F.add_n(*[-1 * F.sum(F.exp(log_p) * log_p, axis=1) for log_p in chosen_log_p])

    def probabilities(self):
        """(batch, sum of all widths): of every action, given the choices before it, in the order of drawing."""
        return _concatenate(self._probabilities)

    def _records(self):
        """Choices of equal width together: (log p, one-hot action), both (batch, choices, width)."""
        for width, logits in self._logits.items():
            yield F.log_softmax(_concatenate(logits), axis=2), _concatenate(self._chosen[width])


class Controller:
    """What all controllers share: sampling, evaluating, the policy gradient.

    A subclass builds the policy (`_build`, draws what `space.decisions()` lists, returns entropy and skip
    penalty, both (batch,)) and translates an architecture to and from its action numbers in the order of
    drawing.
    """

    # Weights start uniform in +- initial_range; the constants of the optimizer.
    initial_range, adam = CONTROLLER_RANGE, CONTROLLER_ADAM

    def __init__(self, space, options, scope, num_candidates):
        """`num_candidates` is the batch of the graph; the methods take any number and work in batches of it.

        `options` has lstm_size, lstm_layers, temperature, tanh_constant (the last two: None for none) and
        what the class of the space adds; `biased`, if it is there and true: every layer has a bias, as in NNabla's example.
        """
        self.space, self.options, self.scope, self.num_candidates = space, options, scope, num_candidates
        self._initializer, self._biased = uniform(self.initial_range), getattr(options, "biased", False)
        self._offsets = np.cumsum([0, *(len(decision.options) for decision in space.decisions())])
        self._noise = nn.Variable((num_candidates, int(self._offsets[-1])))
        self._advantage = nn.Variable((num_candidates,))
        self._weight = nn.Variable((num_candidates,))
        self._zero = F.constant(0, (num_candidates, options.lstm_size))
        self._start = F.broadcast(self._weights("start", 1, options.lstm_size), self._zero.shape)
        choices = Choices(self._noise)
        entropy, skip_penalty = self._build(choices)
        log_probability = choices.log_probability()
        self._probabilities = choices.probabilities()
        self._outputs = [choices.indices(), log_probability, entropy, skip_penalty]
        penalty = (getattr(options, "skip_weight", None) or 0) * skip_penalty
        self._loss = F.sum(self._weight * (penalty - log_probability * self._advantage))

    def parameters(self):
        """Ordered dict: full name -> Variable, everything that is trained."""
        return self.scope.trainable()

    def draw_noise(self, rng_of, count=None):
        """Noise (count, noise width) for `sample`; row i is drawn from the generator `rng_of(i)` alone.

        `count`: how many candidates, by default a full batch.
        """
        width = int(self._offsets[-1])
        rows = range(self.num_candidates if count is None else count)
        return np.stack([rng_of(i).gumbel(size=width) for i in rows]).astype(np.float32)

    def sample(self, noise):
        """The architectures that `noise` (candidates, noise width) draws from the policy, as a `Sample`."""
        actions, *results = self._forward(noise)
        return Sample([self._from_actions(row) for row in actions.astype(np.int64)], *results)

    def probabilities(self, noise):
        """float32 (noise width,): of every action, in the order of the space's decisions and their options.

        Means over the candidates that `noise` draws of the probabilities given the choices before: with many candidates how
        often the policy makes each choice, whatever the others are.
        """
        return self._forward(noise, [self._probabilities])[0].mean(axis=0)

    def forcing_noise(self, architectures):
        """Noise (candidates, noise width) with which `sample` draws these. Raises UserError if one is not of this space."""
        for architecture in architectures:
            self.space.contains(architecture)
        actions = np.stack([self._to_actions(architecture) for architecture in architectures])
        noise = np.zeros((len(actions), self._offsets[-1]), np.float32)
        np.put_along_axis(noise, self._offsets[:-1] + actions, FORCED, axis=1)
        return noise

    def backward(self, noise, advantage, count=None):
        """Leave the gradient of the loss in the parameters; returns the loss (REINFORCE, paper section 2.2).

        loss = sum over the given candidates of (-log p * advantage + skip_weight * skip_penalty) / count;
        `noise` is that of the sample, `advantage` (candidates,). `count`: the number of candidates the mean
        is over, by default these; a process that owns a part of them gives the number of all.
        """
        for variable in self.parameters().values():
            variable.grad.zero()
        weight = np.full(len(advantage), 1 / (count or len(advantage)))
        loss = 0.0
        for rows in self._batches(len(advantage)):
            _fill(self._noise, noise[rows])
            _fill(self._advantage, advantage[rows])
            _fill(self._weight, weight[rows])
            self._loss.forward()
            self._loss.backward()
            loss += float(self._loss.d)
        return loss

    def _forward(self, noise, outputs=None):
        outputs = outputs or self._outputs
        parts = []
        for rows in self._batches(len(noise)):
            _fill(self._noise, noise[rows])
            nn.forward_all(outputs)
            parts.append([output.d[: rows.stop - rows.start].copy() for output in outputs])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _batches(self, count):
        size = self.num_candidates
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def _weights(self, name, *shape):
        return self.scope.get(name, shape, self._initializer)

    def _zero_state(self):
        return [(self._zero, self._zero)] * self.options.lstm_layers

    def _bias(self, name, size):
        """The bias of a layer, None where there are none."""
        return self.scope.get(name, (size,), constant(0)) if self._biased else None

    def _step(self, x, state):
        return lstm_step(self.scope, x, state, self._initializer, self._biased)

    def _project(self, h, name):
        """h W (batch, size) with one of the attention's square matrices."""
        size = self.options.lstm_size
        return F.affine(h, self._weights(f"attention/{name}", size, size), self._bias(f"attention/{name}_b", size))

    def _attend(self, h, projections):
        """Logits (batch, k), shaped, of v' tanh(W1 anchor + W2 h); `projections` are the k W1 anchor."""
        batch, size = h.shape
        query = F.reshape(self._project(h, "W2"), (batch, 1, size))
        keys = F.tanh(F.stack(*projections, axis=1) + F.broadcast(query, (batch, len(projections), size)))
        scores = F.affine(keys, self._weights("attention/v", size, 1), self._bias("attention/v_b", 1), base_axis=2)
        return self._shape(F.reshape(scores, (batch, len(projections))))

    def _shape(self, logits):
        return shape_logits(logits, self.options.temperature, self.options.tanh_constant)


class MacroController(Controller):
    """Policy over `MacroArchitecture`: per layer an operation, then its skip bits.

    More options: `skip_prob` (target fraction of skips, between 0 and 1), `skip_weight` (None: no penalty).
    The entropy is -p log p of the sampled actions; the skip penalty is the mean over the layers with skips of
    sum s log(s / [1 - target, target]), s = sigmoid(logits) (both: authors' code).
    """

    def _build(self, choices):
        x, state = self._start, self._zero_state()
        anchors, projections, skip_logits = [], [], []
        for layer in range(self.space.num_layers):
            state = self._step(x, state)
            state = self._step(self._operation(choices, state[-1][1]), state)
            h = state[-1][1]
            if layer == 0:
                x = self._start
            else:
                skip_logits.append(self._attend(h, projections))
                x = _draw_skips(choices, skip_logits[-1], anchors)
            anchors.append(h)
            projections.append(self._project(h, "W1"))
        return choices.sampled_entropy(), self._skip_penalty(skip_logits)

    def _operation(self, choices, h):
        """Draw an operation; returns its embedding (batch, size), the next input."""
        size, num_ops = self.options.lstm_size, self.space.num_ops
        logits = self._shape(F.affine(h, self._weights("operation/W", size, num_ops), self._bias("operation/b", num_ops)))
        return F.affine(draw_one(choices, logits), self._weights("embedding", num_ops, size))

    def _skip_penalty(self, skip_logits):
        target, logits = self.options.skip_prob, _concatenate(skip_logits)
        log_skip, log_none = F.log_sigmoid(logits), F.log_sigmoid(-1 * logits)
        divergence = F.exp(log_skip) * (log_skip - np.log(target))
        divergence += F.exp(log_none) * (log_none - np.log(1 - target))
        return F.sum(divergence, axis=1) / len(skip_logits)

    def _to_actions(self, architecture):
        numbers = architecture.to_numbers()
        numbers[self._places()] = [self.space.operations.index(name) for name in architecture.operations]
        return numbers

    def _from_actions(self, actions):
        numbers, places = np.array(actions), self._places()
        numbers[places] = np.array(self.space.numbers())[numbers[places]]
        return MacroArchitecture.from_numbers(numbers)

    def _places(self):
        """Where the operations stand among the numbers of an architecture."""
        return [layer * (layer + 1) // 2 for layer in range(self.space.num_layers)]


class MicroController(Controller):
    """Policy over `MicroArchitecture`: per node two inputs, then two operations.

    The reduction cell goes on from the LSTM state of the normal cell. More options: `op_tanh_reduce` (divides
    the tanh constant of the operations), `op_prior` (authors: both biases below; none: zeros, and no fixed
    bias). The entropy is that of the distributions (authors' code).
    """

    first_bias = (10.0, 10.0, 0.0, 0.0, 0.0)  # of the operations, learned from here (authors' code)
    normal_bias = (0.25, 0.25, -0.25, -0.25, -0.25)  # fixed, after tanh, normal cell only

    def _build(self, choices):
        state = self._zero_state()
        normal_bias = constant_row(self._biases(self.normal_bias)) if self.options.op_prior == "authors" else None
        for fixed_bias in (normal_bias, None):
            state = self._cell(choices, state, fixed_bias)
        return choices.entropy(), F.constant(0, (self.num_candidates,))

    def _cell(self, choices, state, fixed_bias):
        """Draw one cell; returns the LSTM state it ends in."""
        anchors, projections = [self._zero] * 2, []
        for _ in range(2):
            state = self._step(self._start, state)
            projections.append(self._project(state[-1][1], "W1"))
        for _ in range(self.space.num_nodes):
            state = self._node(choices, state, anchors, projections, fixed_bias)
            anchors.append(state[-1][1])
            projections.append(self._project(state[-1][1], "W1"))
        return state

    def _node(self, choices, state, anchors, projections, fixed_bias):
        """Draw one node; returns the LSTM state after it, whose output is the node's anchor."""
        x = self._start
        for _ in range(2):
            state = self._step(x, state)
            x = weighted_sum(draw_one(choices, self._attend(state[-1][1], projections)), anchors)
        for _ in range(2):
            state = self._step(x, state)
            x = self._operation(choices, state[-1][1], fixed_bias)
        return self._step(x, state)

    def _operation(self, choices, h, fixed_bias):
        """Draw an operation; returns its embedding (batch, size), the next input."""
        size, num_ops, options = self.options.lstm_size, self.space.num_ops, self.options
        first_bias = self._biases(self.first_bias) if options.op_prior == "authors" else np.zeros(num_ops)
        bias = self.scope.get("operation/b", (num_ops,), lambda rng, shape: first_bias)
        limit = None if options.tanh_constant is None else options.tanh_constant / options.op_tanh_reduce
        logits = F.affine(h, self._weights("operation/W", size, num_ops), bias)
        logits = shape_logits(logits, options.temperature, limit)
        if fixed_bias is not None:
            logits = logits + F.broadcast(fixed_bias, logits.shape)
        return F.affine(draw_one(choices, logits), self._weights("embedding", num_ops, size))

    def _biases(self, biases):
        """Those of the operations that may be chosen; the authors have five, and further ones get the last."""
        return tuple(biases[min(number, len(biases) - 1)] for number in self.space.numbers())

    def _to_actions(self, architecture):
        actions = architecture.to_numbers().reshape(-1, 4)[:, [0, 2, 1, 3]]  # inputs before operations
        positions = {number: position for position, number in enumerate(self.space.numbers())}
        actions[:, 2:] = [[positions[number] for number in pair] for pair in actions[:, 2:].tolist()]
        return actions.ravel()

    def _from_actions(self, actions):
        numbers = np.array(actions).reshape(-1, 4)
        numbers[:, 2:] = np.array(self.space.numbers())[numbers[:, 2:]]
        return MicroArchitecture.from_numbers(numbers[:, [0, 2, 1, 3]].reshape(2, -1))


def draw_one(choices, logits):
    """One draw from `logits` (batch, k); returns the one-hot action (batch, k)."""
    batch, k = logits.shape
    return F.reshape(choices.draw(F.reshape(logits, (batch, 1, k))), (batch, k))


def _draw_skips(choices, logits, anchors):
    """Draw each bit from softmax([-logit, logit]); returns sum of the chosen anchors / (1 + their number)."""
    bits = choices.draw(F.stack(-1 * logits, logits, axis=2))[:, :, 1]
    total = weighted_sum(bits, anchors)
    return total / F.broadcast(1 + F.sum(bits, axis=1, keepdims=True), total.shape)


def weighted_sum(weights, anchors):
    """Sum over k of weights[:, k] * anchors[k]; `weights` (batch, k), each anchor (batch, size)."""
    batch, k = weights.shape
    total = F.batch_matmul(F.reshape(weights, (batch, 1, k)), F.stack(*anchors, axis=1))
    return F.reshape(total, anchors[0].shape)


def constant_row(values):
    """A row (1, k) of fixed numbers in the graph."""
    variable = nn.Variable.from_numpy_array(np.float32(values)[None])
    variable.persistent = True
    return variable


def _concatenate(parts):
    """Along axis 1; NNabla's own refuses a single part."""
    return F.concatenate(*parts, axis=1) if len(parts) > 1 else parts[0]


def _fill(variable, values):
    """Set the first rows of an input and zero the others."""
    padded = np.zeros(variable.shape, np.float32)
    padded[: len(values)] = values
    variable.d = padded
