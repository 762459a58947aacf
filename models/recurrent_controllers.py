"""The controllers of the recurrent space: that of the corrected language-model code; of the first one, for the old arc form."""


import nnabla.functions as F
import numpy as np

from constants import RECURRENT_CONTROLLER_ADAM, RECURRENT_CONTROLLER_RANGE
from models.controller import Controller, constant_row, draw_one, weighted_sum
from search_spaces.recurrent import OLD, RecurrentArchitecture


def recurrent_controller(space, options, scope, num_candidates):
    """The controller of a `RecurrentSpace`, as its arc form says."""
    kind = OldRecurrentController if space.form == OLD else RecurrentController
    return kind(space, options, scope, num_candidates)


class _Base(Controller):
    """Per node the previous node, then the function. A subclass says how a policy begins, with the first input, state, anchor and
    projected anchor (`_begin`), and what weighs a function's logits.

    The entropy is -p log p of the sampled actions (authors' code, both).
    """

    distance_divisor = 6  # a previous node's logit falls by distance^2 / this (authors' code, both)

    def _build(self, choices):
        x, state, anchor, projection = self._begin(choices)
        anchors, projections = [anchor], [projection]
        for _ in range(self.space.num_nodes):
            state = self._step(x, state)
            h = state[-1][1]
            state = self._step(self._previous(choices, h, anchors, projections), state)
            x = self._function(choices, state[-1][1])
            anchors.append(h)
            projections.append(self._project(h, "W1"))
        return choices.sampled_entropy(), F.constant(0, (self.num_candidates,))

    def _previous(self, choices, h, anchors, projections):
        """Draw the previous node; returns its anchor / (0.1 + distance), (batch, size), the next input."""
        distance = np.arange(len(anchors), 0, -1)
        logits = self._attend(h, projections)
        logits = logits - F.broadcast(constant_row(distance**2 / self.distance_divisor), logits.shape)
        chosen = draw_one(choices, logits)
        return weighted_sum(chosen * F.broadcast(constant_row(1 / (0.1 + distance)), chosen.shape), anchors)

    def _function(self, choices, h):
        """Draw a function; returns its embedding (batch, size), the next input."""
        embedding = self._weights("embedding", len(self.space.functions), self.options.lstm_size)
        logits = self._shape(F.affine(h, self._function_weights(embedding)))
        return F.affine(draw_one(choices, logits), embedding)

    def _to_actions(self, architecture):
        return architecture.to_numbers()

    def _from_actions(self, actions):
        return RecurrentArchitecture.from_numbers(actions)


class RecurrentController(_Base):
    """Policy over cells of the new arc form: node 0 has nothing to choose, and zeros stand for it.

    The embedding of the functions also gives their logits (authors' corrected language-model code).
    """

    initial_range, adam = RECURRENT_CONTROLLER_RANGE, RECURRENT_CONTROLLER_ADAM

    def _begin(self, choices):
        return self._start, self._zero_state(), self._zero, self._zero

    def _function_weights(self, embedding):
        return F.transpose(embedding, (1, 0))


class OldRecurrentController(_Base):
    """Policy over cells of the old arc form: node 0 chooses its function, and what the LSTM makes of the start stands for it.

    The logits of the functions have a matrix of their own (authors' first language-model code).
    """

    def _begin(self, choices):
        state = self._step(self._start, self._zero_state())
        anchor = state[-1][1]
        state = self._step(self._start, state)
        return self._function(choices, state[-1][1]), state, anchor, self._project(anchor, "W1")

    def _function_weights(self, embedding):
        return self._weights("function/W", self.options.lstm_size, len(self.space.functions))
