"""Training and judging child networks on images: what the search and the retraining loop know of a network."""

from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F
import numpy as np

from datasets.batches import Split, epoch_order, evaluation_batches
from deployment.complexity import image_network_cost
from deployment.export import network_facts
from models import layers
from training.divergence import MiniBatchMeans
from training.image_inputs import Augmentation, held_images
from training.loss_scale import LossScale
from training.momentum import OPTIMIZERS, IdleWeights
from training.optimizers import CLIPPINGS, LearningRate
from training.precision import full_precision
from training.processes import SINGLE
from training.randomness import generator
from wording import percent

EVALUATION_BATCH = 100
RIGHT, WRONG, NOT_FINITE = 0, 1, 2  # verdicts on an output


@dataclass(frozen=True)
class ImageData:
    """What is trained on, what is measured on (search: the validation split; retraining: the test set), and how."""

    train: Split
    held_out: Split
    normalizer: object
    pad: int  # pixels of zeros around an image before the random crop
    flip: bool
    cutout: int = 0  # side of the square that CutOut blanks, in pixels; 0: none
    classes: tuple = ()  # their names


@dataclass(frozen=True)
class TrainingSettings:
    """How weights move. `weight_decay` w adds w * weight to the gradient; `clip` bounds the global norm, None: no bound."""

    batch_size: int  # of all processes together
    learning_rate: LearningRate
    epochs: int  # in all, for what depends on the progress of training
    weight_decay: float
    decay_batch_norm: bool
    clip: float | None
    auxiliary_weight: float
    seed: int
    patience: int = 10  # training ends when the loss is not finite in so many mini-batches in a row
    scale_loss: bool = False  # for half precision
    label_smoothing: float = 0.0  # share of the target probability that all classes share evenly
    optimizer: str = "nesterov"  # of `training.momentum.OPTIMIZERS`
    clip_norm: str = "global"  # of `training.optimizers.CLIPPINGS`
    moves_idle: bool = False  # momentum and weight decay act on the weights that are not in use, too

    def decay_exempt(self, name):
        """Is this weight spared by weight decay?"""
        return not self.decay_batch_norm and _is_batch_norm(name)


class ImageTask:
    """Child networks on images: one training step, the reward, the accuracy on the held-out part.

    `network` has `build(images, architecture, statistics, training)` and `scope`; graphs are built for the architecture asked
    for, the last one of each kind is kept. `final_network` is the one whose cost is told: `network` itself if none is given.

    An output that is not finite is a wrong answer: it costs the reward and the accuracy, and `not_finite` is the share of such
    outputs at the last `reward` or `validate`.

    The processes of `group` share out every mini-batch of training. Each normalizes with the statistics of its own share; the
    running statistics are, like gradients and losses, means over the processes, so that all hold the same numbers after a step.
    Where `evaluation_statistics` are those of the mini-batch there are no running ones: nothing would read them.
    """

    measure_name = "accuracy"
    held_out = "Test"  # the part that `validate` measures on when retraining

    def __init__(self, network, data, settings, evaluation_statistics, final_network=None, group=SINGLE):
        self.network, self.data, self.settings, self._group = network, data, settings, group
        self._final_network = final_network or network
        self._statistics = evaluation_statistics
        self._train_images = held_images(data.train, data.normalizer)
        self._held_out_images = held_images(data.held_out, data.normalizer)
        self._optimizer, self._clip = OPTIMIZERS[settings.optimizer](), CLIPPINGS[settings.clip_norm]()
        idle = IdleWeights(self._optimizer, settings.weight_decay, settings.decay_exempt)
        self._idle = idle if settings.moves_idle else None
        self._training, self._evaluation = None, None
        self.not_finite = 0.0
        self._order = (None, None)
        self._scale = LossScale(settings.scale_loss)
        self._measured = MiniBatchMeans(("loss", "wrong"), settings.patience, deferred=False if settings.scale_loss else None)
        self.rate_factor = 1.0  # multiplies the learning rate

    # ---- training -----------------------------------------------------------------------------------------------

    def steps(self, epoch):
        """Mini-batches in an epoch."""
        return -(-len(self.data.train) // self.settings.batch_size)

    def train_step(self, architecture, epoch, step):
        """Move the weights in use on mini-batch `step` of `epoch`, unless loss, gradients or running statistics are not finite.

        On a GPU nothing here waits for the device, in half precision but for the loss scale: the host goes on to the next graph.
        Raises `Diverged` when that happens too often in a row.
        """
        graph = self._training_graph(architecture)
        rng = generator(self.settings.seed, "mini-batch", epoch, step)
        part = self._group.rows(self.settings.batch_size)
        graph.fill(self._epoch_order(epoch)[step], rng, self._progress(epoch, step), part)
        if self._idle:
            self._idle.catch_up(graph.parameters)
        put_statistics_back = self._measured.keep(graph.statistics)
        graph.backward(self._scale.value)
        self._group.average(graph.results())
        if not self._move(graph, self.learning_rate(epoch, step)):
            put_statistics_back()

    @full_precision()
    def _move(self, graph, rate):
        """Move the weights by the gradients; False when the mini-batch is skipped."""
        settings = self.settings
        norm = self._clip(graph.parameters, settings.clip, self._scale.value)
        if self._scale.overflows(graph.loss.data, norm):
            return False
        if not self._measured.admit([graph.loss.data, graph.wrong.data], guards=[norm, *graph.sum_of_statistics()]):
            return False
        self._optimizer.step(graph.parameters, rate, settings.weight_decay, settings.decay_exempt)
        if self._idle:
            self._idle.stepped(graph.parameters, rate)
        return True

    def forget_momentum(self):
        """Begin with a new state of the optimizer, as NNabla's example for every candidate that it trains."""
        self._settle()
        self._optimizer.forget()

    def _settle(self):
        """Bring the weights that are not in use up to date, before somebody reads them."""
        if self._idle:
            self._idle.settle(self.network.scope.trainable())

    def learning_rate(self, epoch, step):
        """Of mini-batch `step` of `epoch`."""
        return self.settings.learning_rate.at(epoch, step, self.steps(epoch)) * self.rate_factor

    def averages(self):
        """Loss and accuracy of the mini-batches since `reset_averages`, unless all were skipped; how many were if any."""
        means = self._measured.means()
        if "wrong" in means:
            means = {"loss": means.pop("loss"), "accuracy": 1 - means.pop("wrong"), **means}
        return means | self._scale.figures()

    def reset_averages(self):
        """Begin new averages."""
        self._measured.reset()

    def epoch_done(self, results):
        """Given the qualities after all epochs so far; returns lines for the user."""
        return []

    def weights(self):
        """The weights to keep: dict of name -> Variable."""
        return self.network.scope.all()

    def forget_graphs(self):
        """Build anew what is asked for next, as if it were another architecture."""
        self._training = self._evaluation = None

    def _progress(self, epoch, step):
        return (epoch + (step + 1) / self.steps(epoch)) / self.settings.epochs

    def _epoch_order(self, epoch):
        if self._order[0] != epoch:
            rng = generator(self.settings.seed, "order", epoch)
            self._order = epoch, epoch_order(len(self.data.train), self.settings.batch_size, rng)
        return self._order[1]

    def _training_graph(self, architecture):
        if self._training is None or self._training.architecture != architecture:
            self._training = None  # its memory serves the next one
            rows, data = self._group.rows(self.settings.batch_size), self.data
            inputs = self._train_images.inputs(rows.stop - rows.start, Augmentation(data.pad, data.flip, data.cutout))
            statistics = layers.BATCH if self._statistics == layers.BATCH else layers.TRAIN
            self._training = TrainingGraph(self.network, architecture, inputs, self.settings, statistics)
        return self._training

    # ---- judging ------------------------------------------------------------------------------------------------

    def reward(self, architecture, batches, *position):
        """Accuracy on `batches` mini-batches, of the training's size, drawn from the held-out part for this position."""
        rng = generator(self.settings.seed, "reward", *position)
        held_out, size = self.data.held_out, self.settings.batch_size
        order = np.concatenate([rng.permutation(len(held_out)) for _ in range(-(-batches * size // len(held_out)))])
        rows = [order[first : first + size] for first in range(0, batches * size, size)]
        judged = [self._verdicts(architecture, indices) for indices in rows]
        self.not_finite = float(np.mean([verdict == NOT_FINITE for verdict in judged]))
        return float(np.mean([(verdict != RIGHT).mean(dtype=np.float32) for verdict in judged]) * -1 + 1)

    def validate(self, architecture, pause=lambda: None, group=SINGLE):
        """Accuracy on the whole held-out part. `pause()` is called between mini-batches; it may end the process.

        The processes of `group` share out the mini-batches; all call `pause` equally often.
        """
        held_out = self.data.held_out
        right, not_finite, confusion = 0, 0, np.zeros((self.network.num_classes,) * 2, int)
        batches = evaluation_batches(len(held_out), min(EVALUATION_BATCH, len(held_out)))
        for indices, count in _dealt_out(batches, group):
            judged = self._verdicts(architecture, indices)[:count]
            right += (judged == RIGHT).sum()
            not_finite += (judged == NOT_FINITE).sum()
            answered = np.flatnonzero(judged != NOT_FINITE)
            np.add.at(confusion, (held_out.labels[indices[answered]], self._evaluation.answers()[answered]), 1)
            pause()
        self._confusion = group.sum(confusion)
        self.not_finite = float(group.sum(not_finite) / len(held_out))
        return float(group.sum(right) / len(held_out))

    def export_facts(self, architecture, options):
        """Dict for JSON of what a trained network is besides its weights; `options`: dict of the retraining's."""
        data = self.data
        return network_facts(architecture, options, data.train.images.shape[1:], data.classes, data.normalizer)

    def evaluation(self, architecture):
        """Dict for JSON of a network that has been validated: what it costs, and which classes it took for which."""
        return vars(self.cost(architecture)) | {"classes": self.data.classes, "confusion": self._confusion.tolist()}

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
        return f"accuracy {percent(quality)}"

    def cost(self, architecture):
        """`Cost` of the final network of an architecture."""
        return image_network_cost(self._final_network, architecture, self.data.train.images.shape[1:])

    def _verdicts(self, architecture, indices):
        """Array (batch,) of RIGHT, WRONG and NOT_FINITE."""
        graph = self._evaluation_graph(architecture, len(indices))
        self._settle()  # the graph may have made new weights
        return graph.verdicts_on(indices)

    def _evaluation_graph(self, architecture, batch_size):
        wanted = architecture, batch_size
        if self._evaluation is None or self._evaluation.made_for != wanted:
            self._evaluation = None
            inputs = self._held_out_images.inputs(batch_size)
            self._evaluation = EvaluationGraph(self.network, architecture, inputs, self._statistics)
        return self._evaluation

    # ---- checkpoints --------------------------------------------------------------------------------------------

    def state(self):
        """Groups of arrays for a checkpoint."""
        weights, measured = self.network.scope.arrays(), self._measured.state()
        groups = {"child": weights, "child_optimizer": self._optimizer.state(), "measured": measured, **self._scale.state()}
        return groups | ({"child_idle": self._idle.state()} if self._idle else {})

    def restore(self, groups):
        """Take up a `state()`."""
        self.network.scope.assign(groups["child"])
        self._optimizer.restore(groups["child_optimizer"], self.network.scope.all())
        if self._idle:
            self._idle.restore(groups["child_idle"])
        self._measured.restore(groups["measured"])
        self._scale.restore(groups)


class TrainingGraph:
    """Loss of one architecture on the mini-batch in `inputs` (see `training.image_inputs`), with the parameters it uses.

    `statistics`: `layers.TRAIN`, or `layers.BATCH` for no running ones.
    """

    def __init__(self, network, architecture, inputs, settings, statistics=layers.TRAIN):
        self.architecture, self._inputs, labels = architecture, inputs, inputs.labels
        with network.scope.record_use() as used:
            outputs = network.build(inputs.images, architecture, statistics, training=True)
        self.parameters = {name: variable for name, variable in used.items() if variable.need_grad}
        self.statistics = [variable for variable in used.values() if not variable.need_grad]  # running ones
        self._sum_of_statistics = _sum(self.statistics)
        self._masks = outputs.masks.items
        smoothing = settings.label_smoothing
        self.loss = mean_cross_entropy(outputs.logits, labels, smoothing)
        self.wrong = F.mean(F.top_n_error(outputs.logits, labels))
        self._total = self.loss
        if outputs.auxiliary_logits is not None:
            self._total = self.loss + settings.auxiliary_weight * mean_cross_entropy(outputs.auxiliary_logits, labels, smoothing)
        self.loss.persistent = self.wrong.persistent = True

    def fill(self, indices, rng, progress, part=slice(None)):
        """Put in the `part` of the mini-batch of `indices` (batch,), and fresh masks."""
        self._inputs.fill(indices, rng, part)
        for mask in self._masks:
            mask.draw(rng, progress, len(indices), part)

    def backward(self, scale=1.0):
        """Forward and backward; the gradients of `parameters` hold those of `scale` times the total loss alone."""
        for parameter in self.parameters.values():
            parameter.grad.zero()
        nn.forward_all([self._total, self.wrong], clear_no_need_grad=True)
        self._total.backward(scale, clear_buffer=True)

    def results(self):
        """NdArrays of what a mini-batch gives: gradients, running statistics, loss and share of wrong answers."""
        gradients = [parameter.grad for parameter in self.parameters.values()]
        return [*gradients, *(variable.data for variable in [*self.statistics, self.loss, self.wrong])]


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


class EvaluationGraph:
    """Answers of one architecture, without dropout and drop path."""

    def __init__(self, network, architecture, inputs, statistics):
        self.made_for, self._inputs = (architecture, inputs.images.shape[0]), inputs
        self._logits = network.build(inputs.images, architecture, statistics).logits
        self._logits.persistent = True
        self._verdicts = verdicts(self._logits, inputs.labels)

    def verdicts_on(self, indices):
        """Array (batch,) of RIGHT, WRONG and NOT_FINITE for the images of `indices` (batch,)."""
        self._inputs.fill(indices)
        self._verdicts.forward(clear_buffer=True)
        return self._verdicts.d[:, 0].copy()

    def answers(self):
        """Array (batch,): the class that the network holds most likely, after `verdicts_on`."""
        return self._logits.d.argmax(axis=1)


def verdicts(logits, labels):
    """Variable (batch, 1) of RIGHT, WRONG and NOT_FINITE; logits (batch, classes), labels (batch, 1).

    In the graph, so that one small array is all that the host waits for. NNabla's own error of a row that is not finite is 0.
    """
    zero = F.sum(F.mul_scalar(logits, 0.0), axis=1, keepdims=True)  # NaN where a logit is not finite
    wrong = F.top_n_error(logits, labels)
    return F.where(F.equal(zero, zero), wrong, F.constant(NOT_FINITE, wrong.shape))


def _dealt_out(batches, group):
    """The mini-batches of this process; where there are fewer than of another, one of which nothing counts."""
    missing = -len(batches) % group.size
    batches = batches + [(batches[-1][0], 0)] * missing
    return batches[group.rank :: group.size]


def mean_cross_entropy(logits, labels, smoothing=0.0):
    """Mean cross-entropy of `logits` (batch, classes) for `labels` (batch, 1), in nats; a scalar Variable.

    With `smoothing` s the target is 1 - s for the label plus s / classes for every class (arXiv:1512.00567, section 7).
    """
    loss = F.mean(F.softmax_cross_entropy(logits, labels))
    if not smoothing:
        return loss
    return (1 - smoothing) * loss - smoothing * F.mean(F.log_softmax(logits))


def _is_batch_norm(name):
    return name.endswith(("/beta", "/gamma"))
