"""The recurrent language model: the searched cell unrolled over a segment of text, embedding and output weights tied.

Sources: arXiv:1802.03268, section 2.1 and appendix A, and the authors' corrected language-model code; no biases. Text is
time-major, (length, batch): a time step is a slice.
"""

from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F

from models import layers
from models.inputs import mask_input
from models.parameters import uniform
from models.recurrent_cell import Cell, FoldedCell, NormalizedCell, RunningStatistics


@dataclass(frozen=True)
class Masks:
    """Dropout by place: inputs of the graph that hold zeros and 1 / keep rate. All but `word` are constant over time."""

    word: nn.Variable  # (length, batch, 1): whole words
    embedding: nn.Variable  # (1, batch, size): the embedded word
    input: nn.Variable  # (1, batch, size): what node 0 reads of it, on top of `embedding`
    layer: nn.Variable  # (batch, size): what every node reads of a state or another node
    output: nn.Variable  # (1, batch, size): what the output layer reads

    @staticmethod
    def inputs(length, batch, size):
        """Dict of place -> input (of `models.inputs.mask_input`), to be filled."""
        constant = dict.fromkeys(("embedding", "input", "output"), (1, batch, size))
        shapes = {"word": (length, batch, 1), "layer": (batch, size), **constant}
        return {place: mask_input(shape) for place, shape in shapes.items()}

    @classmethod
    def of(cls, inputs):
        """Those in the graph of `inputs`."""
        return cls(**{place: mask.value for place, mask in inputs.items()})


@dataclass(frozen=True)
class LanguageModel:
    """Language models of all recurrent architectures over one set of weights; a weight is made when it is first used.

    The weight of a node belongs to its number, its previous node and its function: a search shares what architectures
    have in common, and retraining one makes the weights of that one alone.
    """

    scope: object  # ParameterScope
    num_words: int
    size: int  # D, of the embedding and of the hidden state
    initial_range: float  # weights start uniform in +- this
    normalized: bool = False  # batch normalization between the nodes (authors' first code, in its search)

    def hidden_states(self, words, state, architecture, masks=None, statistics=None):
        """(length, batch, size): the cell's output after each of `words` (length, batch), from `state` (batch, size).

        Normalized by the rows in training, that is with `masks`, else by running statistics. `statistics`: `RunningStatistics` to
        add those of the rows to.
        """
        cell = self._cell(architecture, masks, words.shape[1], statistics)
        states = []
        for word in cell.read(words):
            state = cell.step(word, state)
            states.append(state)
        return F.stack(*states, axis=0)

    def _cell(self, architecture, masks, rows, statistics):
        if not self.normalized:
            return Cell(self, architecture, masks, rows)
        if masks is None:
            return FoldedCell(self, architecture, masks, rows)
        return NormalizedCell(self, architecture, masks, rows, statistics or RunningStatistics())

    def next_state(self, word, state, architecture):
        """(batch, size): the cell's output after one `word` (batch, 1), from `state` (batch, size)."""
        cell = self._cell(architecture, None, word.shape[0], None)
        return cell.step(cell.read_one(word), state)

    def cross_entropy(self, hidden, following, masks=None):
        """(length, batch, 1), nats: -log p of the words that follow, from hidden states (length, batch, size)."""
        if masks:
            hidden = layers.masked(hidden, masks.output)
        return layers.softmax_cross_entropy(hidden, self.embedding(), following, training=masks is not None)

    def logits(self, hidden):
        """(..., words) of the words that follow hidden states (..., size), without dropout: for a use that has no labels."""
        return F.affine(hidden, F.transpose(self.embedding(), (1, 0)), base_axis=len(hidden.shape) - 1)

    def embedding(self):
        """The parameter (words, size) that both ends of the network use."""
        return self.parameter("embedding/W", (self.num_words, self.size))

    def make_weights(self, space):
        """Make the weights of all cells of a `RecurrentSpace`, instead of each when it is first used."""
        for architecture in space.covering():
            self.hidden_states(nn.Variable((1, 1)), nn.Variable((1, self.size)), architecture)

    def parameter(self, name, shape):
        """The weight `name`."""
        return self.scope.get(name, shape, uniform(self.initial_range))
