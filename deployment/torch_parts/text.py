"""Parts of language models. `Network` is that of one exported model; what it is here is an example."""

import json
import pathlib

import torch
from torch import nn

from deployment.torch_parts.files import read_safetensors


def gated(previous, both, function):
    """previous, moved towards function(first half of `both`) as far as the gate, the second half, is open."""
    value, gate = both.chunk(2, dim=-1)
    return previous + torch.sigmoid(gate) * (function(value) - previous)


def identity(value):
    """value itself."""
    return value


class LanguageModel(nn.Module):
    """Takes words, gives logits: the embedding, `step` for each word, and the embedding again."""

    def __init__(self, words, size):
        super().__init__()
        self.words = words  # the vocabulary: a word's place in this list is its number
        self.embedding = nn.Embedding(len(words), size)
        self.word = nn.Linear(size, 2 * size, bias=False)

    def forward(self, words, state=None):
        """(logits, state) for numbers of words (length, batch).

        logits (length, batch, vocabulary) are of the words that follow, `state` (batch, size) is where the next words go on;
        the first ones begin with None.
        """
        if state is None:
            state = self.embedding.weight.new_zeros(words.shape[1], self.embedding.embedding_dim)
        states = []
        for word in self.word(self.embedding(words)):
            state = self.step(word, state)
            states.append(state)
        return torch.stack(states) @ self.embedding.weight.T, state

    def numbers(self, text):
        """Tensor (length, 1) of the words of a text, which blanks separate; the end of a line is <eos>, an unknown word <unk>."""
        number = {word: number for number, word in enumerate(self.words)}
        words = text.replace("\n", " <eos> ").split()
        return torch.tensor([[number[word if word in number else "<unk>"]] for word in words])


class Network(LanguageModel):
    """The exported model, in place of this one."""

    def __init__(self, words):
        super().__init__(words, 1)

    def step(self, word, state):
        return gated(state, word, identity)


def load(path=None):
    """The trained model, in evaluation mode; `path`: its weights, by default the .safetensors file beside this one."""
    weights, facts = read_safetensors(path or pathlib.Path(__file__).with_suffix(".safetensors"))
    network = Network(json.loads(facts["words"]))
    network.load_state_dict(weights)
    return network.eval()
