"""Judging image networks: the reward of the search and the accuracy on the held-out part."""

import nnabla.functions as F
import numpy as np

from constants import EVALUATION_BATCH
from datasets.batches import evaluation_batches
from training.image_inputs import held_images
from training.processes import SINGLE
from training.randomness import generator
from training.trainer import Graphs
from wording import figure

RIGHT, WRONG, NOT_FINITE = 0, 1, 2  # verdicts on an output


class ImageEvaluator:
    """Measures architectures of `network` on the held-out images of an `ImageData`; a quality is an accuracy.

    `statistics`: `layers.BATCH` or `layers.RUNNING`; `settle()` brings the weights up to date before they are read. An output
    that is not finite is a wrong answer: it costs the reward and the accuracy. After `reward` and `validate` `not_finite` is
    the share of such outputs; after `validate` `confusion` (classes, classes) counts the others, a row for each label, a column
    for each answer.
    """

    measure_name = "accuracy"
    part = "Test"  # what `validate` measures on when retraining

    def __init__(self, network, data, config, statistics, settle):
        self.graphs = Graphs()
        self.not_finite, self.confusion = 0.0, None
        self._network, self._held_out, self._config, self._statistics = network, data.held_out, config, statistics
        self._settle, self._mirrored = settle, getattr(config, "evaluate_only", False) and config.mirrored
        self._images = held_images(data.held_out, data.normalizer)

    def reward(self, architecture, batches, *position):
        """Accuracy on `batches` mini-batches, of the training's size, drawn from the held-out part for this position."""
        rng, number, size = generator(self._config.seed, "reward", *position), len(self._held_out), self._config.batch_size
        order = np.concatenate([rng.permutation(number) for _ in range(-(-batches * size // number))])
        rows = [order[first : first + size] for first in range(0, batches * size, size)]
        chance = rng if getattr(self._config, "reward_dropout", False) else None
        judged = [self.verdicts(architecture, indices, chance) for indices in rows]
        self.not_finite = float(np.mean([verdict == NOT_FINITE for verdict in judged]))
        return float(np.mean([(verdict != RIGHT).mean(dtype=np.float32) for verdict in judged]) * -1 + 1)

    def probe(self, architecture):
        """Do for a clock what a mini-batch of a reward takes, with an architecture that has all its weights; nothing moves."""
        indices = np.arange(self._config.batch_size) % len(self._held_out)
        self._graph(architecture, len(indices)).verdicts_on(indices)

    def validate(self, architecture, pause=lambda: None, processes=SINGLE):
        """Accuracy on the whole held-out part. `pause()` is called between mini-batches; it may end the process.

        The `processes` share out the mini-batches; all call `pause` equally often.
        """
        number = len(self._held_out)
        right, not_finite, confusion = 0, 0, np.zeros((self._network.num_classes,) * 2, int)
        for indices, count in _dealt_out(evaluation_batches(number, min(EVALUATION_BATCH, number)), processes):
            judged = self.verdicts(architecture, indices)[:count]
            right += (judged == RIGHT).sum()
            not_finite += (judged == NOT_FINITE).sum()
            answered = np.flatnonzero(judged != NOT_FINITE)
            answers = self._graph(architecture, len(indices)).answers()[answered]
            np.add.at(confusion, (self._held_out.labels[indices[answered]], answers), 1)
            pause()
        self.confusion = processes.sum(confusion)
        self.not_finite = float(processes.sum(not_finite) / number)
        return float(processes.sum(right) / number)

    def final_quality(self, architecture, last, pause):
        """On the test set; `validate` has measured it already: `last`."""
        return last

    def measure(self, quality):
        """The number to show and to record for a reward or a validation result: the accuracy itself."""
        return quality

    def goal(self, config):
        """The quality at which a search may stop."""
        return config.early_stop_over

    def describe(self, quality):
        """A reward or validation result in words."""
        return figure("accuracy", quality)

    def verdicts(self, architecture, indices, rng=None):
        """Array (batch,) of RIGHT, WRONG and NOT_FINITE for the held-out images of `indices` (batch,).

        `rng`: what the dropout of training is drawn from; None: there is none.
        """
        graph = self._graph(architecture, len(indices), rng is not None)
        self._settle()  # the graph may have made new weights
        return graph.verdicts_on(indices, rng)

    def _graph(self, architecture, batch_size, dropout=False):
        def make():
            inputs, mirrored = self._images.inputs(batch_size), self._mirrored and not dropout
            return EvaluationGraph(self._network, architecture, inputs, self._statistics, dropout, mirrored)

        return self.graphs.get(architecture, (batch_size, dropout), make)


class EvaluationGraph:
    """Answers of one architecture, without dropout and drop path unless `dropout`.

    `mirrored`: by the sum of the probabilities of an image and of its mirror image.
    """

    def __init__(self, network, architecture, inputs, statistics, dropout=False, mirrored=False):
        self._inputs = inputs
        outputs = network.build(inputs.images, architecture, statistics, dropout)
        self._scores, self._masks = outputs.logits, outputs.masks.items
        if mirrored:
            other = network.build(F.flip(inputs.images, axes=[3]), architecture, statistics)
            self._scores = F.softmax(outputs.logits) + F.softmax(other.logits)
        self._scores.persistent = True
        self._verdicts = verdicts(self._scores, inputs.labels)

    def verdicts_on(self, indices, rng=None):
        """Array (batch,) of RIGHT, WRONG and NOT_FINITE for the images of `indices` (batch,); `rng`: for the dropout."""
        self._inputs.fill(indices)
        for mask in self._masks:
            mask.draw(rng, progress=1.0)
        self._verdicts.forward(clear_buffer=True)
        return self._verdicts.d[:, 0].copy()

    def answers(self):
        """Array (batch,): the class that the network holds most likely, after `verdicts_on`."""
        return self._scores.d.argmax(axis=1)


def verdicts(logits, labels):
    """Variable (batch, 1) of RIGHT, WRONG and NOT_FINITE; logits or other scores (batch, classes), labels (batch, 1).

    In the graph, so that one small array is all that the host waits for. NNabla's own error of a row that is not finite is 0.
    """
    zero = F.sum(F.mul_scalar(logits, 0.0), axis=1, keepdims=True)  # NaN where a logit is not finite
    wrong = F.top_n_error(logits, labels)
    return F.where(F.equal(zero, zero), wrong, F.constant(NOT_FINITE, wrong.shape))


def _dealt_out(batches, processes):
    """The mini-batches of this process; where there are fewer than of another, one of which nothing counts."""
    missing = -len(batches) % processes.size
    batches = batches + [(batches[-1][0], 0)] * missing
    return batches[processes.rank :: processes.size]
