"""The recurrent language model: the searched cell unrolled over a segment of text, embedding and output weights tied.

Sources: arXiv:1802.03268, section 2.1 and appendix A, and the authors' corrected language-model code. No biases, no
normalization. Text is time-major, (length, batch): a time step is a slice.
"""

from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F

from models import layers
from models.parameters import uniform


@dataclass(frozen=True)
class Masks:
    """Dropout by place: inputs of the graph that hold zeros and 1 / keep rate. All but `word` are constant over time."""

    word: nn.Variable  # (length, batch, 1): whole words
    embedding: nn.Variable  # (1, batch, size): the embedded word
    input: nn.Variable  # (1, batch, size): what node 0 reads of it, on top of `embedding`
    layer: nn.Variable  # (batch, size): what every node reads of a state or another node
    output: nn.Variable  # (1, batch, size): what the output layer reads

    @classmethod
    def inputs(cls, length, batch, size):
        """Variables of these shapes, to be filled."""
        constant = 1, batch, size
        shapes = (length, batch, 1), constant, constant, (batch, size), constant
        masks = cls(*(nn.Variable(shape) for shape in shapes))
        for variable in vars(masks).values():
            variable.persistent = True
        return masks


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

    def hidden_states(self, words, state, architecture, masks=None):
        """(length, batch, size): the cell's output after each of `words` (length, batch), from `state` (batch, size)."""
        cell = _Cell(self, architecture, masks)
        states = []
        for word in cell.read(words):
            state = cell.step(word, state)
            states.append(state)
        return F.stack(*states, axis=0)

    def cross_entropy(self, hidden, following, masks=None):
        """(length, batch, 1), nats: -log p of the words that follow, from hidden states (length, batch, size)."""
        if masks:
            hidden = F.mul2(hidden, masks.output)
        return layers.softmax_cross_entropy(hidden, self.embedding(), following, training=masks is not None)

    def logits(self, hidden):
        """(length, batch, words) of the words that follow, without dropout: for a use that has no labels."""
        return F.affine(hidden, F.transpose(self.embedding(), (1, 0)), base_axis=2)

    def embedding(self):
        """The parameter (words, size) that both ends of the network use."""
        return self.parameter("embedding/W", (self.num_words, self.size))

    def parameter(self, name, shape):
        """The weight `name`."""
        return self.scope.get(name, shape, uniform(self.initial_range))


class _Cell:
    """One architecture with its weights. What node 0 gets from the words is one product for a whole segment."""

    def __init__(self, model, architecture, masks):
        self._model, self._masks = model, masks
        self._first_function = architecture.first_function
        first = f"node_0/{architecture.first_function}"
        self._word_weight, self._state_weight = self._weight(f"{first}/W_word"), self._weight(f"{first}/W_state")
        self._nodes = [
            (previous, function, self._weight(f"node_{number}/from_{previous}/{function}/W"))
            for number, (previous, function) in enumerate(architecture.nodes, 1)
        ]
        self._output_nodes = architecture.output_nodes()

    def _weight(self, name):
        """(size, 2 size): what comes out are halves, value and gate."""
        return self._model.parameter(name, (self._model.size, 2 * self._model.size))

    def read(self, words):
        """List of what node 0 gets from each word, (batch, 2 size)."""
        x = F.embed(words, self._model.embedding())
        if self._masks:
            x = F.mul2(F.mul2(x, self._masks.word), F.mul2(self._masks.embedding, self._masks.input))
        products = layers.product(x, self._word_weight)
        if words.shape[0] == 1:
            return [F.reshape(products, products.shape[1:])]
        return F.split(products, axis=0)

    def step(self, word, state):
        """One time step: the state after a word."""
        nodes = [layers.gated_unit(state, self._drop(state), self._state_weight, self._first_function, word)]
        dropped = {}
        for previous, function, weight in self._nodes:
            if previous not in dropped:
                dropped[previous] = self._drop(nodes[previous])
            nodes.append(layers.gated_unit(nodes[previous], dropped[previous], weight, function))
        return _mean([nodes[number] for number in self._output_nodes])

    def _drop(self, x):
        return F.mul2(x, self._masks.layer) if self._masks else x


def _mean(tensors):
    return tensors[0] if len(tensors) == 1 else F.mul_scalar(F.add_n(*tensors), 1 / len(tensors))
